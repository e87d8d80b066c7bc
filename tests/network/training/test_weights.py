"""Weights of samples, classes and positive targets, and smoothed labels: 20 steps of training against a NumPy twin.

What `evaluate` and the histories say, bits, bad arguments.
"""

import copy

import numpy as np
import oracle
import pytest
import weighted_training
from conftest import COMPILED, same_bits
from small_networks import LOSSES_AND_OUTPUTS, build, data, everything

from hotloop import Adam, Network, metrics
from hotloop.losses import Huber, Quantile
from hotloop.network.losses import LOSSES
from hotloop.network.validation import weights

ROWS, SMOOTHING, LEVELS = 60, 0.13, (0.1, 0.5, 0.9)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, 4))
LABELS, SOFT = RNG.choice(3, ROWS, p=[0.6, 0.3, 0.1]), RNG.dirichlet(np.ones(3), ROWS)
VALUES, COUNTS = RNG.normal(size=(ROWS, 3)), RNG.poisson(2, (ROWS, 3)).astype(float)
YES = RNG.integers(0, 2, (ROWS, 3)).astype(float)
W = np.where(np.arange(ROWS) % 7 == 0, 0, RNG.uniform(0.1, 2, ROWS))
ONE = np.ones(ROWS)
POSITIVE = np.array([0.5, 3.0, 2.0])
OF_CLASS = np.array([0.5, 1.0, 4.0])
BALANCED = ROWS / (3 * np.bincount(LABELS))
QUIET = {"progress": False, "shuffle": False}


def smoothed(loss, classes):
    return lambda z, y: loss(z, oracle.smoothed(y if y.ndim > 1 else np.eye(3)[y], SMOOTHING, classes))


