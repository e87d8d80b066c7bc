"""The gradient of the weights once more, from what a step has left in the workspace: a third of the step's arithmetic.

A step of plain gradient descent writes no gradient, and others keep a part of it at a time, or clip it.
"""

from hotloop.kernels.descent import weight_gradient
from hotloop.kernels.jit import Array, kernel
from hotloop.kernels.matmul import FROM_ZERO, ZERO
from hotloop.kernels.records import Training
from hotloop.kernels.views import row, segment


@kernel
def batch_gradient(run: Training, rows: int, first: bool, gradient: Array) -> None:
    """dC/dW(l) = a(l-1).T delta(l), of the micro-batch that `train_slice` ended with, without penalties.

    Parameters
    ----------
    run : Training
    rows : int
        Of the micro-batch.
    first : bool
        Whether it is the first of its batch: the gradient is then overwritten, else accumulated into.
    gradient : array
        As long as the parameters. What is not a weight is left as it is.
    """
    for index in range(run.settings[0]["n_layers"]):
        layer = run.layers[index]
        stride, fan_in = layer["stride"], layer["fan_in"]
        weight_gradient(
            layer, ZERO, fan_in, ZERO, stride, rows, 1.0, FROM_ZERO if first else stride, run.workspace,
            row(run.rooms, 0),
            segment(gradient, layer["weights"], fan_in * stride),
        )  # fmt: skip
