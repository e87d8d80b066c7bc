"""Text that is safe to print: nothing of it moves the cursor, ends the line or fails to encode."""

import pytest

from hotloop.network.validation.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("rose", "rose"),
        ("Müller, 東京 😀 \\n", "Müller, 東京 😀 \\n"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\n\tb\0\x7f\x9b", r"a\r\n\tb\x00\x7f\x9b"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        ("\udcff\U000e0001", r"\udcff\U000e0001"),
    ],
)
def test_what_does_not_print_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode("utf-8")
