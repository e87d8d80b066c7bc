"""Estimators for scikit-learn, which come with the extra [sklearn]."""

from hotloop.network.estimators.tabular_classifier import TabularClassifier
from hotloop.network.estimators.tabular_recipe import Recipe
from hotloop.network.estimators.tabular_regressor import TabularRegressor

__all__ = ["Recipe", "TabularClassifier", "TabularRegressor"]
