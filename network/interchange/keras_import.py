"""Keras models as networks: Sequential ones, and functional ones without branches."""

import os
import warnings
from collections.abc import Iterator
from typing import Any

from hotloop.network.activations import Activation
from hotloop.network.interchange.keras_layers import Model, check_call, kind_of
from hotloop.network.interchange.keras_losses import compiled_loss
from hotloop.network.interchange.layers import Activate, Dense, Layers, network_of, refuse
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.validation.printable import shown


def from_keras(model: Any, *, loss: Any = None, output: Any = None, dtype: Any = None, **arguments: Any) -> Network:
    """Return the network that a Keras model is, with its parameters.

    Parameters
    ----------
    model : keras.Sequential, functional keras.Model, or path
        Of Dense layers, with what hotloop has before, between and after them: Flatten, Rescaling, Normalization,
        LayerNormalization, activations, Dropout; nested models too. A path is that of a ``.keras`` file, which is read
        in Keras's safe mode.
    loss, output, dtype
        As of `Network`. By default the loss is that for which the model is compiled, if hotloop has it, else it
        follows the last activation; output activation and dtype are the model's.
    **arguments
        Others of `Network`. Penalties on kernels (`l1`, `l2`), `MaxNorm` constraints (`max_norm`) and the label
        smoothing of the compiled loss are taken from the model.

    Returns
    -------
    Network
        Its optimizer is new.

    Raises
    ------
    TypeError, ValueError
        If it is no such model, or has something for which hotloop has no layer; the error names it and its place.

    Warns
    -----
    InterchangeWarning
        Of what computes the same, but will be trained otherwise: a layer without bias, a frozen layer, a compiled loss
        that hotloop has not, or one that loss_weights multiply.

    Examples
    --------
    >>> import keras
    >>> from hotloop.interchange import from_keras
    >>> layers = [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    >>> model = keras.Sequential(layers)
    >>> from_keras(model)
    Network([784, 10], output='softmax', loss='cross_entropy', dtype='float32')
    """
    keras = library("keras", "keras", "Keras")
    model = _loaded(keras, model, loss)
    found = Model(keras)
    for place, layer in _in_order(keras, model, ""):
        if not found.shape:
            found.shape = tuple(model.inputs[0].shape[1:])
        found.add(layer, place)
    if loss is None:
        loss, smoothing = compiled_loss(keras, model, _last_activation(found.layers))
        if smoothing:
            arguments.setdefault("label_smoothing", smoothing)
    return network_of(
        found.layers, "the model", loss=loss, output=output, dtype=dtype, **(found.arguments() | arguments)
    )


def _last_activation(layers: Layers) -> str | Activation:
    """Return what follows the last dense layer."""
    last: str | Activation = "identity"
    for layer in layers:
        if isinstance(layer, Dense):
            last = "identity"
        elif isinstance(layer, Activate) and layer.activation != "identity":
            last = layer.activation
    return last


def _loaded(keras: Any, model: Any, loss: Any) -> Any:
    """Return the model itself, or the one in a file."""
    if isinstance(model, str | os.PathLike):
        if str(model).endswith(".weights.h5"):
            raise ValueError(f"{model} has weights only: make the network, then load_keras_weights(net, path)")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")  # of one that took no step
            model = keras.models.load_model(model, compile=loss is None)
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model or the path of a .keras file, got {shown(model)}")
    return model


def _in_order(keras: Any, model: Any, outer: str, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the layers from first to last, each with its place, those of nested models in theirs."""
    seen, kind = set() if seen is None else seen, kind_of(model)
    at = f"{outer}: {kind} {model.name!r}" if outer else "the model"
    if kind not in ("Sequential", "Functional"):
        refuse(at, f"a {kind}, of which hotloop cannot see what it computes; wanted a Sequential or functional model")
    if not model.built:
        refuse(at, "has no parameters yet: give it an Input, or call model.build((None, inputs))")
    check_call(model, at)
    for index, layer in enumerate(_chain(model, at)):
        place = f"{outer}{'.' * bool(outer)}{index}"
        if isinstance(layer, keras.Model):
            yield from _in_order(keras, layer, place, seen)
            continue
        place = f"{place}: {kind_of(layer)} {layer.name!r}"
        if id(layer) in seen:
            refuse(place, "is used twice; hotloop has no shared layers")
        seen.add(id(layer))
        yield place, layer


def _chain(model: Any, at: str) -> list[Any]:
    """Return the layers of a model that has no branches."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        refuse(at, f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs; hotloop has one of each")
    if kind_of(model) == "Sequential":
        return list(model.layers)
    tensor, found = model.outputs[0], list[Any]()
    while True:
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        found.append(operation)
        if node.is_input:
            return found[::-1]
        if len(node.input_tensors) != 1:
            refuse(at, f"{kind_of(operation)} {operation.name!r} joins {len(node.input_tensors)} branches")
        if node.arguments.kwargs.get("training") is not None:
            refuse(at, f"{kind_of(operation)} {operation.name!r} is called with a fixed training=")
        tensor = node.input_tensors[0]
