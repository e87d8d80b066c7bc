"""CSV tables: what is read from them, and one clear error for each fault."""

import contextlib

import numpy as np
import pytest
from data_files import IRIS, raw_inputs, write_file

from hotloop.datasets import DataWarning, load_csv
from hotloop.network.datasets.sources import load_inputs


@pytest.fixture
def csv(tmp_path):
    return lambda content, name="table.csv": write_file(tmp_path / name, content)


def as_set(rows):
    return {tuple(np.round(row, 4)) for row in rows}


def test_csv_text_becomes_classes_and_inputs_are_standardised(csv):
    data = load_csv(csv(IRIS), "species", test_fraction=0.5)
    assert data.classes == ("setosa", "versicolor", "virginica")
    assert data.columns == ("length", "width")
    np.testing.assert_array_equal(data.y_train, [0, 1, 2])
    np.testing.assert_array_equal(data.y_test, [0, 1, 2])
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, rtol=1e-6)
    expected = {(5.1, 3.5), (4.9, 3.0), (7.0, 3.2), (6.4, 3.1), (6.3, 3.3), (5.8, 2.7)}
    assert as_set(raw_inputs(data)) == expected
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float32, np.int64)


def test_csv_scaling_comes_only_from_the_training_set(csv):
    rows = "".join(f"{value},{value}.5\n" for value in range(100))
    data = load_csv(csv(rows))
    raw = raw_inputs(data)[: len(data.x_train)]
    assert len(data.x_test) == 20
    np.testing.assert_allclose(data.scaling.offset, raw.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(data.scaling.scale, 1 / raw.std(axis=0), rtol=1e-6)


def test_csv_rows_keep_inputs_and_targets_together(csv):
    rows = "".join(f"{value},{7 * value % 101},{10 * value + 0.5}\n" for value in range(101))
    for seed in (0, 1):
        data = load_csv(csv(rows), seed=seed, dtype="float64")
        raw = raw_inputs(data)
        np.testing.assert_allclose(np.concatenate([data.y_train, data.y_test]), 10 * raw[:, 0] + 0.5)
        np.testing.assert_allclose(7 * np.rint(raw[:, 0]) % 101, raw[:, 1], atol=1e-9)


def test_csv_split_depends_only_on_the_seed(csv):
    path = csv("".join(f"{value},{value}.5\n" for value in range(50)))
    first, again, other = load_csv(path, seed=3), load_csv(path, seed=3), load_csv(path, seed=4)
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.y_test, other.y_test)


def test_csv_a_column_that_is_constant_in_the_training_set_becomes_zero(csv):
    path = csv("".join(f"{value},1000000.1,{5 if value == 9 else 7},{value}.5\n" for value in range(10)))
    for seed in range(10):
        data = load_csv(path, seed=seed, test_fraction=0.1)
        if data.y_test == [9.5]:  # then the third column is constant in the training set
            break
    assert data.y_test == [9.5]
    assert np.all(data.x_train[:, 1:] == 0.0)
    assert np.all(data.x_test[:, 1:] == 0.0)
    assert data.x_test[0, 0] != 0.0
    np.testing.assert_array_equal(data.scaling.scale[1:], 0)


@pytest.mark.parametrize(
    ("target", "inputs"),
    [(None, (0, 1)), (2, (0, 1)), (-1, (0, 1)), (0, (1, 2))],
)
@pytest.mark.parametrize("header", ["", "a,b,c\n"])
def test_csv_target_by_index(csv, header, target, inputs):
    table = np.arange(12).reshape(4, 3)
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in table)
    data = load_csv(csv(header + rows), target, task="regression", test_fraction=0.5)
    assert as_set(raw_inputs(data)) == as_set(table[:, inputs])
    assert data.target_column == (2 if target is None else target % 3)
    assert (data.columns is None) == (header == "")


def test_csv_target_by_the_text_of_its_index(csv):
    data = load_csv(csv("1,2,3\n4,5,6\n"), "0", task="regression", test_fraction=0.5)
    assert data.target_column == 0


