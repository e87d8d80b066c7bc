"""The network as a user sees it: construction, views, initial weights, summary, predictions and measures."""

import copy
import pickle
import re

import numpy as np
import oracle
import pytest
from conftest import same_bits

from hotloop import SGD, Network, Normal
from hotloop.network.activations import HIDDEN_ACTIVATIONS
from hotloop.network.training import passes

HIDDEN = tuple(HIDDEN_ACTIVATIONS)
RELU_KIN = ("relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus")
OUTPUTS = {  # loss: the default, and the others that it allows
    "mse": ("identity", "sigmoid", "softmax"),
    "mae": ("identity", "tanh", "relu"),
    "huber": ("identity", "softplus", "softmax"),
    "log_cosh": ("identity", "exponential"),
    "quantile": ("identity",),
    "poisson": ("exponential", "identity"),
    "binary_cross_entropy": ("sigmoid", "identity"),
    "cross_entropy": ("softmax", "identity"),
}
PAIRS = [(loss, output) for loss, outputs in OUTPUTS.items() for output in outputs]


def everything(network):
    """Return the weights and biases of all layers, one vector."""
    return np.concatenate([part.ravel() for part in [*network.weights, *network.biases]])


def targets_for(loss, rng, rows, outputs):
    if loss == "cross_entropy":
        return np.eye(outputs)[rng.integers(0, outputs, rows)]
    if loss == "binary_cross_entropy":
        return rng.integers(0, 2, (rows, outputs)).astype(float)
    if loss == "poisson":
        return rng.poisson(2, (rows, outputs)).astype(float)
    return rng.normal(size=(rows, outputs))


# Construction.


def test_attributes(dtype):
    net = Network([4, 7, 5, 3], ["tanh", "relu"], loss="huber", dropout=[0, 0.25], l1=1, l2=0.5, dtype=dtype, seed=7)
    assert net.sizes == (4, 7, 5, 3)
    assert net.activations == ("tanh", "relu", "identity")
    assert (net.loss, net.dropout, net.l1, net.l2, net.seed) == ("huber", (0.0, 0.25), 1.0, 0.5, 7)
    assert net.dtype == dtype
    assert net.n_parameters == 4 * 7 + 7 + 7 * 5 + 5 + 5 * 3 + 3
    assert (net.epochs_trained, net.metadata) == (0, {})
    assert [w.shape for w in net.weights] == [(4, 7), (7, 5), (5, 3)]
    assert [b.shape for b in net.biases] == [(7,), (5,), (3,)]


def test_defaults():
    net = Network([4, 3, 2])
    assert net.activations == ("relu", "identity")
    assert (net.loss, net.dtype, net.dropout, net.l1, net.l2) == ("mse", np.dtype("float32"), (0.0,), 0.0, 0.0)


@pytest.mark.parametrize(("loss", "outputs"), OUTPUTS.items())
def test_the_output_activation_follows_the_loss(loss, outputs):
    assert Network([2, 3], loss=loss).activations == (outputs[0],)
    assert [Network([2, 3], loss=loss, output=name).activations for name in outputs] == [(name,) for name in outputs]


def test_one_value_serves_all_hidden_layers():
    net = Network([2, 3, 3, 1], "tanh", dropout=0.5)
    assert (net.activations, net.dropout) == (("tanh", "tanh", "identity"), (0.5, 0.5))


def test_sizes_may_be_any_sequence_of_whole_numbers():
    assert Network(np.array([3, 2])).sizes == Network((3, np.int8(2))).sizes == Network(range(3, 1, -1)).sizes == (3, 2)


def test_a_seed_gives_the_same_bits():
    a, b, other, unseeded, again = (Network([5, 9, 2], seed=seed) for seed in (3, 3, 4, None, None))
    assert same_bits(a.parameters, b.parameters)
    assert len({net.parameters.tobytes() for net in (a, other, unseeded, again)}) == 4
    assert same_bits(Network([5, 9, 2], seed=again.seed).parameters, again.parameters)


