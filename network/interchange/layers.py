"""A network as a list of plain layers, which is what each importer makes and each exporter reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

import numpy as np

from hotloop.kernels import codes
from hotloop.kernels.jit import Array
from hotloop.kernels.layer_norm import EPSILON
from hotloop.network.activations import ELU, Activation, LeakyReLU, row_of
from hotloop.network.custom.pieces import Custom
from hotloop.network.losses import LOSSES, loss_of
from hotloop.network.network import Network
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.validation.caller import warn
from hotloop.network.validation.printable import shown

# The loss of a network that comes without one, by its output activation.
LOSS_OF_OUTPUT = {row.output: row.name for row in LOSSES.values() if row.from_logits}
# The activations that each exporter has a formula of.
EXPORTED = {
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus",
    "exponential", "softmax",
}  # fmt: skip
# Arguments of `Network` that layers say.
OF_LAYERS = {"sizes", "activation", "initializer", "layer_norm", "learn_activation", "learn_input_scale"}


class InterchangeWarning(UserWarning):
    """Something of a network from another program computes the same, but will be trained otherwise.

    Examples
    --------
    >>> import warnings
    >>> from hotloop.interchange import InterchangeWarning
    >>> warnings.simplefilter("error", InterchangeWarning)  # rather refuse such a network
    """


@dataclass(frozen=True)
class Layer:
    """What all layers have.

    Parameters
    ----------
    place : str
        Where it comes from, for errors: ``0: Linear(64, 32)``.
    """

    place: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Rescale(Layer):
    """x becomes scale * (x - offset): numbers, or arrays with one for each input."""

    offset: Any
    scale: Any


@dataclass(frozen=True)
class InputScale(Layer):
    """x becomes scale * x, with a scale (inputs,) that is learnt."""

    scale: Array


@dataclass(frozen=True)
class Dropout(Layer):
    """Training drops this share, and scales the rest by 1 / (1 - rate)."""

    rate: float


@dataclass(frozen=True)
class Dense(Layer):
    """z = x W + b, with W (fan_in, fan_out) and b (fan_out,) or None."""

    weights: Array
    bias: Array | None


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Each row to mean 0 and variance 1, then gain * xhat + shift; None for a gain of 1 or a shift of 0 not learnt."""

    gain: Array | None
    shift: Array | None
    epsilon: float = EPSILON


@dataclass(frozen=True)
class Activate(Layer):
    """f(z), or with a mix a (fan_out,) that is learnt (1 - a) z + a f(z)."""

    activation: str | Activation
    mix: Array | None = None


Layers: TypeAlias = list[Layer]


def layers_of(net: Any, target: str, *, logits: bool = False) -> Layers:
    """Return the layers of a network, with copies of its parameters.

    Parameters
    ----------
    net : Network
    target : str
        Where it goes, for errors: "PyTorch".
    logits : bool
        Whether to leave out the output activation of a loss that is computed from logits.

    Raises
    ------
    TypeError
        If it is not a `Network`.
    ValueError
        If logits are asked of a network whose loss is not computed from them.
    """
    if isinstance(net, PreparedNetwork):
        raise TypeError(f"net is a PreparedNetwork, whose preparation does not go to {target}: export its .network")
    if not isinstance(net, Network):
        raise TypeError(f"net must be a hotloop.Network, got {shown(net)}")
    if logits and not loss_of(net.loss).from_logits:
        raise ValueError(f"logits=True is for a loss that is computed from logits; the loss is {net.loss!r}")
    layers: Layers = []
    if np.any(net.input_offset != 0) or np.any(net.input_scale != 1):
        layers.append(Rescale(net.input_offset, net.input_scale, place="the scaling of the inputs"))
    if net.learnt_input_scale is not None:
        layers.append(InputScale(net.learnt_input_scale.copy(), place="the learnt scale of the inputs"))
    if net.input_dropout > 0:
        layers.append(Dropout(net.input_dropout, place="the dropout of inputs"))
    for index, activation in enumerate(net.activations):
        place, last = f"layer {index}", index == len(net.activations) - 1
        layers.append(Dense(net.weights[index].copy(), net.biases[index].copy(), place=place))
        gain, shift, mix = net.gains[index], net.shifts[index], net.mixes[index]
        if gain is not None and shift is not None:
            epsilon = net.layer_norm_epsilon[index]
            layers.append(LayerNorm(gain.copy(), shift.copy(), epsilon, place=f"the layer normalisation of {place}"))
        if (activation != "identity" or mix is not None) and not (last and logits):
            mix = None if mix is None else mix.copy()
            layers.append(Activate(activation, mix, place=f"the activation of {place}"))
        if not last and net.dropout[index] > 0:
            layers.append(Dropout(net.dropout[index], place=f"the dropout of {place}"))
    return layers


