"""Tables as text: what the summary, the history, the command line and the profile print."""

import pytest

from hotloop.network.display.terminal import styled
from hotloop.network.display.text_table import paragraph, table, width_of

ROWS = [["1", "relu", "0.5"], ["12", "softmax", "-"]]


def test_columns_are_as_wide_as_their_widest_cell():
    assert table(["layer", "activation", "rate"], ROWS, left=["activation"]) == [
        "layer  activation  rate",
        "    1  relu         0.5",
        "   12  softmax        -",
    ]
    assert table(["a", "b", "c"], ROWS) == [" a        b    c", " 1     relu  0.5", "12  softmax    -"]


def test_rules():
    assert table(["a", "b", "c"], ROWS, ruled=True) == [
        "--  -------  ---",
        " a        b    c",
        "--  -------  ---",
        " 1     relu  0.5",
        "12  softmax    -",
        "--  -------  ---",
    ]


def test_no_rows():
    assert table(["epoch", "loss"], []) == ["epoch  loss"]
    assert table(["epoch"], [], ruled=True) == ["-----", "epoch", "-----", "-----"]


def test_a_row_with_another_number_of_cells_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        table(["a", "b"], [["1"]])


@pytest.mark.parametrize("ruled", [False, True])
def test_a_table_fits_and_says_what_it_left_out(ruled):
    """Down to the width of its first column."""
    heads = ["Name", "Self CPU %", "GFLOP/s", "Bound by"]
    rows = [["weight gradient", "12.34%", "-", "memory"], ["面積", "0.00%", "1.25", "compute"]]
    for width in range(15, 60):
        lines = table(heads, rows, left=["Name"], ruled=ruled, first_to_go=["GFLOP/s", "nothing"], width=width)
        assert max(map(width_of, lines)) <= width
        body, _, gone = "\n".join(lines).partition("no room for:")
        gone = gone.replace("\n", " ")
        for head in heads[1:]:
            assert (head in gone) != (head.split()[0] in body)
        assert "GFLOP/s" in gone or not gone  # the first to go
    assert "no room" not in " ".join(table(heads, rows, width=60))


def test_the_last_column_is_broken_into_lines_before_a_column_goes():
    heads, rows = ["n", "kind", "text"], [["1", "a", "one two three four five six"], ["2", "b", "seven"]]
    options = {"left": ["text"], "wrapped": True}
    assert table(heads, rows, width=31, **options) == [
        "n  kind  text",
        "1     a  one two three four",
        "         five six",
        "2     b  seven",
    ]
    assert table(heads, rows, width=24, **options) == [
        "n  text",
        "1  one two three four",
        "   five six",
        "2  seven",
        "no room for: kind",
    ]


def test_styles_are_no_text():
    """Heads are bold; a cell keeps its style where the table puts it."""
    head, first, second = table(["a", "b"], [[styled("10", "red"), "x"], ["1", styled("y", "dim")]])
    assert (head, first, second) == (" a  b", "10  x", " 1  y")
    assert head.spans == ((1, 2, "bold"), (4, 5, "bold"))
    assert first.spans == ((0, 2, "red"),)
    assert second.spans == ((4, 5, "dim"),)


def test_a_paragraph_is_indented_by_its_label():
    text = "a remedy at /a/path/that/is/longer/than/the/line in words"
    assert paragraph("remedy: ", text, width=30).split("\n") == [
        "remedy: a remedy at",
        "        /a/path/that/is/longer/than/the/line",
        "        in words",
    ]
    assert paragraph("", "") == ""
    assert paragraph(styled("a: ", "bold"), "b").spans == ((0, 3, "bold"),)
