"""CSV dialects: the one reading that fits is taken; of several, hotloop says which it took, or asks."""

import gzip
import io
import os
import sys
import threading

import numpy as np
import pytest
from command_line import TINY, run, train_tiny
from data_files import raw_inputs, write_file

from hotloop.datasets import DataWarning, load_csv
from hotloop.network.cli import main as cli
from hotloop.network.cli.prepared_data import load_prepared
from hotloop.network.datasets import csv_dialect, csv_numbers
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.sources import load_inputs


def table(row, rows=12, first=""):
    """Return the text of a table: `row` formatted with i, half (of it) and label, after the lines `first`."""
    lines = (row.format(i=i, half=i / 2, comma=f"{i},5", label="ab"[i % 2], odd=i % 2 == 1) for i in range(rows))
    return first + "".join(line + "\n" for line in lines)


@pytest.fixture
def csv(tmp_path):
    return lambda content, name="table.csv": write_file(tmp_path / name, content)


@pytest.fixture
def standard_input(monkeypatch):
    def give(content):
        content = content if isinstance(content, bytes) else content.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return give


# Only one reading fits.


@pytest.mark.parametrize(
    ("row", "first", "columns"),
    [
        ("{i};{half};{i},5", "a;b;y\n", ("a", "b")),
        ("{i}\t{half}\t{i},5", "a\tb\ty\n", ("a", "b")),
        ("{i}|{half}|{i},5", "a|b|y\n", ("a", "b")),
        ('{i},"{half}","{i},5"', "a,b,y\n", ("a", "b")),
        ("{i};{half};{i},5", "sep=;\na;b;y\n", ("a", "b")),
        ("{i}|{half}|{i},5", '"SEP=|"\r\na|b|y\n', ("a", "b")),
        ("{i};{half};{i},5", "sep=;\n", None),
    ],
)
@pytest.mark.parametrize("comma", [True, False])
def test_separators_and_decimal_signs(csv, row, first, columns, comma):
    """Without a warning, since any other reading would have rows of several lengths, or no numbers."""
    rows = table(row).replace("." if comma else ",5", "," if comma else ".5")
    data = load_csv(csv(first + rows), dtype="float64")
    np.testing.assert_allclose(np.sort(raw_inputs(data), axis=0), [[i, i / 2] for i in range(12)], atol=1e-12)
    assert (data.columns, data.decimal) == (columns, "," if comma else ".")
    assert sorted(np.concatenate([data.y_train, data.y_test])) == [i + 0.5 for i in range(12)]


@pytest.mark.parametrize(
    ("encoding", "prefix"), [("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-32", b""), ("utf-8", b"\n\n")]
)
def test_encodings_and_gzip_by_the_first_bytes(csv, encoding, prefix):
    content = prefix + table("{i},{half}", first="größe,y\n").encode(encoding)
    expected = load_csv(csv(table("{i},{half}", first="größe,y\n"), "plain.csv.gz"))  # plain, though it is called .gz
    for data in (load_csv(csv(content)), load_csv(csv(gzip.compress(content))), load_csv(csv(content, "x.tsv"))):
        np.testing.assert_array_equal(data.x_train, expected.x_train)
        assert data.columns == ("größe",)


def test_line_ends_of_old_macs(csv):
    data = load_csv(csv(table("{i},{half}", first="a,y\n").replace("\n", "\r")))
    assert (data.columns, len(data.x_train) + len(data.x_test)) == (("a",), 12)


def test_true_and_false_are_one_and_zero(csv):
    rows = "True,{i},{half}\nfalse,{i},{half}\nTRUE,{i},{half}"
    data = load_csv(csv(table(rows, first="a,b,y\n")), dtype="float64")
    np.testing.assert_allclose(np.sort(raw_inputs(data), axis=0)[:, 0], [0] * 12 + [1] * 24)
    found = load_inputs(csv("true,1\nFalse,2\n"), 2, None, None)
    np.testing.assert_array_equal(found, [[1, 1], [0, 2]])


