"""Networks as Keras models, whatever Keras computes with."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    Layer,
    LayerNorm,
    Rescale,
    formula_of,
    layers_of,
    parameter,
    refuse,
)
from hotloop.network.interchange.libraries import library

# What Keras calls the activations that it has by a name. Its "leaky_relu" has another slope.
KERAS_NAMES = {
    "identity": "linear", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "relu", "elu": "elu", "selu": "selu",
    "gelu": "gelu", "silu": "silu", "mish": "mish", "softplus": "softplus", "exponential": "exponential",
    "softmax": "softmax",
}  # fmt: skip
INPUT_SCALE = "bd,d->bd"


def to_keras(net: Any, *, logits: bool = False) -> Any:
    """Return a network as a Keras model of built-in layers, with the same outputs.

    Parameters
    ----------
    net : Network
    logits : bool, default False
        Whether to leave out the output activation, as a loss with ``from_logits=True`` wants it.

    Returns
    -------
    keras.Sequential
        Not compiled. It can be saved, exported and trained like any other.

    Raises
    ------
    ValueError
        If Keras has no built-in layer for something: learnt activations, a function of your own. If Keras would round
        float64 to float32: a float64 network on another backend than TensorFlow; an `input_offset`, which is
        subtracted in float64, on JAX without ``jax_enable_x64``.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_keras
    >>> net = Network([784, 64, 10], loss="cross_entropy", dropout=0.2, seed=0)
    >>> model = to_keras(net)
    >>> [type(layer).__name__ for layer in model.layers]
    ['Dense', 'Dropout', 'Dense']
    """
    layers = layers_of(net, "Keras", logits=logits)
    keras = library("keras", "keras", "Keras")
    made = list(_made(keras, layers, str(net.dtype)))
    _check_float64(keras, net.dtype, {layer.compute_dtype for layer, _ in made})
    model = keras.Sequential([keras.Input((net.sizes[0],), dtype=made[0][0].compute_dtype)])
    for layer, parameters in made:
        model.add(layer)
        if parameters:
            layer.set_weights(parameters)
    return model


def _check_float64(keras: Any, dtype: Any, computed: set[str]) -> None:
    """Refuse float64 where Keras would compute in float32 without saying so."""
    backend = keras.config.backend()
    if dtype == np.float64 and backend != "tensorflow":
        raise ValueError(
            f"a float64 network goes to Keras on TensorFlow only; on {backend} Keras rounds float64 to float32 "
            "(backend.result_type): set the environment variable KERAS_BACKEND=tensorflow"
        )
    if "float64" in computed and backend == "jax" and not library("jax", "jax", "JAX").config.jax_enable_x64:
        raise ValueError(
            "input_offset is subtracted in float64, which JAX makes float32 unless you first call "
            'jax.config.update("jax_enable_x64", True)'
        )


def _made(keras: Any, layers: list[Layer], dtype: str) -> Iterator[tuple[Any, list[Array]]]:
    """Yield each Keras layer with its parameters."""
    kinds, rest = keras.layers, list(layers)
    while rest:
        layer = rest.pop(0)
        if isinstance(layer, Rescale):
            if np.ndim(layer.scale) and keras.config.image_data_format() == "channels_first":
                refuse(
                    layer.place,
                    "Keras takes its scales for those of channels while image_data_format is channels_first",
                )
            yield from ((one, []) for one in _rescalings(kinds, layer, dtype))
        elif isinstance(layer, InputScale):
            scale = parameter(layer.place, "scale", layer.scale)
            yield kinds.EinsumDense(INPUT_SCALE, output_shape=scale.shape, dtype=dtype), [scale]
        elif isinstance(layer, Dropout):
            yield kinds.Dropout(layer.rate, dtype=dtype), []
        elif isinstance(layer, Dense):
            activation = "linear"
            if rest and isinstance(rest[0], Activate) and (name := _keras_name(rest[0])) is not None:
                activation = name
                rest.pop(0)
            assert layer.bias is not None
            kernel, bias = parameter(layer.place, "weights", layer.weights), parameter(layer.place, "bias", layer.bias)
            yield kinds.Dense(bias.size, activation=activation, dtype=dtype), [kernel, bias]
        elif isinstance(layer, LayerNorm):
            assert layer.gain is not None
            assert layer.shift is not None
            gain, shift = parameter(layer.place, "gain", layer.gain), parameter(layer.place, "shift", layer.shift)
            yield kinds.LayerNormalization(epsilon=layer.epsilon, dtype=dtype), [gain, shift]
        elif isinstance(layer, Activate):
            name = _keras_name(layer)
            row = formula_of(layer, "Keras")
            if name is not None:
                yield kinds.Activation(name, dtype=dtype), []
            elif row.name == "leaky_relu":
                yield kinds.LeakyReLU(negative_slope=row.slopes[1], dtype=dtype), []
            else:
                yield kinds.ELU(alpha=row.slopes[1], dtype=dtype), []


def _keras_name(layer: Activate) -> str | None:
    """Return what Keras calls an activation; None if it is a layer with a parameter."""
    if layer.mix is not None:
        refuse(layer.place, "it is learnt, for which Keras has no built-in layer")
    row = formula_of(layer, "Keras")
    return None if row.name == "elu" and row.slopes[1] != 1 else KERAS_NAMES.get(row.name)


def _rescalings(kinds: Any, layer: Rescale, dtype: str) -> Iterator[Any]:
    """Yield the layers of scale * (x - offset): first the offset, in float64 as in hotloop, then the scale.

    One layer, with the offset -scale * offset, would keep fewer digits of x - offset.
    """
    if np.any(layer.offset != 0):
        dtype = "float64"
        yield kinds.Rescaling(1.0, offset=-layer.offset, dtype=dtype)
    if np.any(layer.scale != 1):
        yield kinds.Rescaling(layer.scale, dtype=dtype)
