"""The activations: a row of the table for each. The formulas are in `hotloop.kernels.activations`."""

from dataclasses import dataclass
from typing import Any

from hotloop.kernels import codes
from hotloop.network.validation import arguments


@dataclass(frozen=True)
class Activation:
    """One activation.

    Parameters
    ----------
    name : str
        What users call it.
    code : int
        What the kernels call it.
    initializer : str
        Default initial weights of a layer with this activation.
    needs_z : bool
        Whether the derivative takes z, so that z must be kept beside the activation.
    hidden : bool
        Whether hidden layers may have it.
    aliases : tuple of str
        Other names of exactly the same.
    """

    name: str
    code: int
    initializer: str
    needs_z: bool = False
    hidden: bool = True
    aliases: tuple[str, ...] = ()


ACTIVATIONS = {
    row.name: row
    for row in (
        Activation("identity", codes.IDENTITY, "glorot_uniform", aliases=("linear",)),
        Activation("sigmoid", codes.SIGMOID, "glorot_uniform", aliases=("logistic",)),
        Activation("tanh", codes.TANH, "glorot_uniform"),
        Activation("relu", codes.RELU, "he_normal"),
        Activation("leaky_relu", codes.LEAKY_RELU, "he_normal"),
        Activation("elu", codes.ELU, "he_normal"),
        Activation("gelu", codes.GELU, "he_normal", needs_z=True),
        Activation("silu", codes.SILU, "he_normal", needs_z=True, aliases=("swish",)),
        Activation("softplus", codes.SOFTPLUS, "he_normal"),
        Activation("exponential", codes.EXPONENTIAL, "glorot_uniform", hidden=False),
        Activation("softmax", codes.SOFTMAX, "glorot_uniform", hidden=False),
    )
}
HIDDEN_ACTIVATIONS = {name: row for name, row in ACTIVATIONS.items() if row.hidden}


def hidden_activation(name: Any) -> str:
    """Return the name of an activation of a hidden layer."""
    found = arguments.name_of("activation", name, ACTIVATIONS)
    if found not in HIDDEN_ACTIVATIONS:
        raise ValueError(f"activation {found!r} is for the last layer: use output={found!r}")
    return found