def test_thousands_of_columns(csv):
    """Split at a character that does not occur, the line is one cell, larger than the csv module allows."""
    header = ",".join(f"column_{index}" for index in range(20_000))
    content = header + "\n" + 3 * (",".join(["1.5"] * 19_999) + ",2.5\n")
    data = load_csv(csv(content))
    assert (len(data.columns), data.x_train.shape) == (19_999, (2, 19_999))
    assert load_inputs(csv(content), 19_999, data.columns, 19_999).shape == (3, 19_999)


def test_a_column_that_is_constant_up_to_rounding(csv):
    """Divided by its deviation, 2e-17, it made a prediction of 7.5e13."""
    content = table("0.3,{i},{half}\n0.30000000000000004,{i},{half}", first="a,b,y\n")
    with pytest.warns(DataWarning, match=r"table.csv, column 'a': all values are equal up to rounding"):
        data = load_csv(csv(content))
    assert data.scaling.scale[0] == 0
    assert np.all(data.x_train[:, 0] == 0)


@pytest.mark.parametrize(
    ("low", "high"), [("1700000000", "1700000001"), ("1700000000.001", "1700000000.002"), ("1e-300", "2e-300"),
                      ("9007199254740991", "9007199254740990"), ("0", "5e-324")],
)  # fmt: skip
def test_a_column_of_two_close_numbers_is_not(csv, low, high):
    content = f"a,y\n{low},1.5\n{high},2.5\n{low},3.5\n{high},4.5\n"
    if high in ("2e-300", "5e-324"):
        with pytest.raises(ValueError, match="too small to be standardised"):
            load_csv(csv(content), test_fraction=0.3)
    else:
        assert np.isfinite(load_csv(csv(content), test_fraction=0.3, seed=1).scaling.scale).all()


# Warnings.


@pytest.mark.parametrize(
    ("content", "separator", "said"),
    [
        (table("{comma};{label}"), ";", r"separated by ';' and commas are decimal signs; ',' would also fit"),
        (table("{comma};{i}"), ";", r"separated by ';' and commas are decimal signs; ',' would also fit"),
        (table("{i},{half},x;{label}"), ",", r"separated by ','; ';' would also fit \(--separator decides\)"),
    ],
)
def test_separators_that_both_fit(csv, content, separator, said):
    with pytest.warns(DataWarning, match=said) as caught:
        assert load_csv(csv(content)).separator == separator
    assert [warning.filename for warning in caught] == [__file__]
    load_csv(csv(content), separator=separator)  # no warning about what is given


def test_separators_at_the_ends_of_lines(csv):
    with pytest.warns(DataWarning, match="each line ends with ',', which is taken to start no other column"):
        data = load_csv(csv(table("{i},{half},", first="a,y,\n")))
    assert data.columns == ("a",)
    with (
        pytest.warns(DataWarning, match="each line ends with ','"),
        pytest.raises(ValueError, match="line 301: a value after the last separator"),
    ):
        load_csv(csv("1,2,\n" * 300 + "1,2,3\n"))


def test_labels_are_what_is_written(csv):
    with pytest.warns(DataWarning, match=r"column index 1: '01' and '1' are taken to be two classes"):
        data = load_csv(csv("".join(f"{i},{'1' if i % 3 else '01'}\n" for i in range(12))))
    assert data.classes == ("01", "1")
    assert sorted(np.concatenate([data.y_train, data.y_test])) == [0] * 4 + [1] * 8


def test_text_that_recurs_among_whole_numbers_is_a_class(csv):
    cells = ["0", "1", "1", "none?", "0", "none?"] * 2
    with pytest.warns(DataWarning, match=r"numbers and text \('none\?'\), taken to be classes"):
        data = load_csv(csv("".join(f"{i},{cell}\n" for i, cell in enumerate(cells))))
    assert data.classes == ("0", "1", "none?")


# Errors that ask for a choice.


