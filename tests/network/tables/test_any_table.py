"""Whatever is in a table: the matrix is finite and within the clip, and no row depends on another."""

import datetime
import json
import math
import string

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of

ROWS = 9
FLOATS = st.one_of(
    st.floats(allow_infinity=False, allow_nan=False), st.floats(-3, 3), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308])
)
WORDS = st.text(string.ascii_letters + string.digits + " .,-+_?é東", max_size=4)
KINDS = {
    "floats": FLOATS, "whole": st.integers(-(2**63), 2**63 - 1), "small": st.integers(-2, 2), "truths": st.booleans(),
    "words": WORDS, "few": st.sampled_from(["a", "b", "", "nan"]), "dates": st.datetimes(),
    "spans": st.timedeltas(datetime.timedelta(-9999), datetime.timedelta(9999)),
    "numbers as text": st.integers(0, 50).map(str),
}  # fmt: skip


@st.composite
def tables(draw):
    """Return columns by name, each of one kind, with missing values."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    return {
        f"{place} {kind}": draw(st.lists(st.one_of(st.none(), KINDS[kind]), min_size=ROWS, max_size=ROWS))
        for place, kind in enumerate(kinds)
    }


def fitted(columns):
    """Return the preparation of a table that has one column more, which varies."""
    table = table_of(columns | {"row": list(range(ROWS))})
    try:
        return Preparation.fit(table), table
    except ValueError as error:
        assert "is not a number, but" in str(error)  # noqa: PT017 (a text among numbers)
        return None, table


@settings(max_examples=40)
@given(tables(), st.permutations(range(ROWS)))
def test_any_table(columns, order):
    preparation, table = fitted(columns)
    if preparation is None:
        return
    found = preparation.transform(table)
    assert (found.shape, found.dtype) == ((ROWS, preparation.n_inputs), np.float32)
    assert found.flags.c_contiguous
    assert np.abs(found).max() <= 3  # NaN is not
    assert sum(column.n_inputs for column in preparation.columns) == preparation.n_inputs
    rows = order[:4]
    np.testing.assert_array_equal(preparation.transform(table.take(rows)), found[rows])
    config, arrays = preparation.state()
    again = Preparation.from_state(json.loads(json.dumps(config)), arrays)
    assert again.transform(table).tobytes() == found.tobytes()
    for column in preparation.columns:
        part = found[:, column.inputs]
        assert column.note
        assert not part.size or (np.ptp(part, axis=0) > 0).any() or column.kind == "number"


@settings(max_examples=30)
@given(tables())
def test_the_library_of_a_frame_does_not_matter(columns):
    preparation, table = fitted(columns)
    if preparation is None:
        return
    found = preparation.transform(table)
    objects = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()}).assign(
        row=range(ROWS)
    )
    np.testing.assert_array_equal(Preparation.fit(table_of(objects)).transform(table_of(objects)), found)
    frame = pl.DataFrame(columns | {"row": range(ROWS)}, strict=False)
    np.testing.assert_array_equal(Preparation.fit(table_of(frame)).transform(table_of(frame)), found)


@given(st.lists(st.one_of(FLOATS, st.just(math.nan)), min_size=3, max_size=9), st.lists(FLOATS, min_size=1, max_size=5))
def test_any_number_later(training, later):
    """Numbers keep their order, wherever they are."""
    X = np.array([training, range(len(training))]).T
    preparation = Preparation.fit(table_of(X))
    if preparation.columns[0].n_inputs == 0 or "constant" in preparation.columns[0].note:
        return
    found = preparation.transform(table_of(np.array([later, [0.0] * len(later)]).T))[:, 0]
    assert np.isfinite(found).all()
    order = np.argsort(later)
    assert (np.diff(found[order]) >= 0).all()
