"""What must not change a single bit.

A second run, a pause, a file in between, where a slice ends, the rows beside a row, the form of the data, and what
scratch memory held before.
"""

import numpy as np
import pytest
from autograd_network import HIDDEN, padding
from conftest import COMPILED, ODD_SIZES, same_bits
from small_networks import LOSSES_AND_OUTPUTS, OPTIMIZERS, build, data, everything

from hotloop import Adam, Network
from hotloop.network import layout, trainable
from hotloop.network.training import fit as fitting
from hotloop.network.training import passes, thread_choice
from hotloop.network.training.loop_arguments import LoopArguments

EPOCHS, ROWS = (10, 25) if COMPILED else (2, 12)


def fit(net, X, y, **settings):
    return net.fit(X, y, **{"epochs": EPOCHS, "batch_size": 8, "optimizer": Adam(0.01), "progress": False} | settings)


# Runs.


@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS)
def test_a_second_run(loss, output, dtype):
    """Only the seed decides."""
    nets = [build(loss=loss, output=output, dropout=0.2, dtype=dtype, seed=seed) for seed in (7, 7, 8)]
    losses = [fit(net, *data(loss, ROWS))["loss"] for net in nets]
    assert everything(nets[0]) == everything(nets[1]) != everything(nets[2])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_fits_are_one(optimizer, dtype):
    """With shuffling and dropout; a prediction and a gradient in between leave no trace."""
    X, y = data("labels", ROWS)
    once, twice = (build(loss="labels", dropout=[0.2, 0.5], l2=1e-3, dtype=dtype) for _ in range(2))
    settings = {"optimizer": OPTIMIZERS[optimizer]}
    expected = fit(once, X, y, epochs=2 * EPOCHS, **settings)["loss"]
    losses = fit(twice, X, y, **settings)["loss"]
    twice.predict(X)
    twice.gradient(X, y)
    losses += fit(twice, X, y, **settings)["loss"]
    assert everything(once) == everything(twice)
    assert losses == expected


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_from_a_file_goes_on(optimizer, dtype, tmp_path):
    X, y = data(rows=ROWS)
    net = build(hidden=("gelu", "sigmoid"), output="softplus", dropout=0.3, l1=1e-3, dtype=dtype)
    fit(net, X, y, optimizer=OPTIMIZERS[optimizer])
    net.save(tmp_path / "net.safetensors")
    loaded = Network.load(tmp_path / "net.safetensors")
    losses = [fit(one, X, y, optimizer=OPTIMIZERS[optimizer])["loss"] for one in (net, loaded)]
    assert everything(net) == everything(loaded)
    assert losses[0] == losses[1]


# How the work is cut up.


@pytest.mark.parametrize("batch_size", [7, 33])
@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS if COMPILED else LOSSES_AND_OUTPUTS[::3])
def test_where_a_slice_ends(loss, output, batch_size, dtype, monkeypatch):
    """A slice of one micro-batch, here of 8 rows, which may be part of a batch, or of a whole epoch."""
    monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", 8)
    monkeypatch.setattr(layout, "SMALLEST_MICRO_BATCH", 8)
    X, y = data(loss, rows=40)
    calls, train_slice = [], fitting.train_slice

    def counted(*args):
        calls[-1] += 1
        train_slice(*args)

    monkeypatch.setattr(fitting, "train_slice", counted)
    results = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(thread_choice, "SLICE_SECONDS", seconds)
        monkeypatch.setattr(fitting, "LOADED", set())
        calls.append(0)
        net = build(loss=loss, output=output, dropout=0.2, l2=1e-3, dtype=dtype)
        history = fit(net, X, y, epochs=3, batch_size=batch_size)
        results.append((everything(net), history["loss"]))
    assert calls == [1 + 3 * 6, 1 + 3]  # one more to compile; 40 rows are 5 batches of 7 and one of 5, or 33 and 7 rows
    assert results[0] == results[1]


# Depth and width around a vector, a micro-kernel and a block of the product.
NETWORKS = [
    *[(size, size, 3) for size in ODD_SIZES],
    *[(6, size) for size in ODD_SIZES],
    (300, 5, 2), (3, 300, 2), (4, 4, 4, 4, 4), (1, 1),
]  # fmt: skip


@pytest.mark.parametrize("sizes", NETWORKS if COMPILED else NETWORKS[::5], ids=str)
@pytest.mark.parametrize("rows", [2, 5, 6, 13, 97, 300] if COMPILED else [7])
def test_the_rows_beside_a_row(sizes, rows, dtype, monkeypatch):
    """Micro-kernels of every height, packed and not, pieces of 256 rows, and one call or many for all of them."""
    hidden = [HIDDEN[(rows + layer) % len(HIDDEN)] for layer in range(len(sizes) - 2)]
    net = build(sizes, "huber", hidden, dtype, output=("softmax", "gelu", "sigmoid")[rows % 3])
    X = data(rows=rows, inputs=sizes[0])[0]
    together = net.predict(X)
    assert same_bits(together, np.concatenate([net.predict(X[i : i + 1]) for i in range(rows)]))
    monkeypatch.setattr(passes, "CALL_WORK", 1)
    assert same_bits(together, net.predict(X))


