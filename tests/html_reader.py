"""Reads HTML as a tree, and fails on what is not balanced."""

from html.parser import HTMLParser

HOSTILE = "<img src=x onerror=alert(1)>\"'&"  # a name that data may have
VOID = {"br", "col", "hr", "img", "input", "link", "meta"}


class Node:
    def __init__(self, tag, attributes=()):
        self.tag, self.attributes, self.children = tag, dict(attributes), []

    @property
    def classes(self):
        return (self.attributes.get("class") or "").split()

    @property
    def text(self):
        """All text in it but that of styles and scripts."""
        if self.tag in ("style", "script"):
            return ""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag=None, kind=None):
        """Return the elements in it, in order, with this tag and class."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                if tag in (None, child.tag) and (kind is None or kind in child.classes):
                    found.append(child)
                found += child.all(tag, kind)
        return found

    def one(self, tag=None, kind=None):
        (found,) = self.all(tag, kind)
        return found

    def rows(self):
        """Return the text of each cell of each row of a table, its heads first."""
        return [[cell.text for cell in row.all() if cell.tag in ("td", "th")] for row in self.all("tr")]


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Node("document")]

    def handle_starttag(self, tag, attributes):
        assert len({name for name, _ in attributes}) == len(attributes), f"<{tag}> has an attribute twice"
        node = Node(tag, attributes)
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attributes):
        assert any(node.tag == "svg" for node in self.open), f"<{tag}/> closes itself, which HTML does not know"
        self.open[-1].children.append(Node(tag, attributes))

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parsed(text):
    """Return the tree of a text of HTML."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [node.tag for node in reader.open] == ["document"], "an element has no end"
    return reader.open[0]


def representation(shown):
    """Return the tree of an object's representation in a notebook, with its style and without a script or image."""
    tree = parsed(shown._repr_html_())
    (root,) = tree.children
    assert "hotloop" in root.classes
    assert len(root.all("style")) == 1
    assert not root.all("script")
    assert not root.all("img")
    assert not [name for node in root.all() for name in node.attributes if name.startswith("on")]
    return root
