"""Keras's layers as hotloop's: what each is, and what of it hotloop has not."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hotloop.network.interchange.keras_models import INPUT_SCALE, KERAS_NAMES
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    LayerNorm,
    Layers,
    Rescale,
    elu,
    leaky_relu,
    parameter,
    refuse,
    warn_of,
)
from hotloop.network.validation.printable import shown

KERAS_SLOPE = 0.2  # of keras.activations.leaky_relu; that of the layer LeakyReLU is an argument
FORMULAS = {keras: name for name, keras in KERAS_NAMES.items()} | {"leaky_relu": leaky_relu(KERAS_SLOPE)}
NO_LAYER = {
    "BatchNormalization": "hotloop has no batch normalisation: fold it into the dense layer before it",
    "Lambda": "a function of your own, which hotloop cannot know",
}


def kind_of(thing: Any) -> str:
    """Return the name of a class of Keras itself; of others, which may do anything, with their module."""
    kind = type(thing)
    return kind.__name__ if kind.__module__.partition(".")[0] == "keras" else f"{kind.__module__}.{kind.__name__}"


def check_call(layer: Any, place: str) -> None:
    """Refuse a layer or model that computes or is trained otherwise than its class says."""
    if "call" in vars(layer):
        refuse(place, "its call was replaced by a function of your own, which hotloop cannot know")
    if layer.activity_regularizer is not None:
        refuse(place, "activity_regularizer is set; hotloop has them for the weights only")


@dataclass
class Model:
    """What has been read of a model so far."""

    keras: Any
    shape: tuple[int | None, ...] = ()  # of what the next layer takes, without the batch
    dtype: str | None = None  # of the last dense layer
    layers: Layers = field(default_factory=list)
    penalties: list[tuple[str, tuple[float, float]]] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)

    def add(self, layer: Any, place: str) -> None:
        """Read a layer, or refuse it."""
        kind = kind_of(layer)
        if kind not in READERS:
            refuse(place, NO_LAYER.get(kind, f"hotloop has no {kind}"))
        if kind == "InputLayer":
            return
        self.check(layer, place)
        self.layers += READERS[kind](layer, place, self)

    def check(self, layer: Any, place: str) -> None:
        """Refuse, or warn of, what any layer may have and hotloop has not."""
        kind = kind_of(layer)
        check_call(layer, place)
        computed, stored = layer.dtype_policy.compute_dtype, layer.dtype_policy.variable_dtype
        if computed != stored or computed not in ("float32", "float64"):
            refuse(place, f"computes in {computed} with {stored} parameters; hotloop has float32 and float64")
        if self.dtype is not None and kind != "Dense" and computed != self.dtype:
            refuse(place, f"computes in {computed} after a layer of {self.dtype}")
        if layer.quantization_mode or getattr(layer, "lora_enabled", False):
            refuse(place, "is quantized or has a LoRA adapter; hotloop has plain kernels")
        if kind == "Normalization":
            return
        if frozen := [one.name for one in layer.weights if not one.trainable]:
            warn_of(place, f"is frozen ({', '.join(frozen)}: trainable=False); in hotloop it is trained")
        for variable in layer.weights:  # which Keras trains by, whatever the layer's attributes have become
            for what in ("regularizer", "constraint"):
                if getattr(variable, what) is not None and (kind, variable.name) != ("Dense", "kernel"):
                    refuse(place, f"{variable.name}_{what} is set; hotloop has them for the weights only")

    def width(self, place: str) -> int:
        """Return how many numbers a row has."""
        if len(self.shape) != 1 or self.shape[0] is None:
            refuse(place, f"takes inputs of shape {('batch', *self.shape)}; hotloop's are (batch, inputs): use Flatten")
        return self.shape[0]

    def flat(self, place: str, value: Any) -> Any:
        """Return a number, or a number for each input in the order of Flatten."""
        array = np.asarray(value, np.float64)
        if array.ndim == 0:
            return float(array)
        if None in self.shape:
            refuse(place, f"takes inputs of shape {('batch', *self.shape)}, whose number is open")
        batch = (1, *(n or 0 for n in self.shape))
        try:
            return np.broadcast_to(array, batch).ravel()
        except ValueError:
            refuse(place, f"has an array of shape {array.shape} for inputs of shape {batch[1:]}")

    def arguments(self) -> dict[str, Any]:
        """Return the penalties and limits of the kernels as arguments of Network."""
        found: dict[str, Any] = {}
        if any(penalty != self.penalties[0][1] for _, penalty in self.penalties):
            told = "; ".join(f"{place} {penalty}" for place, penalty in self.penalties)
            raise ValueError(f"hotloop has one l1 and one l2 for all layers; the model's (l1, l2) differ: {told}")
        if self.penalties:
            found = {name: value for name, value in zip(("l1", "l2"), self.penalties[0][1], strict=True) if value}
        return found | ({"max_norm": self.limits} if any(self.limits) else {})


def _dense(layer: Any, place: str, model: Model) -> Layers:
    fan_in = model.width(place)
    model.penalties.append((place, _penalty(layer.kernel.regularizer, place)))
    model.limits.append(_limit(layer.kernel.constraint, place))
    model.shape, model.dtype = (layer.units,), layer.dtype_policy.compute_dtype
    kernel, bias = (
        None if one is None else model.keras.ops.convert_to_numpy(one) for one in (layer.kernel, layer.bias)
    )
    return [
        Dense(
            parameter(place, "kernel", kernel, (fan_in, layer.units)),
            None if bias is None else parameter(place, "bias", bias, (layer.units,)),
            place=place,
        ),
        *_function(layer.activation, place, model),
    ]


def _penalty(regularizer: Any, place: str) -> tuple[float, float]:
    """Return l1 and l2."""
    if regularizer is None:
        return 0.0, 0.0
    if kind_of(regularizer) not in ("L1", "L2", "L1L2"):
        refuse(place, f"hotloop has no {kind_of(regularizer)}")
    config = regularizer.get_config()
    return float(config.get("l1", 0)), float(config.get("l2", 0))


def _limit(constraint: Any, place: str) -> float | None:
    """Return the largest norm of a unit's weights."""
    if constraint is None:
        return None
    if kind_of(constraint) != "MaxNorm" or constraint.axis != 0:
        refuse(place, f"has the constraint {kind_of(constraint)}; hotloop has MaxNorm(axis=0)")
    return float(constraint.max_value)


