"""Inputs wider than float: bytes, and files, are used as they are, and give the bits of the converted, scaled array."""

import tracemalloc

import numpy as np
import pytest
from conftest import COMPILED, ODD_SIZES, fenced, needs_compiler, same_bits

from hotloop import Adam, Network
from hotloop.kernels.gather import gather
from hotloop.kernels.jit import kernel
from hotloop.kernels.records import Samples
from hotloop.kernels.tables import LAYER, SETTINGS
from hotloop.network.training.loop_arguments import INPUT_KINDS, bytes_of_rows
from hotloop.network.validation import arrays

KINDS = ["uint8", "float32", "float64"]


def raw(kind, rows=23, columns=7):
    """Return bytes, or numbers from -128 to 127 of which none fits a shorter kind."""
    rng = np.random.default_rng(5)
    if kind == "uint8":
        return rng.integers(0, 256, (rows, columns), np.uint8)
    return rng.uniform(-128, 127, (rows, columns)).astype(kind)


# The loop.


@kernel
def gathered(samples, at, rows, settings, layers, out):
    gather(samples, at, at - at, rows, settings[0], layers[0], out, at - at - 1)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("columns", ODD_SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_gather(kind, columns, ordered, dtype):
    """Rows in any order, or in theirs, from an odd address, into rows with something between them."""
    data, rows, stride = raw(kind, 9, columns), 5, columns + 3
    memory = np.full(data.nbytes + 17, 255, np.uint8)  # as floats, what lies around is NaN
    inside = memory[1:]
    inside[: data.nbytes] = data.view(np.uint8).ravel()
    inputs = inside[: data.nbytes].reshape(9, -1)
    inputs.setflags(write=False)
    order = np.random.default_rng(1).permutation(9) if ordered else np.empty(0, np.int64)
    source = data[order[3:8]] if ordered else data[3:8]
    scale = 0.3
    expected = source.astype(dtype) * dtype(scale)
    with fenced((rows, columns), dtype, padding=stride - columns) as out:
        flat = np.lib.stride_tricks.as_strided(out, (rows * stride,), (out.itemsize,))
        settings, layers = np.zeros(1, SETTINGS), np.zeros(1, LAYER)
        settings["input_kind"], settings["input_scale"] = INPUT_KINDS[data.dtype], scale
        layers["fan_in"], layers["input_stride"] = columns, stride
        gathered(Samples(inputs, flat, order, np.empty(0), order), 3, rows, settings, layers, flat)
        assert same_bits(out.copy(), expected)


# The network.


def mapped(mode):
    def form(array, folder):
        array.tofile(folder / "rows")
        return np.memmap(folder / "rows", array.dtype, mode, shape=array.shape)

    return form


def behind_a_header(array, folder):
    (folder / "rows").write_bytes(b"\7" + array.tobytes())
    return np.memmap(folder / "rows", array.dtype, "r", offset=1, shape=array.shape)


def read_only(array, folder):
    array = array.copy()
    array.setflags(write=False)
    return array


AS_THEY_ARE = {
    "array": lambda array, folder: array,
    "read-only": read_only,
    "mapped": mapped("r"),
    "mapped to be written": mapped("r+"),
    "behind an odd header": behind_a_header,
}
CONVERTED = {
    "Fortran order": lambda array, folder: np.asfortranarray(array),
    "strided": lambda array, folder: np.repeat(np.repeat(array, 2, axis=0), 3, axis=1)[::2, ::3],
    "swapped bytes": lambda array, folder: array.astype(array.dtype.newbyteorder()),
    "list": lambda array, folder: array.tolist(),
}


def all_of(net, X, y):
    """Return the bits of all that is computed from inputs."""
    history = net.fit(X, y, epochs=2, batch_size=5, optimizer=Adam(0.01), validation_data=(X, y), progress=False)
    loss, gradient = net.gradient(X, y)
    return [
        net.parameters.tobytes(), net._training.moments.tobytes(), history["loss"], history["val_loss"], loss,
        gradient.tobytes(), net.predict(X).tobytes(), net.evaluate(X, y),
    ]  # fmt: skip


@pytest.mark.parametrize("scale", [1, 1 / 255])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [*AS_THEY_ARE, *CONVERTED])
def test_same_bits_as_the_converted_array(form, kind, scale, dtype, tmp_path):
    rows = 23 if COMPILED else 8
    X, y = raw(kind, rows), np.random.default_rng(2).normal(size=(rows, 2))
    X[0, :4], before = [255, 254, 1, 0], y.copy()
    given = (AS_THEY_ARE | CONVERTED)[form](X, tmp_path)
    kept = X.copy()
    plain = Network([7, 5, 2], "tanh", dtype=dtype, seed=3)
    scaled = Network([7, 5, 2], "tanh", dtype=dtype, seed=3, input_scale=scale)
    assert all_of(scaled, given, y) == all_of(plain, X.astype(dtype) * dtype(scale), y)
    assert same_bits(X, kept)
    assert same_bits(np.ascontiguousarray(given, X.dtype), kept)
    assert same_bits(y, before)


