"""All of scikit-learn's checks of an estimator, and searches in processes:  python -m pytest tests/sklearn_checks.py"""

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from hotloop.datasets import load_digits
from hotloop.estimators import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_check(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    check(estimator)


TABULAR = {
    "check_sample_weight_equivalence_on_dense_data": (
        "rows are drawn for validation and batches, and quartiles count rows: two rows are not one of weight 2"
    ),
}


@parametrize_with_checks([TabularClassifier(), TabularRegressor()], expected_failed_checks=lambda estimator: TABULAR)
def test_tabular_check(estimator, check, monkeypatch):
    """With the defaults."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # or one check is skipped
    check(estimator)


def test_a_search_in_processes_of_a_tabular_pipeline():
    digits = load_digits()
    X, y = np.asarray(digits.x_train[:300], float), digits.y_train[:300]
    model = make_pipeline(StandardScaler(), TabularClassifier(preset="fast", random_state=0))
    grid = {"tabularclassifier__n_ensemble": [1, 2]}
    alone, together = (GridSearchCV(model, grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2))
    assert list(alone.cv_results_["mean_test_score"]) == list(together.cv_results_["mean_test_score"])
    assert together.best_estimator_.score(X, y) > 0.9


def test_a_grid_search_in_processes_of_a_pipeline():
    digits = load_digits()
    X, y = np.asarray(digits.x_train[:300], float), digits.y_train[:300]
    ours, theirs = (
        make_pipeline(StandardScaler(), kind(hidden_layer_sizes=20, max_iter=20, random_state=0))
        for kind in (MLPClassifier, neural_network.MLPClassifier)
    )
    grid = {"mlpclassifier__alpha": [1e-4, 1e-1]}
    alone, together = (GridSearchCV(ours, grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2))
    assert list(alone.cv_results_["mean_test_score"]) == list(together.cv_results_["mean_test_score"])
    calibrated = [CalibratedClassifierCV(pipeline, cv=2).fit(X, y) for pipeline in (ours, theirs)]
    np.testing.assert_allclose(calibrated[0].predict_proba(X), calibrated[1].predict_proba(X), rtol=1e-6)
