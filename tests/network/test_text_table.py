"""Tables as text: what the summary, the history, the command line and the profile print."""

import pytest

from hotloop.network.text_table import table

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