def test_both_dtypes_start_from_the_same_weights():
    single, double = (everything(Network([30, 20, 10], dtype=dtype, seed=1)) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single, double.astype(np.float32))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_a_copy_goes_on_as_the_network_would(copied, rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    net = Network([3, 5, 1], dropout=0.5, seed=0)
    net.fit(x, y, epochs=2, optimizer="adam")
    twin = copied(net)
    for each in (net, twin):
        each.fit(x, y, epochs=2, optimizer="adam")
    assert same_bits(net.parameters, twin.parameters)
    assert same_bits(net.predict(x), twin.predict(x))
    assert not np.shares_memory(net.parameters, twin.parameters)


def test_repr_is_an_expression_of_the_network():
    for net in (Network([4, 3, 2], ["tanh"], loss="cross_entropy", dtype="float64"), Network([4, 2], output="sigmoid")):
        twin = eval(repr(net))
        for name in ("sizes", "activations", "loss", "dtype"):
            assert getattr(twin, name) == getattr(net, name)


# The flat vector and its views.


@pytest.mark.parametrize("width", [1, 15, 16, 17, 512, 1024])
def test_rows_start_on_cache_lines_and_are_no_page_apart(width, dtype):
    net = Network([3, width, 2], dtype=dtype)
    for w, b in zip(net.weights, net.biases, strict=True):
        assert w.ctypes.data % 64 == b.ctypes.data % 64 == w.strides[0] % 64 == 0
        assert w.strides[0] % 4096 != 0
        assert w.strides[1] == b.strides[0] == np.dtype(dtype).itemsize
    assert net.parameters.ndim == 1
    assert net.parameters.dtype == dtype


def test_views_write_through():
    net = Network([2, 3, 1], seed=0)
    net.parameters[:] = 0
    net.weights[0][1, 2], net.biases[0][0], net.weights[1][2, 0], net.biases[1][0] = 1, 2, 3, 4
    assert sorted(net.parameters[net.parameters != 0]) == [1, 2, 3, 4]
    np.testing.assert_array_equal(net.predict([[5, 6], [0, 0]]), [[3 * 6 + 4], [4]])
    net.parameters[:] = 7
    assert all((part == 7).all() for part in [*net.weights, *net.biases])


def test_parameters_hold_the_views_and_zeros_alone(dtype):
    net = Network([3, 5, 2], dtype=dtype, initializer="normal", seed=0)
    for bias in net.biases:
        bias[:] = 1
    held = np.sort(everything(net))
    assert held.size == net.n_parameters < net.parameters.size
    np.testing.assert_array_equal(np.sort(net.parameters[net.parameters != 0]), held)


def test_training_leaves_the_padding_zero(rng):
    net = Network([3, 5, 2], "sigmoid", l1=0.1, l2=0.1, dropout=0.3, seed=0)
    net.fit(rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), epochs=3, optimizer="adamw")
    _, gradient = net.gradient(rng.normal(size=(50, 3)), rng.normal(size=(50, 2)))
    for vector in (net.parameters, gradient):
        assert np.count_nonzero(vector) == net.n_parameters


def test_what_is_written_into_the_padding_counts_for_nothing(rng):
    """`parameters` may be written as a whole, and a flat vector of noise fills the padding too."""
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    clean, noisy = (Network([3, 5, 2], l1=0.1, l2=0.1, seed=0) for _ in range(2))
    for call in (lambda net: net.gradient(x, y)[0], lambda net: net.fit(x, y, optimizer=SGD(0.01))["loss"]):
        noisy.parameters[:] = rng.normal(size=clean.parameters.size)
        for own, others in zip([*clean.weights, *clean.biases], [*noisy.weights, *noisy.biases], strict=True):
            own[:] = others
        assert call(noisy) == call(clean)
    assert same_bits(everything(clean), everything(noisy))


def test_split_gives_views_of_any_vector_in_the_layout():
    net = Network([2, 3, 1], seed=0)
    vector = np.zeros_like(net.parameters)
    weights, biases = net.split(vector)
    assert [part.shape for part in (*weights, *biases)] == [(2, 3), (3, 1), (3,), (1,)]
    weights[1][:], biases[0][:] = 1, 2
    assert vector.sum() == 3 + 6
    for mine, own in zip(net.split(net.parameters)[0], net.weights, strict=True):
        assert np.shares_memory(mine, own)


