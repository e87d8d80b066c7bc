"""Tables of mixed columns from CSV, Parquet and Arrow files, and one clear error for each fault."""

import datetime
import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from data_files import write_file

from hotloop.network.datasets import csv_columns, load_csv
from hotloop.network.datasets.csv_dialect import Dialect
from hotloop.network.datasets.sources import load, load_inputs
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of
from hotloop.network.tables.table_data import load_table
from hotloop.network.tables.table_file import read_inputs_file, read_table_file
from hotloop.network.validation import memory

MIXED = """age,city,member,joined,code,income,buys
31,Rome,True,2024-01-05,007,1200.5,yes
,Oslo,False,2024-02-06,008,?,no
52,NA,true,,007,900,yes
47,Rome,FALSE,2024-03-08,009,-1e3,no
"""


@pytest.fixture
def csv(tmp_path):
    return lambda content, name="table.csv": write_file(tmp_path / name, content)


def matrix_of(table):
    return Preparation.fit(table).transform(table)


def test_what_pandas_reads_from_the_same_file(csv):
    path = csv(MIXED)
    table, target = read_table_file(path)
    frame = pd.read_csv(path, dtype={"code": str}, parse_dates=["joined"], na_values="?")
    assert (table.names, target.cells) == (tuple(frame.columns[:-1]), frame.buys.tolist())
    assert (target.target, target.target_column, list(target.lines)) == ("column 'buys'", 6, [2, 3, 4, 5])
    assert matrix_of(table).tobytes() == matrix_of(table_of(frame.drop(columns="buys"))).tobytes()
    kinds = [column.kind for column in Preparation.fit(table).columns]
    assert kinds == ["number", "category", "boolean", "date", "category", "number"]


@pytest.mark.parametrize("content", [
    gzip.compress(MIXED.encode()), MIXED.replace(",", "\t"), MIXED.encode("utf-16"), MIXED.replace(",", ", "),
    MIXED.replace("1200.5", "1200,5").replace("31,", "31;").replace(",", ";").replace("1200;5", "1200,5"),
    MIXED.replace("Rome", '"Rome"'), "sep=,\n" + MIXED,
])  # fmt: skip
def test_however_it_is_written(csv, content):
    wanted = matrix_of(read_table_file(csv(MIXED))[0])
    assert matrix_of(read_table_file(csv(content, "other.csv"))[0]).tobytes() == wanted.tobytes()


def test_parquet_and_arrow_files(csv, tmp_path):
    frame = pl.read_csv(csv(MIXED), schema_overrides={"code": pl.String}, null_values=["?", "NA"], try_parse_dates=True)
    frame.write_parquet(tmp_path / "table.parquet")
    frame.write_ipc(tmp_path / "table.arrow", compat_level=pl.CompatLevel.oldest())
    wanted, target = read_table_file(csv(MIXED))
    for name in ("table.parquet", "table.arrow"):
        table, found = read_table_file(tmp_path / name)
        assert (table.names, found.cells, found.target) == (wanted.names, target.cells, target.target)
        preparation = Preparation.fit(wanted)
        assert preparation.transform(table).tobytes() == preparation.transform(wanted).tobytes()
    for target in ("buys", "6", "-1"):
        assert read_table_file(tmp_path / "table.parquet", target)[1].target_column == 6


def test_targets_of_a_parquet_file(tmp_path):
    path = tmp_path / "table.parquet"
    frame = pd.DataFrame(
        {"x": range(4), "f": [1.5, 2, 3, 4], "i": [3, 2, 1, 0], "b": [True, False] * 2, "s": list("abab")}
    )
    frame.to_parquet(path)
    cells = {name: read_table_file(path, name)[1].cells for name in ("f", "i", "b", "s")}
    assert cells == {
        "f": ["1.5", "2", "3", "4"],
        "i": ["3", "2", "1", "0"],
        "b": ["True", "False"] * 2,
        "s": list("abab"),
    }
    data, preparation = load_table(path, test_fraction=0.5)
    assert (data.classes, len(data.x_train), preparation.names) == (("a", "b"), 2, ("x", "f", "i", "b"))


