"""The estimators beside scikit-learn's: targets, steps, what is set by hand, copies, and what only hotloop has."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.metrics import r2_score

import hotloop
from hotloop import Network
from hotloop.activations import LeakyReLU
from hotloop.estimators import MLPClassifier, MLPRegressor
from hotloop.losses import Quantile
from hotloop.network.estimators.mlp_step import remembered
from hotloop.network.estimators.mlp_stochastic import start_optimizer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(30, 4))
CLASSES = RNG.integers(0, 3, 30)
VALUES = X @ [1.0, -2.0, 0.5, 0.0] + RNG.normal(size=30)
SHORT = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}


def classifier(**parameters):
    return MLPClassifier(**SHORT | parameters)


def regressor(**parameters):
    return MLPRegressor(**SHORT | parameters)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.coefs_, other.coefs_, strict=True))


# Classes.


def test_classes_of_any_type():
    names = np.array(["ant", "bee", "cow"])
    strings, numbers = classifier().fit(X, names.astype(object)[CLASSES]), classifier().fit(X, CLASSES)
    assert list(strings.classes_) == list(names)
    assert strings.classes_.dtype == names.dtype
    assert (strings.predict(X) == names[numbers.predict(X)]).all()
    assert_allclose(np.exp(strings.predict_log_proba(X)), numbers.predict_proba(X))
    assert strings.predict_proba(X).shape == (30, 3)
    only = classifier().fit(X, np.full(30, "ant"))
    assert set(only.predict(X)) == {"ant"}


def test_sparse_labels():
    labels = RNG.integers(0, 2, (30, 3))
    dense, from_sparse = classifier().fit(X, labels), classifier().fit(X, sparse.csr_matrix(labels))
    assert same_weights(dense, from_sparse)
    assert (from_sparse.predict(X).toarray() == dense.predict(X)).all()


@pytest.mark.parametrize(("y", "message"), [
    (VALUES, "Unknown label type"),
    (np.column_stack([CLASSES, CLASSES]), "Multioutput target data is not supported"),
])  # fmt: skip
def test_targets_that_are_no_classes(y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, y)


def test_class_weights():
    """As weights of the rows; "balanced" cannot be known from a part of the data."""
    weights = np.where(CLASSES == 1, 3.0, 1.0)
    weighted = classifier(class_weight={1: 3.0}).fit(X, CLASSES, np.arange(1.0, 31))
    assert same_weights(weighted, classifier().fit(X, CLASSES, weights * np.arange(1.0, 31)))
    counts = np.bincount(CLASSES)
    balanced = classifier(class_weight="balanced").fit(X, CLASSES)
    assert same_weights(balanced, classifier().fit(X, CLASSES, (30 / 3 / counts)[CLASSES]))
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        classifier(class_weight="balanced").partial_fit(X, CLASSES, classes=[0, 1, 2])


# Steps.


def test_a_step_that_needs_no_checks():
    """It computes what one with all checks does; what changes meanwhile is seen."""
    quick, checked = (classifier().partial_fit(X, CLASSES, classes=[0, 1, 2]) for _ in range(2))
    for rate in (0.001, 0.1):
        for mlp in (quick, checked):
            mlp.set_params(learning_rate_init=rate, alpha=rate)
        quick.partial_fit(X, CLASSES)
        checked._step = None
        checked.partial_fit(X, CLASSES)
        assert same_weights(quick, checked)
        assert (quick.loss_curve_, quick.t_, quick.n_iter_) == (checked.loss_curve_, checked.t_, checked.n_iter_)
    assert quick._step is not None
    for y in (CLASSES.astype(float), CLASSES.tolist()):  # these are looked at
        assert same_weights(quick.partial_fit(X, y), checked.partial_fit(X, CLASSES))
    named = pd.DataFrame(X, columns=[*"abcd"])
    assert regressor().partial_fit(named, VALUES).partial_fit(named, VALUES)._step is None


def test_wrong_data_in_a_step_that_needs_no_checks():
    mlp = classifier().partial_fit(X, CLASSES, classes=[0, 1, 2])
    before = mlp.network_.parameters.copy()
    holed = X.copy()
    holed[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        mlp.partial_fit(X, CLASSES + 1)
    assert mlp._step is None
    mlp._step = remembered(mlp)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        mlp.partial_fit(holed, CLASSES)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        mlp.partial_fit(X[:, 1:], CLASSES)
    assert (mlp.network_.parameters == before).all()


def test_a_step_that_diverges():
    mlp = regressor(solver="sgd", learning_rate_init=1e150, activation="identity").partial_fit(X, VALUES)
    weights = mlp.network_.parameters.copy()
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        mlp.partial_fit(X, VALUES)
    assert (mlp.network_.parameters == weights).all()
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        regressor(solver="sgd", learning_rate_init=1e300, activation="identity").fit(X, VALUES)


# Weights that are set by hand, copies, files.


def test_weights_that_are_set_by_hand():
    mlp, other = regressor().fit(X, VALUES), regressor(random_state=1).fit(X, VALUES)
    mlp.coefs_[0] = other.coefs_[0].copy()
    mlp.coefs_ = [mlp.coefs_[0], other.coefs_[1].tolist()]
    mlp.intercepts_ = other.intercepts_
    assert_allclose(mlp.predict(X), other.predict(X), rtol=0)
    assert np.shares_memory(mlp.coefs_[1], mlp.network_.parameters)
    bare = regressor()
    bare.coefs_, bare.intercepts_, bare.n_features_in_ = other.coefs_, other.intercepts_, 4
    assert_allclose(bare.predict(X), other.predict(X), rtol=0)
    mlp.coefs_ = mlp.coefs_[:1]
    with pytest.raises(ValueError, match="an array for each of 2 layers"):
        mlp.predict(X)


def test_weights_from_before_the_first_fit():
    """As scikit-learn's tests set them: the next step goes on from them."""
    mlp, other = regressor(), regressor().fit(X, VALUES)
    mlp.coefs_, mlp.intercepts_ = [[*w] for w in other.coefs_], [b.copy() for b in other.intercepts_]
    mlp.n_outputs_, mlp.n_features_in_, mlp.t_, mlp.n_iter_ = 1, 4, 0, 0
    mlp.partial_fit(X, VALUES)
    other.network_.reset_optimizer()
    other._optimizer = None
    assert same_weights(mlp, other.partial_fit(X, VALUES))