def test_gradient_is_that_of_evaluate(dtype, eps, rng):
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    net = Network([3, 4, 2], "tanh", l1=0.01, l2=0.02, dropout=0.5, dtype=dtype, seed=0)
    before = net.parameters.copy()
    loss, gradient = net.gradient(x, y)
    assert isinstance(loss, float)
    assert loss == pytest.approx(net.evaluate(x, y)["loss"], rel=20 * eps)
    assert gradient.shape == net.parameters.shape
    assert gradient.dtype == dtype
    assert same_bits(net.parameters, before)
    assert np.isfinite(gradient).all()


def test_summary():
    """Every number, from the formulas."""
    net = Network([64, 32, 10], loss="cross_entropy", dropout=0.25)
    numbers = re.findall(r"[\d,.]*\d", net.summary().replace("float32", ""))
    first = ["1", "64", "32", "0.25", "2,080", "4,096"]  # 64 * 32 + 32, 2 * 64 * 32
    second = ["2", "32", "10", "330", "640"]  # 32 * 10 + 10, 2 * 32 * 10
    total = ["2,410", "9,640", "10,432"]  # 4 bytes each; (65 * 32 + 33 * 16) * 4 with rows of 16 floats
    work = ["4,736", "10,112"]  # backward twice the forward, except the gradient of the first layer's inputs
    assert numbers == first + second + total + work
    for word in ("relu", "softmax", "cross_entropy"):
        assert word in net.summary()
    assert "float32" in net.summary()


def test_penalties_and_limits_are_shown():
    net = Network([3, 4, 2], l1=1e-3, l2=0.01, max_norm=[None, 2.5])
    assert "loss mse, l1 0.001, l2 0.01\nmax-norm of each layer: none, 2.5" in net.summary()
    assert repr(net).endswith("dtype='float32', l1=0.001, l2=0.01, max_norm=(None, 2.5))")
    plain = Network([3, 4, 2])
    assert not any(word in plain.summary() + repr(plain) for word in ("l1", "l2", "norm"))


def test_summary_in_float64_and_in_columns():
    net = Network([784, 1000, 10], "leaky_relu", dtype="float64")
    lines = net.summary().splitlines()
    assert len({len(line) for line in lines[:3]}) == 1, "the columns are not aligned"
    assert f"{(785 * 1000 + 1001 * 10) * 8:,} bytes" in lines[3]
    assert f"{(785 * 1000 + 1001 * 16) * 8:,} with padding" in lines[3]


# Initial weights.

FAN_IN, FAN_OUT = 200, 100
VARIANCE = {
    "glorot_uniform": 2 / (FAN_IN + FAN_OUT),
    "glorot_normal": 2 / (FAN_IN + FAN_OUT),
    "he_uniform": 2 / FAN_IN,
    "he_normal": 2 / FAN_IN,
    "lecun_uniform": 1 / FAN_IN,
    "lecun_normal": 1 / FAN_IN,
    "normal": 0.05**2,
    Normal(0.3): 0.3**2,
}


@pytest.mark.parametrize(("initializer", "variance"), VARIANCE.items(), ids=str)
def test_initial_weights_have_their_distribution(initializer, variance, dtype, eps):
    """Of 20,000 weights the variance is known to 1 % (a standard error), the mean to 0.7 % of the deviation."""
    net = Network([FAN_IN, FAN_OUT], initializer=initializer, dtype=dtype, seed=5)
    w = net.weights[0].astype(np.float64)
    deviation = np.sqrt(variance)
    assert abs(w.mean()) < 4 * 0.007 * deviation
    assert w.var() == pytest.approx(variance, rel=4 * 0.01)
    fourth = np.mean(w**4) / w.var() ** 2  # 9/5 for the uniform distribution, 3 for the normal
    if "uniform" in str(initializer):
        assert fourth == pytest.approx(1.8, rel=0.03)
        assert 0.999 < np.abs(w).max() / np.sqrt(3 * variance) <= 1 + eps
    else:
        assert fourth == pytest.approx(3, rel=0.05)
    assert not net.biases[0].any()


