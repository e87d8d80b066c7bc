"""The metrics beside the loss, in float64, and the class that a row of outputs means.

`hotloop.metrics` is the short way to those that users call.
"""

from hotloop.network.metrics.named import predicted_classes, score

__all__ = ["predicted_classes", "score"]
