"""`check_gradients`: right gradients agree, wrong ones are found where they are, kinks are told apart."""

import numpy as np
import pytest

from hotloop import Network
from hotloop.activations import CustomActivation

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2))
WRONG = CustomActivation(lambda z: z * z, lambda z: 2.02 * z, name="square", check=False)


@pytest.mark.parametrize("options", [
    {"activation": ["tanh", "selu"], "l1": 0.01, "l2": 0.02},
    {"activation": ["mish", "relu"], "output": "sigmoid", "loss": "mae", "input_scale": 0.5},
], ids=["smooth", "kinked"])  # fmt: skip
def test_right_gradients(options, dtype):
    net = Network([3, 4, 3, 2], dtype=dtype, seed=0, **options)
    before = net.parameters.copy()
    found = net.check_gradients(X, Y)
    assert found.ok
    assert found
    assert found.worst < (1e-6 if dtype == np.float64 else 1e-3)
    assert [(one.layer, one.kind, one.size) for one in found.layers] == [
        (1, "weights", 12), (1, "biases", 4), (2, "weights", 12), (2, "biases", 3), (3, "weights", 6), (3, "biases", 2),
    ]  # fmt: skip
    assert all(one.checked == one.size for one in found.layers)
    for one in found.layers:  # rounding included, the numbers are those of the line
        error, size = abs(one.gradient - one.differences), max(abs(one.gradient), abs(one.differences))
        assert 0 < one.worst <= error / size
    assert found.rows == 6
    assert np.array_equal(net.parameters, before)
    assert "\nThe gradient agrees with the differences: worst relative error " in str(found)


def test_what_is_learnt_beside_weights_and_biases(dtype):
    """With gains, shifts, mixes and scales that are neither 0 nor 1."""
    learnt = {"layer_norm": [True, False], "learn_activation": True, "learn_input_scale": True}
    net = Network([3, 4, 3, 2], "tanh", dtype=dtype, seed=0, **learnt)
    rng = np.random.default_rng(1)
    for name, part in net.parts(net.parameters).items():
        if not name.endswith("weights"):
            part += rng.uniform(0.2, 0.5, part.shape)
    found = net.check_gradients(X, Y)
    assert found.ok
    assert [(one.layer, one.kind) for one in found.layers] == [
        (1, "weights"), (1, "biases"), (1, "gain"), (1, "shift"), (1, "mix"), (1, "input_scale"),
        (2, "weights"), (2, "biases"), (2, "mix"), (3, "weights"), (3, "biases"),
    ]  # fmt: skip


def test_a_gradient_that_cancels():
    """Layer normalisation takes out the scale of a single input: what is left of its gradient is rounding."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(6, 1)), rng.normal(size=(6, 2))
    for seed in (0, 9, 15):
        net = Network([1, 5, 2], layer_norm=True, learn_input_scale=True, loss="mae", seed=seed)
        found = net.check_gradients(X, y)
        assert found.ok
        assert found.worst <= found.tolerance


def test_a_wrong_gradient_is_found_where_it_is(dtype):
    """A derivative in layer 2 is off by one part in a hundred: layers 1 and 2 are wrong, 3 is right."""
    net = Network([3, 4, 3, 2], ["tanh", WRONG], dtype=dtype, seed=0)
    found = net.check_gradients(X, Y)
    assert not found.ok
    assert not found  # so that ``assert net.check_gradients(X, y)`` is a test
    assert [one.ok for one in found.layers] == [False] * 4 + [True] * 2
    for one in found.layers[:4]:
        assert one.wrong > 0
        assert one.worst == pytest.approx(0.01 / 1.01, rel=0.1)
        assert one.gradient / one.differences == pytest.approx(1.01, rel=1e-3)
    layer = found.layers[2]
    gradient = net.split(net.gradient(X, Y)[1])[0][1]
    assert layer.gradient == gradient[layer.index]
    assert "The gradient is wrong: worst relative error" in str(found)


def test_kinks_do_not_count():
    """A unit whose z is zero or a tenth of a step from it for one row; and one of which all rows are there."""
    for distance in (0.0, 1e-5, 6e-5, -9e-5):
        net = Network([1, 1, 1], "relu", dtype="float64", seed=0)
        net.weights[0][:], net.weights[1][:] = 1, 1
        net.biases[0][:] = distance - 1
        found = net.check_gradients([[1.0], [3.0]], [0.5, 7.0])
        assert found.ok == (found.layers[0].kinks == 0)
        assert found.layers[0].kinks == found.layers[0].checked == 1
        assert "only kinks" in str(found)
        assert found.layers[2].kinks == 0
    assert "A layer could not be checked: all of its parameters are at kinks" in " ".join(str(found).split())


def test_a_wrong_gradient_is_no_kink():
    """Though the loss curves strongly."""
    steep = CustomActivation(lambda z: (10 * z) ** 4, lambda z: 4.04e4 * z**3, name="steep", check=False)
    net = Network([1, 1, 1], steep, dtype="float64", seed=0)
    net.weights[0][:] = 1
    found = net.check_gradients([[1.0], [3.0]], [0.5, 7.0])
    assert found.layers[0].wrong == 1
    assert not found.layers[0].kinks


def test_large_networks_and_data_are_sampled():
    """The same for a seed, others for another."""
    rng = np.random.default_rng(0)
    net = Network([7, 5, 2], "tanh", dtype="float64", seed=0)
    X, y = rng.normal(size=(70, 7)), rng.normal(size=(70, 2))
    first, same, other = (net.check_gradients(X, y, per_layer=1, seed=seed) for seed in (0, 0, 1))
    assert first.rows == 64
    assert [(one.checked, one.size) for one in first.layers] == [(1, 35), (1, 5), (1, 10), (1, 2)]
    assert first == same != other
    assert "1 of 35" in str(first)


def test_labels_and_what_does_not_fit():
    net = Network([3, 4, 2], "gelu", loss="cross_entropy", dtype="float64", seed=0)
    assert net.check_gradients(X, [0, 1, 1, 0, 1, 0]).ok
    with pytest.raises(ValueError, match="y has 5 rows; X has 6 rows"):
        net.check_gradients(X, [0, 1, 1, 0, 1])
    with pytest.raises(ValueError, match="per_layer must be at least 1"):
        net.check_gradients(X, [0, 1, 1, 0, 1, 0], per_layer=0)
    net.parameters[0] = np.nan
    with pytest.raises(ValueError, match="not finite here"):
        net.check_gradients(X, [0, 1, 1, 0, 1, 0])