@pytest.mark.parametrize(("content", "message"), [
    ("a,b\n1,2\n3\n", "line 3: 1 cells where the first row has 2"),
    ("a,b\n", "table.csv holds a header and no rows"),
    ("a,b\n1,x\n2,\n3,NA\n", r"line 3, column 'b': the target is missing \(and in 1 more row\): fill it in or drop"),
    ("a,b\n" + "".join(f"{row / 7},x\n" for row in range(9)) + "oops,y\n",
     r"line 11, column 'a': 'oops' is not a number, but . of . values are.*\(--missing 'oops', --categorical a\)"),
    ("a,b\n1,x\ninf,y\n2,x\n3,y\n", r"line 3, column 'a': inf is not finite \(1 in all\): fill in a number"),
    ("a;b;c\n1,5;1.5;x\n2,5;2.5;y\n", r"column 'a': '1,5' is not a number: decimal=',' \(--decimal ,\) takes commas"),
    ('a,b,c\n"1,234,567",1.5,x\n"2,345,678",2.5,y\n', "line 2, column 'a': '1,234,567' is not a number: write"),
    ("a,b\n5,x\n5,y\n5,x\n5,y\n", r"table.csv has no column to learn from: a: dropped: constant \(5\)"),
    ("a,b\n\0,2\n", "NUL bytes"),
    ('a;b\n1,5;x\n2,5;x\n"1.500,5";y\n3,5;y\n4,5;z\n5,5;z\n', "column 'a': '1.500,5' is not a number"),
])  # fmt: skip
def test_faults_are_named(csv, content, message):
    with pytest.raises(ValueError, match=message):
        load_table(csv(content))


def test_a_nul_beyond_the_first_rows(csv):
    with pytest.raises(ValueError, match=r"table\.csv holds NUL bytes"):
        load_table(csv("a,b\n" + "1.5,2\n" * 200_000 + "\0,2\n"))


@pytest.mark.parametrize(("column", "message"), [
    ([1.5, None, None, 2], r"table.parquet, row 1, column 'y': the target is missing \(and in 1 more row\)"),
    ([1, None, 3, 4], "row 1, column 'y': the target is missing: fill it in"),
    (["a", None, "b", "c"], "row 1, column 'y': the target is missing: fill it in"),
])  # fmt: skip
def test_faults_in_parquet_files(tmp_path, column, message):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"x": [1, 2, 3, 4], "y": column}).write_parquet(path)
    with pytest.raises(ValueError, match=message):
        load_table(path)


@pytest.mark.parametrize(("columns", "message"), [
    ({"x": [1, 2], "y": [1.5, float("inf")]}, r"table.parquet, row 1, column 'y': inf is not finite"),
    ({"x": [[1], [2]], "y": [1, 2]}, r"table.parquet: column 'x' holds values of type List"),
    ({"x": [1, 2], "y": [datetime.date(2024, 1, 1)] * 2}, r"table.parquet, column 'y': the target holds dates: make"),
])  # fmt: skip
def test_parquet_files_that_no_network_takes(tmp_path, columns, message):
    """Each is a fault of the file, which the message names."""
    path = tmp_path / "table.parquet"
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(ValueError, match=message):
        load_table(path)


def test_two_columns_of_one_name(tmp_path):
    path = tmp_path / "table.parquet"
    pa.parquet.write_table(pa.table([[1, 2], [3, 4]], names=["x", "x"]), path)
    with pytest.raises(ValueError, match=r"table\.parquet has two columns named 'x': rename one"):
        load_table(path)


def test_two_unneeded_columns_of_one_name(tmp_path):
    """What is not needed for a prediction may hold anything, in a file and in a frame."""
    path, preparation = tmp_path / "table.parquet", Preparation.fit(table_of({"a": [1.5, 2, 4], "b": ["x", "y", "x"]}))
    wanted = preparation.transform(table_of({"a": [3.0, 4], "b": ["y", "x"]}))
    names, columns = ["z", "b", "z", "a"], [[[1], [2]], ["y", "x"], [7, 8], [3.0, 4]]
    of_arrow = pa.table(columns, names=names)
    of_pandas = pd.concat([pd.Series(column, name=name) for name, column in zip(names, columns, strict=True)], axis=1)
    pa.parquet.write_table(of_arrow, path)
    tables = [read_inputs_file(path, preparation, None), *(table_of(X, ("a", "b")) for X in (of_arrow, of_pandas))]
    for table in tables:
        assert preparation.transform(table).tobytes() == wanted.tobytes()
    with pytest.raises(ValueError, match="X has two columns named 'z': rename one"):
        table_of(of_arrow)


