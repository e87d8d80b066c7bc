"""Activations with a parameter, and your own. Those that need none are known by their names.

>>> from hotloop import Network
>>> from hotloop.activations import LeakyReLU
>>> Network([2, 8, 1], LeakyReLU(0.2), seed=0).activations
(LeakyReLU(slope=0.2), 'identity')
"""

from hotloop.network.activations import ELU, LeakyReLU
from hotloop.network.custom.pieces import CustomActivation

__all__ = ["ELU", "CustomActivation", "LeakyReLU"]
