"""A user's own activation and loss: they train as the built-in ones do, and wrong ones are refused with numbers."""

import copy
import math
import pickle
import re
import sys

import numba
import numpy as np
import pytest
from conftest import COMPILED, same_bits

from hotloop import DivergenceError, Network, kernels
from hotloop.activations import CustomActivation
from hotloop.losses import CustomLoss

QUIET = {"progress": False, "shuffle": False}
FLAGS = {"epochs": 4, "batch_size": 5, "optimizer": "adam", **QUIET}  # 20 steps


@numba.njit
def own_tanh(z):
    return math.tanh(z)


def own_tanh_derivative(z):
    return 1 - math.tanh(z) ** 2


def square(z):
    return z * z


def half_of_its_derivative(z):
    return z


def mean_of_squares(outputs, target, gradient):
    total = 0.0
    for j in range(outputs.size):
        error = outputs[j] - target[j]
        total += error * error
        gradient[j] = 2 * error / outputs.size
    return total / outputs.size


factor = 1.0  # which a test changes
TANH = CustomActivation(own_tanh, own_tanh_derivative)
MSE = CustomLoss(mean_of_squares)


def data(rows=25):
    rng = np.random.default_rng(3)
    return rng.normal(size=(rows, 3)), rng.normal(size=(rows, 2))


def trained(activation="tanh", loss="mse", n_threads=1, dtype="float64", output="tanh", **options):
    net = Network([3, 5, 4, 2], activation, output=output, loss=loss, dtype=dtype, seed=1, **options)
    net.fit(*data(), n_threads=n_threads, **FLAGS)
    return net


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_own_tanh_trains_as_the_built_in_one(dropout, dtype, eps):
    """With dropout too: the built-in derivative takes the activation, the own one z."""
    ours = trained(TANH, output=TANH, dtype=dtype, dropout=dropout)
    theirs = trained(dtype=dtype, dropout=dropout)
    assert ours.parameters.dtype == dtype
    tolerance = 1e-12 if dtype == np.float64 else 2e-4  # Adam divides gradients by their size
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=0, atol=tolerance)
    X, y = data()
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=tolerance)
    assert ours.evaluate(X, y)["loss"] == pytest.approx(theirs.evaluate(X, y)["loss"], rel=max(1e-12, 1e3 * eps))


def test_own_mse_trains_as_the_built_in_one(dtype):
    ours, theirs = trained(loss=MSE, dtype=dtype), trained(dtype=dtype)
    tolerance = 1e-12 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(ours.parameters, theirs.parameters, rtol=0, atol=tolerance)
    assert ours.evaluate(*data())["loss"] == pytest.approx(theirs.evaluate(*data())["loss"], rel=1e-4)


def test_the_same_bits_for_any_number_of_threads(dtype):
    one, two = (trained(TANH, MSE, n_threads, dtype) for n_threads in (1, 2))
    assert same_bits(one.parameters, two.parameters)
    X = data()[0]
    assert same_bits(one.predict(X, n_threads=2), one.predict(X, n_threads=1))


def test_one_row_in_compiled_code(dtype):
    net, out = trained(TANH, MSE, dtype=dtype), np.empty(2, dtype)
    X = np.ascontiguousarray(data()[0], dtype)
    assert kernels.predict_one(*net.compiled_arguments(), X[0], out)
    assert same_bits(net.predict(X)[0], out)
    assert same_bits(net.predict(X[:1])[0], out)


def test_padding_is_not_computed():
    """Where f(0) and f'(0) are infinite, the parameters' padding would become NaN."""
    inverse = CustomActivation(lambda z: 1 / (z * z * z), lambda z: -3 / (z * z * z * z), name="inverse", check=False)
    net = Network([3, 5, 2], inverse, dtype="float64", seed=0)
    net.biases[0][:] = 3
    net.fit(*data(), **FLAGS)
    for layer, fan_out in enumerate((5, 2)):
        start, stop = net._layout.offsets[layer : layer + 2]
        assert not net.parameters[start:stop].reshape(-1, net._layout.strides[layer + 1])[:, fan_out:].any()


@pytest.mark.parametrize("place", [0, 24])
def test_a_row_of_no_weight_diverges_nowhere(place, dtype):
    """Its inputs are those of another row: at zero, where the biases start, this derivative is infinite."""
    root = CustomActivation(
        lambda z: math.copysign(math.sqrt(abs(z)), z), lambda z: 0.5 / math.sqrt(abs(z)), name="root", check=False
    )
    X, y = data()
    weights = (np.arange(25) != place).astype(float)
    nets = [Network([3, 5, 2], root, dtype=dtype, seed=0) for _ in range(2)]
    nets[0].fit(X, y, sample_weight=weights, **FLAGS | {"batch_size": 25})
    nets[1].fit(X[weights > 0], y[weights > 0], **FLAGS | {"batch_size": 25})
    assert same_bits(nets[0].parameters, nets[1].parameters)