def _function(activation: Any, place: str, model: Model) -> Layers:
    """Return the layer for an activation that is a function of Keras, or one of its layers."""
    if isinstance(activation, model.keras.layers.Layer):
        if kind_of(activation) not in ACTIVATION_LAYERS:
            refuse(place, f"hotloop has no activation {kind_of(activation)}")
        model.check(activation, place)
        return READERS[kind_of(activation)](activation, place, model)
    name = getattr(activation, "__name__", "")
    if name not in FORMULAS or getattr(model.keras.activations, name, None) is not activation:
        refuse(place, f"hotloop has no activation {name or shown(activation)}")
    return [Activate(FORMULAS[name], place=place)]


def _activation(layer: Any, place: str, model: Model) -> Layers:
    return _function(layer.activation, place, model)


def _relu(layer: Any, place: str, model: Model) -> Layers:
    if layer.max_value is not None or layer.threshold != 0:
        refuse(place, "has a max_value or a threshold; hotloop's ReLU has neither")
    return [Activate(leaky_relu(float(layer.negative_slope)), place=place)]


def _leaky_relu(layer: Any, place: str, model: Model) -> Layers:
    return [Activate(leaky_relu(float(layer.negative_slope)), place=place)]


def _elu(layer: Any, place: str, model: Model) -> Layers:
    return [Activate(elu(float(layer.alpha)), place=place)]


def _softmax(layer: Any, place: str, model: Model) -> Layers:
    if layer.axis not in (-1, 1) or len(model.shape) != 1:
        refuse(place, f"is over axis {layer.axis}; hotloop's is over the outputs of a row, axis -1")
    return [Activate("softmax", place=place)]


