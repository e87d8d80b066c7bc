"""The losses: a row of the table for each. The formulas are in `hotloop.kernels.losses`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotloop.kernels import codes
from hotloop.network.activations import Activation, known_activation
from hotloop.network.validation import arguments

if TYPE_CHECKING:
    import numpy as np

    from hotloop.kernels.jit import Array


@dataclass(frozen=True)
class Loss:
    """One loss.

    Parameters
    ----------
    name : str
        What users call it.
    code : int
        What the kernels call it.
    output : str
        Default activation of the last layer.
    from_logits : bool
        Whether the kernel takes z of the last layer. The output is then `output`, or "identity" for logits.
    classifies : bool
        Whether targets are probabilities, and the metric beside the loss is the accuracy, not R^2.
    label_code : int, optional
        What the kernels call it for targets that are integer labels, of a loss whose outputs exclude each other.
    aliases : tuple of str
        Other names of exactly the same.
    kernel : callable, optional
        Of a loss by address: its kernel.
    parameters : tuple of float
        What the kernel by address takes.
    """

    name: str
    code: int
    output: str
    from_logits: bool = False
    classifies: bool = False
    label_code: int | None = None
    aliases: tuple[str, ...] = ()
    kernel: Callable[..., float] | None = None
    parameters: tuple[float, ...] = ()

    def check(self, outputs: int, activation: str | Activation) -> None:
        """Raise unless this is a loss of so many outputs after this activation."""

    @property
    def takes_labels(self) -> bool:
        """Whether each row is of one class, so that targets may be integer labels."""
        return self.label_code is not None


LOSSES = {
    row.name: row
    for row in (
        Loss("mse", codes.MEAN_SQUARED_ERROR, "identity", aliases=("mean_squared_error",)),
        Loss("mae", codes.MEAN_ABSOLUTE_ERROR, "identity", aliases=("mean_absolute_error", "absolute_error")),
        Loss("huber", codes.HUBER, "identity"),
        Loss("binary_cross_entropy", codes.BINARY_CROSS_ENTROPY, "sigmoid", from_logits=True, classifies=True,
             aliases=("binary_crossentropy", "bce")),
        Loss("cross_entropy", codes.SOFT_CROSS_ENTROPY, "softmax", from_logits=True, classifies=True,
             label_code=codes.CROSS_ENTROPY, aliases=("categorical_crossentropy", "sparse_categorical_crossentropy")),
    )
}  # fmt: skip


def loss_of(loss: "str | Loss") -> Loss:
    """Return the loss with a name of the table, or the loss itself: what `Network.loss` stands for."""
    return LOSSES[loss] if isinstance(loss, str) else loss


def checked_loss(loss: Any) -> "str | Loss":
    """Return the argument `loss` as `Network.loss` has it: a name of the table, or a loss that the table lacks."""
    if isinstance(loss, Loss):
        return loss.name if LOSSES.get(loss.name) == loss else loss
    if arguments.is_function(loss):
        raise TypeError(
            "loss must be a name or a loss, got a function: for your own use hotloop.losses.CustomLoss(function)"
        )
    return arguments.name_of("loss", loss, LOSSES)


def kernel_by_address(loss: Loss, dtype: "np.dtype[Any]") -> "tuple[int, Array]":
    """Return the address of a loss's kernel, compiled or loaded, and its parameters; 0 if the training loop has it."""
    import numpy as np

    if loss.kernel is None:
        return 0, np.zeros(0, dtype)
    from hotloop.kernels.by_address import address_of

    address = address_of(loss.kernel, dtype, 1, 1, 1, 1, 0, returns=np.dtype("float64"))
    return address, np.array(loss.parameters, dtype)


def output_activation(output: Any, loss: str | Loss, outputs: int) -> str | Activation:
    """Return the last layer's activation, its name if it has one; by default the loss's."""
    row = loss_of(loss)
    name = row.output if output is None else known_activation("output", output)
    if row.from_logits and name not in (row.output, "identity"):
        raise ValueError(
            f"output must be {row.output!r} or 'identity' (logits) for loss {loss!r}, which is computed from logits; "
            f"got {name!r}"
        )
    if row.takes_labels and outputs < 2:
        raise ValueError(f"{loss} needs at least 2 outputs; for one output use loss='binary_cross_entropy'")
    return name
