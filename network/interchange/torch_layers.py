"""PyTorch's modules for hotloop's layers, and back. It imports PyTorch: whoever needs it imports it in a function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hotloop.network.activations import Activation
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    Layer,
    LayerNorm,
    Rescale,
    elu,
    formula_of,
    leaky_relu,
    refuse,
)
from hotloop.network.interchange.torch_state import LINEAR, MIX, NORM, SCALE, array_of

# Above it softplus is z. PyTorch's own 20 is 2e-9 off there, which float64 would show.
THRESHOLD = 40.0


@dataclass(frozen=True, eq=False)
class Learnt:
    """A tensor that a module learns: its module's place, its name there, and its name in `Network.parts`."""

    place: str
    name: str
    part: str
    tensor: Any  # None where a module has none, such as a bias


class Rescaled(nn.Module):
    """scale * (x - offset) in float64, rounded to `dtype`: float32 would lose digits of a year less the mean year."""

    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self, offset: Any, scale: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("offset", _tensor(np.float64(offset)))
        self.register_buffer("scale", _tensor(np.float64(scale)))
        self.register_buffer("like", torch.zeros((), dtype=dtype), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the inputs that the first layer takes."""
        return (self.scale * (x.to(torch.float64) - self.offset)).to(self.like.dtype)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "Rescaled":
        """Let `float()` and the like change what it gives, not how it computes."""
        exact = self.offset, self.scale
        super()._apply(fn, recurse)
        if not self.like.is_meta:
            self.offset, self.scale = (numbers.to(self.like.device) for numbers in exact)
        return self


class ScaledInputs(nn.Module):
    """x times a scale for each input, which is learnt."""

    def __init__(self, scale: torch.Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x * scale."""
        return x * self.scale


class Exponential(nn.Module):
    """e^z."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return e^z."""
        return torch.exp(z)


class LearntActivation(nn.Module):
    """(1 - a) z + a f(z), with an a for each unit, which is learnt."""

    def __init__(self, activation: nn.Module, mix: torch.Tensor) -> None:
        super().__init__()
        self.activation, self.mix = activation, nn.Parameter(mix)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the mixture."""
        return (1 - self.mix) * z + self.mix * self.activation(z)


# Activations without numbers of their own, in both directions.
PLAIN: dict[str, type[nn.Module]] = {
    "identity": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "selu": nn.SELU,
    "silu": nn.SiLU, "mish": nn.Mish, "exponential": Exponential,
}  # fmt: skip
OF_ROW: dict[str, Callable[[Activation], nn.Module]] = {
    "leaky_relu": lambda row: nn.LeakyReLU(row.slopes[1]),
    "elu": lambda row: nn.ELU(row.slopes[1]),
    "gelu": lambda row: nn.GELU(),
    "softplus": lambda row: nn.Softplus(threshold=THRESHOLD),
    "softmax": lambda row: nn.Softmax(dim=1),
}


def module_of(layer: Layer, dtype: "np.dtype[Any]") -> nn.Module:
    """Return the module that computes a layer, with its parameters."""
    if isinstance(layer, Dense):
        # On "meta" no initial weights are drawn, so that PyTorch's random numbers are as before.
        module: Any = nn.Linear(*layer.weights.shape, device="meta")
        module.weight, module.bias = _parameter(layer.weights.T), _parameter(layer.bias)
    elif isinstance(layer, LayerNorm) and layer.gain is not None:
        module = nn.LayerNorm(layer.gain.shape, layer.epsilon, device="meta")
        module.weight, module.bias = _parameter(layer.gain), _parameter(layer.shift)
    elif isinstance(layer, Dropout):
        module = nn.Dropout(layer.rate)
    elif isinstance(layer, InputScale):
        module = ScaledInputs(_tensor(layer.scale))
    elif isinstance(layer, Rescale):
        module = Rescaled(layer.offset, layer.scale, _tensor(np.zeros(0, dtype)).dtype)
    elif isinstance(layer, Activate):
        row = formula_of(layer, "PyTorch")
        module = PLAIN[row.name]() if row.name in PLAIN else OF_ROW[row.name](row)
        module = module if layer.mix is None else LearntActivation(module, _tensor(layer.mix))
    else:
        refuse(layer.place, f"{type(layer).__name__} has no module")
    return module


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array, order="C"))


def _parameter(array: Any) -> nn.Parameter:
    return nn.Parameter(_tensor(array))


HINTS = {
    "LogSoftmax": "leave it out: the loss cross_entropy is computed from logits",
    "DataParallel": "give its .module",
    "DistributedDataParallel": "give its .module",
    "PReLU": "learn_activation is hotloop's learnt activation, of another formula",
    **dict.fromkeys(
        ("BatchNorm1d", "BatchNorm2d", "SyncBatchNorm"), "fold it into the linear layer before or after it"
    ),
    **dict.fromkeys(("AlphaDropout", "FeatureAlphaDropout", "Dropout1d"), "nn.Dropout is hotloop's"),
}


def layer_of(place: str, module: nn.Module) -> Layer | None:
    """Return the layer that a module computes, or None for nothing; refuse what hotloop does not have."""
    kind = type(module)
    if kind in READERS:
        try:
            return READERS[kind](place, module)
        except ValueError as error:
            if str(error).startswith(place):
                raise
            refuse(place, str(error))  # a slope below zero, a dropout of 1
    if kind in NAMES:
        return Activate(NAMES[kind], place=place)
    known = [base.__name__ for base in (*READERS, *NAMES) if isinstance(module, base)]
    if known:
        refuse(place, f"a subclass of {known[0]}, which may compute otherwise")
    name = f"{kind.__module__}.{kind.__name__}".removeprefix("torch.nn.modules.").rpartition(".")
    shadows = name[2] in {one.__name__ for one in (*READERS, *NAMES)}  # such as a quantised Linear
    hint = f"; {HINTS[name[2]]}" if name[2] in HINTS else ""
    refuse(place, f"hotloop has no {''.join(name) if shadows else name[2]}{hint}")


def _dense(place: str, module: Any) -> Dense:
    weights = array_of(place, "weight", module.weight, (module.out_features, module.in_features))
    bias = None if module.bias is None else array_of(place, "bias", module.bias, (module.out_features,))
    return Dense(np.array(weights.T, order="C"), bias, place=place)


def _layer_norm(place: str, module: Any) -> LayerNorm:
    shape = tuple(module.normalized_shape)
    if len(shape) != 1:
        refuse(place, "hotloop normalises over the units of a layer, one dimension")
    gain, shift = (
        None if tensor is None else array_of(place, name, tensor, shape)
        for name, tensor in (("weight", module.weight), ("bias", module.bias))
    )
    return LayerNorm(gain, shift, module.eps, place=place)


def _dropout(place: str, module: Any) -> Dropout:
    if not 0 <= module.p < 1:
        refuse(place, "dropout must be from 0 to below 1")
    return Dropout(module.p, place=place)


def _gelu(place: str, module: Any) -> Activate:
    if module.approximate != "none":
        refuse(place, "hotloop's gelu is the exact one, approximate='none'")
    return Activate("gelu", place=place)


def _softplus(place: str, module: Any) -> Activate:
    if module.beta != 1 or module.threshold < 20:
        refuse(place, "hotloop's softplus is log(1 + e^z): wanted beta=1 and a threshold of 20 or more")
    return Activate("softplus", place=place)


def _softmax(place: str, module: Any) -> Activate:
    if module.dim not in (1, -1, None):
        refuse(place, "hotloop's softmax is over the outputs: wanted dim=1")
    return Activate("softmax", place=place)


def _flatten(place: str, module: Any) -> None:
    if (module.start_dim, module.end_dim) not in ((1, -1), (1, 1)):
        refuse(place, "wanted start_dim=1 and end_dim=-1, which keep the rows apart")


def _rescaled(place: str, module: Any) -> Rescale:
    offset, scale = (
        values.item() if values.ndim == 0 else values.detach().cpu().numpy() for values in (module.offset, module.scale)
    )
    return Rescale(offset, scale, place=place)


def _scaled_inputs(place: str, module: Any) -> InputScale:
    return InputScale(array_of(place, "scale", module.scale, (None,)), place=place)


def _learnt_activation(place: str, module: Any) -> Activate:
    inner = layer_of(place, module.activation)
    if not isinstance(inner, Activate):
        refuse(place, "wanted an activation")
    return Activate(inner.activation, array_of(place, "mix", module.mix, (None,)), place=place)


NAMES = {kind: name for name, kind in PLAIN.items()}
READERS: dict[type[nn.Module], Callable[[str, Any], Layer | None]] = {
    nn.Linear: _dense,
    nn.LayerNorm: _layer_norm,
    nn.Dropout: _dropout,
    nn.LeakyReLU: lambda place, module: Activate(leaky_relu(module.negative_slope), place=place),
    nn.ELU: lambda place, module: Activate(elu(module.alpha), place=place),
    nn.GELU: _gelu,
    nn.Softplus: _softplus,
    nn.Softmax: _softmax,
    nn.Flatten: _flatten,
    Rescaled: _rescaled,
    ScaledInputs: _scaled_inputs,
    LearntActivation: _learnt_activation,
}
LEARNT = {nn.Linear: LINEAR, nn.LayerNorm: NORM, ScaledInputs: SCALE, LearntActivation: MIX}
