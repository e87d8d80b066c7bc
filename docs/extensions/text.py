"""The text of the documents: names of the API become links, and no line begins with what ends a formula.

Such names are `EarlyStopping`, `Network.fit`, `net.fit` and `hotloop.datasets`.
"""

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


class Formulas(SphinxTransform):
    """Keep a formula and the punctuation after it together; MathJax would let a line end between them."""

    default_priority = 7

    def apply(self, **_):
        """Look at each formula within a line."""
        for node in list(self.document.findall(nodes.math)):
            after = node.next_node(descend=False, siblings=True)
            mark = re.match(r"[.,;:!?)]+", after) if isinstance(after, nodes.Text) else None
            if mark:
                together = nodes.inline("", "", classes=["together"])
                node.replace_self(together)
                together += [node, nodes.Text(mark[0])]
                after.parent.replace(after, nodes.Text(after[mark.end() :]))


def above(node):
    """Yield what a node stands in."""
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app):
    """Connect it."""
    app.add_transform(Names)
    app.add_transform(Formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
