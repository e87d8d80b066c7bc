"""Names of the API in the documents become links: `EarlyStopping`, `Network.fit`, `net.fit`, `hotloop.datasets`."""

import re

from api_pages import MODULES, RETURNED, full_names
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

PAGES = {name.rpartition(".")[2]: name for name in sum(map(full_names, MODULES), RETURNED)}
NAME = re.compile(r"(hotloop|net|[A-Z]\w+)((?:\.\w+)*)(?:\(.*\))?")


def target(text):
    """Return the full name of what a piece of code names, or None; "relu" is a string of the API, not its kernel."""
    found = NAME.fullmatch(text)
    if not found or text in ("hotloop", "net"):
        return None
    first, rest = found.groups()
    if first == "hotloop":
        return first + rest
    whole = "hotloop.Network" if first == "net" else PAGES.get(first)
    return whole and whole + rest


class Names(SphinxTransform):
    """Make a reference of each piece of code that is a public name; without a page it stays code."""

    default_priority = 6

    def apply(self, **_):
        """Look at the code in the text of a document; docstrings have their own references."""
        if not self.env.docname.startswith(("api/", "gallery/", "commands/")):
            for node in list(self.document.findall(nodes.literal)):
                name = None if isinstance(node.parent, nodes.reference) else target(node.astext())
                if name and not any(isinstance(parent, (nodes.title, addnodes.pending_xref)) for parent in above(node)):
                    reference = addnodes.pending_xref(
                        "", refdomain="py", reftype="obj", reftarget=name, refexplicit=True, refdoc=self.env.docname
                    )
                    node.replace_self(reference)
                    reference += node


def above(node):
    """Yield what a node stands in."""
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app):
    """Connect it."""
    app.add_transform(Names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
