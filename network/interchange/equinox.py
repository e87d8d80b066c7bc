"""Networks to and from Equinox: `equinox.nn.MLP`, and `equinox.nn.Sequential` of layers that hotloop has."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from hotloop.network.activations import Activation
from hotloop.network.interchange.jax import activation_of, check_dtype, function_of, scaling
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    Layers,
    Rescale,
    layers_of,
    network_of,
    parameter,
    refuse,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network
from hotloop.network.validation.printable import shown


class Scaled:
    """What a Lambda of `to_equinox` does with the inputs, and what `from_equinox` reads again."""

    def __init__(self, rescale: Rescale, scaled: Callable[[Any], Any]) -> None:
        self.rescale, self._scaled = rescale, scaled

    def __call__(self, x: Any) -> Any:
        """Return scale * (x - offset)."""
        return self._scaled(x)


def from_equinox(module: Any, *, loss: Any = None, dtype: Any = None, **arguments: Any) -> Network:
    """Return the network of an `equinox.nn.MLP`, or of an `equinox.nn.Sequential` of these layers.

    Linear, LayerNorm, Dropout, Identity, and Lambda of a function of jax.nn, which is known by its identity.

    Parameters
    ----------
    module : equinox.nn.MLP or equinox.nn.Sequential
    loss, dtype
        As of `Network`. By default the loss follows the last activation, and the dtype that of the parameters.
    **arguments
        Others of `Network`.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If a layer or a function is none that hotloop has; it says which.
    TypeError
        If it is another module.

    Warns
    -----
    InterchangeWarning
        Of what computes the same, but will be trained otherwise.

    Examples
    --------
    >>> import equinox, jax
    >>> from hotloop.interchange import from_equinox
    >>> mlp = equinox.nn.MLP(4, 3, width_size=8, depth=2, activation=jax.nn.silu, key=jax.random.key(0))
    >>> net = from_equinox(mlp, loss="mae")
    >>> net.sizes, net.activations
    ((4, 8, 8, 3), ('silu', 'silu', 'identity'))
    """
    nn = library("equinox.nn", "interchange", "Equinox")
    if type(module) is nn.MLP:
        layers = _layers_of_mlp(nn, module)
    elif type(module) is nn.Sequential:
        layers = [one for index, layer in enumerate(module.layers) for one in _layers_of(nn, f"layers[{index}]", layer)]
    else:
        raise TypeError(f"module must be an equinox.nn.MLP or equinox.nn.Sequential, got {shown(module)}")
    return network_of(layers, "the module", loss=loss, dtype=dtype, **arguments)


def _layers_of_mlp(nn: Any, mlp: Any) -> Layers:
    """Return the layers of an MLP, whose default output is a lambda of Equinox."""
    if mlp.scan:
        refuse("the MLP", "scan=True keeps its hidden layers as one: make it without, and copy the parameters")
    usual = inspect.signature(nn.MLP).parameters["final_activation"].default
    layers: Layers = []
    for index, linear in enumerate(mlp.layers):
        last = index == len(mlp.layers) - 1
        name, function = ("final_activation", mlp.final_activation) if last else ("activation", mlp.activation)
        unused = last and (function is usual or mlp.depth == 0)  # an MLP of one layer does not call it
        found = "identity" if unused else _activation(name, function)
        if found == "softmax":
            refuse(name, "an MLP calls softmax for each output by itself: put an equinox.nn.Lambda of it after the MLP")
        layers += [_linear(f"layers[{index}]", linear), Activate(found, place=f"{name} of layers[{index}]")]
    return layers


def _layers_of(nn: Any, place: str, layer: Any) -> Layers:
    """Return a layer of a Sequential, which may be another."""
    kind, place = type(layer), f"{place}: {type(layer).__name__}"
    if kind is nn.Sequential:
        return [one for index, inner in enumerate(layer.layers) for one in _layers_of(nn, f"{place}[{index}]", inner)]
    if kind is nn.MLP:
        return _layers_of_mlp(nn, layer)
    if kind is nn.Linear:
        return [_linear(place, layer)]
    if kind is nn.Identity:
        return []
    if kind is nn.Dropout:
        return [Dropout(float(layer.p), place=place)]
    if kind is nn.LayerNorm:
        if len(layer.shape) != 1:
            refuse(place, f"normalises over {layer.shape}; hotloop over the units of a layer")
        gain, shift = (
            None if value is None else parameter(place, name, value, layer.shape)
            for name, value in (("weight", layer.weight), ("bias", layer.bias))
        )
        return [LayerNorm(gain, shift, float(layer.eps), place=place)]
    if kind is nn.Lambda and type(layer.fn) is Scaled:
        return [layer.fn.rescale]
    if kind is nn.Lambda:
        return [Activate(_activation(place, layer.fn), place=place)]
    refuse(place, "hotloop has no such layer")


def _activation(place: str, function: Any) -> str | Activation:
    if not callable(function) or isinstance(function, (str, Activation)):
        refuse(place, f"{shown(function)} is not a function")
    return activation_of(place, function)


def _linear(place: str, linear: Any) -> Dense:
    """Return a Linear, whose weight is (fan_out, fan_in)."""
    if "scalar" in (linear.in_features, linear.out_features):
        refuse(place, "takes or returns a scalar, not a vector of size 1")
    weights = parameter(place, "weight", linear.weight, (None, None)).T
    bias = None if linear.bias is None else parameter(place, "bias", linear.bias, (weights.shape[1],))
    return Dense(np.ascontiguousarray(weights), bias, place=place)


def to_equinox(net: Network, *, logits: bool = False) -> Any:
    """Return an `equinox.nn.Sequential` that computes the same for one row; ``jax.vmap(module)`` for several.

    Parameters
    ----------
    net : Network
    logits : bool, default False
        Whether to leave out the output activation, for a loss of logits.

    Returns
    -------
    equinox.nn.Sequential
        Of Linear, LayerNorm, Lambda of functions of jax.nn, and Dropout: predict with
        ``equinox.nn.inference_mode(module)``.

    Raises
    ------
    ValueError
        If the network learns its activations or a scale of its inputs, or has an activation of your own; if it has
        float64 and JAX has not.

    Examples
    --------
    >>> import jax
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_equinox
    >>> module = to_equinox(Network([4, 8, 3], loss="cross_entropy", seed=0))
    >>> jax.vmap(module)(jax.numpy.ones((5, 4))).shape
    (5, 3)
    """
    nn, jax = library("equinox.nn", "interchange", "Equinox"), library("jax", "jax", "JAX")
    layers = layers_of(net, "Equinox", logits=logits)
    check_dtype(jax, net.dtype)
    return nn.Sequential([_module(nn, jax, layer, net.dtype) for layer in layers])


def _module(nn: Any, jax: Any, layer: Layer, dtype: Any) -> Any:
    """Return a layer as one of Equinox."""
    equinox = library("equinox", "interchange", "Equinox")
    if isinstance(layer, Rescale):
        return nn.Lambda(Scaled(layer, scaling(jax, layer, dtype)))
    if isinstance(layer, Dropout):
        return nn.Dropout(layer.rate)
    if isinstance(layer, Dense):
        shape = equinox.filter_eval_shape(nn.Linear, *layer.weights.shape, dtype=dtype, key=jax.random.key(0))
        values = layer.weights.T, layer.bias
    elif isinstance(layer, LayerNorm) and layer.gain is not None:
        shape = equinox.filter_eval_shape(nn.LayerNorm, layer.gain.shape, layer.epsilon, dtype=dtype)
        values = layer.gain, layer.shift
    elif isinstance(layer, Activate) and layer.mix is None:
        return nn.Lambda(function_of(jax, layer))
    else:
        refuse(layer.place, "Equinox has no layer for what is learnt here")
    return equinox.tree_at(lambda one: [one.weight, one.bias], shape, [jax.numpy.asarray(value) for value in values])