@pytest.mark.parametrize("sizes", [[40, 40], [60, 20], [20, 60], [1, 5], [5, 1]], ids=str)
def test_orthogonal(sizes, dtype, eps):
    w = Network(sizes, initializer="orthogonal", dtype=dtype, seed=3).weights[0].astype(np.float64)
    product = w.T @ w if sizes[0] >= sizes[1] else w @ w.T
    np.testing.assert_allclose(product, np.eye(min(sizes)), atol=40 * eps)


def test_orthogonal_prefers_no_sign():
    """Householder's QR by itself always makes the first element negative."""
    corners = [Network([4, 3], initializer="orthogonal", seed=seed).weights[0][0, 0] for seed in range(40)]
    assert 10 < sum(corner > 0 for corner in corners) < 30


@pytest.mark.parametrize("activation", HIDDEN)
def test_the_default_follows_the_activation(activation):
    expected = "he_normal" if activation in RELU_KIN else "lecun_normal" if activation == "selu" else "glorot_uniform"
    net = Network([5, 6, 4], activation, seed=2)
    assert same_bits(net.parameters, Network([5, 6, 4], activation, seed=2, initializer=[expected, None]).parameters)
    other = Network([5, 6, 4], activation, seed=2, initializer=["lecun_uniform", None])
    assert not same_bits(net.weights[0], other.weights[0])
    assert same_bits(
        Network([5, 4], output=activation, seed=2).weights[0],
        Network([5, 4], output=activation, seed=2, initializer=expected).weights[0],
    )