def test_what_an_estimator_refuses():
    mlp = classifier().fit(X, CLASSES)
    holed = X.copy()
    holed[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        mlp.predict(holed)
    with pytest.raises(ValueError, match="expecting 4 features"):
        mlp.predict(X[:, 1:])
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must be > 0, got \[3, 0\]"):
        classifier(hidden_layer_sizes=(3, 0)).fit(X, CLASSES)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        classifier(hidden_layer_sizes=(2.7,)).fit(X, CLASSES)
    assert not hasattr(classifier(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        classifier(solver="lbfgs").partial_fit  # noqa: B018
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        classifier(early_stopping=True).partial_fit(X, CLASSES, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="The validation set is too small"):
        regressor(early_stopping=True).fit(X[:3], VALUES[:3])
    with pytest.raises(ValueError, match="same classes as in the previous call to fit"):
        classifier(warm_start=True).fit(X, CLASSES).fit(X, CLASSES + 1)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        classifier().fit(X, CLASSES.reshape(-1, 1))
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        classifier(batch_size=31).fit(X, CLASSES)
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        classifier(batch_size=31).partial_fit(X, CLASSES, classes=[0, 1, 2])


def test_an_estimator_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        regressor().predict(X)
    assert not hasattr(regressor(), "coefs_")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies(dtype, tmp_path):
    """Pickled, mapped from a file, copied, saved: they predict the same bits, and are trained on."""
    inputs = X.astype(dtype)
    mlp = regressor(solver="sgd").fit(inputs, VALUES)
    mlp.intercepts_[1] = np.ones(1)
    expected = mlp.predict(inputs)
    assert expected.dtype == dtype
    joblib.dump(mlp, tmp_path / "mlp.joblib")
    copies = [pickle.loads(pickle.dumps(mlp)), joblib.load(tmp_path / "mlp.joblib", mmap_mode="r"), copy.deepcopy(mlp)]
    trained = mlp.partial_fit(inputs, VALUES).predict(inputs)
    for made in copies:
        assert (made.predict(inputs) == expected).all()
        assert (made.partial_fit(inputs, VALUES).predict(inputs) == trained).all()
    assert not hasattr(clone(mlp), "network_")
    mlp.network_.save(tmp_path / "net.safetensors")
    loaded = Network.load(tmp_path / "net.safetensors")
    assert (loaded.predict(inputs)[:, 0] == trained).all()
    assert repr(loaded.loss) == "<half_squared_error of hotloop.estimators>"


# What scikit-learn's lack.


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_moments_survive_a_warm_start(solver):
    """Two fits are one of twice the epochs; a cold start forgets all."""
    long = regressor(max_iter=6, shuffle=False, solver=solver).fit(X, VALUES)
    warm = regressor(warm_start=True, shuffle=False, solver=solver).fit(X, VALUES).fit(X, VALUES)
    assert same_weights(warm, long)
    assert warm.loss_curve_ == long.loss_curve_
    assert warm.n_iter_ == 3
    cold = regressor(shuffle=False).fit(X, VALUES)
    assert same_weights(cold.fit(X, VALUES), regressor(shuffle=False).fit(X, VALUES))


def test_the_velocity_survives_a_new_learning_rate():
    """It is the rate times the moments."""
    mlp = regressor(warm_start=True, solver="sgd", learning_rate="invscaling").fit(X, VALUES)
    moments = mlp.network_._training.moments
    velocity = mlp._optimizer.learning_rate * moments
    start_optimizer(mlp, incremental=False)
    assert mlp._optimizer.learning_rate == 0.001
    assert_allclose(0.001 * moments, velocity)


def test_an_activation_for_each_layer_and_dropout():
    activations = ["mish", LeakyReLU(0.2)]
    mlp = classifier(hidden_layer_sizes=(5, 4), activation=activations, dropout=[0.2, 0.0]).fit(X, CLASSES)
    assert mlp.network_.activations == ("mish", LeakyReLU(0.2), "softmax")
    assert mlp.network_.dropout == (0.2, 0.0)
    assert not same_weights(mlp, clone(mlp).set_params(dropout=0.0).fit(X, CLASSES))
    seeds = [classifier(random_state=np.random.RandomState(0), dropout=0.2).fit(X, CLASSES) for _ in range(2)]
    assert same_weights(*seeds)
    with pytest.raises(ValueError, match="dropout is for the solvers 'adam' and 'sgd'"):
        classifier(solver="lbfgs", dropout=0.1).fit(X, CLASSES)


def test_other_losses():
    levels = regressor(loss=Quantile([0.1, 0.5, 0.9]), max_iter=300, learning_rate_init=0.02).fit(X, VALUES)
    outputs = levels.predict(X)
    assert outputs.shape == (30, 3)
    assert (VALUES[:, None] > outputs).mean(0)[[0, 2]] == pytest.approx([0.9, 0.1], abs=0.1)
    assert levels.score(X, VALUES) > 0.5
    assert regressor(loss="mae").fit(X, VALUES).network_.loss == "mae"
    assert classifier(loss="mse").fit(X, CLASSES > 0).network_.activations[-1] == "sigmoid"
    brier = classifier(loss="mse").fit(X, CLASSES)
    one_hot = np.eye(3)[CLASSES]
    net = Network([4, 5, 3], output="softmax", dtype="float64")
    net.parameters[:] = brier.network_.parameters
    assert brier.network_.evaluate(X, one_hot)["loss"] == net.evaluate(X, one_hot)["loss"]


def test_the_score_of_values():
    """As scikit-learn's, where targets are constant too."""
    mlp = regressor().fit(X, VALUES)
    for y, outputs in (
        (VALUES, X[:, :1]),
        (np.ones(30), np.ones((30, 1))),
        (np.ones(30), X[:, :1]),
        (X[:, :2], X[:, 1:3]),
    ):
        for weights in (None, np.arange(30.0)):
            wanted = r2_score(y, outputs, sample_weight=weights)
            assert mlp._score_of(outputs, y, weights) == pytest.approx(wanted, rel=1e-12)


def test_validation_data():
    """They are scored after each epoch, and with early stopping take the place of rows that are held out."""
    data = (X[20:], CLASSES[20:])
    plain = classifier(max_iter=8).fit(X[:20], CLASSES[:20])
    mlp = classifier(max_iter=8).fit(X[:20], CLASSES[:20], validation_data=data)
    assert same_weights(mlp, plain)
    assert len(mlp.validation_scores_) == 8
    assert mlp.validation_scores_[-1] == mlp.score(*data)
    stopping = classifier(max_iter=8, early_stopping=True).fit(X[:20], CLASSES[:20], validation_data=data)
    assert stopping.validation_scores_ == mlp.validation_scores_
    assert stopping.score(*data) == max(mlp.validation_scores_)
    with pytest.raises(ValueError, match="the rows to validate on all have sample_weight 0"):
        classifier(early_stopping=True).fit(X, CLASSES, sample_weight=np.arange(len(X)) == 0)
    with pytest.raises(ValueError, match="validation_data is for the solvers"):
        classifier(solver="lbfgs").fit(X, CLASSES, validation_data=data)


class StopAfter(hotloop.Callback):
    """Ends a fit after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, fit):
        if fit.epoch == self.epochs:
            fit.stop()


def test_callbacks_and_time():
    watch = hotloop.EarlyStopping("val_accuracy", patience=1)  # they see the validation data, also those held out
    mlp = classifier(callbacks=[watch], max_iter=50, early_stopping=True).fit(X, CLASSES)
    assert mlp.n_iter_ < 50
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # that the fit did not converge is no news
        assert regressor(callbacks=[StopAfter(2)]).fit(X, VALUES).n_iter_ == 2
        short = regressor(max_seconds=1e-9, max_iter=10**6).fit(X, VALUES)
        assert len(short.loss_curve_) == short.n_iter_ <= 1
        assert np.isnan(short.loss_) == (short.n_iter_ == 0)
        assert regressor(solver="lbfgs", max_seconds=1e-9, max_iter=10**6).fit(X, VALUES).n_iter_ == 1


class Interrupts(hotloop.Callback):
    """Presses Ctrl-C after an epoch."""

    def on_epoch_end(self, fit):
        raise KeyboardInterrupt


def test_ctrl_c():
    with pytest.warns(UserWarning, match="Training interrupted by user") as caught:
        mlp = regressor(callbacks=[Interrupts()]).fit(X, VALUES)
    assert same_weights(mlp, regressor(max_iter=1).fit(X, VALUES))
    assert caught[0].filename == __file__


def test_the_line_that_a_warning_names():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached") as caught:
        regressor().fit(X, VALUES)
    assert caught[0].filename == __file__


def test_verbose(capsys):
    options = {"verbose": True, "tol": 10, "n_iter_no_change": 1, "solver": "sgd"}
    mlp = regressor(**options, learning_rate="adaptive").fit(X, VALUES)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Iteration 1, loss = {mlp.loss_curve_[0]:.8f}"
    assert lines[3] == (
        "Training loss did not improve more than tol=10.000000 for 1 consecutive epochs. "
        "Setting learning rate to 0.000200"
    )
    regressor(**options, learning_rate="adaptive", learning_rate_init=1e-6, max_iter=9).fit(X, VALUES)
    assert capsys.readouterr().out.endswith("Learning rate too small. Stopping.\n")
    mlp = regressor(**options, early_stopping=True, max_iter=9).fit(X, VALUES)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"Validation score: {mlp.validation_scores_[0]:f}"
    assert lines[-1].startswith("Validation score did not improve")
    mlp = regressor(solver="lbfgs", verbose=True).fit(X, VALUES)
    assert capsys.readouterr().out.splitlines()[-1] == f"Iteration 3, loss = {mlp.loss_:.8f}"


def test_the_same_bits_for_any_number_of_threads():
    one, two = (classifier(hidden_layer_sizes=(9,), max_iter=2, n_threads=n, alpha=1.0).fit(X, CLASSES) for n in (1, 2))
    assert (one.network_.parameters == two.network_.parameters).all()
    assert one.loss_curve_ == two.loss_curve_
