"""The optimizers: a class for each, with all that is known of it. The loops are in `hotloop.kernels.updates`."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from hotloop.kernels import codes
from hotloop.network.training.factors import Factors
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import (
    Fraction,
    Positive,
    PositiveOrNone,
    ScheduledFraction,
    ScheduledNumber,
    ScheduleFunction,
)
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_its_keywords

if TYPE_CHECKING:
    import numpy as np

    from hotloop.kernels.jit import Array


@dataclass(frozen=True)
class Method:
    """One update of the parameters.

    Parameters
    ----------
    code : int
        What the kernels call it.
    label : str
        What a profile calls it.
    flops : int
        Operations a parameter: each + - * / and root of the formula in `hotloop.kernels.updates`.
    n_moments : int
        Arrays of the parameters' size that it keeps from step to step.
    """

    code: int
    label: str
    flops: int
    n_moments: int


SCHEDULABLE = ("learning_rate", "momentum", "beta1", "weight_decay")
METHODS = {codes.NO_UPDATE: Method(codes.NO_UPDATE, "gradient", 0, 0)}  # by code; each optimizer adds its own
OPTIONAL = ("clip_value", "clip_norm", "learning_rate_factors", "weight_decay_factors")  # None is off
OPTIMIZERS: dict[str, type["Optimizer"]] = {}  # by name: the class's, in small letters

_defaults: dict[type["Optimizer"], "Optimizer"] = {}  # those that were asked for

Kind = TypeVar("Kind", bound="Optimizer")


@dataclass_transform(frozen_default=True)
def optimizer(kind: type[Kind]) -> type[Kind]:
    """Make a class an optimizer that users can name: a frozen dataclass, listed above with its methods."""
    kind = explains_its_keywords(dataclass(frozen=True, repr=False)(kind))
    OPTIMIZERS[kind.__name__.lower()] = kind
    METHODS.update({method.code: method for method in kind.methods})
    return kind


@dataclass(frozen=True, repr=False)
class Optimizer:
    """What all optimizers share: the check of the hyper-parameters, and what the compiled loop is told.

    A field is a flag, or a number whose type says its range. Where the type allows it, it may be a schedule instead, a
    function of (step, steps in all): see `hotloop.schedules`. Two optimizers with the same hyper-parameters are equal.
    `Network.fit` goes on with the moments of the last fit's if that was of the same class and method, whatever its
    numbers.

    Every optimizer also takes, by keyword only, what `SGD` lists from clip_value on.
    """

    learning_rate: ScheduledNumber = 0.01
    _: KW_ONLY
    clip_value: PositiveOrNone = None
    clip_norm: PositiveOrNone = None
    learning_rate_factors: Factors | Mapping[str, Any] | None = None
    weight_decay_factors: Factors | Mapping[str, Any] | None = None

    methods: ClassVar[tuple[Method, ...]]

    def __post_init__(self) -> None:
        """Check every hyper-parameter."""
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            checked: Any
            if name.endswith("_factors"):
                checked = None if value is None else Factors.of(name, value)
            else:
                checked = arguments.checked_field(name, field.type, value)
            object.__setattr__(self, name, checked)
        if self.weight_decay_factors is not None and not hasattr(self, "weight_decay"):
            raise ValueError(f"weight_decay_factors has no effect: {type(self).__name__} has no decay, AdamW has")

    def factors(self, argument: str, after_weights: Sequence[Sequence[str]]) -> "Array":
        """Return the factors of the field `argument`, a row a layer, as `Factors.table` of `after_weights`; or 1."""
        return (getattr(self, argument) or Factors()).table(after_weights)

    def __repr__(self) -> str:
        """Return the hyper-parameters; those that are off are not mentioned."""
        names = sorted((field.name for field in fields(self)), key=OPTIONAL.__contains__)
        given = ((name, getattr(self, name)) for name in names)
        return f"{type(self).__name__}({', '.join(f'{n}={value!r}' for n, value in given if value is not None)})"

    @property
    def method(self) -> Method:
        """The update that these hyper-parameters amount to."""
        return self.methods[0]

    @property
    def code(self) -> int:
        """The update's number in the kernels."""
        return self.method.code

    @property
    def n_moments(self) -> int:
        """How many arrays of moments the update keeps."""
        return self.method.n_moments

    @property
    def schedules(self) -> dict[str, ScheduleFunction]:
        """The hyper-parameters that are schedules."""
        return {name: value for name in SCHEDULABLE if callable(value := getattr(self, name, None))}


