"""Losses with parameters, and your own; the others are known by their names.

>>> from hotloop import Network
>>> from hotloop.losses import Quantile
>>> Network([3, 8, 3], loss=Quantile([0.1, 0.5, 0.9]), seed=0).loss
Quantile([0.1, 0.5, 0.9])
"""

from hotloop.network.custom.pieces import CustomLoss
from hotloop.network.losses import Huber, Loss, Quantile

__all__ = ["CustomLoss", "Huber", "Loss", "Quantile"]