NUMBERS = table("{i},{i},{half}")
ASKED = [
    ("2019,2020,y\n" + NUMBERS, "is the first row a header.*'y' stands above numbers.*'2019' is like the values", True,
     ("2019", "2020")),
    ("id,2019,y\n" + NUMBERS, "'id' stands above numbers, as a name does, but '2019' is like", True, ("id", "2019")),
    ("2019,2020,species\n" + table("{i},{i},{label}"), "is it a header.*'species' is the target of no other row", True,
     ("2019", "2020")),
    ("x,b\n" + table("{i},{label}"), "'x' stands above numbers, as a name does, but 'b' is like", True, ("x",)),
    ("0,1,2\n" + NUMBERS, r"first row a header\? Its numbers \(0, 1, 2, ...\) are unlike the rows below", True,
     ("0", "1")),
    ("2019,2020,2021\n" + table("{i},7,{i}"), r"Its numbers \(2019, 2020, 2021, ...\) are", True, ("2019", "2020")),
    ("10,30\n" + table("{i}.5,{half}"), r"Its numbers \(10, 30, ...\) are unlike the rows below", True, ("10",)),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message", "header", "columns"), ASKED)
def test_a_header_that_may_be_values_is_asked_for(csv, content, message, header, columns):
    with pytest.raises(ValueError, match=message + r".*\(--header yes or no\)"):
        load_csv(csv(content))
    data = load_csv(csv(content), header=header)
    assert (data.columns, len(data.x_train) + len(data.x_test)) == (columns, 12)


@pytest.mark.parametrize(("first", "rows"), [("1,2,3\n4,5,6\n", 9), ("1,3,5\n", 9), ("1,2,3\n", 3)])
def test_a_first_row_of_numbers_like_the_others_or_of_few(csv, first, rows):
    assert load_csv(csv(first + table("{i},7,{i}", rows))).columns is None


def test_a_header_that_is_denied(csv):
    content = "2019,2020,species\n" + table("{i},{i},{label}")
    data = load_csv(csv(content), header=False)
    assert (data.columns, data.classes) == (None, ("a", "b", "species"))
    with pytest.raises(ValueError, match="no column is named 'species'"):
        load_csv(csv(content), "species", header=False)


def test_a_header_by_the_name_of_the_target(csv):
    assert load_csv(csv("2019,2020,y\n" + NUMBERS), "y").columns == ("2019", "2020")
    assert load_csv(csv("a,b;y\n1,1;2\n2,1;3\n4,4;4\n"), "y", decimal=",").separator == ";"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;y\n1,500;1\n2,250;2\n", r"'1,500' is 1\.500 or 1500: pass decimal=',' \(--decimal ,\)"),
        ('a,y\n"1,500",1\n"2,250",2\n', r"'1,500' is 1\.500 or 1500"),
        ('a,y\n"1,500,000",1\n"2,000,000",2\n', "'1,500,000' is not a number .*: write numbers without thousands"),
        (table("{comma};{half};{i}", first="a;b;y\n"), r"'0,5' is not a number \(and in 11 more rows\): decimal=','"),
        ("inf,5.0\n1,2\n3,4\n", "line 1, column index 0: inf is not finite"),
        ("nan,5.0\n1,2\n3,4\n", "line 1, column index 0: the value is missing"),
        (table("{i},{half}") + "7,unknown\n", "line 13, .*'unknown' is not a number, but 12 of 13 targets are"),
        (table("{i},{half}") + "7,True\n", "line 13, .*'True' is not a number, but 12 of 13"),
        (NUMBERS.replace(",3,", ",True,", 1), "line 3, column index 1: there are numbers beside True and False"),
        ("a,b,y\n1,2,\n1,2,3\n1,2,4\n", "line 2, column 'y': the target is missing"),
        ("a y\n1 2\n3 4\n", "one column; wanted two or more.*--separator"),
        (b"PK\3\4rest", "is a zip archive, such as a spreadsheet, not a CSV file: save it as CSV"),
        (b"PAR1", "is a Parquet file"),
        ("a,y\n1,2\n".encode("utf-16-le"), "holds NUL bytes: .*save it as UTF-8"),
        ("ü,y\n1,2\n".encode("latin-1"), "line 1: not UTF-8 text .*iconv -f LATIN1 -t UTF-8"),
        ("a,y\n1,2\n3,é\n".encode("latin-1"), "line 3: not UTF-8 text"),
        ("a,y\n1,2\n".encode("utf-16")[:-1], "not UTF-16-LE text"),
        (gzip.compress(NUMBERS.encode(), mtime=0)[:-9], "table.csv is not a whole gzip file .*: fetch it again"),
        ("sep=;\n", "is empty"),
        ("sep=;\na;y\n1;2\nx;3\n", "line 4, column 'a': 'x' is not a number"),
    ],
)
def test_faults_of_the_dialect(csv, content, message):
    with pytest.raises(ValueError, match=message):
        load_csv(csv(content))


