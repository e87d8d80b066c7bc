"""Data that are read a part at a time: each kind of file gives what the arrays in memory were."""

import gzip

import numpy as np
import pytest

from hotloop import Network
from hotloop.datasets import Scaling, Stream
from hotloop.schedules import OneCycle

ROWS = 23
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return random.normal(size=(ROWS, 3)), random.integers(0, 3, ROWS)


def arrow_table(x, y, target="y", **columns):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({name: x[:, i] for i, name in enumerate(NAMES)} | columns | {target: y})


def write(kind, path, x, y):
    """Write a file of this kind, and return its path."""
    path = path.with_name(path.name + kind)
    if kind == ".npz":
        np.savez(path, x=x, y=y)
    elif kind.startswith((".csv", ".tsv")):
        mark = "\t" if kind == ".tsv" else ","
        lines = [mark.join([*NAMES, "y"])]
        lines += [mark.join(map(repr, [*map(float, row), value.item()])) for row, value in zip(x, y, strict=True)]
        text = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(text) if kind.endswith(".gz") else text)
    elif kind == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(arrow_table(x, y), path, row_group_size=5)
    else:
        ipc, whole = pytest.importorskip("pyarrow.ipc"), arrow_table(x, y)
        with (ipc.new_stream if kind == ".ipc" else ipc.new_file)(path, whole.schema) as file:
            file.write_table(whole, max_chunksize=9)
    return path


def whole(stream):
    """Return all parts as one."""
    parts = list(stream)
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


@pytest.mark.parametrize("kind", [".npz", ".csv", ".csv.gz", ".tsv", ".parquet", ".arrow", ".ipc"])
def test_files_are_read_again_in_each_pass(kind, table, tmp_path):
    x, y = table
    paths = [write(kind, tmp_path / "one", x[:13], y[:13]), str(write(kind, tmp_path / "two", x[13:], y[13:]))]
    stream = Stream(paths, rows=4)
    for _ in range(2):
        found = whole(stream)
        assert np.array_equal(found[0], x)
        assert np.array_equal(found[1], y)
    sizes = [4, 4, 4, 1, 4, 4, 2] if kind in (".parquet", ".arrow", ".ipc") else [13, 10]
    assert [len(part) for part, _ in stream] == stream.rows_of_parts() == sizes


def test_arrow_objects(table):
    x, y = table
    given = arrow_table(x, y)
    dataset = pytest.importorskip("pyarrow.dataset").dataset(given)
    for source in (given, dataset, given.to_reader(max_chunksize=5), given.to_batches(max_chunksize=7)):
        stream = Stream(source, rows=6)
        assert stream.reads_once == hasattr(source, "read_next_batch")
        counts = stream.rows_of_parts()
        assert all(np.array_equal(*pair) for pair in zip(whole(stream), table, strict=True))
        if not stream.reads_once:
            assert [len(x) for x, _ in stream] == counts
    assert Stream(given.to_reader()).rows_of_parts() is None
    assert Stream(given, rows=ROWS).rows_of_parts() == [ROWS]


def test_a_reader_is_read_once(table):
    """Said before anything is trained."""
    net = Network([3, 4, 1], seed=0)

    def reader():
        return arrow_table(*table).to_reader(max_chunksize=5)

    with pytest.raises(ValueError, match="X can be read once, as a Stream, and epochs is 2"):
        net.fit(Stream(reader()), epochs=2)
    stream = Stream(reader())
    stream.scaling()
    with pytest.raises(ValueError, match="a RecordBatchReader can be read once, and was: give the table, the dataset"):
        net.fit(stream, epochs=1)
    assert net.steps == 0
    net.fit(Stream(reader(), rows=10), epochs=1, batch_size=4, progress=False)
    assert net.steps == 3 + 3 + 1


