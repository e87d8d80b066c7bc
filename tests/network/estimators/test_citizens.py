"""The estimators among scikit-learn's tools: callbacks, workers, routing, pages; and without scikit-learn."""

import importlib
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn_watch import Watch

from hotloop import estimators
from hotloop.estimators import MLPClassifier, MLPRegressor
from hotloop.network.training import cores

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 4))
CLASSES = RNG.integers(0, 3, 30)
SHORT = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0}


def test_one_thread_in_a_worker_of_joblib():
    """Of threads here; processes are told in the same way, and take seconds to start."""
    assert not cores.in_joblib_worker()
    in_workers = joblib.Parallel(n_jobs=2, backend="threading")(
        joblib.delayed(lambda: (cores.in_joblib_worker(), cores.available_cores()))() for _ in range(2)
    )
    assert in_workers == [(True, 1)] * 2
    alone = joblib.Parallel(n_jobs=1)(joblib.delayed(cores.in_joblib_worker)() for _ in range(2))
    assert alone == [False, False]


def test_a_grid_search_in_threads():
    grid = {"alpha": [1e-4, 1e3], "solver": ["adam", "lbfgs"]}
    alone, together = (GridSearchCV(MLPClassifier(**SHORT), grid, cv=2, n_jobs=n) for n in (1, 2))
    alone.fit(X, CLASSES)
    with joblib.parallel_config("threading"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        together.fit(X, CLASSES)
    assert list(alone.cv_results_["mean_test_score"]) == list(together.cv_results_["mean_test_score"])


def test_metadata_routing():
    weights = np.arange(1.0, 31)
    with sklearn.config_context(enable_metadata_routing=True):
        mlp = MLPClassifier(**SHORT).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        grid = GridSearchCV(mlp, {"alpha": [1.0]}, cv=2).fit(X, CLASSES, sample_weight=weights)
    direct = MLPClassifier(**SHORT, alpha=1.0).fit(X, CLASSES, weights)
    assert (grid.best_estimator_.coefs_[0] == direct.coefs_[0]).all()


def test_the_page_of_an_estimator():
    page = MLPRegressor(**SHORT).fit(X, CLASSES)._repr_html_()
    assert "max_iter" in page
    assert "n_iter_" in page or sklearn.__version__ < "1.9"


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_callbacks_of_scikit_learn(solver):
    pytest.importorskip("sklearn.callback")
    names, watch = np.array(["ant", "bee", "cow"])[CLASSES], Watch(lambda mlp, X, y: mlp.score(X, y))
    mlp = MLPClassifier(**SHORT, solver=solver).set_callbacks(watch).fit(X, names)
    assert watch.ended == ["epoch", "epoch", "fit", "teardown"]
    assert (watch.most, mlp.n_iter_) == (4, 2)
    assert watch.seen[-1] == watch.seen[-2] == mlp.score(X, names)


def test_divergence_with_early_stopping():
    """The weights are the best, as scikit-learn's, and a warning says what happened."""
    mlp = MLPRegressor(**SHORT, solver="sgd", learning_rate_init=1e200, activation="identity", early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="with the best validation score"):
        mlp.fit(X, CLASSES)
    assert np.isnan(mlp.validation_scores_[-1])
    assert np.isfinite(mlp.predict(X)).all()


def test_without_scikit_learn(monkeypatch):
    def lacks(name):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(importlib, "import_module", lacks)
    monkeypatch.delitem(vars(estimators), "MLPClassifier")
    with pytest.raises(ModuleNotFoundError, match=r"needs scikit-learn: pip install 'hotloop\[sklearn\]'"):
        estimators.MLPClassifier  # noqa: B018
    assert "MLPClassifier" in dir(estimators)
    with pytest.raises(AttributeError, match="has no attribute 'MLPClassifer'"):
        estimators.MLPClassifer  # noqa: B018