def test_what_a_csv_file_holds_in_unneeded_columns(csv):
    """Also in one that training had, and that became no input."""
    table, _ = read_table_file(csv("a,k,b,y\n1.5,7,x,u\n2,7,y,v\n4,7,x,u\n"))
    preparation = Preparation.fit(table)
    wanted = preparation.transform(read_inputs_file(csv("a,k,b\n3,7,y\n"), preparation, None)).tobytes()
    for content in ('b,k,k,a\ny,"1,234,567",x,3\n', "z,a,b,z,z\n,3,y,,\n"):
        assert preparation.transform(read_inputs_file(csv(content), preparation, None)).tobytes() == wanted
    with pytest.raises(ValueError, match="line 1: two columns are named 'a': rename one"):
        read_inputs_file(csv("a,b,a\n3,y,3\n"), preparation, None)


def test_durations_of_a_parquet_file_come_from_csv_too(csv, tmp_path):
    spans = [datetime.timedelta(minutes=row * row - 20) for row in range(12)]
    frame = pd.DataFrame({"span": pd.to_timedelta(pd.Series(spans)), "y": ["a", "b"] * 6})
    frame.to_parquet(tmp_path / "table.parquet")
    table, _ = read_table_file(tmp_path / "table.parquet")
    preparation = Preparation.fit(table)
    wanted = preparation.transform(table).tobytes()
    for write in (frame.to_csv(index=False), frame.astype(str).assign(span=[*map(str, spans)]).to_csv(index=False)):
        assert preparation.transform(read_inputs_file(csv(write), preparation, 1)).tobytes() == wanted
    with pytest.raises(
        ValueError, match=r"line 2, column 'span': 'soon' is not a duration such as 2 days 06:30:00, as"
    ):
        preparation.transform(read_inputs_file(csv("span\nsoon\n"), preparation, None))


def test_other_faults_of_parquet_files(tmp_path):
    path = tmp_path / "table.parquet"
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_table_file(path)
    pl.DataFrame({"x": [1, 2]}).write_parquet(path)
    with pytest.raises(ValueError, match="1 column; wanted two or more, an input and the target"):
        read_table_file(path)
    pl.DataFrame({"x": [1, 2], "y": [1, 2]}).write_parquet(path)
    with pytest.raises(ValueError, match="no column is named 'z'; it has 'x', 'y'"):
        read_table_file(path, "z")
    pl.DataFrame({"x": [], "y": []}, schema={"x": pl.Int8, "y": pl.Int8}).write_parquet(path)
    with pytest.raises(ValueError, match="holds no rows"):
        read_table_file(path)
    pl.DataFrame({"x": [1, 2], "y": [1, 2]}).clear().write_ipc(tmp_path / "table.arrow")
    with pytest.raises(ValueError, match="holds no rows"):
        read_table_file(tmp_path / "table.arrow")
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read_table_file(path)