@pytest.mark.parametrize("kind", [".parquet", ".arrow", ".ipc"])
def test_damaged_files_are_named(kind, table, tmp_path):
    good = write(kind, tmp_path / "good", *table).read_bytes()
    bad = tmp_path / f"bad{kind}"
    middle = bytes(100) + good[100:-100].replace(b"\x00", b"\xff")
    for content in (b"", good[:5], good[: len(good) // 2], middle + good[-100:]):
        bad.write_bytes(content)
        for call in (lambda: list(Stream(bad)), Stream(bad).rows_of_parts):
            with pytest.raises(ValueError, match=r"bad\.\w+ cannot be read as .*(Parquet|an Arrow file) \(") as caught:
                call()
            assert type(caught.value) is ValueError


@pytest.mark.parametrize("kind", [".parquet", ".arrow", ".csv", ".npz"])
def test_one_cycle_and_a_learning_rate_from_a_stream(kind, table, tmp_path):
    x, y = table[0], table[1] + 10.0
    paths = [write(kind, tmp_path / "one", x[:13], y[:13]), write(kind, tmp_path / "two", x[13:], y[13:])]
    stream = Stream(paths, rows=6)
    net = Network([3, 4, 1], seed=0)
    found, wanted = (net.find_learning_rate(each, end=0.01, steps=30, batch_size=4) for each in (stream, list(stream)))
    assert found.losses.tolist() == wanted.losses.tolist()
    assert net.steps == 0
    history = net.fit_one_cycle(stream, epochs=2, max_learning_rate=0.01, batch_size=4, progress=False)
    steps = 2 * sum(-(-rows // 4) for rows in stream.rows_of_parts())
    assert net.steps == steps
    assert history["learning_rate"][-1] == pytest.approx(OneCycle(0.01)(steps - 1, steps), rel=1e-6)


def test_columns_are_found_by_name(table, tmp_path):
    x, y = table
    first = write(".csv", tmp_path / "first", x, y)
    second = tmp_path / "second.csv"
    lines = [line.split(",") for line in first.read_text().splitlines()]
    second.write_text("\n".join(",".join([c, y_, a, b]) for a, b, c, y_ in lines))
    found = whole(Stream([first, second], "y"))[0]
    assert np.array_equal(found, np.concatenate([x, x]))
    assert np.array_equal(whole(Stream(second, "y", columns=["b", "c"]))[0], x[:, 1:])
    assert np.array_equal(whole(Stream(arrow_table(x, y), "a", columns=["c"]))[0], x[:, 2:])


def test_classes_by_their_names(table, tmp_path):
    x, y = table
    names = ["dog", "cat", "owl"]
    text = np.array(names)[y]
    for source in (write(".npz", tmp_path / "text", x, text), arrow_table(x, text), arrow_table(x, text.astype("O"))):
        assert np.array_equal(whole(Stream(source, classes=names))[1], y)
    pyarrow = pytest.importorskip("pyarrow")
    encoded = arrow_table(x, pyarrow.array(text.tolist()).dictionary_encode())
    assert np.array_equal(whole(Stream(encoded, classes=names))[1], y)
    assert np.array_equal(whole(Stream(arrow_table(x, y + 5), classes=[5, 6, 7]))[1], y)
    assert np.array_equal(whole(Stream(write(".csv", tmp_path / "n", x, y), classes=[2, 1, 0]))[1], 2 - y)


@pytest.mark.parametrize("parts", [1, 4])
def test_scaling_is_that_of_all_rows(parts, table, tmp_path):
    x, y = table[0] * [1, 1e3, 0] + [1e3, 0, 7], table[1]
    paths = [write(".npz", tmp_path / str(i), x[i::parts], y[i::parts]) for i in range(parts)]
    found, wanted = Stream(paths).scaling(), Scaling.standardising(x, str)
    assert found.offset == pytest.approx(wanted.offset, rel=1e-14)
    assert found.scale == pytest.approx(wanted.scale, rel=1e-12)
    assert found.scale[2] == 0


def test_bad_sources(table, tmp_path):
    x, y = table
    path = write(".npz", tmp_path / "good", x, y)
    for source, error, message in (
        ([], ValueError, "source is empty"),
        (tmp_path / "none.parquet", FileNotFoundError, "there is no file"),
        (tmp_path, ValueError, "unknown kind of file; wanted one of .npz"),
        (3, TypeError, "source must be a path or an Arrow object, or a list of them; got an int"),
        ([path, None], TypeError, "got a NoneType"),
    ):
        with pytest.raises(error, match=message):
            Stream(source)
    for options, message in (
        ({"rows": 0}, "rows must be"), ({"classes": ["a"]}, "two or more"), ({"classes": ["a", "a"]}, "two or more"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Stream(path, **options)
    with pytest.raises(TypeError, match=r"write \['a'\]"):
        Stream(path, columns="a")


def test_faults_say_where(table, tmp_path):
    x, y = table
    good = write(".csv", tmp_path / "good", x, y)
    other = tmp_path / "other.csv"
    other.write_text(good.read_text().replace("a,b,c,y", "a,b,d,y"))
    text = np.where(y == 1, "one", "7")
    narrow = tmp_path / "narrow.npz"
    np.savez(narrow, x=x[:, :2], y=y)
    short = tmp_path / "short.npz"
    np.savez(short, x=x, y=y[1:])
    wide = write(".npz", tmp_path / "wide", x, y)
    for source, options, message in (
        ([good, other], {}, "other.csv has no column 'c'; it has a, b, d"),
        ([wide, narrow], {}, "narrow.npz has 2 inputs a row; the parts before have 3"),
        (wide, {"columns": ["a"]}, "wide.npz has no names of columns: omit columns="),
        (short, {}, "x has 23 rows and y has 22"),
        (arrow_table(x, text), {}, r"rows 0 to 22: the target 'one' in row \d+ is not a number: pass classes"),
        (arrow_table(x, text), {"classes": ["one", "two"]}, "the target '7' is none of the classes"),
        (arrow_table(x, y), {"target": "z"}, "a Table has no column 'z' for the target; it has a, b, c, y"),
        (arrow_table(x, y), {"columns": ["a", "e"]}, "a Table has no column 'e'"),
        (arrow_table(x, [None, *y[1:].tolist()]), {}, "the target 'y' is missing in 1 of them"),
        (arrow_table(x[:0], y[:0]), {}, "the data have no rows"),
    ):
        with pytest.raises(ValueError, match=message):
            whole(Stream(source, **options))
    with pytest.raises(TypeError, match="rows 0 to 22: X wants numbers: column 'word' holds text"):
        whole(Stream(arrow_table(x, y, word=["w"] * ROWS)))
    x = x.copy()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"rows 0 to 22: X must be finite: found nan in row 3, column 1 \('b'\)"):
        Stream(arrow_table(x, y)).scaling()


@pytest.mark.parametrize(("kind", "where"), [
    (".parquet", r"part\.parquet, rows 20 to 22: "), (".arrow", r"part\.arrow, rows 20 to 22: "),
])  # fmt: skip
def test_what_is_not_finite_is_named_as_text_is(kind, where, table, tmp_path):
    """Two large numbers are finite, and their sum is not."""
    x, y = table[0].copy(), table[1].astype(float)
    net = Network([3, 1], seed=0)
    for value in (np.nan, -np.inf):
        x[21, 2], y[21] = value, 0
        path = write(kind, tmp_path / "part", x, y)
        with pytest.raises(ValueError, match=rf"{where}X must be finite: found {value} in row 1, column 2 \('c'\)$"):
            net.fit(Stream(path, rows=10), epochs=1, progress=False)
        x[21, 2], y[21] = 0, value
        path = write(kind, tmp_path / "part", x, y)
        with pytest.raises(ValueError, match=rf"{where}y must be finite: found {value} in row 1$"):
            net.fit(Stream(path, rows=10), epochs=1, progress=False)
    x[:2, 0], y[21] = 1.7e308, 0
    assert np.array_equal(whole(Stream(write(kind, tmp_path / "part", x, y), rows=10))[0], x)


def test_a_missing_value_of_a_table(table):
    pyarrow = pytest.importorskip("pyarrow")
    missing = pyarrow.array([None, *range(1, ROWS)])
    with pytest.raises(ValueError, match=r"rows 0 to 22: X must be finite: found nan in row 0, column 3 \('d'\)$"):
        list(Stream(arrow_table(*table, d=missing)))


def test_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"need pyarrow: pip install 'hotloop\[arrow\]'"):
        list(Stream(tmp_path / "data.parquet"))