def test_arrays_handed_in_are_copied():
    first, bias, second = np.array([[1.0, 2], [3, 4]]), np.array([5.0, 6]), [[7], [8]]
    net = Network([2, 2, 1], initializer=[(first, bias), second])
    first[:], bias[:] = 0, 0
    np.testing.assert_array_equal(net.weights[0], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(net.biases[0], [5, 6])
    np.testing.assert_array_equal(net.weights[1], [[7], [8]])
    np.testing.assert_array_equal(net.biases[1], [0])


def test_initializers_may_differ_by_layer_and_be_your_own():
    def ones(generator, fan_in, fan_out):
        assert isinstance(generator, np.random.Generator)
        return np.ones((fan_in, fan_out))

    net = Network([3, 2, 2, 1], initializer=[ones, ("zeros", [4, 5]), Normal(2.0)], seed=0)
    assert not Network([4, 3], initializer="zeros").parameters.any()
    assert (net.weights[0] == 1).all()
    assert not net.weights[1].any()
    np.testing.assert_array_equal(net.biases[1], [4, 5])
    assert net.weights[2].all()
    stack = np.arange(8.0).reshape(2, 2, 2)
    np.testing.assert_array_equal(Network([2, 2, 2], initializer=stack).weights, stack)


# Predictions.


@pytest.mark.parametrize("activation", HIDDEN)
def test_predict_is_the_forward_pass(activation, dtype, eps, rng):
    net = Network([6, 9, 7, 5], activation, loss="cross_entropy", dtype=dtype, seed=1)
    x = rng.normal(size=(11, 6)).astype(dtype)
    expected = oracle.forward(x, net.weights, net.biases, net.activations)[1][-1]
    found = net.predict(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=20 * eps)


@pytest.mark.parametrize("rows", [1, 2, 31, 257, 600])
def test_a_row_of_predict_does_not_depend_on_the_others(rows, rng, monkeypatch):
    """On the rows beside it, or on how they are divided into pieces of 256 rows and calls."""
    net = Network([3, 5, 2], seed=0)
    x = rng.normal(size=(rows, 3))
    whole = net.predict(x)
    assert whole.shape == (rows, 2)
    assert same_bits(whole[-1:], net.predict(x[-1:]))
    monkeypatch.setattr(passes, "CALL_WORK", 7 * net.n_parameters)
    assert same_bits(net.predict(x), whole)


def test_any_real_array_like_serves(rng):
    x, y = rng.integers(0, 2, (8, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32)
    kept = x.copy(), y.copy()
    read_only, spread = x.copy(), np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    read_only.flags.writeable = False
    kinds = [x.tolist(), x.astype(bool), x.astype("u1"), x.astype(">f8"), x.astype("f2"), x.astype("g")]
    trained = []
    for given in [x, *kinds, np.asfortranarray(x), x[::-1].copy()[::-1], read_only, spread, [tuple(row) for row in x]]:
        net = Network([3, 4, 2], seed=0)
        net.fit(given, np.asfortranarray(y), epochs=2, batch_size=3, validation_data=(given, y))
        trained.append(np.concatenate([net.parameters, net.predict(given).ravel()]))
    assert all(same_bits(each, trained[0]) for each in trained)
    assert same_bits(x, kept[0])
    assert same_bits(y, kept[1])


# Measures.


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_evaluate(loss, output, dtype, eps, rng):
    """Over rows enough for two micro-batches, penalties included, in float64 from the network's own outputs."""
    net = Network([4, 6, 3], "tanh", loss=loss, output=output, l1=0.01, l2=0.02, dropout=0.5, dtype=dtype, seed=1)
    x = rng.normal(size=(300, 4)).astype(dtype)
    y = targets_for(loss, rng, 300, 3).astype(dtype)
    zs, outputs = oracle.forward(x, net.weights, net.biases, net.activations)
    expected = oracle.LOSSES[loss](zs[-1] if loss in oracle.OF_LOGITS else outputs[-1], y)[0]
    expected += sum(0.01 * np.abs(oracle.double(w)).sum() + 0.02 * (oracle.double(w) ** 2).sum() for w in net.weights)
    found = net.evaluate(x, y)
    assert found["loss"] == pytest.approx(expected, rel=50 * eps)
    if loss == "cross_entropy":
        labels = y.argmax(axis=1)
        assert found["accuracy"] == np.mean(outputs[-1].argmax(axis=1) == labels)
        assert net.evaluate(x, labels) == pytest.approx(found, rel=50 * eps)
        assert net.evaluate(x, 0.6 * y + 0.4 / 3)["accuracy"] == found["accuracy"]
    elif loss == "binary_cross_entropy":
        assert found["accuracy"] == np.mean((zs[-1] > 0) == (y == 1))
    else:
        values = np.exp(zs[-1]) if loss == "poisson" else outputs[-1]  # the means, also where the output is their log
        residual, spread = ((values - y) ** 2).sum(axis=0), ((y - y.mean(axis=0)) ** 2).sum(axis=0)
        assert found["r2"] == pytest.approx(np.mean(1 - residual / spread), abs=50 * eps)
    assert len(found) == 2
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_row_losses(loss, output, dtype, eps, rng):
    """Each is the loss of its row alone, without penalties."""
    net = Network([4, 6, 3], "tanh", loss=loss, output=output, l2=0.02, dropout=0.5, dtype=dtype, seed=1)
    x = rng.normal(size=(40, 4)).astype(dtype)
    y = targets_for(loss, rng, 40, 3).astype(dtype)
    zs, outputs = oracle.forward(x, net.weights, net.biases, net.activations)
    last = zs[-1] if loss in oracle.OF_LOGITS else outputs[-1]
    expected = [oracle.LOSSES[loss](last[row : row + 1], y[row : row + 1])[0] for row in range(40)]
    np.testing.assert_allclose(net.row_losses(x, y, n_threads=2), expected, rtol=50 * eps, atol=50 * eps)
    if loss == "cross_entropy":
        np.testing.assert_allclose(net.row_losses(x, y.argmax(axis=1)), expected, rtol=50 * eps, atol=50 * eps)


def test_targets_of_one_output_may_be_a_vector(rng):
    x, y = rng.normal(size=(7, 2)), rng.integers(0, 2, 7)
    for loss in ("mse", "binary_cross_entropy"):
        net = Network([2, 1], loss=loss, seed=0)
        assert net.evaluate(x, y) == net.evaluate(x, y[:, None]) == net.evaluate(x, y.astype(bool).tolist())


@pytest.mark.parametrize("kind", ["u1", "i1", "i8", "u8", "f4", "f8", "b"])
def test_labels_may_be_of_any_kind(kind, rng):
    x, labels = rng.normal(size=(9, 2)), np.arange(9) % 2
    net = Network([2, 200], loss="cross_entropy", seed=0)
    assert net.evaluate(x, labels.astype(kind)) == net.evaluate(x, labels)
