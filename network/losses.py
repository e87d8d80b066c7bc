"""The losses: a row of the table for each. The formulas are in `hotloop.kernels.losses` and `losses_by_address`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hotloop.kernels import codes
from hotloop.network.activations import Activation, known_activation
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_its_keywords

if TYPE_CHECKING:
    import numpy as np

    from hotloop.kernels.jit import Array


@dataclass(frozen=True)
class Loss:
    """One loss, known by its name; `Quantile`, `Huber` and `CustomLoss` are losses that you make.

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
    kernel : str or callable, optional
        Of a loss by address: its kernel, or its name in `hotloop.kernels.losses_by_address`.
    parameters : tuple of float
        What the kernel by address takes.
    lowest_target : float
        Targets below it are an error.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.losses import Huber, Loss
    >>> isinstance(Huber(2.0), Loss), isinstance(Network([1, 1], seed=0).loss, str)
    (True, True)
    """

    name: str
    code: int
    output: str
    from_logits: bool = False
    classifies: bool = False
    label_code: int | None = None
    aliases: tuple[str, ...] = ()
    kernel: str | Callable[..., float] | None = None
    parameters: tuple[float, ...] = ()
    lowest_target: float = float("-inf")

    def check(self, outputs: int, activation: str | Activation) -> None:
        """Raise unless this is a loss of so many outputs after this activation."""

    @property
    def takes_labels(self) -> bool:
        """Whether each row is of one class, so that targets may be integer labels."""
        return self.label_code is not None

    def target_columns(self, outputs: int) -> int:
        """Return how many targets a row has, for so many outputs."""
        return outputs

    def address(self, dtype: "np.dtype[Any]") -> int:
        """Return the address of the kernel for `dtype`, compiled or loaded; 0 if the training loop has it."""
        if self.kernel is None:
            return 0
        import numpy as np

        from hotloop.kernels import losses_by_address
        from hotloop.kernels.by_address import address_of

        kernel = getattr(losses_by_address, self.kernel) if isinstance(self.kernel, str) else self.kernel
        return address_of(kernel, dtype, 1, 1, 1, 1, 0, returns=np.dtype("float64"))


@explains_its_keywords
class Quantile(Loss):
    """The quantile (pinball) loss: the mean of max(q (y - a), (q - 1) (y - a)) over levels q, targets and batch.

    A network that minimises it predicts the value below which a target lies with probability q. ``"quantile"`` is
    Quantile(0.5), the median: half of "mae".

    Parameters
    ----------
    levels : float or sequence of float, default 0.5
        Each between 0 and 1. The network has an output for each level; with several targets, first those of the first
        target, then those of the second.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.losses import Quantile
    >>> Network([3, 8, 3], loss=Quantile([0.1, 0.5, 0.9]), seed=0).loss
    Quantile([0.1, 0.5, 0.9])
    """

    def __init__(self, levels: float | Iterable[float] = 0.5) -> None:
        given = list(levels) if isinstance(levels, Iterable) and not isinstance(levels, str) else [levels]
        if not given:
            raise ValueError("levels must be a number between 0 and 1, or several, got none")
        checked = tuple(arguments.real_number("levels", level, 0, 1, open=True) for level in given)
        super().__init__(
            "quantile", codes.LOSS_BY_ADDRESS, "identity", aliases=("pinball",), kernel="quantile", parameters=checked
        )

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"Quantile({list(self.parameters) if len(self.parameters) > 1 else self.parameters[0]})"

    def target_columns(self, outputs: int) -> int:
        """Return how many targets a row has, for so many outputs."""
        columns, rest = divmod(outputs, len(self.parameters))
        if rest:
            raise ValueError(
                f"{self} needs an output for each of its {len(self.parameters)} levels and each target: the network "
                f"has {outputs} outputs"
            )
        return columns


@explains_its_keywords
class Huber(Loss):
    """Huber's loss: the mean of h(a - y), h(d) = d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2).

    ``"huber"`` is Huber(1).

    Parameters
    ----------
    delta : float, default 1
        Above 0: the error at which the loss turns from a square to a line.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.losses import Huber
    >>> net = Network([3, 8, 1], loss=Huber(2.0), seed=0)
    >>> net.loss
    Huber(2.0)
    """

    def __init__(self, delta: float = 1.0) -> None:
        checked = arguments.real_number("delta", delta, 0, open=True)
        if checked == 1:  # the training loop has this one
            super().__init__("huber", codes.HUBER, "identity")
        else:
            kernel = "huber_delta"
            super().__init__("huber", codes.LOSS_BY_ADDRESS, "identity", kernel=kernel, parameters=(checked,))

    def __repr__(self) -> str:
        """Return the call that makes it."""
        return f"Huber({self.parameters[0] if self.parameters else 1.0})"


LOSSES: dict[str, Loss] = {
    row.name: row
    for row in (
        Loss("mse", codes.MEAN_SQUARED_ERROR, "identity", aliases=("mean_squared_error",)),
        Loss("mae", codes.MEAN_ABSOLUTE_ERROR, "identity", aliases=("mean_absolute_error", "absolute_error")),
        Huber(),
        Loss("log_cosh", codes.LOSS_BY_ADDRESS, "identity", aliases=("logcosh",), kernel="log_cosh"),
        Quantile(),
        Loss("poisson", codes.LOGIT_LOSS_BY_ADDRESS, "exponential", from_logits=True, kernel="poisson",
             lowest_target=0),
        Loss("binary_cross_entropy", codes.BINARY_CROSS_ENTROPY, "sigmoid", from_logits=True, classifies=True,
             aliases=("binary_crossentropy", "bce")),
        Loss("cross_entropy", codes.SOFT_CROSS_ENTROPY, "softmax", from_logits=True, classifies=True,
             label_code=codes.CROSS_ENTROPY, aliases=("categorical_crossentropy", "sparse_categorical_crossentropy")),
    )
}  # fmt: skip


class EstimatorLoss(Loss):
    """One of scikit-learn's, for `hotloop.estimators`: what it descends is a sum over the outputs."""

    def __repr__(self) -> str:
        """Return what it is; no call makes it."""
        return f"<{self.name} of hotloop.estimators>"


