"""Pictures of a fit and of a network, drawn with matplotlib in one style: a file for each subject.

`hotloop.plots` is the short way here.
"""

from hotloop.network.plots.confusion_matrix import plot_confusion_matrix
from hotloop.network.plots.decision_boundary import plot_decision_boundary
from hotloop.network.plots.history import plot_history
from hotloop.network.plots.learning_rates import plot_learning_rates

__all__ = ["plot_confusion_matrix", "plot_decision_boundary", "plot_history", "plot_learning_rates"]
