"""The losses: a row of the table for each. The formulas are in `hotloop.kernels.losses`."""

from dataclasses import dataclass
from typing import Any

from hotloop.kernels import codes
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.validation import arguments


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
    """

    name: str
    code: int
    output: str
    from_logits: bool = False
    classifies: bool = False
    label_code: int | None = None
    aliases: tuple[str, ...] = ()

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


def output_activation(output: Any, loss: str, outputs: int) -> str:
    """Return the name of the last layer's activation, by default the loss's."""
    row = LOSSES[loss]
    name = row.output if output is None else arguments.name_of("output", output, ACTIVATIONS)
    if row.from_logits and name not in (row.output, "identity"):
        raise ValueError(
            f"output must be {row.output!r} or 'identity' (logits) for loss {loss!r}, which is computed from logits; "
            f"got {name!r}"
        )
    if row.takes_labels and outputs < 2:
        raise ValueError(f"{loss} needs at least 2 outputs; for one output use loss='binary_cross_entropy'")
    return name
