"""The built site holds together: each link leads somewhere, each page is reached, nothing is loaded from other hosts.

Sphinx runs it after the build, which fails if it finds a fault. Other hosts are not asked.
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("source", "src"), ("iframe", "src"), ("link", "href"), ("video", "src")}
WITHOUT_TLS = {"neuralnetworksanddeeplearning.com"}  # a host that offers only http
STYLE_ADDRESS = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")


class Page(HTMLParser):
    """The addresses that a page names, as (tag, attribute, address), and the fragments that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, str, str]] = []
        self.fragments: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to, and its id."""
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.addresses.append((tag, name, value))
            if name == "srcset" and value:
                self.addresses += [("img", "src", part.split()[0]) for part in value.split(",")]
            if name == "id" or (tag, name) == ("a", "name"):
                self.fragments.add(value or "")


def faults(site: Path) -> list[str]:
    """Return what is wrong with a built site, a line for each fault."""
    site = site.resolve()
    files = [path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] != "_static"]
    pages = {path: Page(path.read_text()) for path in files}
    found: list[str] = []
    ways: dict[Path, set[Path]] = {path: set() for path in pages}
    for path, page in pages.items():
        for tag, attribute, address in page.addresses:
            fault, target = fault_of(path, tag, attribute, address, pages)
            if fault:
                found.append(f"{path.relative_to(site)}: {address}: {fault}")
            if target in pages:
                ways[path].add(target)
    reached, new = set(), {site / "index.html"}
    while new:
        reached |= new
        new = set().union(*(ways[path] for path in new)) - reached
    found += [
        f"{path.relative_to(site)}: no way leads here from the start page; if it is old, delete it"
        for path in pages
        if path not in reached
    ]
    for path in sorted(site.rglob("*.css")):
        addresses = [first or second for first, second in STYLE_ADDRESS.findall(path.read_text())]
        found += [f"{path.relative_to(site)}: {address}: loaded from another host"
                  for address in addresses if urlsplit(address).netloc]  # fmt: skip
    return found


def fault_of(path: Path, tag: str, attribute: str, address: str, pages: dict[Path, Page]) -> tuple[str, Path | None]:
    """Return what is wrong with an address, or nothing; and the file of this site to which it leads, or None."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "not an address", None
    if parts.scheme in ("mailto", "data"):
        return "", None
    if parts.scheme or parts.netloc:
        if (tag, attribute) in LOADED:
            return "loaded from another host", None
        if parts.scheme != "https" and parts.netloc not in WITHOUT_TLS:
            return "not https", None
        return "" if re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc) else "not a host", None
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "no such file", None
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].fragments:
        return "no such place on the page", target
    return "", target


def check(app: object, exception: Exception | None) -> None:
    """Fail the build if its pages have a fault."""
    from sphinx.errors import SphinxError  # here: tests use this module without Sphinx

    if exception is None and app.builder.name == "html":
        found = faults(Path(app.outdir))
        if found:
            raise SphinxError("the site has faults:\n" + "\n".join(found))


def setup(app: object) -> dict[str, bool]:
    """Run the check last."""
    app.connect("build-finished", check, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
