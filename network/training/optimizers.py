"""Gradient descent methods: their hyper-parameters. Loops, formulas and sources are in `hotloop.kernels.updates`."""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from hotloop.kernels import updates
from hotloop.network.validation.suggestions import explains_its_keywords


@dataclass(frozen=True)
class Optimizer:
    """What all methods share: the checks, and what the compiled loop is told.

    Two optimizers with the same hyper-parameters are equal; `Network.fit` goes on with the state of an equal one.
    """

    n_moments: ClassVar[int] = 0

    @property
    def code(self) -> int:
        """The update kernel's number."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        """Check every hyper-parameter."""
        for field in fields(self):
            value = getattr(self, field.name)
            wanted, fits = _WANTED[field.name]
            if field.name == "nesterov":
                if not isinstance(value, (bool, np.bool_)):
                    raise TypeError(f"{field.name} must be {wanted}, got {value!r}")
                object.__setattr__(self, field.name, bool(value))
                continue
            if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
                raise TypeError(f"{field.name} must be {wanted}, got {value!r}")
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if not math.isfinite(number) or not fits(number):
                raise ValueError(f"{field.name} must be {wanted}, got {number!r}")
            object.__setattr__(self, field.name, number)


_UNIT: tuple[str, Callable[[float], bool]] = ("a number from 0 to below 1", lambda value: 0 <= value < 1)
_POSITIVE = ("a finite number above 0", lambda value: value > 0)
_WANTED: dict[str, tuple[str, Callable[[float], bool]]] = {
    "learning_rate": _POSITIVE,
    "epsilon": _POSITIVE,
    "momentum": _UNIT,
    "rho": _UNIT,
    "beta1": _UNIT,
    "beta2": _UNIT,
    "weight_decay": ("a finite number, 0 or above", lambda value: value >= 0),
    "nesterov": ("True or False", bool),
}


@explains_its_keywords
@dataclass(frozen=True)
class SGD(Optimizer):
    """w := w - alpha g; with momentum v := mu v + g, w := w - alpha v; Nesterov's w := w - alpha (g + mu v).

    Parameters
    ----------
    learning_rate : float, default 0.01
        alpha, above 0.
    momentum : float, default 0
        mu, from 0 to below 1.
    nesterov : bool, default False
        Whether to look ahead. Needs momentum.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        """Check every hyper-parameter."""
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov=True needs momentum above 0, for example SGD(0.01, momentum=0.9, nesterov=True)")

    @property
    def code(self) -> int:
        """The update kernel's number."""
        if self.momentum == 0:
            return updates.SGD
        return updates.NESTEROV if self.nesterov else updates.MOMENTUM

    @property
    def n_moments(self) -> int:  # type: ignore[override]
        """One velocity, where there is momentum."""
        return int(self.momentum > 0)


@explains_its_keywords
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """s := rho s + (1 - rho) g^2; w := w - alpha g / (sqrt(s) + epsilon).

    Parameters
    ----------
    learning_rate, rho, epsilon : float
        alpha above 0; rho from 0 to below 1; epsilon above 0.
    """

    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-8
    n_moments: ClassVar[int] = 1

    @property
    def code(self) -> int:
        """The update kernel's number."""
        return updates.RMSPROP


@explains_its_keywords
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s := s + g^2; w := w - alpha g / (sqrt(s) + epsilon).

    Parameters
    ----------
    learning_rate, epsilon : float
        Both above 0.
    """

    learning_rate: float = 0.01
    epsilon: float = 1e-10
    n_moments: ClassVar[int] = 1

    @property
    def code(self) -> int:
        """The update kernel's number."""
        return updates.ADAGRAD


@explains_its_keywords
@dataclass(frozen=True)
class Adam(Optimizer):
    """Moments of g and g^2, corrected for their start at zero: w := w - alpha m' / (sqrt(v') + epsilon).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        alpha above 0; the betas from 0 to below 1; epsilon above 0.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    n_moments: ClassVar[int] = 2

    @property
    def code(self) -> int:
        """The update kernel's number."""
        return updates.ADAM


@explains_its_keywords
@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled decay: w := w - alpha lambda w as well. Every parameter decays, biases too, as in its source.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        As in `Adam`.
    weight_decay : float, default 0.01
        lambda, 0 or above.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    n_moments: ClassVar[int] = 2

    @property
    def code(self) -> int:
        """The update kernel's number."""
        return updates.ADAMW


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
}


@dataclass(frozen=True)
class Method:
    """What is known of an update kernel: its code, name, operations a parameter and number of moments."""

    code: int
    label: str
    flops: int
    n_moments: int


# By the update kernel's code. The operations are each + - * / and root of the formula in hotloop.kernels.updates.
METHODS: dict[int, Method] = {
    method.code: method
    for method in (
        Method(updates.NO_UPDATE, "gradient", 0, 0),
        Method(updates.SGD, "SGD", 2, 0),
        Method(updates.MOMENTUM, "momentum", 4, 1),
        Method(updates.NESTEROV, "Nesterov", 6, 1),
        Method(updates.RMSPROP, "RMSprop", 9, 1),
        Method(updates.ADAGRAD, "Adagrad", 7, 1),
        Method(updates.ADAM, "Adam", 13, 2),
        Method(updates.ADAMW, "AdamW", 14, 2),
    )
}