def test_a_number_with_a_point_where_commas_are_decimal_signs(csv):
    with pytest.raises(ValueError, match=r"line 3, column 'a': '1.5' is not a number: commas are decimal signs here"):
        load_csv(csv("a;y\n0,5;1\n1.5;2\n"), decimal=",")


def test_all_faulty_columns_are_named_in_one_message(csv):
    content = "a,b,c,y\nred,,1,2\nblue,4,inf,3\n1,2,3,4\ngreen,1,1,\n"
    message = (
        "4 columns: column 'a': 'red' is not a number in line 2 and 2 more; column 'b': the value is missing in line "
        "2; column 'c': inf is not finite in line 3; column 'y': the target is missing in line 5. Remedies: "
        "inputs must be numbers.*; fill it in or drop the row; fill in a number"
    )
    with pytest.raises(ValueError, match=message):
        load_csv(csv(content))
    wide = ",".join(f"c{index}" for index in range(20)) + "\n" + ",".join("x" * 20) + "\n" + ",".join("1" * 20) + "\n"
    with pytest.raises(ValueError, match=r"19 columns: .*'c11'[^;]*; and 7 more columns\. Remedies"):
        load_csv(csv(wide), "c19", header=True)


def test_no_control_characters_in_a_message(csv):
    with pytest.raises(ValueError, match="not a number") as caught:
        load_csv(csv("a\x1b[2J,y\n\x1b[31m,1\n1,2\n", "t\x1b[1m.csv"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "yes"}, "header is 'yes'; wanted True, False or None"),
        ({"separator": ""}, "separator is ''; wanted one character"),
        ({"separator": ",;"}, "separator is ',;'"),
        ({"separator": 5}, "separator is 5"),
        ({"separator": '"'}, "separator is '\"'"),
        ({"separator": "1"}, "separator is '1'"),
        ({"decimal": ";"}, r"decimal is ';'; wanted '\.' or ','"),
    ],
)
def test_what_is_given_is_checked(csv, options, message):
    with pytest.raises(ValueError, match=message):
        load_csv(csv(NUMBERS), **options)


def test_a_file_without_line_ends(csv, monkeypatch):
    monkeypatch.setattr(csv_dialect, "LONGEST_LINE", 1000)
    with pytest.raises(ValueError, match=r"line 1: not a row of a CSV file \(the line is longer than 1000 characters"):
        load_csv(csv("1" * 3000))
    assert len(load_csv(csv("a,y\n" + "1,2\n" * 400), task="regression").x_test) == 80


def test_a_table_larger_than_the_memory(csv, monkeypatch):
    monkeypatch.setattr(csv_numbers, "VALUES_BETWEEN_CHECKS", 8)
    monkeypatch.setattr("hotloop.network.validation.memory.available_memory", lambda: 900)
    with pytest.raises(MemoryError, match=r"a copy of the rows read from .*csv needs 928 bytes .*; 900 bytes are"):
        load_csv(csv(NUMBERS))


# The inputs of a trained network.


def test_the_training_file_decides_between_two_readings(csv):
    """One decimal comma a row, for a network of one input: without it 3 would be the input, and 5 the target."""
    path = csv("3,5\n2,25\n")
    np.testing.assert_array_equal(load_inputs(path, 1, None, 1), [[3], [2]])
    like = Dialect(separator=";", decimal=",")
    np.testing.assert_array_equal(load_inputs(path, 1, None, 1, like=like), [[3.5], [2.25]])
    thousands = csv("1,500;2\n")
    np.testing.assert_array_equal(load_inputs(thousands, 2, None, None, like=like), [[1.5, 2]])
    with pytest.raises(ValueError, match=r"1\.500 or 1500"):
        load_inputs(thousands, 2, None, None)
    lists = csv("1,5;2,5\n3,5;4,5\n")  # with a column of text between two inputs, or of decimal commas
    np.testing.assert_array_equal(load_inputs(lists, 2, None, 1, like=Dialect(separator=",")), [[1, 5], [3, 5]])
    np.testing.assert_array_equal(load_inputs(lists, 2, None, 1, like=like), [[1.5, 2.5], [3.5, 4.5]])
    unlike = csv("1.5,2\n")
    np.testing.assert_array_equal(load_inputs(unlike, 2, None, None, like=like), [[1.5, 2]])


