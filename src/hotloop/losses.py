"""Losses with parameters: the public names of `hotloop.network.losses`.

>>> from hotloop import Network
>>> from hotloop.losses import Quantile
>>> Network([3, 8, 3], loss=Quantile([0.1, 0.5, 0.9]), seed=0).loss
Quantile([0.1, 0.5, 0.9])
"""

from hotloop.network.losses import Huber, Loss, Quantile

__all__ = ["Huber", "Loss", "Quantile"]