@optimizer
class SGD(Optimizer):
    """w := w - alpha g; with momentum v := mu v + g, w := w - alpha v; Nesterov's w := w - alpha (g + mu v).

    The optimizers share what stands from clip_value on, by keyword only.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
        alpha, 0 or above.
    momentum : float or schedule, default 0
        mu, from 0 to below 1.
    nesterov : bool, default False
        Whether to look ahead. Needs momentum.
    clip_value : float, optional
        v, above 0: before the update each entry of the gradient, penalties included, is cut off at -v and v. An
        infinite entry becomes v too, so that a gradient that overflows ends a fit only if the loss does. NaN stays.
    clip_norm : float, optional
        c, above 0: then g := g min(1, c / (|g| + 1e-6)), |g| over all parameters. Source: PyTorch's `clip_grad_norm_`.
    learning_rate_factors : mapping, optional
        What the learning rate is multiplied by, for "weights", "biases", "norm" (gain and shift of a layer norm),
        "activation" (learnt activations) and "input_scale"; 1 where it says nothing. A number, at least 0, or a
        sequence of one for each layer: ``{"weights": [0, 0, 1], "biases": [0, 0, 1]}`` trains the last layer only.
    weight_decay_factors : mapping, optional
        Likewise for the decay of `AdamW`: with ``{"biases": 0}`` biases do not decay.

    Examples
    --------
    >>> from hotloop import SGD, Network
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 3.0], optimizer=SGD(0.2, momentum=0.5), epochs=100)
    >>> print(net.predict([[2.0]]).round(3))  # the line y = 1 + 2 x
    [[5.]]
    """

    learning_rate: ScheduledNumber = 0.01
    momentum: ScheduledFraction = 0.0
    nesterov: bool = False

    methods: ClassVar[tuple[Method, ...]] = (
        Method(codes.SGD, "SGD", flops=2, n_moments=0),
        Method(codes.MOMENTUM, "momentum", flops=4, n_moments=1),
        Method(codes.NESTEROV, "Nesterov", flops=6, n_moments=1),
    )

    def __post_init__(self) -> None:
        """Check every hyper-parameter."""
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum above 0, for example SGD(0.01, momentum=0.9, nesterov=True)")

    @property
    def method(self) -> Method:
        """The update that these hyper-parameters amount to."""
        return self.methods[0 if self.momentum == 0 else 2 if self.nesterov else 1]


@optimizer
class RMSprop(Optimizer):
    """s := rho s + (1 - rho) g^2; w := w - alpha g / (sqrt(s) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule
        alpha, 0 or above.
    rho, epsilon : float
        rho from 0 to below 1; epsilon above 0.
    clip_value, clip_norm, learning_rate_factors, weight_decay_factors
        As of `SGD`.

    Examples
    --------
    >>> from hotloop import Network, RMSprop
    >>> from hotloop.schedules import Cosine
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 3.0], optimizer=RMSprop(Cosine(0.1)), epochs=200)
    >>> print(net.predict([[2.0]]).round(2))
    [[5.]]
    """

    learning_rate: ScheduledNumber = 0.001
    rho: Fraction = 0.9
    epsilon: Positive = 1e-8

    methods: ClassVar[tuple[Method, ...]] = (Method(codes.RMSPROP, "RMSprop", flops=9, n_moments=1),)


