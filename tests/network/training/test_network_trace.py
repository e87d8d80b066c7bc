"""Network.trace: the numbers of one batch against formulas, and against the gradient of its rows one by one."""

from itertools import pairwise

import autograd_network as peer
import numpy as np
import oracle
import pytest
from conftest import COMPILED, needs_compiler, same_bits

from hotloop import Network
from hotloop.activations import CustomActivation
from hotloop.losses import Quantile

SIZES, ROWS = (5, 7, 6, 3), 4
LOSSES = {
    "mse": ("values", "sigmoid"), "mae": ("values", None), "huber": ("values", "tanh"), "log_cosh": ("values", None),
    "quantile": ("values", None), "poisson": ("counts", None), "binary_cross_entropy": ("shares", None),
    "cross_entropy": ("labels", None),
}  # fmt: skip
LEARNT = {
    "layer_norm": {"layer_norm": True},
    "learn_activation": {"learn_activation": True},
    "all": {"layer_norm": [True, False], "learn_activation": [True, True], "learn_input_scale": True},
}


def build(hidden="tanh", **options):
    """Return a network with biases, and gains and the like, that are neither 0 nor 1."""
    net = Network(SIZES, hidden, **{"dtype": "float64", "seed": 3} | options)
    rng = np.random.default_rng(4)
    for name, part in net.parts(net.parameters).items():
        if not name.endswith("weights"):
            part += rng.uniform(-0.5, 0.5, part.shape)
    return net


def batch(kind="values", rows=ROWS):
    rng = np.random.default_rng(rows)
    X, values = rng.normal(size=(rows, SIZES[0])), rng.normal(size=(rows, SIZES[-1]))
    targets = {"values": values, "counts": np.round(np.exp(values)), "shares": (values > 0).astype(float)}
    return X, values.argmax(axis=1) if kind == "labels" else targets[kind]


def close(found, expected, dtype, roundings=64):
    assert found.dtype == dtype
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=roundings * np.finfo(dtype).eps * scale)


def check(net, X, y, **weights):
    """Compare a trace with the gradient, the outputs and the formulas, and its deltas with those of each row."""
    before = net.parameters.copy()
    trace, (loss, gradient) = net.trace(X, y, **weights), net.gradient(X, y, **weights)
    assert same_bits(before, net.parameters)
    assert trace.loss == loss
    assert same_bits(trace.gradient, gradient)
    assert same_bits(trace[-1].a, net.predict(X))
    assert len(trace) == len(net.weights)
    assert trace[0].x is trace.x
    parts = net.parts(net.parameters)
    zs, outputs = peer.forward(net.weights, net.biases, net.activations, X, parts=peer.with_epsilons(net, parts))
    of_rows = [net.split(net.gradient(X[i : i + 1], y[i : i + 1])[1])[1] for i in range(len(X))]
    close(trace.x, X * parts.get("input_scale", 1.0), net.dtype)
    for number, layer in enumerate(trace):
        assert layer.x is (trace.x if number == 0 else trace[number - 1].a)
        assert same_bits(layer.W, net.weights[number])
        assert same_bits(layer.b, net.biases[number])
        close(layer.z, oracle.dense_forward(layer.x, layer.W, layer.b), net.dtype)
        close(layer.z if layer.normalised is None else layer.normalised, zs[number], net.dtype)
        close(layer.a, outputs[number], net.dtype)
        close(layer.delta, np.array([biases[number] for biases in of_rows]) / len(X), net.dtype)
        dW, db = oracle.weight_gradient(layer.x, layer.delta)
        close(layer.dW, dW + net.l1 * np.sign(layer.W) + 2 * net.l2 * layer.W, net.dtype)
        close(layer.db, db, net.dtype)
    return trace


