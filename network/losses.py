"""The losses by name: the kernel's code, and the output activations that go with it."""

from dataclasses import dataclass

from hotloop.kernels import losses as kernels


@dataclass(frozen=True)
class Loss:
    """One loss.

    Parameters
    ----------
    code : int
        The kernel's number.
    output : str
        Default activation of the last layer.
    from_logits : bool
        Whether the kernel takes z of the last layer. The output is then `output`, or "identity" for logits.
    classifies : bool
        Whether accuracy, not R^2, is the measure beside it.
    """

    code: int
    output: str
    from_logits: bool = False
    classifies: bool = False


LOSSES = {
    "mse": Loss(kernels.MEAN_SQUARED_ERROR, "identity"),
    "mae": Loss(kernels.MEAN_ABSOLUTE_ERROR, "identity"),
    "huber": Loss(kernels.HUBER, "identity"),
    "binary_cross_entropy": Loss(kernels.BINARY_CROSS_ENTROPY, "sigmoid", from_logits=True, classifies=True),
    "cross_entropy": Loss(kernels.SOFT_CROSS_ENTROPY, "softmax", from_logits=True, classifies=True),
}
