"""Initial weights. Biases start at zero.

n is fan_in, m fan_out. Sources: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
networks (AISTATS 2010), equation 16; He et al., Delving Deep into Rectifiers (ICCV 2015), equation 10; LeCun et al.,
Efficient BackProp (1998), section 4.6; Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of
learning (ICLR 2014).

NumPy is imported by the functions that need it, so that the names can be listed without.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hotloop.network.activations import Activation, row_of
from hotloop.network.validation import arguments

if TYPE_CHECKING:
    import numpy as np

    from hotloop.kernels.jit import Array

Draw: TypeAlias = "Callable[[np.random.Generator, int, int], Array]"
Initializer: TypeAlias = "str | Draw | Sequence[Any] | None"
STREAM = 2**64 - 1  # the key of these random numbers; an epoch's shuffle has the epoch's number


@dataclass(frozen=True)
class Normal:
    """Weights from N(0, scale^2).

    Parameters
    ----------
    scale : float, default 0.05
        Standard deviation, above zero.

    Examples
    --------
    >>> from hotloop import Network, Normal
    >>> net = Network([100, 100, 1], initializer=Normal(0.01), seed=0)
    >>> print(net.weights[0].std().round(3))
    0.01
    """

    scale: float = 0.05

    def __post_init__(self) -> None:
        """Check the scale."""
        object.__setattr__(self, "scale", arguments.real_number("scale", self.scale, open=True))

    def __call__(self, generator: "np.random.Generator", fan_in: int, fan_out: int) -> "Array":
        """Draw the weights of one layer."""
        return generator.normal(0, self.scale, (fan_in, fan_out))


def _uniform(variance: Callable[[int, int], float]) -> Draw:
    def draw(generator: "np.random.Generator", fan_in: int, fan_out: int) -> "Array":
        bound = math.sqrt(3 * variance(fan_in, fan_out))
        return generator.uniform(-bound, bound, (fan_in, fan_out))

    return draw


def _normal(variance: Callable[[int, int], float]) -> Draw:
    def draw(generator: "np.random.Generator", fan_in: int, fan_out: int) -> "Array":
        return generator.normal(0, math.sqrt(variance(fan_in, fan_out)), (fan_in, fan_out))

    return draw


def _glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


def _orthogonal(generator: "np.random.Generator", fan_in: int, fan_out: int) -> "Array":
    """Return a matrix whose shorter side's vectors are orthonormal, uniform over all such matrices."""
    import numpy as np

    tall = generator.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diag(r) < 0, -1, 1)  # QR by itself prefers some signs
    return q if fan_in >= fan_out else q.T


def _zeros(generator: "np.random.Generator", fan_in: int, fan_out: int) -> "Array":
    import numpy as np

    return np.zeros((fan_in, fan_out))


@dataclass(frozen=True)
class InitialWeights:
    """Initial weights that have a name.

    Parameters
    ----------
    name : str
        What users call them.
    draw : callable
        Draws the weights of a layer: (generator, fan_in, fan_out) -> array.
    aliases : tuple of str
        Other names of exactly the same.
    """

    name: str
    draw: Draw
    aliases: tuple[str, ...] = ()


INITIALIZERS = {
    row.name: row
    for row in (
        InitialWeights("glorot_uniform", _uniform(_glorot), ("xavier_uniform",)),
        InitialWeights("glorot_normal", _normal(_glorot), ("xavier_normal",)),
        InitialWeights("he_uniform", _uniform(_he), ("kaiming_uniform",)),
        InitialWeights("he_normal", _normal(_he), ("kaiming_normal",)),
        InitialWeights("lecun_uniform", _uniform(_lecun)),
        InitialWeights("lecun_normal", _normal(_lecun)),
        InitialWeights("orthogonal", _orthogonal),
        InitialWeights("zeros", _zeros),
        InitialWeights("normal", Normal()),
    )
}


def initialize(
    initializer: Initializer,
    views: "tuple[tuple[Array, ...], tuple[Array, ...]]",
    activations: "Sequence[str | Activation]",
    dtype: "np.dtype[np.floating]",
    seed: int,
) -> None:
    """Set the weights and biases of a new network, each layer by an entry of `initializer` or by its activation.

    Parameters
    ----------
    initializer : str, callable, sequence or None
        As `Network` takes it.
    views : (weights, biases)
        To be filled; an array for each layer.
    activations : sequence of str or Activation
    dtype : numpy.dtype
    seed : int
    """
    import numpy as np

    if isinstance(initializer, np.ndarray) and initializer.ndim < 3:
        raise TypeError("initializer must be a sequence with one entry a layer: use [weights] for a single layer")
    entries = arguments.per_layer("initializer", initializer, len(activations), lambda entry: entry)
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, STREAM], np.uint64)))
    pairs = zip(*views, strict=True)
    for layer, (entry, activation, (weights, bias)) in enumerate(zip(entries, activations, pairs, strict=True)):
        entry = row_of(activation).initializer if entry is None else entry
        if isinstance(entry, tuple):
            if len(entry) != 2:
                raise ValueError(f"initializer[{layer}] must be a pair (weights, bias), got {len(entry)} entries")
            bias[:] = _given(f"bias of initializer[{layer}]", entry[1], bias)
            entry = entry[0]
        if isinstance(entry, str):
            entry = arguments.choose("initializer", entry, INITIALIZERS).draw
        if isinstance(entry, Normal):
            arguments.scale("scale of initializer", entry.scale, dtype)
        if callable(entry):
            entry = entry(generator, *weights.shape)
        weights[:] = _given(f"initializer[{layer}]", entry, weights)


def _given(argument: str, value: Any, wanted: "Array") -> "Array":
    """Return an array that users gave, checked."""
    from hotloop.network.validation import arrays
    from hotloop.network.validation.array_like import numeric

    array = numeric(argument, value)
    if array.shape != wanted.shape:
        raise ValueError(f"{argument} has shape {array.shape}; wanted {wanted.shape}")
    return arrays.canonical(argument, array, wanted.dtype)