@pytest.mark.parametrize("hidden", peer.HIDDEN)
def test_every_activation(hidden, dtype):
    X, y = (array.astype(dtype) for array in batch())
    trace = check(build(hidden, dtype=dtype), X, y)
    slopes = getattr(oracle, f"{hidden}_derivative")
    for below, layer in pairwise(trace):  # BP2
        of = below.z if hidden in oracle.DERIVATIVE_OF_Z else below.a
        close(below.delta, oracle.input_gradient(layer.delta, layer.W) * slopes(of), dtype)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, dtype):
    kind, output = LOSSES[loss]
    X, y = batch(kind)
    trace = check(build(["tanh", "silu"], loss=loss, output=output, dtype=dtype), X.astype(dtype), y)
    if loss == "cross_entropy":
        close(trace[-1].delta, (trace[-1].a - np.eye(SIZES[-1])[y]) / ROWS, dtype)


@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_logits(output):
    X, y = batch("labels")
    check(build(loss="cross_entropy", output=output), X, y)


@pytest.mark.parametrize("kind", LEARNT)
def test_what_else_is_learnt(kind, dtype):
    net = build(["tanh", "gelu"], dtype=dtype, **LEARNT[kind])
    trace = check(net, *(array.astype(dtype) for array in batch()))
    slopes = net.parts(trace.gradient)
    for number, layer in enumerate(trace):
        for name in ("gain", "shift", "mix"):
            found, wanted = getattr(layer, f"d{name}"), slopes.get(f"layers.{number}.{name}")
            assert found is wanted is None or same_bits(found, wanted)
        assert (layer.normalised is None) == (f"layers.{number}.gain" not in slopes)


@pytest.mark.parametrize("options", [{"l1": 0.02}, {"l2": 0.05}, {"l1": 0.02, "l2": 0.05}], ids=str)
def test_penalties_are_in_the_gradient_and_not_in_delta(options):
    net, plain, (X, y) = build(**options), build(), batch()
    trace, without = check(net, X, y), plain.trace(X, y)
    assert trace.loss > without.loss
    for layer, other in zip(trace, without, strict=True):
        assert same_bits(layer.delta, other.delta)


def test_dropout_is_off_and_smoothing_is_not():
    X, y = batch("labels")
    plain = build(loss="cross_entropy").trace(X, y)
    assert same_bits(build(loss="cross_entropy", dropout=0.5, input_dropout=0.5).trace(X, y)[0].a, plain[0].a)
    smoothed = check(build(loss="cross_entropy", label_smoothing=0.3), X, y)
    assert smoothed.loss != plain.loss
    targets = 0.7 * np.eye(SIZES[-1])[y] + 0.3 / SIZES[-1]
    close(smoothed[-1].delta, (smoothed[-1].a - targets) / ROWS, np.float64)


def test_weights():
    """A row of weight 0 has its own activations, and no delta."""
    (X, y), net = batch("labels"), build(loss="cross_entropy")
    weights = np.array([1.0, 0.0, 3.0, 4.0])
    trace, (loss, gradient) = net.trace(X, y, sample_weight=weights), net.gradient(X, y, sample_weight=weights)
    assert trace.loss == loss
    assert same_bits(trace.gradient, gradient)
    close(trace[-1].delta, (trace[-1].a - np.eye(3)[y]) * weights[:, None] / weights.sum(), np.float64)
    assert same_bits(trace.x, X)
    assert same_bits(trace[-1].a, net.predict(X))
    classes, positive = {"class_weight": {2: 2.0}}, {"positive_weight": 3.0}
    for other, kind, given in ((net, "labels", classes), (build(loss="binary_cross_entropy"), "shares", positive)):
        X, y = batch(kind)
        assert same_bits(other.trace(X, y, **given).gradient, other.gradient(X, y, **given)[1])
        assert not same_bits(other.trace(X, y, **given).gradient, other.gradient(X, y)[1])


