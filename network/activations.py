"""The activations by name: the kernel's code, what its derivative takes, and the initial weights that suit it."""

from dataclasses import dataclass

from hotloop.kernels import activations as kernels


@dataclass(frozen=True)
class Activation:
    """One activation.

    Parameters
    ----------
    code : int
        The kernel's number.
    initializer : str
        Name of the initial weights for a layer with this activation.
    needs_z : bool
        Whether the derivative takes z, so that z must be kept beside the activation.
    """

    code: int
    initializer: str
    needs_z: bool = False


ACTIVATIONS = {
    "identity": Activation(kernels.IDENTITY, "glorot_uniform"),
    "sigmoid": Activation(kernels.SIGMOID, "glorot_uniform"),
    "tanh": Activation(kernels.TANH, "glorot_uniform"),
    "relu": Activation(kernels.RELU, "he_normal"),
    "leaky_relu": Activation(kernels.LEAKY_RELU, "he_normal"),
    "elu": Activation(kernels.ELU, "he_normal"),
    "gelu": Activation(kernels.GELU, "he_normal", needs_z=True),
    "silu": Activation(kernels.SILU, "he_normal", needs_z=True),
    "softplus": Activation(kernels.SOFTPLUS, "he_normal"),
    "softmax": Activation(kernels.SOFTMAX, "glorot_uniform"),
}
