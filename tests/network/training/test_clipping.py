"""Clipping, the gradient's norm, the largest norm of weights, and factors by layer and kind of parameter."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch_updates
from autograd_network import flat, loss_and_gradient, padding, parts_of
from conftest import COMPILED, same_bits
from small_networks import OPTIMIZERS, QUIET, build, data, everything

import hotloop
from hotloop import SGD, Adam, AdamW, DivergenceError, Network
from hotloop.network import layout
from hotloop.network.persistence import model_file
from hotloop.network.training import thread_choice

RECORDED = json.loads(torch_updates.FILE.read_text())


def train(net, X, y, **options):
    return net.fit(X, y, **{"epochs": 3, "batch_size": 8, "n_threads": 1, **QUIET} | options)


@pytest.mark.parametrize("case", torch_updates.CASES)
def test_twenty_steps_of_pytorch(case):
    name, options, common = torch_updates.CASES[case]
    X, y, start = torch_updates.problem()
    net = Network(torch_updates.SIZES, "tanh", initializer=start, dtype="float64", seed=0)
    optimizer = getattr(hotloop, name)(**options, **common)
    settings = {"epochs": torch_updates.STEPS, "batch_size": torch_updates.ROWS, "shuffle": False}
    history = train(net, X, y, optimizer=optimizer, gradient_norm=True, **settings)
    expected = [number for tensor in RECORDED[case]["parameters"] for number in tensor]
    np.testing.assert_allclose(flat(net, net.parameters), expected, rtol=1e-12, atol=1e-13)
    plain = Network(torch_updates.SIZES, "tanh", initializer=start, dtype="float64", seed=0)
    train(plain, X, y, optimizer=optimizer, **settings)  # in place, if nothing is clipped
    np.testing.assert_allclose(flat(plain, plain.parameters), expected, rtol=1e-12, atol=1e-13)
    if "clip_value" not in common:  # PyTorch has the norm of what is left by then
        norms = [record["gradient_norm"] for record in history.epochs]
        np.testing.assert_allclose(norms, RECORDED[case]["norms"], rtol=1e-12)


COMMON = {
    "norm": {"clip_norm": 0.05},
    "both": {"clip_norm": 0.05, "clip_value": 0.01},
    "factors": {"learning_rate_factors": {"weights": 0.5, "biases": 2}},
}


@pytest.mark.parametrize("common", COMMON)
@pytest.mark.parametrize("optimizer", ["SGD", "Nesterov", "AdamW"] if COMPILED else ["SGD"])
def test_same_bits_of_threads_and_slices(optimizer, common, dtype, monkeypatch):
    """With penalties and a largest norm; batches of three micro-batches, and layers of which each thread has rows."""
    monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", 8)
    monkeypatch.setattr(layout, "SMALLEST_MICRO_BATCH", 8)
    sizes, rows = ((30, 40, 33, 3), 50) if COMPILED else ((3, 9, 3), 30)
    X, y = data(rows=rows, inputs=sizes[0])
    results = []
    for n_threads, seconds in ((1, 1e9), (1, 0.0), (2, 1e9), (3, 0.0)):
        monkeypatch.setattr(thread_choice, "SLICE_SECONDS", seconds)
        net = build(sizes, hidden="tanh", dtype=dtype, l2=1e-3, max_norm=[1.0, None, 0.5][: len(sizes) - 1])
        chosen = replace(OPTIMIZERS[optimizer], **COMMON[common])
        history = train(net, X, y, batch_size=20, optimizer=chosen, n_threads=n_threads, gradient_norm=True, epochs=2)
        results.append((everything(net), history["loss"], [record["gradient_norm"] for record in history.epochs]))
        for vector in (net.parameters, *net._training.moments):
            assert not padding(net, vector).any()
    assert results[1:] == results[:1] * 3


# Against the formulas, in steps of whole batches: the gradient by autograd.


def steps_of(net, X, y, n, change, update):
    """Return the parameters after n steps w := update(w, change(g))."""
    w = flat(net, net.parameters)
    for _ in range(n):
        w = update(w, change(loss_and_gradient(net, X, y, w)[1]))
    return w


def columns(net, w, change):
    """Return a flat vector with the weights of each unit changed: change(layer, column)."""
    parts = parts_of(net, w.copy())
    weights = [parts[f"layers.{layer}.weights"] for layer in range(len(net.sizes) - 1)]
    for layer, matrix in enumerate(weights):
        for column in matrix.T:
            column[:] = change(layer, column)
    return np.concatenate([part.ravel() for part in parts.values()])


def limited(limits):
    """Return the formula of a largest norm, for `columns`."""

    def change(layer, w):
        norm = np.sqrt((w**2).sum())
        return w if limits[layer] is None or norm <= limits[layer] else w * limits[layer] / norm

    return change


@pytest.mark.parametrize("limits", [0.9, [None, 0.5, 3.0]], ids=str)
@pytest.mark.parametrize("accumulated", [False, True])
def test_largest_norm_of_weights(limits, accumulated, monkeypatch):
    """In place, and with batches of several micro-batches, whose gradient is accumulated."""
    if accumulated:
        monkeypatch.setattr(layout, "LARGEST_MICRO_BATCH", 8)
        monkeypatch.setattr(layout, "SMALLEST_MICRO_BATCH", 8)
    X, y = data(rows=20)
    net, twin = (build((5, 17, 18, 3), dtype="float64", max_norm=limits) for _ in range(2))
    each = net.max_norm
    assert each == ((0.9,) * 3 if limits == 0.9 else (None, 0.5, 3.0))
    expected = steps_of(twin, X, y, 5, lambda g: g, lambda w, g: columns(twin, w - 0.3 * g, limited(each)))
    before = flat(twin, twin.parameters)
    train(net, X, y, epochs=5, batch_size=20, shuffle=False, optimizer=SGD(0.3))
    np.testing.assert_allclose(flat(net, net.parameters), expected, rtol=1e-12, atol=1e-14)
    assert not np.array_equal(columns(twin, before, limited(each)), before), "no norm was too large"


def test_weights_within_the_largest_norm_keep_their_bits(dtype):
    X, y = data()
    nets = [build(dtype=dtype, max_norm=limit) for limit in (None, 1e3)]
    for net in nets:
        train(net, X, y, optimizer=Adam(0.01))
    assert everything(nets[0]) == everything(nets[1])


def test_a_layer_that_does_not_learn_keeps_its_norm(dtype):
    X, y = data()
    net = build(dtype=dtype, max_norm=0.1)
    before = [weights.copy() for weights in net.weights]
    train(net, X, y, optimizer=SGD(0.01, learning_rate_factors={"weights": [0, 1, 1]}))
    assert same_bits(net.weights[0], before[0])
    assert np.linalg.norm(net.weights[1], axis=0).max() < 0.1001 < np.linalg.norm(before[1], axis=0).max()


def test_factors_of_one_change_no_bit(dtype):
    """Nor do bounds that nothing reaches."""
    X, y = data()
    results = []
    for common in ({}, {"learning_rate_factors": {"weights": [1, 1, 1]}}, {"clip_value": 1e9, "clip_norm": 1e9}):
        net = build(dtype=dtype)
        train(net, X, y, optimizer=AdamW(0.01, **common))
        results.append(everything(net))
    assert results[1:] == results[:1] * 2


def test_a_factor_of_zero_freezes(dtype):
    X, y = data()
    net = build(dtype=dtype)
    before = net.parameters.copy()
    factors = {"weights": [0, 1, 0], "biases": [1, 0, 0]}
    train(net, X, y, optimizer=Adam(0.01, learning_rate_factors=factors))
    moved = [
        [not same_bits(old, new) for old, new in zip(parts, net.split(net.parameters)[kind], strict=True)]
        for kind, parts in enumerate(net.split(before))
    ]
    assert moved == [[bool(f) for f in factors[name]] for name in ("weights", "biases")]


# The norm in the history.


def test_the_norm_is_the_mean_over_steps_before_clipping(dtype, eps):
    X, y = data(rows=20)
    settings, first_losses = {"epochs": 1, "batch_size": 8, "shuffle": False}, set()  # batches of 8, 8 and 4 rows
    for common in ({}, {"clip_value": 0.01}, {"clip_norm": 0.01}, {"clip_value": 0.01, "clip_norm": 0.01}):
        net, twin = (build(dtype=dtype, l1=1e-3) for _ in range(2))
        optimizer, norms = SGD(0.1, **common), []
        for start in range(0, 20, 8):
            batch = X[start : start + 8], y[start : start + 8]
            norms.append(np.sqrt((flat(twin, twin.gradient(*batch)[1]) ** 2).sum()))
            losses = train(twin, *batch, **settings, optimizer=optimizer)["loss"]
            first_losses |= set(losses if start == 0 else [])
        history = train(net, X, y, optimizer=optimizer, gradient_norm=True, **settings)
        assert history.epochs[0]["gradient_norm"] == pytest.approx(np.mean(norms), rel=20 * eps)
        assert same_bits(net.parameters, twin.parameters)
    assert len(first_losses) == 1
    assert "gradient_norm" not in train(net, X, y, optimizer=optimizer).epochs[0]


# Gradients that are not finite.


def test_an_infinite_norm_ends_the_fit_with_the_parameters_before(monkeypatch):
    X, y = data(rows=8)
    net = build(l2=1e30, loss="mse", dtype="float32", initializer="normal")
    net.weights[0][...] = 1e5  # 2 l2 w is 2e35; times its square the loss stays finite in float64
    net.weights[1][...] = 1e9  # 2 l2 w overflows
    before = net.parameters.copy()
    with pytest.raises(DivergenceError, match="not finite"):
        train(net, X, y, optimizer=SGD(0.1, clip_norm=1.0), epochs=1)
    assert same_bits(net.parameters, before)
    assert net.steps == 0


# Errors, and what is kept.

WRONG = {
    "SGD(clip_norm=0)": (ValueError, "clip_norm must be finite, above 0"),
    "SGD(clip_value=-1)": (ValueError, "clip_value must be finite, above 0"),
    "SGD(clip_norm='1')": (TypeError, "clip_norm must be a number"),
    "SGD(learning_rate_factors=0.5)": (TypeError, r"learning_rate_factors must be a mapping such as \{'biases': 0\}"),
    "SGD(learning_rate_factors={'bias': 0})": (ValueError, "has the key 'bias'; wanted some of weights, biases"),
    "SGD(learning_rate_factors={'biases': -1})": (ValueError, r"learning_rate_factors\['biases'\] must be finite"),
    "SGD(learning_rate_factors={'biases': '1'})": (TypeError, r"learning_rate_factors\['biases'\] must be a number"),
    "Adam(weight_decay_factors={'biases': 0})": (ValueError, "Adam has no decay, AdamW has"),
    "SGD(1, 0, False, 1)": (TypeError, "positional"),
    "Network([2, 3, 1], max_norm=0)": (ValueError, "max_norm must be above 0"),
    "Network([2, 3, 1], max_norm=[1])": (ValueError, r"max_norm must be one value, or one a layer \(2\), got 1"),
    "NET.fit(X, y, optimizer=SGD(clip_norm=1e-60))": (ValueError, "clip_norm of SGD must be above 0 and finite in f"),
    "NET.fit(X, y, optimizer=SGD(learning_rate_factors={'weights': [1, 1]}))": (
        ValueError, r"learning_rate_factors\['weights'\] must be one number, or one a layer \(3\), got 2",
    ),
    "NET.fit(X, y, gradient_norm=1)": (TypeError, "gradient_norm must be True or False"),
}  # fmt: skip
NET = build()


@pytest.mark.parametrize("call", WRONG)
def test_errors(call):
    before = everything(NET)
    with pytest.raises(WRONG[call][0], match=WRONG[call][1]):
        eval(call, vars(hotloop) | {"Network": Network, "NET": NET, "X": data()[0], "y": data()[1]})
    assert everything(NET) == before


FACTORS = {"weights": [1, 0.5, 2], "biases": 3}
CHOSEN = AdamW(0.01, clip_norm=0.5, clip_value=0.25, learning_rate_factors=FACTORS, weight_decay_factors={"biases": 0})


def from_a_file(net, folder):
    net.save(folder / "net.safetensors")
    return Network.load(folder / "net.safetensors")


@pytest.mark.parametrize("way", [from_a_file, lambda net, _: copy.copy(net), lambda net, _: copy.deepcopy(net)])
def test_a_copy_goes_on_alike(way, tmp_path):
    X, y = data()
    net = build(max_norm=[0.5, None, 0.25])
    train(net, X, y, optimizer=CHOSEN)
    twin = way(net, tmp_path)
    assert twin.optimizer == CHOSEN
    assert twin.max_norm == (0.5, None, 0.25)
    for each in (net, twin):
        train(each, X, y, optimizer=replace(CHOSEN))
    assert everything(net) == everything(twin)


def test_an_optimizer_without_these_arguments_is_saved_without_them(tmp_path):
    net = build()
    train(net, *data(), optimizer=Adam())
    net.save(tmp_path / "net.safetensors")
    config = model_file.read(tmp_path / "net.safetensors")[0]
    assert {*config["optimizer"]} == {"name", "learning_rate", "beta1", "beta2", "epsilon"}
    assert Network.load(tmp_path / "net.safetensors").optimizer == Adam()


def test_an_optimizer_shows_what_is_on():
    assert repr(Adam()) == "Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)"
    assert repr(SGD(0.1, clip_norm=2)) == "SGD(learning_rate=0.1, momentum=0.0, nesterov=False, clip_norm=2.0)"
    assert eval(repr(CHOSEN), vars(hotloop) | {"AdamW": AdamW}) == CHOSEN
    assert hash(CHOSEN) == hash(eval(repr(CHOSEN), {"AdamW": AdamW}))
