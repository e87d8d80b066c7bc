"""Random networks for the tests of `hotloop.interchange`, and what they compare with."""

from dataclasses import replace

import numpy as np
import pytest

from hotloop import Network
from hotloop.activations import ELU, LeakyReLU
from hotloop.network.interchange.layers import layers_of, network_of

EXTRAS = {
    "ai_edge_litert": "ai-edge-litert", "emlearn": "emlearn", "equinox": "equinox", "flax": "flax", "jax": "jax",
    "keras": "keras", "onnx": "onnx", "onnxruntime": "onnxruntime", "skl2onnx": "skl2onnx", "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu", "torch": "torch", "torchvision": "torchvision",
}  # fmt: skip
HIDDEN = (
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus",
    LeakyReLU(0.3), ELU(0.7),
)  # fmt: skip
OUTPUTS = (
    ("mse", None), ("mse", "tanh"), ("mae", "relu"), ("cross_entropy", None), ("cross_entropy", "identity"),
    ("binary_cross_entropy", None), ("binary_cross_entropy", "identity"), ("poisson", None),
)  # fmt: skip
# Of the largest output, for the outputs of the same network in another program.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
N_NETWORKS = 60


def library(name):
    """Return a package that the tests of a file need, or skip them; `.ci/run` installs all, and wants none skipped."""
    return pytest.importorskip(name, reason=f"needs {EXTRAS[name]}: pip install 'hotloop[interchange]'")


def random_network(seed, dtype, *, hidden=HIDDEN, outputs=OUTPUTS, scaled=True, norm=True, learnt=True, dropout=True):
    """Return a network with 0 to 3 hidden layers, of whose features each is drawn, and inputs for it.

    The flags say which of them may be drawn: scaled inputs, layer normalisation, learnt activations and input scale,
    dropout.
    """
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(1, 20)) for _ in range(rng.integers(2, 6))]
    loss, output = outputs[rng.integers(len(outputs))]
    sizes[-1] = max(sizes[-1], 2) if loss == "cross_entropy" else sizes[-1]
    depth = len(sizes) - 2

    def flags(allowed):
        return [bool(allowed and rng.random() < 0.4) for _ in range(depth)]

    net = Network(
        sizes,
        [hidden[rng.integers(len(hidden))] for _ in range(depth)],
        output=output,
        loss=loss,
        layer_norm=(normalises := flags(norm)),
        layer_norm_epsilon=[(1e-3 if rng.random() < 0.5 else 1e-5) if flag else 1e-5 for flag in normalises],
        learn_activation=flags(learnt),
        learn_input_scale=bool(learnt and rng.random() < 0.3),
        dropout=[0.25 * one for one in flags(dropout)],
        input_dropout=0.1 if dropout and rng.random() < 0.2 else 0.0,
        dtype=dtype,
        seed=seed,
    )
    kind = rng.integers(3) if scaled else 0
    if kind == 1:
        net.input_scale = 0.5
    elif kind == 2:
        net.input_offset, net.input_scale = rng.normal(size=sizes[0]), rng.uniform(0.5, 2, sizes[0])
    for part in net.parts(net.parameters).values():
        part += 0.1 * rng.normal(size=part.shape)
    return net, rng.normal(size=(17, sizes[0])).astype(dtype)


def assert_same(found, wanted, tolerance=None):
    """Assert that arrays are equal within a share of the largest number wanted, of one dtype and shape."""
    found = np.asarray(found)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    tolerance = TOLERANCE[str(wanted.dtype)] if tolerance is None else tolerance
    worst = np.abs(found - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), np.finfo(wanted.dtype).tiny)
    assert worst <= tolerance, f"differ by {worst:.2g} of the largest"


def tolerance_of(net, X):
    """Return the share of the largest output by which another program's may differ: 1e-12 in float64, 1e-6 in float32.

    Some float32 networks amplify their own rounding, as where layer normalisation divides by a tiny deviation: there it
    is twice the change of the exact outputs if each parameter and input is off by one rounding: both programs round.
    """
    if net.dtype == np.float64:
        return TOLERANCE["float64"]
    change, largest = change_by_rounding(net, X, draws=4)
    return max(TOLERANCE["float32"], 2 * change / largest)


def change_by_rounding(net, X, draws):
    """Return how far exact outputs change if each parameter and input is off by one rounding, and the largest of them.

    It is the largest change of so many draws of the signs.
    """
    rng = np.random.default_rng(0)

    def off(array):
        return array.astype("f8") * (1 + np.finfo(net.dtype).eps * rng.choice([-1, 1], array.shape))

    def outputs(change):
        layers = [
            replace(layer, **{name: change(value) for name, value in vars(layer).items() if hasattr(value, "shape")})
            for layer in layers_of(net, "a twin")
        ]
        return network_of(layers, "a twin", loss=net.loss, output=net.activations[-1]).predict(change(X))

    exact = outputs(lambda array: array.astype("f8"))
    change = max(np.abs(outputs(off) - exact).max() for _ in range(draws))
    return float(change), float(np.abs(exact).max())


def assert_same_network(found, wanted):
    """Assert that two networks are made of the same, and that their parameters have the same bits."""
    for name in (
        "sizes", "activations", "loss", "layer_norm", "layer_norm_epsilon", "learn_activation", "learn_input_scale",
        "dropout", "input_dropout", "dtype",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(wanted, name), name
    np.testing.assert_array_equal(found.parameters, wanted.parameters)
