"""Frames, tables, series, tensors and lists as X and y: converted, or one error that says what to call."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from hotloop import Network
from hotloop.network.validation.array_like import column_names, numeric

DAY = np.datetime64("2020-03-01")


class Column:
    """Like a series of polars or a column of Arrow: a name, a type, and the way to NumPy."""

    def __init__(self, name, values, dtype=None):
        self.name, self.values, self.dtype = name, values, dtype

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


class PolarsFrame:
    columns = ("size", "age")

    def get_columns(self):
        return [Column("size", [1.5, 2.5]), Column("age", np.array([3, None], dtype=object))]


class PolarsQuery:
    columns = ("size", "age")

    def collect(self):
        return PolarsFrame()


class ArrowTable:
    def __init__(self, **columns):
        self.columns = columns
        self.column_names = list(columns)

    def itercolumns(self):
        return iter(Column(name, values) for name, values in self.columns.items())


class Sparse:
    shape, dtype, nnz = (1000, 500), np.dtype(np.float32), 7

    def toarray(self):
        raise AssertionError


class Tensor:
    """Like one of torch, which NumPy cannot always read."""

    def __init__(self, dtype="torch.float32", device="cpu", requires_grad=False, layout="torch.strided"):
        self.dtype, self.layout, self.requires_grad = dtype, layout, requires_grad
        self.device = type("Device", (), {"type": device, "__str__": lambda _: device})()

    def detach(self):
        raise AssertionError

    def __array__(self, dtype=None, copy=None):
        return np.array([[1.0, 2.0]])


class OnADevice:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it is on another device:\ncall .get()")


def frame(**columns):
    return pd.DataFrame({name.replace("_", " "): values for name, values in columns.items()})


def nullable(values, dtype):
    return pd.array(values, dtype=dtype)


@pytest.mark.parametrize(
    ("given", "expected", "dtype"),
    [
        (frame(a=[1.5, 2.5], b=[3, 4]), [[1.5, 3], [2.5, 4]], "f8"),
        (frame(a=[1.5, 2.5], b=[True, False]), [[1.5, 1], [2.5, 0]], "f8"),
        (frame(a=[True, False], b=[False, False]), [[1, 0], [0, 0]], "?"),
        (frame(a=np.float32([1.5, 2.5]), b=np.float32([3, 4])), [[1.5, 3], [2.5, 4]], "f4"),
        (pd.get_dummies(frame(a=[1.5, 2.5], kind=["x", "y"])), [[1.5, 1, 0], [2.5, 0, 1]], "f8"),
        (frame(a=nullable([1, 2], "Int64"), b=nullable([0.5, 1.5], "Float64")), [[1, 0.5], [2, 1.5]], "f8"),
        (frame(a=nullable([True, False], "boolean"), b=nullable([7, 8], "UInt8")), [[1, 7], [0, 8]], "u1"),
        (frame(a=pd.arrays.SparseArray([0, 5]), b=[1.5, 2.5]), [[0, 1.5], [5, 2.5]], "f8"),
        (frame(a=np.array([1, 2.5], dtype=object), b=[True, False]), [[1, 1], [2.5, 0]], "f8"),
        (pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]).astype({"a": "Int64"}), [[1, 1], [1, 1]], "i8"),
        (frame(a=[1, 2], b=[3, 4]).iloc[:0], np.empty((0, 2)), "i8"),
        (pd.DataFrame(index=[0, 1]), np.empty((2, 0)), "f8"),
        (ArrowTable(a=[1, 2], b=[0.5, 1.5]), [[1, 0.5], [2, 1.5]], "f8"),
        (Tensor(), [[1, 2]], "f8"),
        ([[1, True], [2, 0.5]], [[1, 1], [2, 0.5]], "f8"),
        ([[decimal.Decimal("1.5"), 2], [np.float32(0.5), False]], [[1.5, 2], [0.5, 0]], "f8"),
        (np.array([[1, 2.5], [True, np.int8(3)]], dtype=object), [[1, 2.5], [1, 3]], "f8"),
        (pd.Series([True, False], dtype="boolean"), [True, False], "?"),
        (pd.Series([1, 2], index=[5, 3]), [1, 2], "i8"),
        (pd.Index([1.5, 2.5]), [1.5, 2.5], "f8"),
    ],
)
def test_what_is_converted(given, expected, dtype):
    found = numeric("X", given)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == dtype


@pytest.mark.parametrize("kind", ["int64[pyarrow]", "float[pyarrow]", "bool[pyarrow]"])
def test_arrow_dtypes_of_pandas(kind):
    pytest.importorskip("pyarrow", reason="pandas has these dtypes only beside pyarrow")
    found = numeric("X", pd.DataFrame({"a": pd.Series([0, 1], dtype=kind), "b": [0.5, 1.5]}))
    np.testing.assert_array_equal(found, [[0, 0.5], [1, 1.5]])


MANY_TEXTS = pd.DataFrame({f"c{index}": ["x", "y"] for index in range(20)})


@pytest.mark.parametrize(
    ("given", "exception", "message"),
    [
        (frame(size=[1, 2], colour=["red", "blue"]), TypeError,
         r"X wants numbers: column 'colour' holds text \('red' in row 0\); encode it .*pandas.get_dummies"),
        (frame(size=[1, 2], a_b=[3, "tall"]), TypeError, r"column 'a b' holds text \('tall' in row 1\)"),
        (frame(a=["x", "y"], b=[1, 2], c=pd.to_datetime(["2020-03-01", "2020-03-02"])), TypeError,
         r"column 'a' holds text \('x' in row 0\), column 'c' holds times \(2020-03-01.* in row 0\); .*timedelta64"),
        (frame(a=pd.Categorical(["x", "y"]), b=pd.Categorical([1, 2])), TypeError,
         r"column 'a' holds categories \('x' in row 0\), column 'b' holds categories \(1 in row 0\); .*\.astype"),
        (frame(a=nullable([True, None], "boolean"), b=[1, 2]), ValueError,
         r"X wants numbers: column 'a' holds a missing value \(<NA> in row 1\); .*fill it in or drop the row"),
        (frame(a=[1j, 2], b=[1, 2]), TypeError, r"column 'a' holds complex numbers \(1j in row 0\)"),
        (frame(a=[[1, 2], [3, 4]]), TypeError, r"column 'a' holds 2 values \(\[1, 2\] in row 0\); give each a column"),
        (frame(a=[{}, {}, set()]), TypeError, r"column 'a' holds 0 values \(\{\} in row 0\)"),
        (frame(a=[1, object()]), TypeError, r"values of class object \(<object object at .* in row 1\); give numbers"),
        (frame(a=pd.period_range("2020", periods=2, freq="D")), TypeError, "column 'a' holds values of class Period"),
        (frame(a=pd.to_datetime(["2020-03-01"]).tz_localize("UTC")), TypeError, "column 'a' holds times"),
        (frame(a=[1, "x" * 99]), TypeError, r"holds text \('x{56}\.\.\. in row 1\)"),
        (pd.DataFrame({"a\x1b[2J": ["\x1b[31m"]}), TypeError, r"'a\\x1b\[2J' holds text \('\\x1b\[31m' in row 0"),
        (pd.DataFrame([["x", 1]]), TypeError, "column 0 holds text"),
        (MANY_TEXTS, TypeError, r"column 'c11' holds text \('x' in row 0\) and 8 more; encode it[^;]*$"),
        (PolarsFrame(), ValueError, r"column 'age' holds a missing value \(None in row 1\)"),
        (PolarsQuery(), TypeError, r"X is a PolarsQuery, not yet computed: give X.collect\(\)"),
        (ArrowTable(a=[1, 2], b=["x", "y"]), TypeError, r"column 'b' holds text \('x' in row 0\)"),
        (Sparse(), TypeError, r"X is a sparse matrix; wanted a dense array: give X.toarray\(\), which takes 2 MB"),
        (Tensor(requires_grad=True), TypeError,
         r"X is a tensor \(torch.float32, torch.strided, on cpu, requires grad\) .*: give X.detach\(\)$"),
        (Tensor("torch.bfloat16"), TypeError, r": give X.float\(\)$"),
        (Tensor("torch.bfloat16", "cuda", True, "torch.sparse_coo"), TypeError,
         r": give X.to_dense\(\).detach\(\).cpu\(\).float\(\)$"),
        (OnADevice(), TypeError, r"X is not an array of numbers: it is on another device:\\ncall .get\(\)"),
        ([[1, 2], [3]], ValueError, "X is not an array of numbers: row 0 has 2 entries, and row 1 has 1 entries"),
        ([1, [2, 3]], ValueError, "X is not an array of numbers: row 0 has no entries, and row 1 has 2 entries"),
        ([[[1, 2], [3]]], ValueError, "X is not an array of numbers: .*inhomogeneous"),
        ([[1, "a"], [2, 3]], TypeError, "X has dtype <U21; .*found text, 'a' in row 0, column 1; encode"),
        ([["1", "2.5"]], TypeError, "found text, '1' in row 0, column 0; convert it to numbers: .*dtype=float"),
        (np.array([["1", "x"]], dtype=np.dtypes.StringDType()), TypeError, "found text, 'x' in row 0, column 1"),
        (np.array([[b"x"]]), TypeError, r"X has dtype \|S1; .*found text, b'x' in row 0, column 0"),
        ([[1, None], [2, 3]], ValueError, "X must be finite: found None in row 0, column 1, a missing value"),
        ([[1.0, pd.NA]], ValueError, "X must be finite: found <NA> in row 0, column 1, a missing value"),
        ([[DAY]], TypeError, r"X has dtype datetime64\[D\]; .*times, 2020-03-01 in row 0, column 0; take numbers"),
        (np.array([[datetime.date(2020, 3, 1)]]), TypeError, r"found times, datetime.date\(2020, 3, 1\) in row 0"),
        (np.zeros(2, [("a", "f8")]), TypeError, r"found records, .*in row 0; give a column for each field"),
        (np.zeros((0, 2), "U1"), TypeError, "X has dtype <U1; wanted real numbers .*: found text, none"),
        ([[10**400, 1]], TypeError, "found a number too large for float64, 1000.* in row 0, column 0; scale it"),
        ([[10**5000, 1]], TypeError, "found a number too large for float64, an int in row 0, column 0"),
        (dict, TypeError, "X has dtype object; .*found <class 'type'>"),
    ],
)  # fmt: skip
def test_what_is_refused(given, exception, message):
    with pytest.raises(exception, match=message) as caught:
        numeric("X", given)
    assert caught.type is exception
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.Series(["a", "b"]), r"y has dtype object; .*found text, 'a' in row 0; number the classes: .*numpy.unique"),
        (pd.Categorical(["a", "b"]), r"found text, 'a' in row 0; number the classes"),
        (Column("y", np.array(["a", "b"])), r"y has dtype <U1; .*'a' in row 0; number the classes"),
    ],
)
def test_text_as_targets(y, message):
    with pytest.raises(TypeError, match=message):
        Network([2, 2], loss="cross_entropy", seed=0).fit(np.eye(2), y, epochs=1, progress=False)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([1, 0, 2], dtype="Int64"),
        pd.Series([1, 0, 2], dtype="category"),
        np.array([1, 0, 2], dtype=object),
        Column("y", [1, 0, 2]),
    ],
)
def test_labels_of_other_libraries(labels):
    X, net = np.eye(3), Network([3, 3], loss="cross_entropy", seed=0)
    assert net.evaluate(X, labels) == net.evaluate(X, [1, 0, 2])


def test_a_frame_gives_the_bits_of_its_numbers():
    """In every method that takes one."""
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=6), "b": [True, False] * 3, "c": pd.array([1, 2, 3] * 2, dtype="Int64")}
    X, y = pd.DataFrame(columns), pd.Series([1, 0] * 3, dtype="boolean")
    plain = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    nets = [Network([3, 4, 1], loss="binary_cross_entropy", seed=0) for _ in range(2)]
    for net, inputs, targets in zip(nets, (X, plain), (y, np.array([1.0, 0] * 3)), strict=True):
        net.fit(inputs, targets, epochs=2, validation_data=(inputs, targets), progress=False)
    np.testing.assert_array_equal(nets[0].predict(X), nets[1].predict(plain))
    assert nets[0].evaluate(X, y) == nets[1].evaluate(plain, [1, 0] * 3)
    for given, expected in zip(nets[0].gradient(X, y), nets[1].gradient(plain, [1, 0] * 3), strict=True):
        np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (frame(size=[1.0, np.nan], age=[3, 4]), r"X must be finite: found nan in row 1, column 0 \('size'\), 1 in all"),
        # pandas 2 gives NA, pandas 3 NaN
        (frame(size=[1, 2], age=pd.array([None, 4], dtype="Float64")), r"column 1 \('age'\)|'age' .* \(<NA> in row 0"),
        (frame(size=[1, 2], age=[3, 1e300]), r"row 1, column 1 \('age'\) \(1e\+300 is too large for float32\)"),
    ],
)  # fmt: skip
def test_what_is_not_finite_is_named_by_the_column(X, message):
    with pytest.raises(ValueError, match=message):
        Network([2, 1], seed=0).predict(X)


def test_a_frame_of_one_dtype_is_not_copied():
    array = np.zeros((4, 3))
    X = pd.DataFrame(array, copy=False)
    assert np.shares_memory(numeric("X", X), array)
    assert column_names(X) == [0, 1, 2]
    assert column_names(array) is None