def test_csv_target_by_name_wins_over_its_index(csv):
    data = load_csv(csv("1,0,a\n1,2,3\n4,5,6\n7,8,9\n"), "0", task="regression", test_fraction=0.3)
    assert data.columns == ("1", "a")
    assert as_set(raw_inputs(data)) == {(1, 3), (4, 6), (7, 9)}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + IRIS.encode(),
        IRIS.replace("\n", "\r\n"),
        IRIS.replace("\n", "\n\n"),
        "\n  \n" + IRIS,
        IRIS.replace(",", ";"),
        IRIS.replace(",", "\t"),
        IRIS.replace(",", ", "),
        IRIS.replace(",", '", "').replace("\n", '"\n"')[:-1].replace("length", '"length'),
        IRIS.replace("width", '"width"').replace("virginica", '"virginica"').replace("3.5", '"3.5"'),
        IRIS.rstrip("\n"),
    ],
    ids=["bom", "crlf", "blank", "leading", "semicolon", "tab", "space", "space and quote", "quoted", "unterminated"],
)
def test_csv_dialects_read_alike(csv, content):
    data, plain = load_csv(csv(content), "species"), load_csv(csv(IRIS, "plain.csv"), "species")
    np.testing.assert_array_equal(data.x_train, plain.x_train)
    np.testing.assert_array_equal(data.y_test, plain.y_test)
    assert (data.classes, data.columns) == (plain.classes, plain.columns)


def test_csv_quoted_fields_may_hold_delimiters_quotes_and_line_ends(csv):
    data = load_csv(csv('x,kind\n1,"a, ""b""\nc"\n2,d\n3,"a, ""b""\nc"\n4,d\n'), test_fraction=0.5)
    assert data.classes == ('a, "b"\nc', "d")


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["0", "1"] * 4, None, ("0", "1")),
        (["-1", "1"] * 4, None, ("-1", "1")),
        (["0.5", "1"] * 4, None, None),
        ([str(value) for value in range(8)], None, None),
        (["0", "1"] * 4, "regression", None),
        (["0.5", "1"] * 4, "classification", ("0.5", "1")),
        (["10", "9", "-1.5", "10"] * 2, "classification", ("-1.5", "9", "10")),
        (["07", "11", "9"] * 3, None, ("07", "9", "11")),
        (["True", "False"] * 4, None, ("False", "True")),
        (["TRUE", "FALSE"] * 4, "regression", None),
        (["yes", "no"] * 4, None, ("no", "yes")),
    ],
)
def test_csv_what_is_classes_and_what_is_values(csv, cells, task, classes):
    data = load_csv(csv("".join(f"{row},{cell}\n" for row, cell in enumerate(cells))), task=task)
    assert data.classes == classes
    assert data.y_train.dtype == (np.float32 if classes is None else np.int64)


def test_csv_more_than_twenty_whole_numbers_are_values(csv):
    def rows(distinct):
        return "".join(f"{row},{row % distinct}\n" for row in range(100))

    assert len(load_csv(csv(rows(20))).classes) == 20
    assert load_csv(csv(rows(21))).classes is None


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("", None, r"table.csv is empty"),
        ("\n\n", None, r"table.csv is empty"),
        ("a,b\n", None, r"table.csv holds a header and no rows"),
        ("1\n2\n", None, r"line 1: one column; wanted two or more"),
        ("a,b\n1,2\n3,x\n,5\n", "b", r"line 4, column 'a': the value is missing: fill it in or drop the row"),
        ("a,b\n1,2\nNA,4\n", "b", r"line 3, column 'a': the value is missing"),
        ("a,b\n1,2\nnan,4\n", "b", r"line 3, column 'a': the value is missing"),
        ("1,2\n?,4\n", None, r"line 2, column index 0: the value is missing"),
        ("a,b\n1,2\n3,\n", "b", r"line 3, column 'b': the target is missing"),
        ("a,b\n1,x\n2,y\n3,NA\n", "b", r"line 4, column 'b': the target is missing"),
        ('a,b\n1,"x\ny"\n2,z\n\n,z\n', "b", r"line 6, column 'a': the value is missing"),
        ("a,b\n1,2\nred,4\n", "b", r"line 3, column 'a': 'red' is not a number: inputs must be numbers"),
        ("a,b\n1,2\n1_000,4\n", "b", r"line 3, column 'a': '1_000' is not a number"),
        ("1,x,2\n3,y,5\n", None, r"line 1, column index 1: 'x' is not a number.*: line 1 was read as values, since"),
        ("a,b\n1,2\ninf,4\n", "b", r"line 3, column 'a': inf is not finite"),
        ("a,b\n1,2\n3,-inf\n", "b", r"line 3, column 'b': -inf is not finite"),
        ("a,b\n1,2\n3,4,5\n", None, r"line 3: 3 cells where the first row has 2"),
        ("a,b\n1,2\n3\n", None, r"line 3: 1 cells where the first row has 2"),
        ("a,b,b\n1,2,3\n", "a", r"line 1: two columns are named 'b': rename one"),
        ("a,b,b\n1,2,3\n", "b", r"line 1: two columns are named 'b': rename one"),
        (",a,b\n0,2,3\n", "b", r"line 1: column index 0 has no name: name it, or remove it if it counts the rows"),
        ("a,b\n1,2\n", "c", r"line 1: no column is named 'c'; found columns 'a', 'b'.*index, 0 to 1"),
        ("a,b\n1,2\n", 2, r"target index is 2; the columns are 0 to 1"),
        ("a,b\n1,2\n", -3, r"target index is -3; the columns are 0 to 1"),
        ("a,b\n1,x\n2,x\n", None, r"column 'b': one class only, 'x'; wanted two or more"),
        ("a,b\n1,x\n2,y\n3,z\n", None, r"column 'b': 3 rows hold as many different values: these are not classes"),
        ("a,b\n1,2.5\n", None, r"1 row cannot be split: give two or more"),
        ('a,b\n1,2\n"3,4\n', None, r"line 3: not a row of a CSV file"),
        (b"a,b\n1,\xff\n", None, r"table.csv, line 2: not UTF-8 text \(invalid start byte\): save it as UTF-8"),
        (
            "a,b\n1e308,1.5\n-1e308,2.5\n1,3\n",
            None,
            r"table.csv, column 'a': the numbers are too large or too small",
        ),
    ],
)
def test_csv_faults_are_named(csv, content, target, message):
    with pytest.raises(ValueError, match=message):
        load_csv(csv(content), target, test_fraction=0.34)