def formula_of(layer: Activate, target: str) -> Activation:
    """Return the activation's row, with its slopes; refuse a user's own, which no other program has."""
    row = row_of(layer.activation)
    if isinstance(row, Custom):
        refuse(layer.place, f"{row!r} is a function of your own, which cannot go to {target}")
    if row.name not in EXPORTED:
        refuse(layer.place, f"{row.name} has no way to {target} yet")
    return row


def refuse(place: str, reason: str) -> NoReturn:
    """Raise the error for what cannot be taken over."""
    raise ValueError(f"{place}: {reason}")


def warn_of(place: str, message: str) -> None:
    """Warn that something will be trained otherwise, in the name of the line that called hotloop."""
    warn(f"{place}: {message}", InterchangeWarning)


def leaky_relu(slope: float) -> str | Activation:
    """Return the activation with this slope below zero."""
    return "relu" if slope == 0 else "leaky_relu" if slope == codes.LEAKY_SLOPE else LeakyReLU(slope)


def elu(alpha: float) -> str | Activation:
    """Return the activation with this alpha."""
    return "elu" if alpha == 1 else ELU(alpha)


def parameter(place: str, name: str, value: Any, shape: Sequence[int | None] | None = None) -> Array:
    """Return an array of another program as a contiguous one, checked: float32 or float64, finite, of this shape.

    None in the shape stands for any number.
    """
    array = np.asarray(value)
    if array.dtype not in (np.float32, np.float64):
        refuse(place, f"{name} has dtype {array.dtype}; wanted float32 or float64")
    if shape is not None and (
        array.ndim != len(shape) or any(want not in (None, n) for want, n in zip(shape, array.shape, strict=True))
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        refuse(place, f"{name} has shape {array.shape}; wanted ({wanted}{',' * (len(shape) == 1)})")
    if not np.isfinite(array).all():
        refuse(place, f"{name} holds NaN or infinity")
    return np.array(array, order="C")


@dataclass
class _Unit:
    """A dense layer of the network, and what comes between it and the next."""

    dense: Dense
    norm: LayerNorm | None = None
    activation: Activate | None = None
    dropout: Dropout | None = None


@dataclass
class _Inputs:
    """What comes before the first dense layer."""

    rescale: Rescale | None = None
    scale: InputScale | None = None
    dropout: Dropout | None = None


def network_of(
    layers: Iterable[Layer],
    source: str,
    *,
    loss: Any = None,
    output: Any = None,
    dtype: Any = None,
    **arguments: Any,
) -> Network:
    """Return the network that these layers make.

    Parameters
    ----------
    layers : iterable of Layer
    source : str
        Where they come from, for errors: "the module".
    loss, output, dtype
        As of `Network`. By default the loss follows the last activation (cross_entropy for softmax, and so on), the
        output activation is that of the layers, and the dtype that of their parameters.
    **arguments
        Others of `Network`, which go before what the layers say.

    Raises
    ------
    TypeError
        If an argument is for what the layers have: parameters, activations, layer normalisation.
    ValueError
        If hotloop has no network that computes the same; it names the layer and what is wrong.

    Warns
    -----
    InterchangeWarning
        Of what computes the same, but will be trained otherwise.
    """
    for name in OF_LAYERS & {*arguments}:
        raise TypeError(f"{name} is what {source} says: leave it out")
    inputs, units = _Inputs(), list[_Unit]()
    for layer in layers:
        _add(layer, inputs, units)
    if not units:
        raise ValueError(f"{source} has no dense layer")
    _check_last(units[-1])
    found = {unit.dense.weights.dtype for unit in units}
    if dtype is None and len(found) > 1:
        raise ValueError(f"{source} has layers of float32 and of float64: say which with dtype=")
    for layer, below in ((upper.dense, lower.dense) for lower, upper in pairwise(units)):
        if layer.weights.shape[0] != below.weights.shape[1]:
            refuse(layer.place, f"takes {layer.weights.shape[0]} inputs; {below.place} has {below.weights.shape[1]}")
    *hidden, last = units
    final = "identity" if last.activation is None else last.activation.activation
    rescale = inputs.rescale or Rescale(0.0, 1.0)
    said = {
        "output": final if output is None else output,
        "loss": LOSS_OF_OUTPUT.get(row_of(final).name, "mse") if loss is None else loss,
        "initializer": [(unit.dense.weights, _bias(unit.dense)) for unit in units],
        "layer_norm": [unit.norm is not None for unit in hidden],
        "layer_norm_epsilon": [EPSILON if unit.norm is None else unit.norm.epsilon for unit in hidden],
        "learn_activation": [unit.activation is not None and unit.activation.mix is not None for unit in hidden],
        "learn_input_scale": inputs.scale is not None,
        "dropout": [0.0 if unit.dropout is None else unit.dropout.rate for unit in hidden],
        "input_dropout": 0.0 if inputs.dropout is None else inputs.dropout.rate,
        "input_offset": rescale.offset,
        "input_scale": rescale.scale,
        "dtype": found.pop() if dtype is None else dtype,
    }
    sizes = [units[0].dense.weights.shape[0], *(unit.dense.weights.shape[1] for unit in units)]
    net = Network(sizes, [_hidden(unit) for unit in hidden], **(said | arguments))
    _fill(net, inputs, hidden)
    return net


def _add(layer: Layer, inputs: _Inputs, units: list[_Unit]) -> None:
    """Put a layer where it belongs, or refuse it."""
    unit = units[-1] if units else None
    if isinstance(layer, Dense):
        units.append(_Unit(layer))
    elif isinstance(layer, Rescale):
        if unit or inputs.rescale or inputs.scale or inputs.dropout:
            refuse(layer.place, "hotloop scales the inputs only, once, before anything else")
        inputs.rescale = layer
    elif isinstance(layer, InputScale):
        if unit or inputs.scale or inputs.dropout:
            refuse(layer.place, "hotloop learns one scale, of the inputs, before they are dropped")
        inputs.scale = layer
    elif isinstance(layer, Dropout):
        _add_dropout(layer, inputs, unit)
    elif isinstance(layer, LayerNorm):
        if unit is None or unit.norm or unit.activation or unit.dropout:
            refuse(layer.place, "hotloop normalises the z of a dense layer, before its activation")
        unit.norm = layer
    elif isinstance(layer, Activate) and (layer.activation != "identity" or layer.mix is not None):
        if unit is None or unit.activation or unit.dropout:
            refuse(layer.place, "an activation comes once after a dense layer, before its dropout")
        unit.activation = layer


def _add_dropout(layer: Dropout, inputs: _Inputs, unit: _Unit | None) -> None:
    if layer.rate == 0:
        return
    if (inputs if unit is None else unit).dropout:
        refuse(layer.place, "a second dropout in the same place")
    if unit is None:
        inputs.dropout = layer
    else:
        unit.dropout = layer


def _check_last(last: _Unit) -> None:
    """Refuse, or warn of, what hotloop has after hidden layers only."""
    if last.norm is not None:
        refuse(last.norm.place, "hotloop normalises hidden layers only, and this is after the last dense layer")
    if last.activation is not None and last.activation.mix is not None:
        refuse(last.activation.place, "hotloop learns the activations of hidden layers only")
    if last.dropout is not None:
        warn_of(last.dropout.place, "left out, since hotloop drops no outputs; predictions are the same")


def _hidden(unit: _Unit) -> str | Activation:
    """Return the activation of a hidden layer."""
    if unit.activation is None:
        return "identity"
    activation = unit.activation.activation
    if not row_of(activation).hidden:
        refuse(unit.activation.place, f"{row_of(activation).name} is for the last layer")
    return activation


def _bias(dense: Dense) -> Array:
    """Return the bias of a layer; zeros if it has none."""
    if dense.bias is not None:
        return dense.bias
    frozen = 'SGD(learning_rate_factors={"biases": ...})'
    warn_of(dense.place, f"has no bias: it gets one of zeros, which is trained unless its factor is 0 in {frozen}")
    return np.zeros(dense.weights.shape[1], dense.weights.dtype)


def _fill(net: Network, inputs: _Inputs, hidden: list[_Unit]) -> None:
    """Set what is learnt beside weights and biases."""
    for index, unit in enumerate(hidden):
        gain, shift, mix = net.gains[index], net.shifts[index], net.mixes[index]
        if unit.norm is not None and gain is not None and shift is not None:
            _check_size(unit.norm, "gain", unit.norm.gain, gain)
            _check_size(unit.norm, "shift", unit.norm.shift, shift)
            if unit.norm.gain is None or unit.norm.shift is None:
                warn_of(unit.norm.place, "has no learnt gain or shift: in hotloop both are trained")
            gain[:] = 1 if unit.norm.gain is None else unit.norm.gain
            shift[:] = 0 if unit.norm.shift is None else unit.norm.shift
        if unit.activation is not None and mix is not None:
            _check_size(unit.activation, "mix", unit.activation.mix, mix)
            mix[:] = unit.activation.mix
    if inputs.scale is not None and net.learnt_input_scale is not None:
        _check_size(inputs.scale, "scale", inputs.scale.scale, net.learnt_input_scale)
        net.learnt_input_scale[:] = inputs.scale.scale


def _check_size(layer: Layer, name: str, found: Array | None, wanted: Array) -> None:
    """Refuse a vector of another length, of which NumPy would repeat a single number."""
    if found is not None and found.shape != wanted.shape:
        refuse(layer.place, f"{name} has shape {found.shape}; wanted {wanted.shape}")
