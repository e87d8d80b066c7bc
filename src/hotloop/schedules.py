"""Schedules: hyper-parameters that change during a fit.

>>> from hotloop.schedules import OneCycle
>>> OneCycle(0.1)(0, 100)
0.004
"""

from hotloop.network.training.composed_schedules import LinearWarmup, Piecewise
from hotloop.network.training.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    CosLog4,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    StepDecay,
)

__all__ = [
    "Constant",
    "CosLog4",
    "Cosine",
    "CosineWarmRestarts",
    "Exponential",
    "FlatCosine",
    "InverseScaling",
    "LinearWarmup",
    "OneCycle",
    "Piecewise",
    "StepDecay",
]
