"""Pictures of a fit and of a network: the public names of `hotloop.network.plots`. They need matplotlib."""

from hotloop.network.plots import (
    plot_confusion_matrix,
    plot_decision_boundary,
    plot_history,
    plot_learning_rates,
)

__all__ = ["plot_confusion_matrix", "plot_decision_boundary", "plot_history", "plot_learning_rates"]
