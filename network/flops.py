"""Floating-point operations of training, by formula: of each phase of a layer, and of a whole row.

B is the rows, I and O a layer's fan_in and fan_out. A multiply-add is two operations, an elementwise function
(activation, derivative, loss) one a value. Counted is what the formulas need, not what the loops do besides: padding is
computed along and not counted. docs/profiling.md has the table.
"""

from collections.abc import Sequence
from itertools import pairwise

# Of layer normalisation a value and a row, forward and backward; of a learnt activation a value, forward and backward.
LAYER_NORM, LAYER_NORM_ROW, LAYER_NORM_BACKWARD, LAYER_NORM_BACKWARD_ROW = 7, 5, 9, 2
MIX, MIX_BACKWARD = 4, 6
PENALTY = 4  # a weight, for the gradient and the loss: two of l1 sign(w) + 2 l2 w, two of l1 |w| + l2 w^2


def product(rows: int, fan_in: int, fan_out: int) -> int:
    """Return the operations of a matrix product (B, I) @ (I, O)."""
    return 2 * rows * fan_in * fan_out


def gather(rows: int, fan_in: int, more: int = 0) -> int:
    """Return the operations of converting and scaling B I inputs; `more` for dropout, and for a learnt scale."""
    return rows * fan_in * (1 + more)


def forward(
    rows: int, fan_in: int, fan_out: int, *, activation: bool = False, layer_norm: bool = False, mix: bool = False
) -> int:
    """Return the operations of z = x W + b, and of a = f(z) if there is an `activation` to compute.

    With `layer_norm` those of normalising z are among them, with `mix` those of (1 - a) z + a f(z).
    """
    normalising = rows * (LAYER_NORM * fan_out + LAYER_NORM_ROW) * layer_norm
    return product(rows, fan_in, fan_out) + rows * fan_out * (activation + MIX * mix) + normalising


def loss(rows: int, fan_out: int) -> int:
    """Return the operations of the loss of B O outputs."""
    return rows * fan_out


def backward(
    rows: int, fan_in: int, fan_out: int, *, activation: bool = False, first: bool = False, layer_norm: bool = False,
    mix: bool = False,
) -> int:  # fmt: skip
    """Return the operations of delta = dC/da f'(z), and of dC/dx = delta W.T, which the `first` layer does without."""
    normalising = rows * (LAYER_NORM_BACKWARD * fan_out + LAYER_NORM_BACKWARD_ROW) * layer_norm
    return (
        rows * fan_out * (activation + MIX_BACKWARD * mix)
        + normalising
        + (0 if first else product(rows, fan_out, fan_in))
    )


def weight_gradient(rows: int, fan_in: int, fan_out: int, vectors: int = 1) -> int:
    """Return the operations of dC/dW = x.T delta, and of a column sum for the bias and each vector beside it."""
    return product(rows, fan_in, fan_out) + rows * fan_out * vectors


def update(fan_in: int, fan_out: int, of_a_parameter: int, *, penalised: bool = False, vectors: int = 1) -> int:
    """Return the operations of one update of a layer, `of_a_parameter` being those of the method's formula."""
    return of_a_parameter * (fan_in + vectors) * fan_out + PENALTY * fan_in * fan_out * penalised


def clipping(*, by_value: bool, by_norm: bool, norm: bool) -> int:
    """Return the operations a parameter of cutting gradients off, scaling them to a norm, and taking their norm."""
    return by_value + 3 * by_norm + 2 * norm


def forward_of_a_row(sizes: Sequence[int]) -> int:
    """Return the operations that the matrix products of a row's forward pass take."""
    return sum(product(1, fan_in, fan_out) for fan_in, fan_out in pairwise(sizes))


def training_of_a_row(sizes: Sequence[int]) -> int:
    """Return the operations that the matrix products of a row take forward and backward."""
    return 3 * forward_of_a_row(sizes) - forward_of_a_row(sizes[:2])  # there is no gradient of the inputs


def estimate_of_a_row(n_parameters: int) -> int:
    """Return about how many operations a row takes in training: three products with all parameters.

    It is what the thread tuner's constants are fitted to: a little more than `training_of_a_row`.
    """
    return 3 * product(1, n_parameters, 1)
