"""The tabular estimators among scikit-learn's tools; its checks of estimators are run by tests/sklearn_checks.py."""

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import needs_compiler, same_bits
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted
from sklearn_watch import Watch
from tabular_data import ROWS, mixed, tiny

from hotloop.estimators import TabularClassifier, TabularRegressor
from hotloop.network.estimators import tabular_training


def classifier(**given):
    return TabularClassifier(**{"preset": tiny(), "random_state": 0, "n_threads": 1, **given})


@pytest.fixture(scope="module")
def data():
    table, classes, values = mixed()
    return pd.DataFrame(table), classes, values


def test_an_estimator_is_unfitted_until_it_is_fitted(data):
    X, classes, _ = data
    model = clone(classifier(n_ensemble=3))
    assert model.get_params()["n_ensemble"] == 3
    with pytest.raises(Exception, match="not fitted yet"):
        _ = model.columns_
    with pytest.raises(Exception, match="not fitted yet"):
        model.save("nowhere")
    with pytest.raises(ValueError, match="lacks column"):
        model.set_params(n_ensemble=1).fit(X, classes).predict(X[["size"]])
    check_is_fitted(model)


def test_search_over_recipes(data):
    X, classes, _ = data
    recipes = [tiny(), tiny(epochs=1)]
    search = GridSearchCV(classifier(), {"preset": recipes}, cv=2).fit(X, classes)
    assert search.best_params_["preset"] in recipes
    assert search.best_estimator_.classes_.tolist() == ["large", "small"]


def test_one_thread_in_each_of_joblibs(data, monkeypatch):
    """In threads, which show what they use; processes go the same way."""
    X, classes, _ = data
    model, used = classifier(n_threads="auto", n_ensemble=2), []
    own = cross_val_score(model, X, classes, cv=2)
    in_threads = tabular_training.in_threads
    monkeypatch.setattr(
        tabular_training,
        "in_threads",
        lambda n_threads, *given: used.append(n_threads) or in_threads(n_threads, *given),
    )
    with joblib.parallel_config(backend="threading"):
        side_by_side = cross_val_score(model, X, classes, cv=2, n_jobs=2)
    np.testing.assert_array_equal(own, side_by_side)
    assert used == [1, 1]


def test_pipelines_routing_and_calibration(data):
    X, classes, values = data
    weight = np.linspace(0.5, 2, ROWS)
    direct = classifier().fit(X, classes, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        step = classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        piped = make_pipeline(FunctionTransformer().set_output(transform="pandas"), step)
        piped.fit(X, classes, sample_weight=weight)
        assert same_bits(piped.predict_proba(X), direct.predict_proba(X))
        assert piped.score(X, classes, sample_weight=weight) == direct.score(X, classes, sample_weight=weight)
    calibrated = CalibratedClassifierCV(classifier(), cv=2, method="sigmoid").fit(X, classes)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    model = TabularRegressor(preset=tiny(activation="mish"), random_state=0, n_threads=1)
    transformed = TransformedTargetRegressor(model, func=np.exp, inverse_func=np.log).fit(X, values)
    assert np.isfinite(transformed.predict(X)).all()


@needs_compiler
def test_importances_agree_with_scikit_learns(data):
    """Its random numbers are others: the means of many repeats agree."""
    X, classes, _ = data
    model = classifier(preset=tiny(epochs=30, learning_rate=0.3)).fit(X, classes)
    own = model.feature_importances(X, classes, n_repeats=30, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = permutation_importance(model, X, classes, n_repeats=30, random_state=0)
    for place, name in enumerate(X.columns):
        spread = theirs.importances_std[place] + own[name].std
        assert abs(own[name].mean - theirs.importances_mean[place]) <= 0.5 * spread + 1e-12


@pytest.mark.parametrize(("networks", "what"), [(1, "epoch"), (4, "network")])
def test_the_callbacks_of_scikit_learn(networks, what, data):
    pytest.importorskip("sklearn.callback")
    X, classes, _ = data
    watch = Watch(lambda model, X, y: model.predict_proba(X))
    model = classifier(n_ensemble=networks, preset=tiny(validation_fraction=0.0)).set_callbacks(watch).fit(X, classes)
    assert watch.ended == [what, what, "fit", "teardown"]
    assert watch.most == (3 if networks == 1 else networks)
    assert len(model.networks_) == (1 if networks == 1 else 2)
    assert sum(len(history.epochs) for history in model.history_) == (2 if networks == 1 else 6)
    assert same_bits(watch.seen[1], model.predict_proba(X))
    assert same_bits(watch.seen[2], model.predict_proba(X))
    assert not np.array_equal(watch.seen[0], watch.seen[1])
