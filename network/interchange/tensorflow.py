"""Networks as what TensorFlow runs, without Keras: a SavedModel, or a file for LiteRT."""

import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    InputScale,
    Layer,
    LayerNorm,
    Layers,
    Rescale,
    formula_of,
    layers_of,
    parameter,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import path_of, write_atomically

# The variables of a layer, and its function of the inputs and of them.
Step: TypeAlias = tuple[list[Any], Callable[..., Any]]


def to_saved_model(net: Network, folder: str | os.PathLike[str], *, logits: bool = False) -> None:
    """Write a network as a TensorFlow SavedModel: what `tf.saved_model.load` and TensorFlow Serving read.

    Its signature ``serving_default`` takes ``inputs`` (any number of rows, inputs) and returns ``outputs``, both of
    the network's dtype; inputs are float64 if there is an `input_offset`. The loaded object can also be called itself,
    and its variables can be trained. Learnt activations are included.

    Parameters
    ----------
    net : Network
    folder : path
        A new folder, or a SavedModel that it replaces.
    logits : bool, default False
        Whether to leave out the output activation.

    Raises
    ------
    FileExistsError
        If there is something else under this name.
    ValueError
        If an activation is a function of your own.

    Examples
    --------
    >>> import tensorflow as tf
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_saved_model
    >>> to_saved_model(Network([4, 8, 3], seed=0), "served/1")
    >>> serve = tf.saved_model.load("served/1").signatures["serving_default"]
    >>> serve(inputs=tf.zeros((2, 4)))["outputs"].shape
    TensorShape([2, 3])
    """
    tf = library("tensorflow", "tensorflow", "TensorFlow")
    target = path_of("folder", folder)
    if os.path.lexists(target) and not (target / "saved_model.pb").is_file():
        raise FileExistsError(f"{target} exists, and is no SavedModel: remove it, or choose another folder")
    module = module_of(tf, net, layers_of(net, "TensorFlow", logits=logits))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".hotloop-", dir=target.parent) as beside:
        made, old = Path(beside) / "new", Path(beside) / "old"
        tf.saved_model.save(module, str(made), signatures={"serving_default": module.serve})
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise


def to_litert(net: Network, path: str | os.PathLike[str], *, logits: bool = False) -> None:
    """Write a network for LiteRT, formerly TensorFlow Lite: phones, and boards with a few hundred kilobytes.

    The model takes float32 ``inputs`` (any number of rows, inputs) and returns float32 ``outputs``; before more than
    one row, call ``resize_tensor_input``. It uses LiteRT's built-in operations only. Learnt activations are included.

    Parameters
    ----------
    net : Network
        Of dtype float32: LiteRT has no float64.
    path : path
        Usually ends in ``.tflite``. The file is written whole or not at all.
    logits : bool, default False
        Whether to leave out the output activation.

    Raises
    ------
    ValueError
        If the network is of dtype float64, or an activation is a function of your own.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_litert
    >>> to_litert(Network([4, 8, 3], seed=0), "net.tflite")
    """
    tf = library("tensorflow", "tensorflow", "TensorFlow")
    target = path_of("path", path)
    layers = layers_of(net, "LiteRT", logits=logits)
    if net.dtype != np.float32:
        raise ValueError(f"LiteRT has no {net.dtype} dense layers; the network must be of dtype float32")
    module = module_of(tf, net, layers, single=True)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    write_atomically(target, converter.convert())


def module_of(tf: Any, net: Network, layers: Layers, *, single: bool = False) -> Any:
    """Return a tf.Module that is the network, with a signature `serve`; with `single` in float32 throughout."""
    dtype = net.dtype.name
    steps = [_step(tf, layer, dtype, single) for layer in layers]
    offset = isinstance(layers[0], Rescale) and np.any(layers[0].offset != 0)
    inputs = tf.TensorSpec((None, net.sizes[0]), "float64" if offset and not single else dtype, name="inputs")

    class Model(tf.Module):  # type: ignore[misc]
        """What TensorFlow saves: it finds the variables and functions of an object."""

        def __init__(self) -> None:
            super().__init__(name="hotloop")
            self.inputs = inputs
            self.parts = [variables for variables, _ in steps]

        @tf.function(input_signature=[inputs])  # type: ignore[untyped-decorator]
        def __call__(self, inputs: Any) -> Any:
            for variables, function in steps:
                inputs = function(inputs, *variables)
            return inputs

        @tf.function(input_signature=[inputs])  # type: ignore[untyped-decorator]
        def serve(self, inputs: Any) -> dict[str, Any]:
            return {"outputs": self(inputs)}

    return Model()


