"""Links from the site into the repository: files outside docs/ get a page with their lines, folders one with a list.

In the repository the documents link to each other's files, as its readers expect. On the site, a link to a document
leads to its page, and a link to any other file or folder to a page made here. `[source]` links lead there as well.
"""

import html
import importlib
import inspect
from pathlib import Path

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SCHEME = "repository:"  # until a page knows its own address, and so the way from it
ENDS = (".md", ".ipynb", ".rst")
# Documents outside docs/ that have a page of their own, which includes them; README.md is the start page's other face.
PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "examples/notebook.ipynb": "notebook",
    **{f"benchmarks/reports/{path.name}": f"reports/{path.stem}" for path in ROOT.glob("benchmarks/reports/*.md")},
}
INCLUDED = {page: (ROOT / file).parent for file, page in PAGES.items() if page != "index"}


class RepositoryLinks(SphinxTransform):
    """Point each relative link of a document to a page of the site."""

    default_priority = 5

    def apply(self, **_):
        """Look at each link that MyST found."""
        here = self.env.docname
        base = INCLUDED.get(here, (DOCS / here).parent)
        for node in list(self.document.findall(addnodes.pending_xref)) + list(
            self.document.findall(addnodes.download_reference)
        ):
            if node.get("reftype") != "myst":
                continue
            target, _, anchor = node["reftarget"].partition("#")
            anchor = node.get("reftargetid") or anchor
            if node.get("refdomain") == "doc":  # MyST found a document, whose suffix it cut off
                target = "/" + next(f"{target}{end}" for end in ENDS if (DOCS / f"{target}{end}").exists())
            path = (DOCS / target[1:] if target.startswith("/") else base / target).resolve()
            if not target or not path.exists() or not path.is_relative_to(ROOT):
                continue
            page = page_of(path)
            if page is not None:
                new = addnodes.pending_xref(
                    "", *node.children, **node.attributes | {"refdomain": "doc", "reftarget": page}
                )
                new["reftargetid"] = anchor or None
            else:
                new = nodes.reference("", "", *node.children, refuri=address(path, anchor), internal=True)
            new.source, new.line = node.source, node.line
            node.replace_self(new)


def page_of(path):
    """Return the page of a document, or None."""
    file = path.relative_to(ROOT).as_posix()
    if path.is_relative_to(DOCS) and path.suffix in ENDS:
        return path.relative_to(DOCS).with_suffix("").as_posix()
    return PAGES.get(file)


def address(path, anchor=""):
    """Return the address of a file's page, until that of the linking page is known."""
    return SCHEME + path.relative_to(ROOT).as_posix() + (f"#{anchor}" if anchor else "")


def linkcode_resolve(domain, info):
    """Return the address of the line on which a Python object begins, or None; sphinx.ext.linkcode asks for it."""
    if domain != "py":
        return None
    value = importlib.import_module(info["module"])
    for name in info["fullname"].split("."):
        value = getattr(value, name, None)
    value = value.fget if isinstance(value, property) else inspect.unwrap(value) if callable(value) else value
    try:
        file = Path(inspect.getsourcefile(value)).resolve()
        line = inspect.getsourcelines(value)[1]
    except (TypeError, OSError):
        return None
    return address(file, f"L-{line}") if file.is_relative_to(ROOT) else None


def begin(app):
    """Make room in the environment."""
    app.env.repository_files = getattr(app.env, "repository_files", {})


def remember(app, doctree):
    """Keep the files that a page links to; they get pages."""
    app.env.repository_files[app.env.docname] = {
        node["refuri"].removeprefix(SCHEME).partition("#")[0]
        for node in doctree.findall(nodes.reference)
        if node.get("refuri", "").startswith(SCHEME)
    }


def forget(app, env, docname):
    """Drop what a page linked to before it is read again."""
    env.repository_files.pop(docname, None)


def merge(app, env, docnames, other):
    """Take over what another process has read."""
    env.repository_files |= {name: other.repository_files[name] for name in docnames if name in other.repository_files}


def resolve(app, doctree, docname):
    """Write the way from a page to the page of a file."""
    for node in doctree.findall(nodes.reference):
        if node.get("refuri", "").startswith(SCHEME):
            file, _, anchor = node["refuri"].removeprefix(SCHEME).partition("#")
            node["refuri"] = app.builder.get_relative_uri(docname, f"source/{file}") + (f"#{anchor}" if anchor else "")


def pages(app):
    """Make a page for each file and folder that is linked to."""
    wanted = set().union(*app.env.repository_files.values())
    listed = {path for file in wanted if (ROOT / file).is_dir() for path in (ROOT / file).iterdir()}
    wanted |= {path.relative_to(ROOT).as_posix() for path in listed if path.suffix == ".py"}
    for file in sorted(wanted):
        body = folder_body(app, file, wanted) if (ROOT / file).is_dir() else file_body(file)
        context = {"title": file, "body": f"<h1>{html.escape(file)}</h1>\n{body}", "parents": []}
        yield f"source/{file}", context, "page.html"


def file_body(file):
    """Return a file's lines, numbered and coloured."""
    try:
        lexer = get_lexer_for_filename(file)
    except ClassNotFound:
        lexer = TextLexer()
    form = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True)
    return highlight((ROOT / file).read_text(), lexer, form)


def folder_body(app, folder, wanted):
    """Return the names in a folder, those with a page as links."""
    rows = []
    for path in sorted((ROOT / folder).iterdir()):
        file = path.relative_to(ROOT).as_posix()
        if path.name.startswith((".", "__pycache__")):
            continue
        page = page_of(path) or (f"source/{file}" if file in wanted else None)
        name = html.escape(path.name + "/" * path.is_dir())
        link = app.builder.get_relative_uri(f"source/{folder}", page) if page else None
        rows.append(f'<li><a href="{link}">{name}</a></li>' if link else f"<li>{name}</li>")
    return "<ul>\n" + "\n".join(rows) + "\n</ul>"


def setup(app):
    """Connect all of it."""
    app.add_transform(RepositoryLinks)
    app.connect("builder-inited", begin)
    app.connect("doctree-read", remember, priority=900)  # after linkcode
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