def test_equal_if_compiled_alike(monkeypatch):
    """The values of global names are those of the moment when an activation was made, as in its machine code."""

    def of_a_factor():
        return CustomActivation(lambda z: factor * z, lambda z: factor, name="times", check=False)

    made = []
    for value in (2.0, 3.0, 2.0):
        monkeypatch.setitem(globals(), "factor", value)
        made.append(of_a_factor())
    assert made[0] != made[1]
    assert made[0] == made[2]
    assert made[0] == copy.deepcopy(made[0])


# The check of a derivative.


def test_a_wrong_derivative_is_refused():
    message = (
        r"derivative of CustomActivation\('square'\) is wrong at 34 of 35 points from -100 to 100: at z = \S+ it gave "
    )
    with pytest.raises(ValueError, match=message) as error:
        CustomActivation(square, half_of_its_derivative)
    found = re.findall(r"at z = (\S+) it gave (\S+), differences of the function say (\S+?)(?:;|$)", str(error.value))
    assert len(found) == 3
    for z, gave, wanted in found:
        assert float(gave) == float(z)
        assert float(wanted) == 2 * float(z)
    assert CustomActivation(square, half_of_its_derivative, check=False).name == "square"


@pytest.mark.parametrize(("function", "derivative"), [
    (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    (lambda z: max(z, 0.0), lambda z: 1.0 if z >= 0 else 0.0),
    (lambda z: abs(z), lambda z: 0.0 if z == 0 else math.copysign(1.0, z)),
    (lambda z: math.sin(30 * z), lambda z: 30 * math.cos(30 * z)),
    (lambda z: 1e-9 * z * z, lambda z: 2e-9 * z),
    (lambda z: math.log(z) if z > 0 else math.nan, lambda z: 1 / z if z > 0 else math.nan),
], ids=["relu", "relu from the right", "abs", "sine", "tiny", "logarithm"])  # fmt: skip
def test_right_ones_are_not(function, derivative):
    """Kinks, fast changes, tiny values, and values that are not finite everywhere."""
    CustomActivation(function, derivative, name="right")


@pytest.mark.parametrize(("function", "derivative"), [
    (lambda z: max(z, 0.0), lambda z: 1.5 if z == 0 else (1.0 if z > 0 else 0.0)),
    (lambda z: 1e-9 * z * z, lambda z: 2.1e-9 * z),
    (lambda z: math.tanh(z), lambda z: math.nan if z == 1 else 1 - math.tanh(z) ** 2),
], ids=["at a kink", "tiny", "nan"])  # fmt: skip
def test_wrong_ones_are(function, derivative):
    with pytest.raises(ValueError, match=r"derivative of .* is wrong at"):
        CustomActivation(function, derivative, name="wrong")


def test_never_finite():
    with pytest.raises(ValueError, match="no finite number near any of 35 points"):
        CustomActivation(lambda z: z * math.nan, lambda z: z * math.nan, name="nan")


def half_gradient(outputs, target, gradient):
    total = 0.0
    for j in range(outputs.size):
        gradient[j] = outputs[j] - target[j]
        total += gradient[j] * gradient[j]
    return total


def forgotten_entry(outputs, target, gradient):
    gradient[0] = 2 * (outputs[0] - target[0])
    return (outputs[0] - target[0]) ** 2


def changed_target(outputs, target, gradient):
    target[0] = outputs[0]
    gradient[:] = 0
    return 0.0


def never_finite(outputs, target, gradient):
    gradient[:] = 0
    return math.nan


@pytest.mark.parametrize(("function", "message"), [
    (half_gradient, r"gradient of CustomLoss\('half_gradient'\) is wrong: of output \S+ with target \S+, in column"),
    (forgotten_entry, "in column 1, it gave nan, differences of the loss say 0"),
    (changed_target, "changes its outputs or its target"),
    (never_finite, "no finite number for any of 16 random rows of 2 outputs"),
])  # fmt: skip
def test_a_wrong_loss_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        Network([3, 2], loss=CustomLoss(function), seed=0)
    Network([3, 2], loss=CustomLoss(function, check=False), seed=0)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "softplus"])
def test_a_loss_of_probabilities(output):
    """Of outputs after the activation: the check draws such as it may give."""

    def negative_log(outputs, target, gradient):
        total = 0.0
        for j in range(outputs.size):
            total -= target[j] * math.log(outputs[j])
            gradient[j] = -target[j] / outputs[j]
        return total

    net = Network([3, 2], loss=CustomLoss(negative_log, output=output), dtype="float64", seed=0)
    assert net.activations == (output,)
    assert net.check_gradients(np.ones((3, 3)), np.eye(2)[[0, 1, 1]]).ok


