"""What exports to source code have in common: the network's facts for a comment, and names and text made safe."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotloop import __version__
from hotloop.network.interchange.columns import Prepare, prepare
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    Layer,
    LayerNorm,
    Layers,
    Rescale,
    formula_of,
    layers_of,
)
from hotloop.network.losses import loss_of
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.validation import arguments
from hotloop.network.validation.printable import counted

SQRT_HALF = math.sqrt(0.5)
SLOPES = {"leaky_relu": (1,), "elu": (1,), "selu": (0, 1)}  # which of the two slopes a function takes


@dataclass(frozen=True)
class Facts:
    """A network that is written as source code.

    Parameters
    ----------
    layers : list of Layer
        What is computed, in order, without dropout; parameters in `dtype`.
    dtype : dtype
        Of the arithmetic.
    sizes : tuple of int
    words : str
        What the network is called.
    n_parameters : int
    inputs, classes : tuple of str or None
        Their names, if they are known.
    output : str
        What the outputs are.
    """

    layers: Layers
    dtype: np.dtype[Any]
    sizes: tuple[int, ...]
    words: str
    n_parameters: int
    inputs: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    output: str

    def lines(self) -> list[str]:
        """Return what a comment says of the network, its inputs and its outputs, as printable ASCII."""
        size = self.n_parameters * self.dtype.itemsize
        lines = [
            self.words,
            f"{counted(self.n_parameters, 'parameter')} of {self.dtype}: {size} bytes. Exported by hotloop "
            f"{__version__}.",
            "",
            f"Inputs: {self.sizes[0]}{', scaled in here: pass them as they were measured' if self._scales else ''}.",
        ]
        lines += self._input_lines()
        lines += ["", f"Outputs: {self.sizes[-1]}, {self.output}."]
        if self.classes is not None and self.sizes[-1] == 1:
            lines += [f"  near 0 for {self.classes[0]}", f"  near 1 for {self.classes[1]}"]
        elif self.classes is not None:
            lines += [f"  {place}: {name}" for place, name in enumerate(self.classes)]
        return [ascii_text(line) for line in lines]

    @property
    def _scales(self) -> bool:
        return any(isinstance(layer, Rescale | Prepare) for layer in self.layers)

    @property
    def _rescale(self) -> Rescale | None:
        return next((layer for layer in self.layers if isinstance(layer, Rescale)), None)

    def _input_lines(self) -> list[str]:
        if isinstance(self.layers[0], Prepare):
            return [f"  {line}" for line in self.layers[0].lines()]
        rescale = self._rescale
        several = rescale is not None and (np.ndim(rescale.offset) or np.ndim(rescale.scale))
        lines = []
        if rescale is not None and not several:
            lines.append(f"  {_formula('x', rescale.offset, rescale.scale)}")
        if self.inputs is None and not several:
            return lines
        n = self.sizes[0]
        for place in range(n):
            name, scaling = "" if self.inputs is None else self.inputs[place], ""
            if rescale is not None and several:
                offset, scale = (np.broadcast_to(part, n)[place] for part in (rescale.offset, rescale.scale))
                scaling = _formula("x", offset, scale)
            lines.append(f"  {place}: {', '.join(part for part in (scaling, name) if part)}")
        return lines


def _formula(name: str, offset: Any, scale: Any) -> str:
    return f"{float(scale)!r} * {name}" if offset == 0 else f"{float(scale)!r} * ({name} - {float(offset)!r})"


def facts_of(model: Any, target: str, dtype: Any, logits: Any) -> Facts:
    """Return what is written of a network, or of one with the preparation of a table, checked.

    Raises
    ------
    TypeError
        If it is no network.
    ValueError
        If an activation is the user's own, if parameters are not finite, in `dtype` either, or if there are no logits.
    """
    net = model.network if isinstance(model, PreparedNetwork) else model
    layers = layers_of(net, target, logits=arguments.flag("logits", logits))
    dtype = net.dtype if dtype is None else arguments.floating_dtype(dtype)
    for layer in layers:
        if isinstance(layer, Activate):
            formula_of(layer, target)
    if not np.isfinite(net.parameters).all():
        raise ValueError("the network has parameters that are not finite: NaN or infinity")
    cast = [_in_dtype(layer, dtype) for layer in layers if not isinstance(layer, Dropout)]
    sizes = net.sizes
    if isinstance(model, PreparedNetwork):
        schema, columns = model.schema, prepare(model.preparation)
        cast.insert(0, columns)
        sizes = (len(columns.columns), *sizes[1:])
    else:
        schema = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1])
    output = "identity" if logits else net.activations[-1]
    are_logits = output == "identity" and loss_of(net.loss).from_logits
    return Facts(
        layers=cast,
        dtype=dtype,
        sizes=sizes,
        words=repr(net),
        n_parameters=net.n_parameters,
        inputs=schema.columns,
        classes=schema.classes,
        output="logits" if are_logits else f"after {output}" if output != "identity" else "without an activation",
    )


def _in_dtype(layer: Layer, dtype: np.dtype[Any]) -> Layer:
    """Return the layer with its parameters in `dtype`; the scaling of the inputs stays in float64."""
    if isinstance(layer, Dense):
        bias = np.zeros(layer.weights.shape[1]) if layer.bias is None else layer.bias
        return Dense(_cast(layer, layer.weights, dtype), _cast(layer, bias, dtype), place=layer.place)
    if isinstance(layer, InputScale):
        return InputScale(_cast(layer, layer.scale, dtype), place=layer.place)
    if isinstance(layer, LayerNorm):
        gain, shift = _cast(layer, layer.gain, dtype), _cast(layer, layer.shift, dtype)
        return LayerNorm(gain, shift, layer.epsilon, place=layer.place)
    if isinstance(layer, Activate) and layer.mix is not None:
        return Activate(layer.activation, _cast(layer, layer.mix, dtype), place=layer.place)
    return layer


def _cast(layer: Layer, array: Any, dtype: np.dtype[Any]) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        found = array.astype(dtype)
    if not np.isfinite(found).all():
        raise ValueError(f"{layer.place}: has parameters that are not finite in {dtype}")
    return found


def ascii_text(text: str) -> str:
    r"""Return text of printable ASCII characters, in which all others are escaped.

    >>> ascii_text("20 °C")
    '20 \\xb0C'
    """
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)
