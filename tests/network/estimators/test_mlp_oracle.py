"""The estimators against scikit-learn's: weights, losses and epochs of the same fits agree to rounding."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from hotloop import estimators

RNG = np.random.default_rng(3)
X = RNG.normal(size=(41, 5))
WEIGHTS = RNG.integers(1, 6, 41) * 0.37
WEIGHTS[[3, 17]] = 0
CLASSES = {
    "binary": np.where(X[:, 0] + RNG.normal(size=41) > 0, "yes", "no"),
    "several": RNG.integers(3, 6, 41),
    "labels": RNG.integers(0, 2, (41, 3)),
}
VALUES = {"one": X[:, 0] + RNG.normal(size=41), "two": RNG.normal(size=(41, 2))}
COUNTS = {"one": RNG.poisson(2.0, 41), "two": RNG.poisson(2.0, (41, 2))}
SHORT = {"hidden_layer_sizes": (6, 4), "batch_size": 13, "max_iter": 4, "alpha": 0.3, "random_state": 3}
CLASSIFIER, REGRESSOR = "MLPClassifier", "MLPRegressor"


def both(kind, y, *calls, **parameters):
    """Return scikit-learn's estimator and ours, after these calls: method and keyword arguments."""
    found = []
    for module in (neural_network, estimators):
        mlp = getattr(module, kind)(**SHORT | parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for method, arguments in calls:
                getattr(mlp, method)(X, y, **arguments)
        found.append(mlp)
    return found


def assert_same(theirs, ours, rtol=1e-9):
    for name in ("n_iter_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_", "t_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("coefs_", "intercepts_"):
        for layer, (a, b) in enumerate(zip(getattr(ours, name), getattr(theirs, name), strict=True)):
            assert_allclose(a, b, rtol=rtol, atol=1e-12, err_msg=f"{name}[{layer}]")
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-12)
    if ours.solver == "lbfgs":
        return
    assert ours._no_improvement_count == theirs._no_improvement_count
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-12)
    for name in ("best_loss_", "best_validation_score_", "validation_scores_"):
        a, b = getattr(ours, name), getattr(theirs, name)
        assert a is b if b is None else np.allclose(a, b, rtol=1e-12), name


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_every_kind_of_target(solver, weights):
    for kind, targets in ((CLASSIFIER, CLASSES), (REGRESSOR, VALUES)):
        for name, y in targets.items():
            if (solver, name) == ("lbfgs", "two"):
                continue  # the next test
            pair = both(kind, y, ("fit", {"sample_weight": weights}), solver=solver)
            assert_same(*pair)
            assert_allclose(pair[1].score(X, y, WEIGHTS), pair[0].score(X, y, WEIGHTS))
            if kind == CLASSIFIER:
                assert (pair[1].predict(X) == pair[0].predict(X)).all()
                assert_allclose(pair[1].predict_proba(X), pair[0].predict_proba(X), rtol=1e-9)
            else:
                assert_allclose(pair[1].predict(X), pair[0].predict(X), rtol=1e-8)
    for y in COUNTS.values():
        assert_same(*both(REGRESSOR, y, ("fit", {"sample_weight": weights}), solver=solver, loss="poisson"))