def test_several_micro_batches(short_micro_batches):
    """Rows beyond a micro-batch are traced like the others, and the gradient has the bits of `gradient`."""
    rows = 300 if COMPILED else 260
    net, (X, y) = build("tanh", dtype="float32"), batch(rows=rows)
    trace = net.trace(X, y)
    assert same_bits(trace.gradient, net.gradient(X, y)[1])
    for number, layer in enumerate(trace):
        np.testing.assert_allclose(layer.z, layer.x @ layer.W + layer.b, atol=1e-5)
        np.testing.assert_allclose(layer.delta.sum(axis=0), net.split(trace.gradient)[1][number], atol=1e-5)
    assert same_bits(trace[-1].a, net.predict(X))


@pytest.mark.parametrize("scaling", [{"input_scale": 0.5}, {"input_offset": np.arange(5.0), "input_scale": 0.1}])
def test_the_inputs_are_those_that_the_network_sees(scaling):
    net, (X, y) = build(**scaling), batch()
    close(net.trace(X, y).x, (X - net.input_offset) * net.input_scale, np.float64)
    assert same_bits(net.trace(X, y).gradient, net.gradient(X, y)[1])


def test_bytes_and_a_network_without_hidden_layers():
    net = Network([4, 1], input_scale=1 / 255, dtype="float64", seed=0)
    X = np.arange(8, dtype=np.uint8).reshape(2, 4)
    trace = net.trace(X, [1.0, 2.0])
    close(trace.x, X / 255, np.float64)
    close(trace[0].delta, (trace[0].a - [[1.0], [2.0]]), np.float64)


@needs_compiler
def test_your_own_activation_and_a_loss_with_levels():
    cube = CustomActivation(lambda z: z**3, lambda z: 3 * z**2)
    net = Network([5, 4, 3], cube, loss=Quantile([0.1, 0.5, 0.9]), dtype="float64", seed=0)
    X, y = batch()
    trace = net.trace(X, y[:, 0])
    close(trace[0].a, trace[0].z ** 3, np.float64)
    close(trace[0].delta, trace[1].delta @ trace[1].W.T * 3 * trace[0].z ** 2, np.float64)
    assert same_bits(trace.gradient, net.gradient(X, y[:, 0])[1])


def test_it_does_not_change_when_training_goes_on():
    net, (X, y) = build(), batch()
    trace = net.trace(X, y)
    before = [{name: np.copy(value) for name, value in vars(layer).items()} for layer in trace]
    net.parameters[:] += 1
    for layer, kept in zip(trace, before, strict=True):
        assert all(np.array_equal(getattr(layer, name), value) for name, value in kept.items())


def test_what_it_looks_like():
    net, (X, y) = build(layer_norm=[True, False]), batch()
    trace = net.trace(X, y)
    lines = str(trace).splitlines()
    assert repr(trace) == str(trace)
    assert lines[0] == f"4 rows, loss {trace.loss:.6g}"
    assert [line.split()[:2] for line in lines[2:]] == [["0", "tanh"], ["1", "tanh"], ["2", "identity"]]
    assert "(5, 7)   (7,)       (4, 7)" in lines[2]
    assert lines[2].split()[-2] == f"{np.sqrt(np.mean(trace[0].delta ** 2)):.3g}"
    assert repr(trace[2]) == (
        "LayerTrace('identity', W: (6, 3), b: (3,), x: (4, 6), z: (4, 3), a: (4, 3), delta: (4, 3), dW: (6, 3), "
        "db: (3,))"
    )
    assert "normalised: (4, 7)" in repr(trace[0])
    assert all(len(line) <= 80 for line in lines)
    page = trace._repr_html_()
    assert f"<caption>Trace: {lines[0]}</caption>" in page
    for cell in ("(4, 7)", "tanh", "0.0822"):
        assert f">{cell}</td>" in page
    assert page.count("<tr") == 4


def test_wrong_data():
    net, (X, y) = build(), batch()
    with pytest.raises(ValueError, match="X has shape"):
        net.trace(X[:, :3], y)
    with pytest.raises(ValueError, match="y"):
        net.trace(X, y[:2])
    with pytest.raises(TypeError, match="epochs"):
        net.trace(X, y, epochs=3)
