"""Pictures of a fit, of a network and of a profile. They need matplotlib.

>>> from hotloop import Network
>>> from hotloop.plots import plot_history
>>> history = Network([1, 1], seed=0).fit([[0.0], [1.0]], [1.0, 0.0], epochs=3)
>>> plot_history(history)[0].figure.savefig("history.png")
"""

from hotloop.network.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_decision_boundary,
    plot_first_layer,
    plot_gradient_flow,
    plot_history,
    plot_learning_rates,
)
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
