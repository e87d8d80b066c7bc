"""Text that is safe to print: nothing of it moves the cursor, ends the line or fails to encode."""

import numpy as np
import pytest

from hotloop.network.validation.printable import printable, shown


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        ("a\nb", r"'a\nb'"),
        (np.zeros(3), "array([0., 0., 0.])"),
        (np.zeros((40, 5)), "an array of shape (40, 5)"),
        ([np.zeros((3, 2))], "[array([[0., 0.],..."),
    ],
)
def test_a_wrong_value_takes_one_line(value, text):
    assert shown(value) == text


def test_a_frame_takes_one_line():
    pandas = pytest.importorskip("pandas")
    assert shown(pandas.Series([1.0, 2.0])) == "a Series of shape (2,)"
    assert shown(pandas.DataFrame({"a": [1, 2]})) == "a DataFrame of shape (2, 1)"
