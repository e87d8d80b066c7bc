"""Layer normalisation, learnt activations, a learnt scale and dropout of the inputs, against independent formulas.

The peer is `autograd_network`, and PyTorch as far as tests/recorded_torch.json has its numbers.
"""

import copy
import json
import pickle
from pathlib import Path

import autograd_network as peer
import numpy as np
import pytest
from conftest import COMPILED, same_bits

from hotloop import SGD, Adam, Network, profile
from hotloop.kernels.clock import FORWARD
from hotloop.network import layout
from hotloop.network.profiling.work import Counts, Work

RECORDED = json.loads((Path(__file__).parents[1] / "recorded_torch.json").read_text())
KINDS = {
    "layer_norm": {"layer_norm": True},
    "learn_activation": {"learn_activation": True},
    "learn_input_scale": {"learn_input_scale": True},
    "all": {"layer_norm": [True, False], "learn_activation": True, "learn_input_scale": True, "input_dropout": 0.2,
            "layer_norm_epsilon": [1e-3, 1e-5]},
}  # fmt: skip
# In units of the largest entry, or of the largest change of a parameter.
DOUBLE, SINGLE = 1e-12, 64 * float(np.finfo(np.float32).eps)


def build(kind, hidden=("tanh", "gelu"), sizes=(6, 9, 5, 3), dtype="float64", **options):
    """Return a network none of whose parameters is 0 or 1."""
    net = Network(sizes, list(hidden), dtype=dtype, seed=2**40 + 3, **KINDS[kind] | options)
    rng = np.random.default_rng(5)
    for name, part in net.parts(net.parameters).items():
        if not name.endswith("weights"):
            part += rng.uniform(-0.5, 0.5, part.shape)
    return net


def data(rows=11, inputs=6, outputs=3):
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, inputs)), rng.normal(size=(rows, outputs))


@pytest.mark.parametrize("hidden", [("tanh", "gelu"), ("relu", "softplus")], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind, hidden, dtype):
    """Dropout of the inputs is off."""
    net = build(kind, hidden, dtype=dtype)
    X, y = (array.astype(dtype) for array in data())
    value, gradient = net.gradient(X, y)
    expected_value, expected = peer.loss_and_gradient(net, X, y)
    tolerance = DOUBLE if dtype == np.float64 else SINGLE
    assert gradient.dtype == dtype
    assert value == pytest.approx(expected_value, rel=tolerance)
    assert net.evaluate(X, y)["loss"] == pytest.approx(expected_value, rel=tolerance)
    np.testing.assert_allclose(peer.flat(net, gradient), expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert not peer.padding(net, gradient).any()
    for part in net.parts(gradient).values():
        assert part.any()


@pytest.mark.parametrize("optimizer", [(SGD(0.1), peer.descent), (Adam(0.02), peer.adam)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_steps(kind, optimizer):
    """With dropout of the units too, whose masks are those without dropout of the inputs; penalties are on weights."""
    method, update = optimizer
    for options in ({"dropout": [0.2, 0.3]}, {"l2": 0.01}):
        net, (X, y) = build(kind, **options), data()
        before, settings = peer.flat(net, net.parameters), {"epochs": 10, "batch_size": 6, "shuffle": True}
        expected, losses = peer.train(net, X, y, method, update, **settings)
        history = net.fit(X, y, optimizer=method, **settings, progress=False)
        found, moved = peer.flat(net, net.parameters), np.abs(expected - before).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=DOUBLE * max(moved, 1))
        np.testing.assert_allclose(history["loss"], losses, rtol=DOUBLE)
        for vector in (net.parameters, *net._training.moments):
            assert not peer.padding(net, vector).any()


@pytest.mark.parametrize("case", RECORDED)
def test_twenty_steps_of_torch(case):
    """Outputs, gradients and 20 steps of Adam of the same network in PyTorch, in float64."""
    recorded = RECORDED[case]
    net = Network(recorded["sizes"], recorded["activation"], dtype="float64", seed=0, **recorded["options"])
    for name, values in recorded["start"].items():
        net.parts(net.parameters)[name][...] = values
    X, y = np.array(recorded["X"]), np.array(recorded["y"])
    np.testing.assert_allclose(net.predict(X), recorded["outputs"], rtol=DOUBLE, atol=1e-14)
    gradient = net.parts(net.gradient(X, y)[1])
    for name, values in recorded["gradient"].items():
        np.testing.assert_allclose(gradient[name], values, rtol=DOUBLE, atol=1e-14, err_msg=name)
    net.fit(X, y, epochs=20, batch_size=len(X), optimizer=Adam(0.01), shuffle=False, progress=False)
    assert {*net.parts(net.parameters)} == {*recorded["end"]}
    for name, values in recorded["end"].items():
        np.testing.assert_allclose(net.parts(net.parameters)[name], values, rtol=DOUBLE, atol=1e-12, err_msg=name)


def test_they_start_where_they_change_nothing(dtype):
    """But layer normalisation, which has no such place: its gain is 1 and its shift 0."""
    plain, net = (Network([6, 17, 3], "silu", dtype=dtype, seed=4, **options) for options in (
        {}, {"learn_activation": True, "learn_input_scale": True, "input_dropout": 0.5},
    ))  # fmt: skip
    X = data()[0]
    assert same_bits(net.predict(X), plain.predict(X))
    assert same_bits(np.ascontiguousarray(net.weights[0]), np.ascontiguousarray(plain.weights[0]))
    (gain, last), (shift, _) = (getattr(Network([6, 17, 3], layer_norm=True), name) for name in ("gains", "shifts"))
    assert (gain == 1).all() and not shift.any() and last is None  # noqa: PT018
    assert (net.mixes[0] == 1).all() and (net.learnt_input_scale == 1).all() and net.mixes[1] is None  # noqa: PT018
    assert plain.learnt_input_scale is None
    assert (plain.gains, plain.shifts, plain.mixes) == ((None, None),) * 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(0.01)], ids=["in place", "summed"])
