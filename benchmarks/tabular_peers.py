"""The estimators of the tabular benchmark, each as its authors ship it: defaults, and their own way with categories.

No one is tuned. Networks of scikit-learn get what a careful user puts before them. `notes` says for each what was
decided; the report repeats it.
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.tabular_sets import CLASSES, VALUES

OURS = "hotloop"  # its part of a label


@dataclass(frozen=True)
class TabularPeer:
    """An estimator of the benchmark.

    Parameters
    ----------
    label : str
        Its name in tables.
    module : str
        What must be installed.
    package : str
        Where the version is read.
    make : callable
        (task, table, threads, seed) -> an estimator with fit and predict, not yet fitted.
    note : str
        What was decided for it.
    short : dict, optional
        Parameters that make the untimed first fit short.
    tasks : tuple of str
        The tables that it is measured on.
    """

    label: str
    module: str
    package: str
    make: Callable[[str, Any, int, int], Any]
    note: str
    short: dict[str, int] = field(default_factory=dict)
    tasks: tuple[str, ...] = (CLASSES, VALUES)

    def make_short(self, task: str, X: Any, threads: int, seed: int) -> Any:
        """Return the estimator for the untimed first fit."""
        model = self.make(task, X, threads, seed)
        if self.short:
            (model[-1] if hasattr(model, "steps") else model).set_params(**self.short)
        return model

    @property
    def ours(self) -> bool:
        """Whether it is hotloop's."""
        return self.package == OURS


def absence(peer: TabularPeer) -> str | None:
    """Return why a peer cannot be measured here, or None."""
    for module in (peer.module, "sklearn"):
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            return f"{module.partition('.')[0]} is not installed"
    if importlib.util.find_spec(peer.module) is None:
        return f"this {peer.package} has no {peer.module}"
    return None


def categories_of(X: Any) -> list[str]:
    """Return the names of the columns of categories."""
    return [name for name, dtype in X.dtypes.items() if str(dtype) == "category"]


def scaled(model: Any, X: Any) -> Any:
    """Return a pipeline: numbers imputed, with indicators, and standardised; categories one-hot; then the model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = categories_of(X)
    numbers = [name for name in X.columns if name not in categories]
    steps = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
    ]
    return make_pipeline(ColumnTransformer(steps), model)


def standardised_target(task: str, model: Any) -> Any:
    """Return the model, for values with a target that is standardised while it trains."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import StandardScaler

    return model if task == CLASSES else TransformedTargetRegressor(model, transformer=StandardScaler())


def sklearn_mlp(task: str, X: Any, threads: int, seed: int) -> Any:
    """scikit-learn's MLP with its defaults, in a pipeline."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)
    model = MLPClassifier if task == CLASSES else MLPRegressor
    return scaled(standardised_target(task, model(random_state=seed)), X)


def hist_boosting(task: str, X: Any, threads: int, seed: int) -> Any:
    """scikit-learn's histogram boosting; OpenMP's variable sets its threads."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return (HistGradientBoostingClassifier if task == CLASSES else HistGradientBoostingRegressor)(random_state=seed)


def lightgbm(task: str, X: Any, threads: int, seed: int) -> Any:
    """LightGBM's defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if task == CLASSES else LGBMRegressor)(n_jobs=threads, random_state=seed, verbose=-1)


def xgboost(task: str, X: Any, threads: int, seed: int) -> Any:
    """XGBoost's defaults."""
    from xgboost import XGBClassifier, XGBRegressor

    model = XGBClassifier if task == CLASSES else XGBRegressor
    return model(n_jobs=threads, random_state=seed, enable_categorical=True)


def catboost(task: str, X: Any, threads: int, seed: int) -> Any:
    """CatBoost's defaults; it wants categories without missing values, so those are one more category."""
    from catboost import CatBoostClassifier, CatBoostRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    categories = categories_of(X)
    model = (CatBoostClassifier if task == CLASSES else CatBoostRegressor)(
        thread_count=threads, random_seed=seed, cat_features=categories, verbose=False, allow_writing_files=False
    )
    return make_pipeline(FunctionTransformer(strings, kw_args={"categories": categories}), model)