def test_csv_text_is_no_target_of_a_regression(csv):
    with pytest.raises(ValueError, match=r"line 2, column 'species': 'setosa' is not a number.*cross-entropy"):
        load_csv(csv(IRIS), task="regression")


def test_csv_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere.csv"):
        load_csv(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "clustering"}, "task 'clustering' is not known. Known: classification, regression"),
        ({"dtype": "int8"}, "dtype must be 'float32' or 'float64', got int8"),
        ({"test_fraction": 0.0}, "test_fraction must be finite, above 0 and below 1, got 0.0"),
        ({"test_fraction": 1.0}, "above 0 and below 1, got 1.0"),
        ({"test_fraction": float("nan")}, "above 0 and below 1, got nan"),
    ],
)
def test_csv_options_are_checked(csv, options, message):
    with pytest.raises(ValueError, match=message):
        load_csv(csv(IRIS), **options)


def test_a_long_list_of_columns_is_cut_short(csv):
    header = ",".join(f"c{index}" for index in range(20))
    with pytest.raises(ValueError, match=r"'c11' and 8 more\. In a file"):
        load_csv(csv(header + "\n" + ",".join("1" * 20) + "\n"), "price")


# Inputs of a trained network


COLUMNS = ("a", "b")


@pytest.mark.parametrize(
    ("content", "columns", "target_column", "rows"),
    [
        ("a,b\n1,2\n3,4\n", COLUMNS, 2, [[1, 2], [3, 4]]),
        ("b,a\n1,2\n3,4\n", COLUMNS, 2, [[2, 1], [4, 3]]),
        ("b,note,a\n1,x,2\n3,,4\n", COLUMNS, 2, [[2, 1], [4, 3]]),
        ("1,2\n3,4\n", COLUMNS, 2, [[1, 2], [3, 4]]),
        ("1,2,9\n3,4,9\n", COLUMNS, 2, [[1, 2], [3, 4]]),
        ("x,1,2\ny,3,4\n", None, 0, [[1, 2], [3, 4]]),
        ("1,2,x\n3,4,y\n", None, None, [[1, 2], [3, 4]]),
        ("p,q\n1,2\n3,4\n", None, None, [[1, 2], [3, 4]]),
        ("p,q,r\n1,2,x\n", None, 2, [[1, 2]]),
    ],
)
def test_inputs_from_csv(csv, content, columns, target_column, rows):
    unnamed = columns is not None and content[0].isdigit()
    with pytest.warns(DataWarning, match="no header.*'a', 'b'") if unnamed else contextlib.nullcontext():
        found = load_inputs(csv(content), 2, columns, target_column)
    np.testing.assert_array_equal(found, rows)
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,c\n1,2\n", r"lacks column 'b' that the network was trained on"),
        ("c,d,e,f\n1,2,3,4\n", r"lacks columns 'a', 'b' that"),
        ("1,2,3,4\n", r"has 4 columns; the network takes 2 inputs \(or 3 columns, with the target\)"),
        ("1\n", r"has 1 column; the network takes 2 inputs"),
        ("a,b\n", r"holds a header and no rows"),
        ("", r"is empty"),
        ("a,b\n1,2\n3\n", r"line 3: 1 cells where the first row has 2"),
        ("b,x,a\n1,x,2\n3,x,oops\n", r"line 3, column 'a': 'oops' is not a number"),
        ("b,x,a\n1,x,\n", r"line 2, column 'a': the value is missing"),
    ],
)
def test_inputs_from_csv_faults(csv, content, message):
    with pytest.raises(ValueError, match=message):
        load_inputs(csv(content), 2, COLUMNS, 2)
