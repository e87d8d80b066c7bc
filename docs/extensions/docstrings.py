"""Docstrings are plain text first: what they say with bars and underscores is no mark-up on the site either."""

import re

CODE = re.compile(r"(``.+?``|`[^`]+`)")
# |w| is a norm, coefs_ a name, and z. the end of a sentence: not a substitution, nor a link, nor the item of a list.
NO_MARKUP = re.compile(r"\||(?<=\w)_(?!\w)|(?<=^[a-z])\.(?= )")


def escape(app, kind, name, value, options, lines):
    """Escape bars and trailing underscores, except in code."""
    example = False
    for index, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            indent = line[: len(line) - len(line.lstrip())]
            parts = CODE.split(line.lstrip())
            parts[::2] = [NO_MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
            lines[index] = indent + "".join(parts)


def skip(app, kind, name, value, skip, options):
    """Leave out what scikit-learn adds to each estimator for its metadata routing; it refers to its own documents."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) else None


def plain(app, env, node, contnode):
    """Leave a name between single backquotes as code where no page describes it: it may be private, or no name."""
    return contnode if (node.get("refdomain"), node.get("reftype")) == ("py", "obj") else None


def setup(app):
    """Connect all of it."""
    app.connect("autodoc-process-docstring", escape, priority=400)  # before numpydoc
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