def test_several_outputs_by_lbfgs():
    """scikit-learn hands scipy the mean over outputs and the gradient of the sum: ours is the sum, as of a ridge."""
    y, alpha = VALUES["two"], 0.7
    ridge = Ridge(alpha=alpha).fit(X, y)
    ours = estimators.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=alpha, tol=1e-9, random_state=0)
    ours.fit(X, y)
    assert_allclose(ours.coefs_[0], ridge.coef_.T, atol=1e-5)  # scipy stops by its ftol, 2e-9
    assert_allclose(ours.intercepts_[0], ridge.intercept_, atol=1e-5)
    residual, squares = ours.predict(X) - y, (ours.coefs_[0] ** 2).sum()
    assert_allclose(ours.loss_, (residual**2).mean() / 2 + alpha / 2 * squares / len(X))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations(activation):
    assert_same(*both(CLASSIFIER, CLASSES["several"], ("fit", {}), activation=activation))


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("rate", ["constant", "invscaling", "adaptive"])
def test_learning_rates(rate, momentum):
    for nesterovs in (True, False):
        pair = both(
            CLASSIFIER, CLASSES["several"], ("fit", {}), solver="sgd", learning_rate=rate, momentum=momentum,
            nesterovs_momentum=nesterovs, tol=0.1, n_iter_no_change=1, max_iter=12, learning_rate_init=0.05,
        )  # fmt: skip
        assert_same(*pair)
        assert_allclose(pair[1]._optimizer.learning_rate, pair[0]._optimizer.learning_rate)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_early_stopping(weights):
    """Held-out rows, their scores, and the best weights; of two labels the split is stratified."""
    for kind, targets in ((CLASSIFIER, CLASSES), (REGRESSOR, VALUES)):
        for y in targets.values():
            y = (y == "yes").astype(int) if y.dtype.kind == "U" else y  # scikit-learn 1.8 fails on strings
            fit = ("fit", {"sample_weight": weights})
            pair = both(kind, y, fit, early_stopping=True, max_iter=25, n_iter_no_change=3, validation_fraction=0.2)
            assert_same(*pair)


def test_the_end_of_training():
    """By a tolerance; without shuffling; in one batch."""
    y = CLASSES["several"]
    assert_same(*both(CLASSIFIER, y, ("fit", {}), tol=0.05, n_iter_no_change=2, max_iter=60, solver="sgd"))
    assert_same(*both(CLASSIFIER, y, ("fit", {}), shuffle=False, batch_size="auto"))


@pytest.mark.parametrize("batch_size", [13, "auto"])
def test_partial_fit(batch_size):
    """Its steps go on with the moments of the last, and after a fit."""
    for solver, rate in (("adam", "constant"), ("sgd", "invscaling")):
        calls = [("partial_fit", {}), ("partial_fit", {"sample_weight": WEIGHTS}), ("partial_fit", {})] * 2
        options = {"solver": solver, "learning_rate": rate, "batch_size": batch_size}
        assert_same(*both(REGRESSOR, VALUES["one"], ("fit", {}), *calls, **options))
        first = ("partial_fit", {"classes": [3, 4, 5]})
        assert_same(*both(CLASSIFIER, CLASSES["several"], first, *calls, **options))


def test_who_draws_from_the_same_random_state():
    """What is drawn from a RandomState is scikit-learn's, also where nothing needs it."""
    ends = []
    for module in (neural_network, estimators):
        state = np.random.RandomState(0)
        mlp = module.MLPClassifier(**SHORT | {"random_state": state, "batch_size": "auto"})
        mlp.partial_fit(X, CLASSES["several"], classes=[3, 4, 5])
        for _ in range(2):
            mlp.partial_fit(X, CLASSES["several"])
        ends.append(state.randint(10**9))
    assert ends[0] == ends[1]


def test_sparse_inputs(monkeypatch):
    """A batch at a time where they are large; the fit is that of the dense matrix."""
    from scipy import sparse

    from hotloop.network.estimators import sparse_rows

    matrix = np.where(np.abs(X) > 0.5, X, 0)
    for large in (False, True):
        monkeypatch.setattr(sparse_rows, "DENSE_BYTES", 1600 if large else 2**20)
        for solver in ("sgd", "adam", "lbfgs"):
            theirs = neural_network.MLPClassifier(**SHORT, solver=solver)
            ours = estimators.MLPClassifier(**SHORT, solver=solver)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                theirs.fit(matrix, CLASSES["several"], WEIGHTS)
                ours.fit(sparse.csc_array(matrix), CLASSES["several"], WEIGHTS)
            assert_same(theirs, ours)
            assert_allclose(ours.predict_proba(sparse.csr_array(matrix)), theirs.predict_proba(matrix), rtol=1e-9)