OF_SKLEARN: dict[str, Loss] = {
    row.name: row
    for row in (
        EstimatorLoss("half_squared_error", codes.LOSS_BY_ADDRESS, "identity", kernel="half_squared_error"),
        EstimatorLoss("half_poisson_deviance", codes.LOGIT_LOSS_BY_ADDRESS, "exponential", from_logits=True,
                      kernel="half_poisson_deviance", lowest_target=0),
        EstimatorLoss("log_loss_of_labels", codes.LOGIT_LOSS_BY_ADDRESS, "sigmoid", from_logits=True, classifies=True,
                      kernel="log_loss_of_labels"),
    )
}  # fmt: skip
# The losses with parameters, by the name under which a model file has them.
PARAMETRISED: dict[str, Callable[[list[float]], Loss]] = {
    "quantile": Quantile,
    "huber": lambda parameters: Huber(*parameters),
}


def loss_of(loss: "str | Loss") -> Loss:
    """Return the loss with a name of the table, or the loss itself: what `Network.loss` stands for."""
    return LOSSES[loss] if isinstance(loss, str) else loss


def checked_loss(loss: Any) -> "str | Loss":
    """Return the argument `loss` as `Network.loss` has it: a name of the table, or a loss that the table lacks."""
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise TypeError(f"loss is the class {loss.__name__}, not an instance: write {loss.__name__}(...)")
    if isinstance(loss, Loss):
        return loss.name if LOSSES.get(loss.name) == loss else loss
    if arguments.is_function(loss):
        raise TypeError(
            "loss must be a name or a loss, got a function: for your own use hotloop.losses.CustomLoss(function)"
        )
    return arguments.name_of("loss", loss, LOSSES)


def plain_loss(loss: "str | Loss") -> Any:
    """Return `Network.loss` as JSON has it."""
    return loss if isinstance(loss, str) else {"name": loss.name, "parameters": list(loss.parameters)}


def loss_from_plain(plain: Any) -> "str | Loss":
    """Return what `plain_loss` was given."""
    if isinstance(plain, str):
        return plain
    name = plain["name"]
    return OF_SKLEARN[name] if name in OF_SKLEARN else PARAMETRISED[name](plain["parameters"])


def with_positive_weight(positive: tuple[float, ...]) -> Loss:
    """Return the binary cross-entropy whose positive targets count as much as these weights say, one an output."""
    return Loss(
        "binary_cross_entropy", codes.LOGIT_LOSS_BY_ADDRESS, "sigmoid", from_logits=True, classifies=True,
        kernel="positive_binary_cross_entropy", parameters=positive,
    )  # fmt: skip


def kernel_by_address(loss: Loss, dtype: "np.dtype[Any]") -> "tuple[int, Array]":
    """Return the address of a loss's kernel, compiled or loaded, and its parameters; 0 if the training loop has it."""
    import numpy as np

    return loss.address(dtype), np.array(loss.parameters, dtype)


def compile_losses(dtype: "np.dtype[Any]") -> None:
    """Compile, or load, all losses that the training loop calls by address."""
    for loss in (*LOSSES.values(), *OF_SKLEARN.values(), Huber(2.0), with_positive_weight((1.0,))):
        kernel_by_address(loss, dtype)


def output_activation(output: Any, loss: "str | Loss", outputs: int) -> str | Activation:
    """Return the last layer's activation, its name if it has one; by default the loss's."""
    row = loss_of(loss)
    name = row.output if output is None else known_activation("output", output)
    if row.from_logits and name not in (row.output, "identity"):
        raise ValueError(
            f"output must be {row.output!r} or 'identity' (logits) for loss {row.name!r}, which is computed from "
            f"logits; got {name!r}"
        )
    if row.takes_labels and outputs < 2:
        raise ValueError(f"{row.name} needs at least 2 outputs; for one output use loss='binary_cross_entropy'")
    row.target_columns(outputs)
    return name


def checked_smoothing(value: Any, loss: "str | Loss") -> float:
    """Return the argument `label_smoothing`."""
    smoothing, row = arguments.real_number("label_smoothing", value, 0, 1), loss_of(loss)
    if smoothing > 0 and not row.classifies:
        raise ValueError(f"label_smoothing is for cross_entropy and binary_cross_entropy; the loss is {row.name!r}")
    return smoothing
