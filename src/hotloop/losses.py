"""Losses of your own. Those that come with hotloop are known by their names."""

from hotloop.network.custom.pieces import CustomLoss

__all__ = ["CustomLoss"]
