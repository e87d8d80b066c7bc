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
from hotloop.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_check(estimator, check):
    check(estimator)


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
