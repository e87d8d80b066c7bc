"""Pictures of a fit and of a network, drawn with matplotlib in one style: a file for each subject.

`hotloop.plots` is the short way here.
"""

from hotloop.network.plots.calibration import plot_calibration
from hotloop.network.plots.confusion_matrix import plot_confusion_matrix
from hotloop.network.plots.decision_boundary import plot_decision_boundary
from hotloop.network.plots.first_layer import plot_first_layer
from hotloop.network.plots.gradient_flow import plot_gradient_flow
from hotloop.network.plots.history import plot_history
from hotloop.network.plots.learning_rates import plot_learning_rates

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_first_layer",
    "plot_gradient_flow",
    "plot_history",
    "plot_learning_rates",
]