def test_what_is_no_function():
    with pytest.raises(TypeError, match="function must be a Python function of \\(z\\)"):
        CustomActivation(math.tanh, own_tanh_derivative)
    with pytest.raises(TypeError, match="derivative must take 1 argument \\(z\\): mean_of_squares does not"):
        CustomActivation(own_tanh, mean_of_squares)
    with pytest.raises(TypeError, match="function must take 3 arguments"):
        CustomLoss(own_tanh)
    with pytest.raises(TypeError, match=r"use hotloop\.activations\.CustomActivation"):
        Network([3, 4, 2], square)
    with pytest.raises(TypeError, match=r"use hotloop\.losses\.CustomLoss"):
        Network([3, 2], loss=mean_of_squares)
    with pytest.raises(TypeError, match="name must be a text"):
        CustomLoss(mean_of_squares, name="")


def test_a_loss_that_raises_ends_the_fit():
    """Its row counts as NaN, and the network keeps its last finite parameters."""

    def refusing(outputs, target, gradient):
        if target[0] > 1.5:
            raise ValueError("too large")
        gradient[0], gradient[1] = outputs[0], outputs[1]
        return (outputs[0] ** 2 + outputs[1] ** 2) / 2

    net = Network([3, 2], loss=CustomLoss(refusing, check=False), seed=0)
    X, y = data()
    with pytest.raises(DivergenceError):
        net.fit(X, np.abs(y) + np.arange(len(X))[:, None] / 10, epochs=3, **QUIET)
    assert np.isfinite(net.parameters).all()


@pytest.mark.skipif(not COMPILED, reason="without the compiler the error itself is raised")
def test_an_activation_that_raises_ends_the_fit(monkeypatch):
    """Numba hands the error to the hook that prints it."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: seen.append(str(found.exc_value)))

    def refusing(z):
        if z > 2.5:
            raise ValueError("too large")
        return z

    for pair in ((refusing, lambda z: 1.0), (lambda z: z, refusing)):
        net = Network([3, 4, 2], CustomActivation(*pair, name="refusing", check=False), seed=0)
        with pytest.raises(DivergenceError):
            net.fit(5 * data()[0], data()[1], epochs=2, **QUIET)
        assert np.isfinite(net.parameters).all()
        assert set(seen) == {"too large"}
        seen.clear()


# Kept: in files by name, in pickles and copies with their functions.


def test_saved_by_name(tmp_path):
    net, path = trained(TANH, MSE), tmp_path / "own.safetensors"
    net.save(path)
    with pytest.raises(
        ValueError, match=r"needs the activation 'own_tanh' and the loss 'mean_of_squares'.* pass custom="
    ):
        Network.load(path)
    with pytest.raises(ValueError, match="needs the loss 'mean_of_squares'"):
        Network.load(path, custom={"own_tanh": TANH})
    with pytest.raises(TypeError, match=r"custom\['own_tanh'\] must be a CustomActivation"):
        Network.load(path, custom={"own_tanh": MSE, "mean_of_squares": MSE})
    with pytest.raises(TypeError, match="custom must be a dict"):
        Network.load(path, custom=TANH)
    loaded = Network.load(path, custom={"own_tanh": TANH, "mean_of_squares": MSE})
    assert (loaded.activations, loaded.loss) == (net.activations, net.loss)
    for one in (net, loaded):
        one.fit(*data(), **FLAGS)
    assert same_bits(loaded.parameters, net.parameters)


def test_two_pieces_of_one_name_cannot_be_saved(tmp_path):
    other = CustomActivation(square, lambda z: 2 * z, name="own_tanh")
    assert other != TANH
    with pytest.raises(ValueError, match="two custom pieces are called 'own_tanh'"):
        Network([3, 4, 4, 2], [TANH, other], seed=0).save(tmp_path / "x.safetensors")


def test_pickled_and_copied():
    net = trained(TANH, MSE)
    X = data()[0]
    others = pickle.loads(pickle.dumps(net)), copy.copy(net), copy.deepcopy(net)
    for other in others:
        assert (other.activations, other.loss) == (net.activations, net.loss)
        assert {*other.activations} == {*net.activations}
        assert same_bits(other.predict(X), net.predict(X))
    before = net.parameters.copy()
    net.fit(*data(), **FLAGS)
    assert not same_bits(net.parameters, before)
    for other in others:
        other.fit(*data(), **FLAGS)
        assert same_bits(other.parameters, net.parameters)


def test_how_they_are_shown():
    net = Network([3, 4, 2], TANH, loss=MSE, seed=0)
    assert repr(net.activations) == "(CustomActivation('own_tanh'), 'identity')"
    assert repr(net).endswith("loss=CustomLoss('mean_of_squares'), dtype='float32')")
    assert "3 x 4  own_tanh" in net.summary()
    assert net.summary().endswith("loss mean_of_squares")