def _step(tf: Any, layer: Layer, dtype: str, single: bool) -> Step:
    """Return the variables of a layer, and its function of the inputs and these variables."""
    if isinstance(layer, Rescale):
        return [], _rescale(tf, layer, dtype, single)
    if isinstance(layer, InputScale):
        return _variables(tf, layer.place, layer.scale), lambda x, scale: x * scale
    if isinstance(layer, Dense):
        assert layer.bias is not None
        return _variables(tf, layer.place, layer.weights, layer.bias), lambda x, w, b: tf.matmul(x, w) + b
    if isinstance(layer, LayerNorm):
        assert layer.gain is not None
        assert layer.shift is not None
        return _variables(tf, layer.place, layer.gain, layer.shift), _normalise(tf, layer.epsilon)
    if isinstance(layer, Activate):
        function = formula(tf, formula_of(layer, "TensorFlow"))
        if layer.mix is None:
            return [], function
        return _variables(tf, layer.place, layer.mix), lambda z, a: (1 - a) * z + a * function(z)
    return [], lambda x: x  # dropout


def _variables(tf: Any, place: str, *arrays: Array | None) -> list[Any]:
    return [tf.Variable(parameter(place, "a parameter", one)) for one in arrays]


def _rescale(tf: Any, layer: Rescale, dtype: str, single: bool) -> Callable[[Any], Any]:
    """Return scale * (x - offset), in float64 if there is an offset; in float32, of an offset in two parts."""
    if not np.any(layer.offset != 0):
        return lambda x: x * tf.constant(layer.scale, dtype)
    if not single:
        return lambda x: tf.cast(
            (x - tf.constant(layer.offset, "float64")) * tf.constant(layer.scale, "float64"), dtype
        )
    near = np.asarray(layer.offset).astype(dtype)
    rest = np.asarray(layer.offset - near.astype(np.float64), dtype)
    return lambda x: ((x - tf.constant(near)) - tf.constant(rest)) * tf.constant(layer.scale, dtype)


def _normalise(tf: Any, epsilon: float) -> Callable[..., Any]:
    def normalise(z: Any, gain: Any, shift: Any) -> Any:
        centred = z - tf.reduce_mean(z, axis=1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, axis=1, keepdims=True)
        return gain * (centred / tf.sqrt(variance + tf.constant(epsilon, z.dtype))) + shift

    return normalise


def formula(tf: Any, row: Activation) -> Callable[[Any], Any]:
    """Return an activation as a function of a tensor, as exact in float64 as in float32.

    In tf.nn, the slope of leaky_relu and the 1 / sqrt(2) of gelu are float32.
    """
    above, below = row.slopes

    def number(value: float, z: Any) -> Any:
        return tf.constant(value, z.dtype)

    def softplus(z: Any) -> Any:
        return tf.nn.relu(z) + tf.math.log1p(tf.exp(-tf.abs(z)))

    def exponential_linear(z: Any) -> Any:
        negative = tf.nn.elu(tf.minimum(z, number(0, z)))
        return number(above, z) * tf.nn.relu(z) + number(below, z) * negative

    formulas: dict[str, Callable[[Any], Any]] = {
        "identity": lambda z: z,
        "sigmoid": tf.sigmoid,
        "tanh": tf.tanh,
        "relu": tf.nn.relu,
        "leaky_relu": lambda z: tf.nn.relu(z) + number(below, z) * tf.minimum(z, number(0, z)),
        "elu": exponential_linear,
        "selu": exponential_linear,
        "gelu": lambda z: number(0.5, z) * z * tf.math.erfc(-z * number(math.sqrt(0.5), z)),
        "silu": lambda z: z * tf.sigmoid(z),
        "mish": lambda z: z * tf.tanh(softplus(z)),
        "softplus": softplus,
        "exponential": tf.exp,
        "softmax": tf.nn.softmax,
    }
    return formulas[row.name]
