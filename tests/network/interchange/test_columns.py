"""C and Python files that prepare the columns of a table, against hotloop's own preparation."""

import re
import runpy
import subprocess

import numpy as np
import pytest
from exported_c import COMPILER, compiled, needs_compiler, outputs_of
from interchange_networks import assert_same
from interchange_tables import CODES, new_rows, table

from hotloop import Network, PreparedNetwork
from hotloop.interchange import export_c, export_python
from hotloop.network.interchange.columns import CategoryColumn, prepare
from hotloop.network.persistence.schema import Schema
from hotloop.network.tables.encodings import Dropped, OneHot
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of


def model(dtype, bins=0, **options):
    """Return a network with the preparation of a table that has columns of every kind."""
    preparation = Preparation.fit(table_of(table(400, 0)), CODES, max_categories=20, numeric_bins=bins)
    net = Network([preparation.n_inputs, 9, 2], "tanh", loss="cross_entropy", dtype=dtype, seed=1, **options)
    net.input_scale = 0.5
    return PreparedNetwork(net, preparation, Schema(classes=("no", "yes")))


def as_numbers(preparation, rows):
    """Return what is given for each column: numbers, days, and places of categories of text."""
    given = []
    read = table_of(rows, preparation.needed)
    for name, encoding in zip(preparation.names, preparation.encodings, strict=True):
        if isinstance(encoding, Dropped):
            continue
        values = rows[name]
        if isinstance(encoding, OneHot) and any(kind == "str" or kind == "text" for kind, _ in encoding.keys):
            codes = encoding.codes(read.columns[read.names.index(name)])[0]
            numbers = np.where(codes < 0, np.nan, np.where(codes >= len(encoding.keys), -7, codes))
        elif values.dtype.kind == "M":
            numbers = (values - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
        else:
            numbers = values.astype(float)
        given.append(numbers)
    return np.column_stack(given)


CASES = [("float64", 0), ("float64", 5), ("float32", 5)]


@pytest.mark.parametrize(("dtype", "bins"), CASES)
def test_python_prepares_the_same(dtype, bins, tmp_path):
    made = model(dtype, bins)
    export_python(made, tmp_path / "net.py")
    X = as_numbers(made.preparation, new_rows())
    assert_same(runpy.run_path(str(tmp_path / "net.py"))["predict"](X), made.predict(new_rows()))


@needs_compiler
def test_c_prepares_the_same(tmp_path):
    networks = {f"net_{dtype}_{bins}": model(dtype, bins) for dtype, bins in CASES}
    library = compiled(tmp_path, networks)
    rows = new_rows()
    for name, made in networks.items():
        X = as_numbers(made.preparation, rows)
        if made.network.dtype == np.float32:  # as C takes them: what a float does not hold, hotloop is given rounded
            rows = rows | {"year": rows["year"].clip(-1e30, 1e30).astype("f4").astype("f8")}
            X = as_numbers(made.preparation, rows).astype("f4")
        assert_same(outputs_of(getattr(library, name), X, 2), made.predict(rows))


def test_what_is_given_is_listed(tmp_path):
    made = model("float32")
    export_c(made, tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    assert " *   0: year: a number; NaN if missing\n" in text
    assert re.search(r" \*   1: colour: 0 = [^\n]*red[^\n]*; another number if unknown, NaN if missing\n", text)
    assert " *   3: zip: one of 1, 2, 7.5; another number" in text
    assert " *   4: day: days since 1970-01-01 UTC; NaN if missing\n" in text
    assert " same: " not in text  # of no use in training
    assert " *   0: no\n *   1: yes\n" in text
    columns = prepare(made.preparation).columns
    assert sum(isinstance(column, CategoryColumn) for column in columns) == 6
    assert f"#define PREDICT_INPUTS {len(columns)}\n" in text


def test_a_column_that_no_number_tells_apart_is_refused(tmp_path):
    big = 2**60 + np.arange(40)
    preparation = Preparation.fit(table_of({"id": big * 3}))
    net = Network([preparation.n_inputs, 1], seed=0)
    for export in (export_c, export_python):
        with pytest.raises(ValueError, match=r"column 'id': holds whole numbers beyond 2\*\*53"):
            export(PreparedNetwork(net, preparation, Schema()), tmp_path / "net")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("numbers", [2**24 + np.arange(3), [1e300, 2e300, 3e300]])
def test_categories_that_a_float_does_not_tell_apart_are_refused(numbers, tmp_path):
    preparation = Preparation.fit(table_of({"id": np.array(numbers, float)[np.arange(60) % 3]}), ["id"])
    made = PreparedNetwork(Network([preparation.n_inputs, 1], seed=0), preparation, Schema())
    with pytest.raises(ValueError, match=r"column 'id': has categories that float32 does not tell apart"):
        export_c(made, tmp_path / "net.c")
    export_c(made, tmp_path / "net.c", dtype="float64")


@needs_compiler
@pytest.mark.parametrize("flag", ["-ffast-math", "-ffinite-math-only"])
def test_a_compiler_that_assumes_no_nan_is_refused(flag, tmp_path):
    export_c(model("float32"), tmp_path / "net.c")
    command = [COMPILER, "-std=c99", flag, "-c", tmp_path / "net.c", "-o", tmp_path / "net.o"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "NaN stands for a missing value" in done.stderr