def strings(X: Any, categories: list[str]) -> Any:
    """Return the table with categories as text, missing ones as a text of their own."""
    return X.assign(**{name: X[name].astype(object).where(X[name].notna(), "(missing)") for name in categories})


def realmlp(task: str, X: Any, threads: int, seed: int) -> Any:
    """pytabkit's RealMLP-TD-S; it refuses missing numbers."""
    import logging

    from pytabkit.models.sklearn.sklearn_interfaces import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    model = RealMLP_TD_S_Classifier if task == CLASSES else RealMLP_TD_S_Regressor
    return imputed(model(device="cpu", n_threads=threads, random_state=seed, verbosity=0), X)


def realmlp_of_8(task: str, X: Any, threads: int, seed: int) -> Any:
    """The mean of eight networks, each with another eighth of the rows held out."""
    pipeline = realmlp(task, X, threads, seed)
    pipeline[-1].set_params(n_cv=8)
    return pipeline


def realmlp_flushed(task: str, X: Any, threads: int, seed: int) -> Any:
    """The same, with denormal numbers flushed to zero in all of its threads."""
    import torch

    torch.set_flush_denormal(True)  # the threads of OpenMP start later, and inherit it
    return realmlp(task, X, threads, seed)


def imputed(model: Any, X: Any) -> Any:
    """Return a pipeline: missing numbers imputed, with indicators, categories as they are; then the model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    categories = categories_of(X)
    numbers = [name for name in X.columns if name not in categories]
    steps = [
        ("numbers", SimpleImputer(strategy="median", add_indicator=True), numbers),
        ("categories", "passthrough", categories),
    ]
    return make_pipeline(ColumnTransformer(steps).set_output(transform="pandas"), model)


def hotloop_mlp(task: str, X: Any, threads: int, seed: int) -> Any:
    """hotloop's MLP in scikit-learn's place: nothing else differs from `sklearn_mlp`."""
    from sklearn.exceptions import ConvergenceWarning

    from hotloop.estimators import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)
    model = MLPClassifier if task == CLASSES else MLPRegressor
    return scaled(standardised_target(task, model(random_state=seed, n_threads=threads)), X)


def hotloop_tabular(preset: Any) -> Callable[[str, Any, int, int], Any]:
    """Return what makes hotloop's tabular estimator with a preset, on the table as it is."""

    def make(task: str, X: Any, threads: int, seed: int) -> Any:
        from hotloop.estimators import TabularClassifier, TabularRegressor

        model = TabularClassifier if task == CLASSES else TabularRegressor
        return model(preset=preset, random_state=seed, n_threads=threads)

    return make


def changed(**changes: Any) -> Callable[[str, Any, int, int], Any]:
    """Return what makes hotloop's tabular estimator with its default recipe but for some numbers."""

    def make(task: str, X: Any, threads: int, seed: int) -> Any:
        from hotloop.estimators import Recipe

        recipe = replace(Recipe.of("default", task), **changes)
        return hotloop_tabular(recipe)(task, X, threads, seed)

    return make