@pytest.mark.parametrize("form", AS_THEY_ARE)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_used_as_it_is(kind, form, dtype, tmp_path):
    """The very memory, in the one array type that the loops are compiled for."""
    given = AS_THEY_ARE[form](raw(kind), tmp_path)
    checked = arrays.inputs(given, 7, np.dtype(dtype))
    assert type(checked) is np.ndarray
    seen = bytes_of_rows(checked)
    assert seen.ctypes.data == given.ctypes.data
    assert (seen.shape, seen.dtype, seen.flags.c_contiguous) == ((23, 7 * given.itemsize), np.uint8, True)
    assert not seen.flags.writeable
    assert given.flags.writeable == (form in ("array", "mapped to be written"))


@pytest.mark.parametrize("form", CONVERTED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_converted(kind, form, dtype, tmp_path):
    checked = arrays.inputs(CONVERTED[form](raw(kind), tmp_path), 7, np.dtype(dtype))
    assert checked.flags.c_contiguous
    assert checked.dtype in INPUT_KINDS


@needs_compiler
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_never_copied_as_a_whole(kind, dtype, tmp_path):
    """A file of 48 MB: training, with validation data, prediction and evaluation take a few MB beside it."""
    columns, limit = 1024, 12_000_000
    rows = 48_000_000 // (columns * np.dtype(kind).itemsize)
    X = np.memmap(tmp_path / "rows", kind, "w+", shape=(rows, columns))
    X[:] = np.arange(rows)[:, None] % 100
    X = np.memmap(tmp_path / "rows", kind, "r", shape=(rows, columns))
    y, net = np.zeros(rows), Network([columns, 1], dtype=dtype, seed=0, input_scale=1e-3)
    all_of(net, X[:5], y[:5])  # so that nothing is compiled or loaded below
    tracemalloc.start()
    try:
        net.fit(X, y, epochs=1, batch_size=100, validation_data=(X, y), progress=False)
        net.predict(X)
        net.evaluate(X, y)
        net.gradient(X, y)
        assert 100_000 < tracemalloc.get_traced_memory()[1] < limit
        X.astype(np.uint8)  # of all kinds the smallest
        assert tracemalloc.get_traced_memory()[1] >= min(limit, X.size)
    finally:
        tracemalloc.stop()


# What is not finite.


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_first_bad_row_of_many_blocks(kind, scale, dtype, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", 3 * 7 * np.dtype(dtype).itemsize)  # three rows of 23
    net, X = Network([7, 1], dtype=dtype, seed=0, input_scale=scale), raw(kind)
    net.predict(X)
    X[[22, 17, 17], [0, 6, 5]] = np.nan, np.inf, -np.inf
    with pytest.raises(ValueError, match=r"^X must be finite: found -inf in row 17, column 5, 3 in all"):
        net.predict(X)


def test_a_row_longer_than_a_block(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", 1)
    X = raw("float64")
    Network([7, 1], dtype="float64", seed=0).predict(X)
    X[1, 2] = np.nan
    with pytest.raises(ValueError, match="row 1, column 2, 1 in all"):
        Network([7, 1], seed=0).predict(X)


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_that_is_not_finite(kind):
    """Each factor is, in float32."""
    X = np.zeros((4, 7), kind)
    X[2, 1] = 200
    net = Network([7, 1], seed=0, input_scale=2e36)
    match = r"found 200.0 in row 2, column 1 \(times the input_scale 2e\+36 it is too large for float32\), 1 in all"
    with pytest.raises(ValueError, match=match):
        net.predict(X)
    Network([7, 1], dtype="float64", seed=0, input_scale=2e36).predict(X)


@pytest.mark.parametrize(("scale", "exception", "found"), [
    (0, ValueError, "0.0"), (-1.0, ValueError, "-1.0"), (np.nan, ValueError, "nan"), (np.inf, ValueError, "inf"),
    (1e-50, ValueError, "1e-50"), (1e39, ValueError, "1e[+]39"), (10**400, ValueError, "inf"),
    (True, TypeError, "True"), ("1", TypeError, "'1'"), (None, TypeError, "None"),
])  # fmt: skip
def test_bad_scales(scale, exception, found):
    with pytest.raises(exception, match=f"^input_scale must be .*got {found}$") as caught:
        Network([2, 1], input_scale=scale)
    assert caught.type is exception


# What is said of it, and kept.


def test_the_scale_is_shown_where_there_is_one():
    net, plain = (Network([2, 1], seed=0, input_scale=scale) for scale in (np.float32(0.25), 1))
    assert repr(net) == "Network([2, 1], output='identity', loss='mse', dtype='float32', input_scale=0.25)"
    assert net.summary().splitlines()[-1] == "inputs are multiplied by 0.25"
    assert "scale" not in repr(plain)
    assert net.summary().splitlines()[:-1] == plain.summary().splitlines()


def test_the_scale_is_kept_in_the_file(tmp_path):
    net, X = Network([7, 3], seed=0, input_scale=1 / 255), raw("uint8")
    net.save(tmp_path / "net")
    loaded = Network.load(tmp_path / "net")
    assert loaded.input_scale == 1 / 255
    assert same_bits(loaded.predict(X), net.predict(X))