# Memory.


def every_second(array):
    wide = np.full([2 * size for size in array.shape], np.nan, array.dtype)
    inside = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    inside[...] = array
    return inside


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def misaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    inside = memory[1:].view(array.dtype).reshape(array.shape)
    inside[...] = array
    return inside


FORMS = {
    "Fortran order": np.asfortranarray,
    "strided": every_second,
    "reversed": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "misaligned": misaligned,
    "swapped bytes": lambda array: array.astype(array.dtype.newbyteorder()),
    "list": np.ndarray.tolist,
    "other precision": lambda array: array.astype("f8" if array.dtype == "f4" else "f4"),
    "half precision": lambda array: array.astype("f2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_data(form, dtype):
    """The same numbers, which half precision holds too."""
    X, y = (array.astype("f2").astype(dtype) for array in data(rows=ROWS))
    before = X.copy(), y.copy()
    nets = [build(dtype=dtype, output="sigmoid") for _ in range(2)]
    given = [(X, y), (FORMS[form](X), FORMS[form](y))]
    results = []
    for net, pair in zip(nets, given, strict=True):
        history = fit(net, *pair, validation_data=pair)
        predicted, gradient = net.predict(pair[0]).tobytes(), net.gradient(*pair)[1].tobytes()
        results.append(
            (everything(net), history["loss"], history["val_loss"], predicted, gradient, net.evaluate(*pair))
        )
    assert results[0] == results[1]
    assert same_bits(X, before[0])
    assert same_bits(y, before[1])


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "u8", ">i8", "f4", list])
def test_the_form_of_labels(kind, dtype):
    X, y = data("labels", ROWS)
    nets = [build(loss="labels", dtype=dtype) for _ in range(2)]
    fit(nets[0], X, y)
    fit(nets[1], X, y.tolist() if kind is list else every_second(y.astype(kind).astype("f4")).astype(kind))
    assert everything(nets[0]) == everything(nets[1])


def poison(loop_arguments, pattern):
    """Fill the scratch memory of a fit, except the padding of the deltas, which starts as zero."""
    fill = np.full_like(loop_arguments.workspace, pattern)
    micro_batch = int(loop_arguments.settings["micro_batch"][0])
    for layer in loop_arguments.layers:
        start, stride = int(layer["delta"]), int(layer["stride"])
        fill[start : start + micro_batch * stride].reshape(micro_batch, stride)[:, int(layer["fan_out"]) :] = 0
    assert fill.any()
    loop_arguments.workspace[:] = fill
    loop_arguments.row_losses[:] = loop_arguments.row_penalties[:] = loop_arguments.rooms[:] = pattern


@pytest.mark.parametrize("pattern", [np.nan, -1e30], ids=str)
@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS)
def test_old_contents_of_scratch_memory(loss, output, pattern, dtype, monkeypatch):
    """Of the workspace, of packed panels, of the rows' losses and penalties, and of the gradient's vector."""
    X, y = data(loss, ROWS)
    nets = [
        build(loss=loss, output=output, hidden=("relu", "gelu"), dropout=0.3, l2=1e-3, dtype=dtype) for _ in range(2)
    ]

    def work(net):
        value, gradient = net.gradient(X, y)
        losses = fit(net, X, y)["loss"]
        return everything(net), value, gradient.tobytes(), losses, net.predict(X).tobytes(), net.evaluate(X, y)

    expected = work(nets[0])
    prepare, aligned_zeros = LoopArguments.prepare, trainable.aligned_zeros
    prepared = []

    def poisoned(*args, **options):
        prepared.append(prepare(*args, **options))
        poison(prepared[-1], pattern)
        return prepared[-1]

    def poisoned_vector(*args):
        vector = aligned_zeros(*args)
        vector[:] = pattern
        return vector

    monkeypatch.setattr(LoopArguments, "prepare", poisoned)
    for module in (trainable, passes):
        monkeypatch.setattr(module, "aligned_zeros", poisoned_vector)
    assert work(nets[1]) == expected
    assert len(prepared) == 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS if COMPILED else LOSSES_AND_OUTPUTS[::3])
def test_padding_stays_zero(loss, output, optimizer, dtype):
    """Though f(0) is not: the padding of a layer of sigmoids is computed along, and holds 1/2."""
    X, y = data(loss, ROWS)
    net = build(loss=loss, output=output, hidden=("sigmoid", "softplus"), dropout=0.2, l1=1e-3, l2=1e-3, dtype=dtype)
    fit(net, X, y, optimizer=OPTIMIZERS[optimizer], epochs=3)
    vectors = [net.parameters, net.gradient(X, y)[1], *net._training.moments]
    assert all(padding(net, vector).size > 100 and not padding(net, vector).any() for vector in vectors)
