"""Pictures of a fit, of a network and of a profile. They need matplotlib.

>>> from hotloop import Network
>>> from hotloop.plots import plot_history
>>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3)
>>> plot_history(history)[0].figure.savefig("history.png")
"""

from hotloop.network.plots.calibration import plot_calibration
from hotloop.network.plots.confusion_matrix import plot_confusion_matrix
from hotloop.network.plots.decision_boundary import plot_decision_boundary
from hotloop.network.plots.first_layer import plot_first_layer
from hotloop.network.plots.gradient_flow import plot_gradient_flow
from hotloop.network.plots.history import plot_history
from hotloop.network.plots.learning_rates import plot_learning_rates
from hotloop.network.profiling.export.charts import plot_roofline, plot_time_by_layer

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_decision_boundary",
    "plot_first_layer",
    "plot_gradient_flow",
    "plot_history",
    "plot_learning_rates",
    "plot_roofline",
    "plot_time_by_layer",
]