def test_numbers_are_those_of_load_csv(csv):
    """Of a file of numbers both readers read the same, however large or small, with blocks of rows between."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 12)) * 10.0 ** rng.integers(-30, 30, 12)
    content = "\n".join(",".join(map(repr, row)) for row in values.tolist())
    table, _ = read_table_file(csv(content))
    data = load_csv(csv(content), task="regression", dtype="float64")
    read = np.stack([column.values for column in table.columns], axis=1)
    np.testing.assert_array_equal(read, values[:, :-1])
    raw = data.x_train / data.scaling.scale + data.scaling.offset
    assert {tuple(row) for row in np.round(np.log10(np.abs(raw)), 6)} <= {
        tuple(row) for row in np.round(np.log10(np.abs(read)), 6)
    }


def test_whole_numbers_beyond_float64_are_exact(csv):
    rows = "".join(f"{2**60 + row},{'' if row == 3 else row + 2**61},{row}.5\n" for row in range(30))
    table, _ = read_table_file(csv(rows))
    assert table.columns[0].values.tolist() == [2**60 + row for row in range(30)]
    assert (len(set(matrix_of(table)[:, 0].tolist())), int(table.columns[1].missing.sum())) == (30, 1)


def test_memory_is_asked_for_as_a_file_grows(csv, monkeypatch):
    monkeypatch.setattr(csv_columns, "VALUES_BETWEEN_CHECKS", 40_000)
    monkeypatch.setattr(memory, "available_memory", lambda: 1_000_000)
    with pytest.raises(MemoryError, match=r"the columns read from .* needs"):
        read_table_file(csv("1.5,2.5,3.5\n" * 40_000))


def test_a_number_with_underscores_is_text(csv):
    table, _ = read_table_file(csv("a,b\n" + "".join(f"1_{row % 2},{row}.5\n" for row in range(8))))
    assert [column.kind for column in Preparation.fit(table).columns] == ["category"]


def test_words_for_missing(csv):
    path = csv("a,b,c,y\n1.5,-999,none,0.5\n2.5,3,x,1.5\n.,4,y,2.5\n8.5,5,x,3.5\n")
    table, _ = read_table_file(path, missing=["-999", ".", "none"])
    found = {column.name: column.n_missing for column in Preparation.fit(table).columns}
    assert found == {"a": 1, "b": 1, "c": 1}
    pd.read_csv(path, na_values=[".", "none"]).astype({"c": "string"}).to_parquet(path.with_suffix(".parquet"))
    table, _ = read_table_file(path.with_suffix(".parquet"), missing=["-999", "y"])
    found = {column.name: column.n_missing for column in Preparation.fit(table).columns}
    assert found == {"a": 1, "b": 1, "c": 2}


def test_categorical_columns_by_name_or_index(csv):
    path = csv("y,zip,n\n" + "".join(f"{row / 7},{row % 3},{row % 4}\n" for row in range(24)))
    for categorical in (["zip"], ["1"]):
        _, preparation = load_table(path, "y", categorical=categorical)
        assert [column.kind for column in preparation.columns] == ["category", "number"]
    for wrong, message in (("0", "column 0 is the target"), ("3", "no column '3' for"), ("no", "it has 'zip', 'n'")):
        with pytest.raises(ValueError, match=message):
            load_table(path, "y", categorical=[wrong])


# For a trained network


def test_columns_of_a_later_file(csv, tmp_path):
    table, _ = read_table_file(csv(MIXED))
    preparation = Preparation.fit(table)
    wanted = preparation.transform(table)

    def prepared(path, **options):
        return preparation.transform(read_inputs_file(path, preparation, 6, **options))

    assert prepared(csv(MIXED)).tobytes() == wanted.tobytes()
    lines = [line.split(",") for line in MIXED.splitlines()]
    reordered = "\n".join(",".join(["x", *line[5::-1]]) for line in lines)
    assert prepared(csv(reordered)).tobytes() == wanted.tobytes()
    for columns in (slice(0, 6), slice(0, 7)):
        bare = "\n".join(",".join(line[columns]) for line in lines[1:])
        with pytest.warns(UserWarning, match="no header: its columns are taken to be columns 'age', 'city'"):
            assert prepared(csv(bare), known=Dialect(header=False)).tobytes() == wanted.tobytes()
    with pytest.raises(ValueError, match="lacks columns 'age', 'code' that the network was trained on"):
        prepared(csv("city,member,joined,income,x\nRome,True,2024-01-05,3,4\n"))
    twice = csv("age,city,member,joined,code,income,age\n31,Rome,True,2024-01-05,007,1200.5,99\n")
    with pytest.raises(ValueError, match="line 1: two columns are named 'age': rename one"):
        prepared(twice)
    assert len(prepared(csv("x,x,age,city,member,joined,code,income\n1,2,31,Rome,True,2024-01-05,007,1200.5\n"))) == 1
    pa.parquet.write_table(pa.Table.from_pandas(pd.read_csv(csv(MIXED), dtype={"code": str})), tmp_path / "t.parquet")
    assert prepared(tmp_path / "t.parquet").tobytes() == wanted.tobytes()
    wide = pa.parquet.read_table(tmp_path / "t.parquet").append_column("lists", [[[1], [2], [3], [4]]])
    pa.parquet.write_table(wide, tmp_path / "t.parquet")
    assert prepared(tmp_path / "t.parquet").tobytes() == wanted.tobytes()


def test_where_only_numbers_are_read(tmp_path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"x": [1.5, 2], "y": [1.5, 2]}).write_parquet(path)
    with pytest.raises(ValueError, match=r"load takes no Parquet or Arrow file: hotloop train does, and .*Stream"):
        load(path)
    with pytest.raises(ValueError, match="a Parquet or Arrow file is for a network that was trained on a table"):
        load_inputs(path, 1, None, None)