def test_any_number_of_threads_and_any_cut(kind, optimizer, dtype, monkeypatch):
    """Micro-batches of 8 rows in batches of 20, or batches of one micro-batch; several columns for several threads."""
    X, y = data(50 if COMPILED else 12)
    bits = set()
    sizes = (6, 131, 33, 3) if COMPILED else (6, 9, 5, 3)
    for n_threads, rows in ((1, 256), (2, 256), (3, 256), (1, 8), (3, 8)) if COMPILED else ((1, 256), (1, 8)):
        monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", rows)
        monkeypatch.setattr(layout, "SMALLEST_MICRO_BATCH", rows)
        net = build(kind, sizes=sizes, dtype=dtype, dropout=0.2)
        settings = {"batch_size": 20 if COMPILED else 10, "optimizer": optimizer, "n_threads": n_threads}
        net.fit(X, y, epochs=2, **settings, progress=False)
        bits.add((rows, net.parameters.tobytes()))
        together = net.predict(X, n_threads=n_threads)
        assert same_bits(together, np.concatenate([net.predict(x[None].astype(dtype)) for x in X]))
    assert len(bits) == 2  # a gradient is summed in another order in micro-batches of 8
    assert not peer.padding(net, net.parameters).any()


def test_dropout_of_inputs():
    """As many as the rate says, and scaled, so that the mean stays; not when the loss is only evaluated."""
    rows, inputs, rate = 100, 96, 0.3
    net = Network([inputs, 1], input_dropout=rate, dtype="float64", seed=1, initializer="zeros")
    X, y = np.ones((rows, inputs)), np.ones(rows)
    net.fit(X, y, epochs=1, batch_size=rows, optimizer=SGD(0.5), shuffle=False, progress=False)
    means = net.weights[0][:, 0]  # over the rows, of mask / (1 - rate): the output is 0, its gradient -2 y / rows
    assert means.mean() == pytest.approx(1, abs=4 * np.sqrt(rate / (1 - rate) / rows / inputs))
    assert means.std() == pytest.approx(np.sqrt(rate / (1 - rate) / rows), rel=0.3)
    assert net.evaluate(X, y)["loss"] == pytest.approx((1 - means.sum() - net.biases[0][0]) ** 2, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_copies(kind, tmp_path):
    """What a network has learnt, the moments and what it is made of."""
    (X, y), net = data(), build(kind, dropout=0.2)
    net.fit(X, y, epochs=1, optimizer=Adam(0.01), progress=False)
    net.save(tmp_path / "net.safetensors")
    twins = Network.load(tmp_path / "net.safetensors"), copy.copy(net), pickle.loads(pickle.dumps(net))
    names = ("layer_norm", "layer_norm_epsilon", "learn_activation", "learn_input_scale", "input_dropout")
    for each in (net, *twins):
        assert [getattr(each, name) for name in names] == [getattr(net, name) for name in names]
        each.fit(X, y, epochs=1, optimizer=Adam(0.01), progress=False)
        assert same_bits(each.parameters, net.parameters)


def test_what_they_are_made_of():
    net = Network([6, 9, 5, 3], "silu", **KINDS["all"])
    assert net.n_parameters == 7 * 9 + 10 * 5 + 6 * 3 + 2 * 9 + 9 + 5 + 6
    text = net.summary()
    for words in ("layer norm, learnt silu", " learnt silu ", "multiplied by a learnt number", "0.2 of the inputs"):
        assert words in text
    with pytest.raises(ValueError, match="layer_norm is for hidden layers, and this network has none"):
        Network([6, 3], layer_norm=True)
    with pytest.raises(TypeError, match="learn_activation must be True or False, got 1"):
        Network([6, 9, 3], learn_activation=1)
    with pytest.raises(ValueError, match=r"layer_norm must be one value, or one a layer \(1\), got 2"):
        Network([6, 9, 3], layer_norm=[True, False])
    with pytest.raises(ValueError, match="layer_norm_epsilon must be above 0 and finite in float32"):
        Network([6, 9, 3], layer_norm_epsilon=[0])
    with pytest.raises(ValueError, match="input_dropout must be finite"):
        Network([6, 9, 3], input_dropout=1.0)


def test_a_profile_counts_them():
    """The operations of a step, by the formulas; and the diagnosis looks at the activations themselves."""
    X, y = data(12)
    plain, net = (Network([6, 9, 5, 3], "relu", seed=0, **options) for options in ({}, KINDS["all"]))
    works = [Work(each._prepared(each._checked(X, y), dropout=True)) for each in (plain, net)]
    of_the_parameters = [
        sum(work.of(FORWARD, layer, Counts(micro_batches=1))[1] for layer in range(3)) for work in works
    ]
    assert of_the_parameters == [each.n_parameters * each.dtype.itemsize for each in (plain, net)]
    assert works[1].step_flops() > works[0].step_flops() + 2 * 12 * 6 * 9
    with profile() as prof:
        net.fit(X, y, epochs=4, batch_size=6, optimizer=Adam(0.01), progress=False)
    (fit,) = prof.diagnose(try_remedies=False).fits
    assert len(fit.layers) == 3
