"""scikit-learn's way in: estimators with its parameters, attributes and methods, trained in hotloop's loops.

>>> from hotloop.estimators import MLPClassifier

`MLPClassifier` and `MLPRegressor` take the place of scikit-learn's own. `TabularClassifier` and `TabularRegressor` take
a table as it is. They need scikit-learn: ``pip install hotloop[sklearn]``. Each is imported when it is first used.
"""

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotloop.network.estimators.mlp_classifier import MLPClassifier
    from hotloop.network.estimators.mlp_regressor import MLPRegressor
    from hotloop.network.estimators.tabular_classifier import TabularClassifier
    from hotloop.network.estimators.tabular_recipe import Recipe
    from hotloop.network.estimators.tabular_regressor import TabularRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "Recipe", "TabularClassifier", "TabularRegressor"]

_MODULES = {
    "MLPClassifier": "mlp_classifier",
    "MLPRegressor": "mlp_regressor",
    "Recipe": "tabular_recipe",
    "TabularClassifier": "tabular_classifier",
    "TabularRegressor": "tabular_regressor",
}

if not TYPE_CHECKING:  # or type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import an estimator."""
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=sys.modules[__name__])
        try:
            module = importlib.import_module(f"hotloop.network.estimators.{_MODULES[name]}")
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in ("sklearn", "scipy", "joblib"):
                raise
            raise ModuleNotFoundError(
                f"hotloop.estimators.{name} needs scikit-learn: pip install 'hotloop[sklearn]'", name=error.name
            ) from None
        globals()[name] = value = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted(__all__)