def _dropout(layer: Any, place: str, model: Model) -> Layers:
    if layer.noise_shape is not None:
        refuse(place, "has a noise_shape; hotloop drops each unit by itself")
    return [Dropout(float(layer.rate), place=place)]


def _layer_norm(layer: Any, place: str, model: Model) -> Layers:
    width = model.width(place)
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes not in ([-1], [1]) or layer.rms_scaling:
        refuse(
            place, f"normalises over axis {layer.axis}, rms_scaling={layer.rms_scaling}; hotloop's is plain, axis -1"
        )
    gain, shift = (
        None if one is None else parameter(place, name, model.keras.ops.convert_to_numpy(one), (width,))
        for name, one in (("gamma", layer.gamma), ("beta", layer.beta))
    )
    return [LayerNorm(gain, shift, float(layer.epsilon), place=place)]


def _einsum_dense(layer: Any, place: str, model: Model) -> Layers:
    if (
        layer.equation != INPUT_SCALE
        or layer.bias is not None
        or layer.activation is not model.keras.activations.linear
    ):
        refuse(place, f"hotloop has none but the scale of inputs, EinsumDense({INPUT_SCALE!r})")
    return [InputScale(parameter(place, "kernel", layer.get_weights()[0], (model.width(place),)), place=place)]


def _rescaling(layer: Any, place: str, model: Model) -> Layers:
    """x scale + offset as scale * (x - c), after those before it: they stay one Rescale."""
    if np.ndim(layer.scale) and model.keras.config.image_data_format() == "channels_first":
        refuse(place, "has an array, which Keras takes for that of channels while image_data_format is channels_first")
    scale, offset = (model.flat(place, one) for one in (layer.scale, layer.offset))
    return _affine(scale, -offset, place, model)


def _normalization(layer: Any, place: str, model: Model) -> Layers:
    """(x - mean) / max(sqrt(variance), epsilon)."""
    if layer.invert:
        refuse(place, "is inverted; hotloop scales inputs only")
    mean, variance = (model.flat(place, model.keras.ops.convert_to_numpy(one)) for one in (layer.mean, layer.variance))
    scale = 1 / np.maximum(np.sqrt(variance), model.keras.config.epsilon())
    return _affine(scale, scale * mean, place, model, centre=mean)


def _affine(scale: Any, less: Any, place: str, model: Model, centre: Any = None) -> Layers:
    """Return scale * x - less, after the Rescale before it if there is one."""
    if np.any(scale < 0) or np.any((scale == 0) & (less != 0)):
        refuse(place, "scales by a number that is not above 0, which hotloop does not")
    if centre is None:
        centre = less / np.where(scale == 0, 1.0, scale)
    if model.layers and isinstance(before := model.layers[-1], Rescale):
        model.layers.pop()
        if np.any((before.scale == 0) & (centre != 0)):
            refuse(place, "subtracts from inputs that were scaled by 0")
        centre = before.offset + centre / np.where(before.scale == 0, 1.0, before.scale)
        scale = before.scale * scale
    return [Rescale(_number(centre), _number(scale), place=place)]


def _number(value: Any) -> Any:
    """Return an array of no axis as the number that it is."""
    return float(value) if np.ndim(value) == 0 else value


def _flatten(layer: Any, place: str, model: Model) -> Layers:
    if None in model.shape:
        refuse(place, f"takes inputs of shape {('batch', *model.shape)}, whose number is open")
    if len(model.shape) > 1 and getattr(layer, "data_format", "") == "channels_first":
        refuse(place, "reorders its inputs (channels_first); hotloop takes rows as they are")
    model.shape = (math.prod(n or 0 for n in model.shape),)
    return []


def _nothing(layer: Any, place: str, model: Model) -> Layers:
    return []


ACTIVATION_LAYERS = {
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "Softmax": _softmax,
}
READERS: dict[str, Callable[[Any, str, Model], Layers]] = ACTIVATION_LAYERS | {
    "InputLayer": _nothing,
    "Identity": _nothing,
    "Flatten": _flatten,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "EinsumDense": _einsum_dense,
    "Dense": _dense,
    "LayerNormalization": _layer_norm,
    "Dropout": _dropout,
}