@optimizer
class Adagrad(Optimizer):
    """s := s + g^2; w := w - alpha g / (sqrt(s) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule
        alpha, 0 or above.
    epsilon : float
        Above 0.
    clip_value, clip_norm, learning_rate_factors, weight_decay_factors
        As of `SGD`.

    Examples
    --------
    >>> from hotloop import Adagrad, Network
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 3.0], optimizer=Adagrad(0.5), epochs=200)
    >>> print(net.predict([[2.0]]).round(2))
    [[5.]]
    """

    learning_rate: ScheduledNumber = 0.01
    epsilon: Positive = 1e-10

    methods: ClassVar[tuple[Method, ...]] = (Method(codes.ADAGRAD, "Adagrad", flops=7, n_moments=1),)


@optimizer
class Adam(Optimizer):
    """Moments of g and g^2, corrected for their start at zero: w := w - alpha m' / (sqrt(v') + epsilon).

    Parameters
    ----------
    learning_rate, beta1 : float or schedule
        alpha 0 or above; beta1 from 0 to below 1.
    beta2, epsilon : float
        beta2 from 0 to below 1; epsilon above 0.
    clip_value, clip_norm, learning_rate_factors, weight_decay_factors
        As of `SGD`.

    Examples
    --------
    >>> from hotloop import Adam, Network
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 3.0], optimizer=Adam(0.1, clip_norm=1.0), epochs=300)
    >>> print(net.predict([[2.0]]).round(2))
    [[5.]]
    """

    learning_rate: ScheduledNumber = 0.001
    beta1: ScheduledFraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    methods: ClassVar[tuple[Method, ...]] = (Method(codes.ADAM, "Adam", flops=13, n_moments=2),)


@optimizer
class AdamW(Optimizer):
    """Adam with decoupled decay: w := w - alpha lambda w as well. Every parameter decays, biases too, as in its source.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon
        As in `Adam`.
    weight_decay : float or schedule, default 0.01
        lambda, 0 or above.
    clip_value, clip_norm, learning_rate_factors, weight_decay_factors
        As of `SGD`.

    Examples
    --------
    >>> from hotloop import AdamW, Network
    >>> net = Network([1, 1], seed=0)
    >>> optimizer = AdamW(0.1, weight_decay=0.0, weight_decay_factors={"biases": 0})
    >>> history = net.fit([[0.0], [1.0]], [1.0, 3.0], optimizer=optimizer, epochs=300)
    >>> print(net.predict([[2.0]]).round(2))
    [[5.]]
    """

    learning_rate: ScheduledNumber = 0.001
    beta1: ScheduledFraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8
    weight_decay: ScheduledNumber = 0.01

    methods: ClassVar[tuple[Method, ...]] = (Method(codes.ADAMW, "AdamW", flops=14, n_moments=2),)


def _by_default(kind: type[Optimizer]) -> Optimizer:
    """Return an optimizer with its defaults; to check them takes as long as a step of a small network."""
    if kind not in _defaults:
        _defaults[kind] = kind()
    return _defaults[kind]


def optimizer_of(given: Any, dtype: "np.dtype[np.floating]", layers: int) -> Optimizer:
    """Return the optimizer given, checked for `dtype` and `layers`, or one by its name; plain descent for None."""
    if given is None:
        return _by_default(SGD)
    if isinstance(given, str):
        return _by_default(arguments.choose("optimizer", given, OPTIMIZERS))
    if not isinstance(given, Optimizer) or type(given) not in OPTIMIZERS.values():
        names = ", ".join(kind.__name__ for kind in OPTIMIZERS.values())
        called = f"; make one: {given.__name__}()" if isinstance(given, type) else ""
        if callable(given) and not isinstance(given, type):
            called = "; a schedule goes into an optimizer, in place of a number: optimizer=SGD(learning_rate=...)"
        raise TypeError(f"optimizer must be one of {names} or its name, got {shown(given)}{called}")
    for field in fields(given):
        value = getattr(given, field.name)
        positive = field.type is Positive or (field.type is PositiveOrNone and value is not None)
        if positive or (field.name == "learning_rate" and not callable(value) and value != 0):
            # Zero or infinity of the others is harmless, or diverges.
            arguments.scale(f"{field.name} of {type(given).__name__}", value, dtype)
    for argument in ("learning_rate_factors", "weight_decay_factors"):
        if getattr(given, argument) is not None:
            getattr(given, argument).check_layers(argument, layers)
    return given
