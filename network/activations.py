"""The activations: a row of the table for each, and those with a parameter. Formulas: `hotloop.kernels.activations`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hotloop.kernels import codes
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_its_keywords


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
    slopes : (float, float)
        Just above zero and just below it, of those that have them as parameters.
    """

    name: str
    code: int
    initializer: str
    needs_z: bool = False
    hidden: bool = True
    aliases: tuple[str, ...] = ()
    slopes: tuple[float, float] = (1.0, 1.0)

    def addresses(self, dtype: Any) -> tuple[int, int]:
        """Return the addresses, for `dtype`, of the two kernels that the training loop does not have, or zeros."""
        return 0, 0


@explains_its_keywords
class LeakyReLU(Activation):
    """f(z) = z where z > 0, else slope z; the name "leaky_relu" has the slope 0.01.

    Parameters
    ----------
    slope : float, default 0.01
        At least 0. PyTorch's default is 0.01 too; that of Keras is 0.3.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.activations import LeakyReLU
    >>> Network([2, 8, 1], LeakyReLU(0.2), seed=0).activations
    (LeakyReLU(slope=0.2), 'identity')
    """

    def __init__(self, slope: float = codes.LEAKY_SLOPE) -> None:
        slope = arguments.real_number("slope", slope)
        super().__init__("leaky_relu", codes.LEAKY_RELU, "he_normal", slopes=(1.0, slope))

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"LeakyReLU(slope={self.slopes[1]:g})"


@explains_its_keywords
class ELU(Activation):
    """f(z) = z where z > 0, else alpha (e^z - 1); the name "elu" has the alpha 1.

    Parameters
    ----------
    alpha : float, default 1
        At least 0.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.activations import ELU
    >>> Network([2, 8, 1], ELU(0.5), seed=0).activations
    (ELU(alpha=0.5), 'identity')
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__("elu", codes.ELU, "he_normal", slopes=(1.0, arguments.real_number("alpha", alpha)))

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"ELU(alpha={self.slopes[1]:g})"


ACTIVATIONS = {
    row.name: row
    for row in (
        Activation("identity", codes.IDENTITY, "glorot_uniform", aliases=("linear",)),
        Activation("sigmoid", codes.SIGMOID, "glorot_uniform", aliases=("logistic",)),
        Activation("tanh", codes.TANH, "glorot_uniform"),
        Activation("relu", codes.RELU, "he_normal"),
        Activation("leaky_relu", codes.LEAKY_RELU, "he_normal", slopes=(1.0, codes.LEAKY_SLOPE)),
        Activation("elu", codes.ELU, "he_normal"),
        Activation("selu", codes.SELU, "lecun_normal", slopes=(codes.SELU_ABOVE, codes.SELU_BELOW)),
        Activation("gelu", codes.GELU, "he_normal", needs_z=True),
        Activation("silu", codes.SILU, "he_normal", needs_z=True, aliases=("swish",)),
        Activation("mish", codes.MISH, "he_normal", needs_z=True),
        Activation("softplus", codes.SOFTPLUS, "he_normal"),
        Activation("exponential", codes.EXPONENTIAL, "glorot_uniform", hidden=False),
        Activation("softmax", codes.SOFTMAX, "glorot_uniform", hidden=False),
    )
}
HIDDEN_ACTIVATIONS = {name: row for name, row in ACTIVATIONS.items() if row.hidden}


def row_of(activation: str | Activation) -> Activation:
    """Return the row of an activation that is known by its name, or one with a parameter itself."""
    return ACTIVATIONS[activation] if isinstance(activation, str) else activation


def known_activation(argument: str, value: Any, listed: Iterable[str] | None = None) -> str | Activation:
    """Return the name of an activation, or one with parameters as it is; errors list all names, or `listed`."""
    if isinstance(value, Activation):
        return value
    if isinstance(value, type) and issubclass(value, Activation):
        raise TypeError(f"{argument} is the class {value.__name__}, not an instance: write {value.__name__}(...)")
    if arguments.is_function(value):
        raise TypeError(
            f"{argument} must be a name or an activation, got a function: for your own use "
            "hotloop.activations.CustomActivation(function, derivative)"
        )
    return arguments.name_of(argument, value, ACTIVATIONS, listed)


def hidden_activation(value: Any) -> str | Activation:
    """Return an activation of a hidden layer: its name, or one with parameters."""
    found = known_activation("activation", value, HIDDEN_ACTIVATIONS)
    if not row_of(found).hidden:
        raise ValueError(f"activation {found!r} is for the last layer: use output={found!r}")
    return found