CAREFUL = (
    "missing numbers are imputed with the median and marked by an indicator, numbers standardised, categories one-hot, "
    "targets that are values standardised"
)
PEERS = {
    "sklearn-mlp": TabularPeer(
        "scikit-learn MLP", "sklearn", "scikit-learn", sklearn_mlp,
        f"MLPClassifier and MLPRegressor with their defaults (100 units, 200 epochs at most) in a pipeline: {CAREFUL}.",
    ),
    "hist-boosting": TabularPeer(
        "HistGradientBoosting", "sklearn", "scikit-learn", hist_boosting,
        "defaults, which take categories from the table and stop early above 10 000 rows.",
    ),
    "lightgbm": TabularPeer(
        "LightGBM", "lightgbm", "lightgbm", lightgbm, "defaults (100 trees), categories as categories."
    ),
    "xgboost": TabularPeer(
        "XGBoost", "xgboost", "xgboost-cpu", xgboost,
        "defaults (100 trees), categories as categories (enable_categorical).",
    ),
    "catboost": TabularPeer(
        "CatBoost", "catboost", "catboost", catboost,
        "defaults (1000 trees), categories by cat_features; a missing category is one more category.",
        {"iterations": 2},
    ),
    "realmlp": TabularPeer(
        "RealMLP-TD-S", "pytabkit.models.sklearn.sklearn_interfaces", "pytabkit", realmlp,
        "pytabkit's defaults on the CPU (256 epochs, a fifth of the rows held out, one network). It refuses missing "
        "numbers: they are imputed with the median and marked by an indicator.",
        {"n_epochs": 2},
    ),
    "realmlp-8": TabularPeer(
        "RealMLP-TD-S, 8 folds", "pytabkit.models.sklearn.sklearn_interfaces", "pytabkit", realmlp_of_8,
        "the same with n_cv=8: the mean of eight networks.", {"n_epochs": 2},
    ),
    "realmlp-flushed": TabularPeer(
        "RealMLP-TD-S, denormals flushed", "pytabkit.models.sklearn.sklearn_interfaces", "pytabkit", realmlp_flushed,
        "the same with torch.set_flush_denormal(True), which its users would have to call themselves.", {"n_epochs": 2},
    ),
    "hotloop-mlp": TabularPeer(
        "hotloop MLP", "hotloop.estimators", OURS, hotloop_mlp,
        "MLPClassifier and MLPRegressor in the place of scikit-learn's; the pipeline is the same.",
    ),
    "hotloop-fast": TabularPeer(
        "hotloop Tabular, fast", "hotloop.estimators", OURS, hotloop_tabular("fast"),
        'preset="fast": one network.', {"max_epochs": 2},
    ),
    "hotloop": TabularPeer(
        "hotloop Tabular", "hotloop.estimators", OURS, hotloop_tabular("default"),
        "defaults: the mean of four networks.", {"max_epochs": 2},
    ),
    "hotloop-realmlp": TabularPeer(
        "hotloop Tabular, realmlp", "hotloop.estimators", OURS, hotloop_tabular("realmlp"),
        'preset="realmlp": RealMLP-TD-S as it was published, with its 256 epochs.', {"max_epochs": 2},
    ),
    "hotloop-best": TabularPeer(
        "hotloop Tabular, best of 8", "hotloop.estimators", OURS, hotloop_tabular("best"),
        'preset="best": the mean of eight networks, with more epochs for small tables.', {"max_epochs": 2},
    ),
}  # fmt: skip
PARTS = {  # what the parts of the default recipe cost and gain: each is left out or exchanged
    f"part-{name}": TabularPeer(
        label, "hotloop.estimators", OURS, changed(**changes), f"the default recipe with {changes}.", {"max_epochs": 2},
        tuple(tasks) or (CLASSES, VALUES),
    )
    for name, label, changes, *tasks in (
        ("no-input-scale", "no learnt scale of the inputs", {"input_scale_factor": None}),
        ("no-smoothing", "labels not smoothed", {"label_smoothing": 0.0}, CLASSES),
        ("no-bins", "numbers without bins", {"numeric_bins": 0}, VALUES),
        ("full-rate", "RealMLP's learning rate, 0.07", {"learning_rate": 0.07}, VALUES),
        ("last-epoch", "no rows held out: the last epoch", {"validation_fraction": 0.0}),
        ("cosine", "one cosine instead of coslog4", {"schedule": "cosine"}),
        ("beta2", "Adam's usual beta2, 0.999", {"beta2": 0.999}),
        ("biases", "biases from 0, at the full rate", {"bias_std": 0.0, "bias_factor": 1.0}),
        ("relu", "ReLU", {"activation": "relu"}),
        ("learnt", "learnt activations", {"learn_activation": True}),
        ("dropout", "dropout 0.15, weight decay 0.02", {"dropout": 0.15, "weight_decay": 0.02}),
        ("half-epochs", "half of the epochs", {"epochs": 32, "steps": 1000}),
        ("wide", "3 x 256 units", {"hidden_sizes": (256, 256, 256)}),
        ("one", "one network", {"n_ensemble": 1}),
    )
}  # fmt: skip
PEERS |= PARTS
SLOWEST = ("hotloop-best", "realmlp-8", "realmlp-flushed", "realmlp", "catboost")  # first, or one is left for the end
EXTRA = ("realmlp-8", "realmlp-flushed", *PARTS)  # measured only if asked for
