"""Pictures of a fit, of a network and of a profile. They need matplotlib."""

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