@pytest.mark.parametrize("compressed", [False, True])
def test_standard_input(standard_input, compressed):
    content = table("{i},{label}", first="a,y\n").encode()
    standard_input(gzip.compress(content) if compressed else content)
    data = load_csv("-", "y")
    assert (data.name, data.classes) == ("standard input", ("a", "b"))
    standard_input("a\n1\nx\n")
    with pytest.raises(ValueError, match="standard input, line 3, column 'a': 'x' is not a number"):
        load_inputs("-", 1, ("a",), 1)


def test_a_pipe_and_a_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a,y\n1,2\n3,4\n",))
    writer.start()
    np.testing.assert_array_equal(load_inputs(tmp_path / "pipe", 1, ("a",), 1), [[1], [3]])
    writer.join()
    with pytest.raises(IsADirectoryError, match="is a folder; wanted a file"):
        load_csv(tmp_path)


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ValueError, match="standard input is closed"):
        load_csv("-")


# The command line.


def test_predict_reads_as_training_did(csv, tmp_path, standard_input):
    """Each note is one line of standard error; the options decide."""
    path = csv(table("{comma};{half};{odd}", rows=24).replace(".", ","))
    status, out, err = run("train", "--data", path, *TINY, "--epochs", "1", "--save", tmp_path / "model")
    assert (status, err.count("\n"), err[:14]) == (0, 1, "hotloop: note:")
    assert "2 classes: False, True" in out
    standard_input(path.read_bytes())
    predicted = run("predict", tmp_path / "model", "-")
    assert predicted[::2] == (0, "")
    assert predicted == run("predict", tmp_path / "model", path)
    points = csv(table("{comma};{half};{odd}", rows=24).replace(",", ".").replace(";", ","), "points.csv")
    assert run("predict", tmp_path / "model", points) == predicted
    assert predicted[1].count("\n") == 1 + 24


def test_targets_that_are_constant_up_to_rounding_are_not_scaled_up(csv):
    path = csv(table("{i},0.3\n{i},0.30000000000000004", first="a,y\n"))
    options = ["train", "--data", str(path), "--loss", "mse", "--dtype", "float64"]
    prepared = load_prepared(cli.parser().parse_args(options))
    assert prepared.target_scaling.scale == [1.0]
    assert np.abs(prepared.train.y).max() < 1e-15


def test_the_options_of_the_command_line(csv):
    path = csv("2019 2020 y\n" + NUMBERS.replace(",", " ").replace(".", ","))
    out = train_tiny(path, "--epochs", "1", "--header", "yes", "--separator", "space", "--decimal", ",")
    assert "2 inputs" in out
    status, _, err = run("train", "--data", path, *TINY, "--separator", "space", "--decimal", ",")
    assert (status, err.count("\n")) == (2, 1)
    assert "is the first row a header" in err
    for option, message in (
        (["--header", "maybe"], "argument --header: found 'maybe'; wanted yes or no"),
        (["--decimal", ";"], "argument --decimal: invalid choice: ';'"),
        (["--separator", "xx"], "separator is 'xx'; wanted one character"),
    ):
        assert message in run("train", "--data", path, *option)[2]
    assert "digits is not a CSV file: omit header (--header)" in run("train", "--header", "no")[2]


def test_a_note_on_the_command_line(csv):
    path = csv(table("{comma};{label}", rows=24))
    status, _, err = run("train", "--data", path, *TINY, "--epochs", "1")
    assert (status, err) == (
        0,
        f"hotloop: note: {path}: cells are separated by ';' and commas are decimal signs; ',' would also fit "
        "(--separator decides)\n",
    )