# Of each: the loss, arguments of the network, targets, the oracle's loss, arguments of fit, the weights that they mean.
CASES = {
    "mse": ("mse", {}, VALUES, oracle.mean_squared_error, {"sample_weight": W}, W),
    "mae": ("mae", {}, VALUES, oracle.mean_absolute_error, {"sample_weight": W.tolist()}, W),
    "labels": ("cross_entropy", {}, LABELS, oracle.cross_entropy, {"sample_weight": W}, W),
    "distributions": ("cross_entropy", {}, SOFT, oracle.soft_cross_entropy, {"sample_weight": W}, W),
    "classes": ("cross_entropy", {}, LABELS, oracle.cross_entropy, {"class_weight": {0: 0.5, 2: 4}}, OF_CLASS[LABELS]),
    "both": (
        "cross_entropy", {}, np.eye(3)[LABELS], oracle.soft_cross_entropy,
        {"sample_weight": W, "class_weight": {np.float64(0): 0.5, 2: 4}}, W * OF_CLASS[LABELS],
    ),
    "balanced": ("cross_entropy", {}, LABELS, oracle.cross_entropy, {"class_weight": "balanced"}, BALANCED[LABELS]),
    "smoothed labels": (
        "cross_entropy", {"label_smoothing": SMOOTHING}, LABELS, smoothed(oracle.soft_cross_entropy, 3),
        {"sample_weight": W}, W,
    ),
    "smoothed distributions": (
        "cross_entropy", {"label_smoothing": SMOOTHING}, SOFT, smoothed(oracle.soft_cross_entropy, 3), {}, ONE,
    ),
    "smoothed binary": (
        "binary_cross_entropy", {"label_smoothing": SMOOTHING}, YES, smoothed(oracle.binary_cross_entropy, 2), {}, ONE,
    ),
    "positive": (
        "binary_cross_entropy", {}, YES, lambda z, y: oracle.binary_cross_entropy(z, y, POSITIVE),
        {"positive_weight": POSITIVE, "sample_weight": W}, W,
    ),
    "poisson": ("poisson", {}, COUNTS, oracle.poisson, {"sample_weight": W}, W),
    "log_cosh": ("log_cosh", {}, VALUES, oracle.log_cosh, {"sample_weight": W}, W),
    "huber": (Huber(0.7), {}, VALUES, lambda a, y: oracle.huber(a, y, 0.7), {}, ONE),
    "quantiles": (
        Quantile(LEVELS), {}, VALUES[:, :2], lambda a, y: oracle.quantile(a, y, LEVELS), {"sample_weight": W}, W,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_training(case):
    """Value and gradient of all rows, then 20 steps of Adam."""
    loss, options, y, expected, weighting, w = CASES[case]
    outputs = 6 if case == "quantiles" else 3
    net = Network([4, 8, outputs], "tanh", loss=loss, dtype="float64", seed=2, **options)
    start = [part for pair in zip(net.weights, net.biases, strict=True) for part in pair]
    value, gradient = net.gradient(X, y, **weighting)
    wanted_value, wanted = weighted_training.loss_and_gradient(start, expected, X, y, w)
    assert value == pytest.approx(wanted_value, rel=1e-13)
    found = [part for pair in zip(*net.split(gradient), strict=True) for part in pair]
    for part, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(part, want, rtol=0, atol=1e-13)
    steps = {"epochs": 4, "batch_size": 12}
    arrays, losses = weighted_training.train(net, expected, X, y, w, learning_rate=0.01, **steps)
    history = net.fit(X, y, optimizer=Adam(0.01), **steps, **weighting, **QUIET)
    for part, want in zip((part for pair in zip(net.weights, net.biases, strict=True) for part in pair), arrays,
                          strict=True):  # fmt: skip
        np.testing.assert_allclose(part, want, rtol=0, atol=1e-12)
    assert history["loss"] == pytest.approx(losses, rel=1e-12)


WEIGHED = np.where(np.arange(25) % 4 == 1, 0, np.arange(1, 26) / 8)


@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS)
def test_a_weight_of_zero_leaves_a_row_out(loss, output, dtype):
    """To the bit, whatever is in the row; and weights of 1, or of any power of 2, are those of an unweighted fit."""
    x, y = data(loss)
    kept, options = WEIGHED > 0, {"epochs": 2, "batch_size": 25, "optimizer": Adam(0.01), **QUIET}
    largest = float(np.finfo(dtype).max)
    strange, wanted = x.copy(), y.copy()
    strange[~kept] = largest
    if loss in ("mse", "mae", "huber", "log_cosh", "quantile"):
        wanted[~kept] = -largest / 2
    hidden = ("relu", "relu")  # in which such inputs overflow, and then cancel to NaN
    nets = [build(loss=loss, output=output, hidden=hidden, dtype=dtype, l2=1e-3) for _ in range(5)]
    nets[0].fit(x[kept], y[kept], sample_weight=WEIGHED[kept], **options)
    nets[1].fit(strange, wanted, sample_weight=WEIGHED, **options)
    assert everything(nets[1]) == everything(nets[0])
    results = [(nets[0], x[kept], y[kept], WEIGHED[kept]), (nets[0], strange, wanted, WEIGHED)]
    values, gradients = zip(*(net.gradient(a, b, sample_weight=w) for net, a, b, w in results), strict=True)
    assert values[0] == values[1]
    assert same_bits(*gradients)
    scores = [net.evaluate(a, b, sample_weight=w) for net, a, b, w in results]
    assert scores[1] == pytest.approx(scores[0], rel=1e-12)
    nets[2].fit(x, y, **options)
    nets[3].fit(x, y, sample_weight=np.ones(25, np.int8), **options)
    nets[4].fit(x, y, sample_weight=np.full(25, 2.0**1000), **options)
    assert everything(nets[2]) == everything(nets[3]) == everything(nets[4])


@pytest.mark.parametrize("loss", ["labels", "mse"])
def test_threads_calls_and_micro_batches(loss, dtype):
    """The same bits on any number of threads, in batches of several micro-batches too, of which some weigh nothing."""
    rows, sizes = (700, (5, 17, 6, 3)) if COMPILED else (320, (5, 2, 2, 3))  # plain Python is slow
    x, y = data(loss, rows)
    w = np.where(np.arange(rows) // 100 == 1, 0, 1 + np.arange(rows) % 3)
    nets = [build(sizes, loss, dtype=dtype) for _ in range(3)]
    options = {
        "epochs": 2 if COMPILED else 1,
        "batch_size": 300,
        "sample_weight": w,
        "optimizer": "adam",
        "progress": False,
    }
    histories = [net.fit(x, y, n_threads=n, **options) for net, n in zip(nets, (1, 2, 3), strict=True)]
    assert everything(nets[0]) == everything(nets[1]) == everything(nets[2])
    assert histories[0]["loss"] == histories[1]["loss"] == histories[2]["loss"]


def test_a_batch_of_zero_weight():
    """Its loss and gradient are 0: the parameters stay, and the epoch's loss is that of the others."""
    x, y = data("labels", 20)
    w = np.where(np.arange(20) < 10, 0.0, 2.0)
    nets = [build(loss="labels", dtype="float64") for _ in range(2)]
    histories = [
        nets[0].fit(x, y, epochs=1, batch_size=10, sample_weight=w, optimizer="sgd", **QUIET),
        nets[1].fit(x[10:], y[10:], epochs=1, batch_size=10, optimizer="sgd", **QUIET),
    ]
    assert same_bits(nets[0].parameters, nets[1].parameters)
    assert histories[0]["loss"] == histories[1]["loss"]
    assert nets[0].steps == 2


@pytest.mark.parametrize("loss", ["labels", "cross_entropy", "binary_cross_entropy", "mse", "poisson"])
def test_what_evaluate_says(loss):
    """A weight of 2 is a row given twice, in the loss and in the metric; validation data has weights of its own."""
    x, y = data(loss, 40)
    w = np.arange(40) % 3
    net, twice = build(loss=loss, dtype="float64"), np.repeat(np.arange(40), w)
    wanted = net.evaluate(x[twice], y[twice])
    assert net.evaluate(x, y, sample_weight=w) == pytest.approx(wanted, rel=1e-12)
    assert net.evaluate(x, y, sample_weight=w) != pytest.approx(net.evaluate(x, y), rel=1e-3)
    history = net.fit(x, y, epochs=1, validation_data=(x, y, w), **QUIET)
    assert [history.epochs[-1]["val_loss"]] == [net.evaluate(x, y, sample_weight=w)["loss"]]


def test_r2_of_several_quantiles():
    net = Network([4, 5, 6], loss=Quantile([0.9, 0.4, 0.1]), dtype="float64", seed=0)
    medians = net.predict(X)[:, 1::3]  # the nearest level, of each of two targets
    assert net.evaluate(X, VALUES[:, :2])["r2"] == metrics.r2(VALUES[:, :2], medians)
    net = Network([4, 5, 3], loss=Quantile(LEVELS), dtype="float64", seed=0)
    assert net.evaluate(X, VALUES[:, 0])["r2"] == metrics.r2(VALUES[:, :1], net.predict(X)[:, 1:2])


def test_smoothing_is_for_training_only():
    nets = [Network([4, 8, 3], loss="cross_entropy", label_smoothing=e, seed=0) for e in (0.0, 0.2)]
    for y in (LABELS, SOFT):
        kept = y.copy()
        assert nets[0].evaluate(X, y) == nets[1].evaluate(X, y)
        values = [net.gradient(X, y)[0] for net in nets]
        assert values[0] == pytest.approx(nets[0].evaluate(X, y)["loss"], rel=1e-6)
        assert values[1] != pytest.approx(values[0], rel=1e-3)
        net = copy.copy(nets[1])
        history = net.fit(X, y, epochs=1, batch_size=ROWS, validation_data=(X, y), **QUIET)
        assert history["loss"][0] == values[1]
        assert history["val_loss"][0] == net.evaluate(X, y)["loss"]
        np.testing.assert_array_equal(y, kept)  # the user's own array is not smoothed


def test_weights_are_scaled_by_powers_of_two():
    """Only ratios matter, so nothing overflows, nor vanishes beside float32's smallest number."""
    found = weights.sample_weights([3e300, 1e300, 0], 3)
    assert 0.5 <= found.max() <= 1
    assert found[2] == 0
    assert found[0] / found[1] == 3e300 / 1e300
    assert weights.sample_weights([1e-300, 1e300], 2).tolist()[0] == 0
    nets = [build(loss="labels") for _ in range(2)]
    x, y = data("labels")
    for net, factor in zip(nets, (1.0, 2.0**-900), strict=True):
        net.fit(x, y, epochs=2, batch_size=5, sample_weight=factor * np.arange(25), optimizer="adam", **QUIET)
    assert everything(nets[0]) == everything(nets[1])


def test_a_class_that_does_not_occur_has_no_part_in_balance():
    rare = np.where(LABELS == 2, 0, LABELS)
    counts = np.bincount(rare)
    wanted = (ROWS / (2 * counts))[rare]
    found = weights.class_weights("balanced", np.empty((0, 0)), rare, 3, LOSSES["cross_entropy"])
    np.testing.assert_allclose(found / found[0], wanted / wanted[0], rtol=1e-15)


def test_class_weights_of_one_output():
    """Class 1 is a target above 1/2."""
    y, net = YES[:, 0], Network([4, 5, 1], loss="binary_cross_entropy", seed=0, dtype="float64")
    wanted = net.gradient(X, y, sample_weight=np.where(y > 0.5, 3.0, 1.0))
    assert net.gradient(X, y, class_weight={1: 3.0})[0] == wanted[0]
    assert net.gradient(X, y, positive_weight=1.0)[0] == pytest.approx(net.gradient(X, y)[0], rel=1e-14)


LABELLED, BINARY, PLAIN = ({"loss": loss} for loss in ("cross_entropy", "binary_cross_entropy", "mse"))
WRONG = [
    (PLAIN, {"sample_weight": W[:-1]}, r"^sample_weight has shape \(59,\); wanted \(60,\), a number for each row of X"),
    (PLAIN, {"sample_weight": 2.0}, r"^sample_weight is a single number; wanted \(60,\)"),
    (PLAIN, {"sample_weight": W - 1}, r"^sample_weight must be finite and at least 0: found -1.* in row 0"),
    (PLAIN, {"sample_weight": np.where(W > 0, W, np.nan)}, "^sample_weight must be finite.*found nan in row 0"),
    (PLAIN, {"sample_weight": np.where(W > 0, W, np.inf)}, "^sample_weight must be finite.*found inf in row 0"),
    (PLAIN, {"sample_weight": 0 * W}, "^sample_weight must not be all zeros"),
    (PLAIN, {"sample_weight": ["a"] * ROWS}, "^sample_weight"),
    (PLAIN, {"class_weight": {0: 1}}, "^class_weight is for losses of classes; for loss 'mse' use sample_weight"),
    (BINARY, {"class_weight": {0: 1}}, "^class_weight is for classes that exclude each other.*positive_weight"),
    (LABELLED, {"class_weight": {3: 1}}, r"^class_weight\[3\] is for no class: they are 0 to 2"),
    (LABELLED, {"class_weight": {-1: 1}}, r"^class_weight\[-1\] is for no class"),
    (LABELLED, {"class_weight": {"0": 1}}, r"^class_weight\['0'\]: classes are numbers, 0 to 2; number them by"),
    (LABELLED, {"class_weight": {0.5: 1}}, r"^class_weight\[0.5\] is for no class"),
    (LABELLED, {"class_weight": {float("nan"): 1}}, r"^class_weight\[nan\] is for no class"),
    (LABELLED, {"class_weight": {3.0: 1}}, r"^class_weight\[3.0\] is for no class"),
    (LABELLED, {"class_weight": np.ones((2, 3))}, r"^class_weight must be .*, got an array of shape \(2, 3\)$"),
    (LABELLED, {"class_weight": {True: 1}}, r"^class_weight\[True\] is for no class"),
    (LABELLED, {"class_weight": {0: -1}}, r"^class_weight\[0\] must be finite, at least 0, got -1"),
    (LABELLED, {"class_weight": {0: 0, 1: 0, 2: 0}}, "^class_weight must not be 0 for all classes"),
    (LABELLED, {"class_weight": "balance"}, '^class_weight must be a dict or "balanced", got \'balance\''),
    (LABELLED, {"class_weight": [1, 2, 3]}, r"^class_weight must be a dict of class numbers"),
    (LABELLED, {"class_weight": {0: 0}, "sample_weight": LABELS == 0}, "^sample_weight times class_weight must"),
    (LABELLED, {"positive_weight": 2.0}, "^positive_weight is for loss 'binary_cross_entropy'.*use class_weight"),
    (BINARY, {"positive_weight": [1.0, 2.0]}, r"^positive_weight has shape \(2,\); wanted a number, or one for each"),
    (BINARY, {"positive_weight": -1.0}, "^positive_weight must be finite and at least 0: found -1.0"),
    (BINARY, {"positive_weight": np.inf}, "^positive_weight must be finite"),
]  # fmt: skip


@pytest.mark.parametrize("method", ["fit", "gradient"])
@pytest.mark.parametrize(("options", "weighting", "match"), WRONG)
def test_wrong_weights(options, weighting, match, method):
    net = Network([4, 5, 3], seed=0, **options)
    y = LABELS if options is LABELLED else YES
    before = everything(net)
    with pytest.raises((TypeError, ValueError), match=match):
        getattr(net, method)(X, y, **weighting)
    assert everything(net) == before
    if "sample_weight" in weighting and len(weighting) == 1:
        with pytest.raises((TypeError, ValueError), match=match):
            net.evaluate(X, y, **weighting)


@pytest.mark.parametrize(("options", "match"), [
    ({"label_smoothing": 0.1}, "^label_smoothing is for cross_entropy and binary_cross_entropy; the loss is 'mse'"),
    ({"label_smoothing": 1.0, "loss": "cross_entropy"}, "^label_smoothing must be finite, at least 0 and below 1"),
    ({"label_smoothing": -0.1, "loss": "cross_entropy"}, "^label_smoothing must be"),
    ({"label_smoothing": "some", "loss": "cross_entropy"}, "^label_smoothing must be a number"),
])  # fmt: skip
def test_wrong_smoothing(options, match):
    with pytest.raises((TypeError, ValueError), match=match):
        Network([2, 3], **options)
