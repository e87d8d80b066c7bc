"""Text from files and names, made safe to print."""


def printable(text: str) -> str:
    r"""Return text with what does not print (control characters, line ends, lone surrogates) escaped as `repr` does it.

    >>> printable("a\x1b[2Jb\n")
    'a\\x1b[2Jb\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
