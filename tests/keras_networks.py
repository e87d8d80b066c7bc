"""Random networks that Keras has built-in layers for; run as a program, it compares them on the Keras of KERAS_BACKEND.

Keras loads one backend in a process.
"""

import numpy as np
from interchange_networks import HIDDEN, assert_same, assert_same_network, random_network

from hotloop import Network
from hotloop.activations import LeakyReLU
from hotloop.interchange import from_keras, to_keras
from hotloop.network.interchange.layers import layers_of, network_of

# In float64 on TensorFlow, the slope of leaky_relu and the 1 / sqrt(2) of gelu are float32: errors of up to 2e-8.
EXACT = tuple(one for one in HIDDEN if one not in ("gelu", "leaky_relu") and not isinstance(one, LeakyReLU))
N_COMPARED = 2


def keras_network(seed, dtype):
    """Return a random network that Keras has built-in layers for, and inputs."""
    return random_network(seed, dtype, hidden=HIDDEN if dtype == "float32" else EXACT, learnt=False)


def is_stable(net, X):
    """Say whether float32 gives a network's outputs to half of the tolerance.

    A layer normalisation amplifies rounding where the units of a row are nearly the same.
    """
    if net.dtype == np.float64:
        return True
    wanted = network_of(layers_of(net, "a list"), "the list", loss=net.loss, dtype="float64").predict(X)
    return np.abs(net.predict(X) - wanted).max() <= 5e-7 * np.abs(wanted).max()


def is_comparable(net, X):
    """Say whether the network is stable in Keras, too.

    It normalises by x / s - mean / s, whose difference has no digits left if there is only one unit.
    """
    one_unit = any(norm and size == 1 for norm, size in zip(net.layer_norm, net.sizes[1:-1], strict=True))
    return is_stable(net, X) and not (one_unit and net.dtype == np.float32)


def refusal(net):
    """Return what `to_keras` says of a network."""
    try:
        to_keras(net)
    except ValueError as error:
        return str(error)
    raise AssertionError("was not refused")


def compare():
    """Compare some networks there and back, and print on which backend."""
    import keras

    backend = keras.config.backend()
    assert f"on {backend} Keras rounds float64 to float32" in refusal(Network([1, 1], dtype="float64", seed=0))
    if backend == "jax":
        assert "jax_enable_x64" in refusal(Network([1, 1], input_offset=1.0, seed=0))
        import jax

        jax.config.update("jax_enable_x64", True)
    for seed in range(N_COMPARED):
        net, X = keras_network(seed, "float32")
        assert is_comparable(net, X)
        model = to_keras(net)
        assert_same(keras.ops.convert_to_numpy(model(X)), net.predict(X))
        model.save("net.keras")
        assert_same_network(from_keras("net.keras", loss=net.loss), net)
    print(f"{backend}: {N_COMPARED} networks")


if __name__ == "__main__":
    compare()
