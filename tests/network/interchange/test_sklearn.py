"""Networks to and from scikit-learn, and on to emlearn and ONNX Runtime through it."""

import re
import shutil

import numpy as np
import pytest
from conftest import needs_compiler
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network

from hotloop import SGD, Network
from hotloop.interchange import InterchangeWarning, from_sklearn, to_sklearn
from hotloop.losses import Quantile
from hotloop.network.persistence.schema import Schema

sklearn = library("sklearn")
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler  # noqa: E402

from hotloop import estimators  # noqa: E402

OUTPUTS = tuple((loss, None) for loss in ("mse", "mae", "cross_entropy", "binary_cross_entropy", "poisson"))
HIDDEN = ("identity", "sigmoid", "tanh", "relu")
X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer.*:sklearn.exceptions.ConvergenceWarning")


def outputs_of(mlp, X, n_outputs):
    """Return what scikit-learn's MLP gives in the place of `Network.predict`."""
    if not hasattr(mlp, "predict_proba"):
        return mlp.predict(X).reshape(-1, n_outputs)
    return mlp.predict_proba(X)[:, -n_outputs:]


def fitted(kind, y, **parameters):
    return kind(hidden_layer_sizes=[5, 4], max_iter=2, random_state=0, **parameters).fit(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_networks_there_and_back(dtype):
    for seed in range(N_NETWORKS):
        hidden = (HIDDEN[seed % 4],)
        net, rows = random_network(
            seed, dtype, hidden=hidden, outputs=OUTPUTS, norm=False, learnt=False, dropout=False
        )  # fmt: skip
        mlp = to_sklearn(net)
        assert isinstance(mlp, Pipeline) == bool(np.any(net.input_offset != 0) or np.any(net.input_scale != 1))
        assert_same(outputs_of(mlp, rows, net.sizes[-1]), net.predict(rows))
        again = from_sklearn(mlp, loss=net.loss if net.loss == "mae" else None)
        if net.loss == "cross_entropy" and net.sizes[-1] == 2:  # one logistic output
            assert_same(again.predict(rows)[:, 0], net.predict(rows)[:, 1])
        else:
            assert_same_network(again, net)
            assert_same(again.predict(rows), net.predict(rows))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(
    ("kind", "y", "parameters", "loss"),
    [
        (MLPClassifier, Y, {}, "cross_entropy"),
        (MLPClassifier, Y == 1, {}, "binary_cross_entropy"),
        (MLPClassifier, np.eye(3)[Y], {}, "binary_cross_entropy"),
        (MLPRegressor, X @ np.ones((4, 2)), {}, "mse"),
        (MLPRegressor, Y, {"loss": "poisson"}, "poisson"),
    ],
)
def test_fitted_ones_of_both(kind, y, parameters, loss, activation):
    for one in (kind, getattr(estimators, kind.__name__)):
        mlp = fitted(one, y, activation=activation, **parameters)
        net = from_sklearn(mlp)
        assert (net.loss, net.dtype) == (loss, "float64")
        assert_same(outputs_of(mlp, X, net.sizes[-1]), net.predict(X))


def test_float32_stays_float32():
    mlp = MLPClassifier([5], max_iter=2, random_state=0).fit(X.astype("f4"), Y)
    net = from_sklearn(mlp)
    assert net.dtype == "float32"
    assert to_sklearn(net).coefs_[0].dtype == "float32"
    assert from_sklearn(mlp, dtype="float64").dtype == "float64"


def test_an_estimator_of_hotloop_brings_its_own_loss_layers_and_set_weights():
    y = X[:, 0]
    mlp = estimators.MLPRegressor(
        hidden_layer_sizes=[4, 3], activation=["gelu", "tanh"], loss=Quantile(0.9), max_iter=2, random_state=0
    ).fit(X, y)
    mlp.coefs_[0] = np.ones((4, 4))
    net = from_sklearn(mlp)
    assert (net.loss, net.activations) == (Quantile(0.9), ("gelu", "tanh", "identity"))
    assert (net.weights[0] == 1).all()
    net.weights[0][:] = 2  # a copy
    assert (mlp.coefs_[0] == 1).all()


def test_scalers_become_the_scaling_of_the_inputs():
    steps = StandardScaler(), MinMaxScaler((1, 3)), MaxAbsScaler(), RobustScaler(with_centering=False)
    for scalers in [(one,) for one in steps] + [(*steps, "passthrough")]:
        pipeline = make_pipeline(*scalers, MLPClassifier([5], max_iter=2, random_state=0)).fit(X, Y)
        assert_same(from_sklearn(pipeline).predict(X), pipeline.predict_proba(X))


def test_all_switches_of_scalers():
    switches = [(False, False), (False, True), (True, False), (True, True)]
    scalers = [StandardScaler(with_mean=centre, with_std=scale) for centre, scale in switches]
    for unit in (False, True):
        scalers += [
            RobustScaler(with_centering=centre, with_scaling=scale, unit_variance=unit) for centre, scale in switches
        ]
    scalers += [MinMaxScaler((-2, 5)), MaxAbsScaler()]
    mlp = fitted(MLPClassifier, Y)
    for scaler in scalers:
        pipeline = make_pipeline(scaler.fit(X), mlp)
        assert_same(from_sklearn(pipeline).predict(X), pipeline.predict_proba(X))


@pytest.mark.parametrize("labels", [[2, 9, 10], [-1.0, 2.0, 10.0], ["2", "a", "10"], ["1.5", "2.5", "10.5"]])
def test_classes_that_are_numbers_come_back_as_numbers(labels):
    mlp = fitted(MLPClassifier, np.array(labels)[Y])
    again = to_sklearn(from_sklearn(mlp))
    assert again.classes_.dtype.kind == mlp.classes_.dtype.kind
    np.testing.assert_array_equal(again.classes_, mlp.classes_)
    assert_same(again.predict_proba(X), mlp.predict_proba(X))


def test_an_ignored_input_stays_ignored():
    net = Network([3, 4, 2], input_scale=[1.0, 0.0, 2.0], input_offset=3.0, dtype="float64", seed=0)
    rows = np.random.default_rng(0).normal(size=(5, 3))
    mlp = to_sklearn(net)
    assert_same(mlp.predict(rows), net.predict(rows))
    assert_same(from_sklearn(mlp).predict(rows), net.predict(rows))


def test_names_of_inputs_and_classes():
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    for mlp in (MLPClassifier([5], max_iter=2), make_pipeline(StandardScaler(), MLPClassifier([5], max_iter=2))):
        net = from_sklearn(mlp.fit(frame, names))
        schema = Schema.from_metadata(net.metadata, 4, 3)
        assert (schema.columns, schema.classes) == (tuple("abcd"), ("setosa", "versicolor", "virginica"))
        again = to_sklearn(net)
        np.testing.assert_array_equal(again.predict(frame), mlp.predict(frame))
        with pytest.raises(ValueError, match="feature names should match"):
            again.predict(frame.rename(columns={"a": "e"}))
    assert from_sklearn(fitted(MLPClassifier, Y)).metadata == {}
    assert Schema.from_metadata(from_sklearn(fitted(MLPClassifier, Y - 1)).metadata, 4, 3).classes == ("-1", "0", "1")


@pytest.mark.parametrize(
    ("sizes", "loss", "classes"),
    [
        ([4, 6, 3], "cross_entropy", ["c", "a", "b"]),
        ([4, 6, 2], "cross_entropy", ["a", "b"]),
        ([4, 6, 2], "cross_entropy", ["b", "a"]),
        ([4, 6, 1], "binary_cross_entropy", [7, 5]),
    ],
)
def test_classes_are_sorted_as_scikit_learn_has_them(sizes, loss, classes):
    net = Network(sizes, loss=loss, dtype="float64", seed=3)
    outputs = net.predict(X)
    if len(outputs[0]) == 1:
        outputs = np.column_stack([1 - outputs, outputs])
    mlp = to_sklearn(net, classes=classes)
    assert mlp.classes_.tolist() == sorted(classes)
    assert_same(mlp.predict_proba(X), outputs[:, np.argsort(classes)])
    np.testing.assert_array_equal(mlp.predict(X), np.array(classes)[outputs.argmax(1)])


def test_logits_get_the_output_activation_of_their_loss():
    net = Network([4, 5, 3], loss="cross_entropy", output="identity", dtype="float64", seed=0)
    exponentials = np.exp(net.predict(X))
    assert_same(to_sklearn(net).predict_proba(X), exponentials / exponentials.sum(1, keepdims=True))


def test_partial_fit_goes_on():
    start = fitted(MLPClassifier, Y, solver="sgd")
    mlp, parameters = to_sklearn(from_sklearn(start)), {"solver": "sgd", "batch_size": 50, "random_state": 0}
    del start._optimizer  # a new one, as in the copy
    for one in (start, mlp):
        one.set_params(**parameters)
        for _ in range(3):
            one.partial_fit(X, Y)
    for found, wanted in zip(mlp.coefs_ + mlp.intercepts_, start.coefs_ + start.intercepts_, strict=True):
        assert_same(found, wanted)
    for y in (X, np.exp(X)):
        net = Network([4, 6, 4], loss="mse" if y is X else "poisson", dtype="float64", seed=0)
        mlp = to_sklearn(net).set_params(learning_rate_init=0.01)
        losses = [mlp.partial_fit(X, y).loss_ for _ in range(30)]
        assert losses[-1] < 0.9 * losses[0]
    labels = to_sklearn(Network([4, 6, 3], loss="binary_cross_entropy", seed=0)).set_params(max_iter=2)
    assert labels.predict(X).shape == labels.fit(X, np.eye(3, dtype=int)[Y]).predict(X).shape == (150, 3)


def test_alpha_as_l2_is_the_same_penalty():
    mlp = MLPClassifier([6], solver="sgd", momentum=0, alpha=2.0, batch_size=150, random_state=0, shuffle=False)
    mlp.partial_fit(X, Y, classes=[0, 1, 2])
    net = from_sklearn(mlp, l2=mlp.alpha / 2 / 150)
    net.fit(X, Y, epochs=5, batch_size=150, shuffle=False, optimizer=SGD(mlp.learning_rate_init))
    for _ in range(5):
        mlp.partial_fit(X, Y)
    assert_same(net.weights[0], mlp.coefs_[0])


@pytest.mark.parametrize(
    ("net", "error"),
    [
        (Network([4, 5, 3], "gelu", seed=0), "the activation of layer 0: gelu is none of scikit-learn's: identity"),
        (Network([4, 5, 5, 3], ["relu", "tanh"], seed=0), "the activation of layer 1: tanh after relu"),
        (Network([4, 5, 3], layer_norm=True, seed=0), "the layer normalisation of layer 0: scikit-learn's MLPs have"),
        (Network([4, 5, 3], learn_activation=True, seed=0), "the activation of layer 0: scikit-learn's MLPs have"),
        (Network([4, 5, 3], learn_input_scale=True, seed=0), "the learnt scale of the inputs: scikit-learn's MLPs"),
        (Network([4, 5, 3], output="tanh", seed=0), "the output: scikit-learn has no output activation tanh"),
    ],
)
def test_what_scikit_learn_does_not_have(net, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        to_sklearn(net)


def test_dropout_is_warned_of():
    with pytest.warns(InterchangeWarning, match="the dropout of layer 0: scikit-learn has none"):
        to_sklearn(Network([4, 5, 3], dropout=0.5, seed=0))


@pytest.mark.parametrize(
    ("net", "classes", "error"),
    [
        (Network([4, 3], loss="cross_entropy", seed=0), ["a", "b"], "classes must be 3 names or numbers"),
        (Network([4, 3], loss="cross_entropy", seed=0), ["a", "b", "b"], "classes must differ"),
        (Network([4, 3], loss="binary_cross_entropy", seed=0), ["a", "b", "c"], "classes= is for classes that exclude"),
        (Network([4, 3], seed=0), ["a", "b", "c"], "classes= is for a network that tells classes apart"),
    ],
)
def test_wrong_classes(net, classes, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        to_sklearn(net, classes=classes)


@pytest.mark.parametrize(
    ("estimator", "kind", "error"),
    [
        (MLPClassifier(), ValueError, "This MLPClassifier instance is not fitted yet"),
        (estimators.MLPRegressor(), ValueError, "This MLPRegressor instance is not fitted yet"),
        (TransformedTargetRegressor(MLPRegressor()), TypeError, "or a Pipeline of one, got TransformedTargetRegressor"),
        (type("Mine", (MLPClassifier,), {})(), TypeError, "or a Pipeline of one, got Mine()"),
        (make_pipeline(StandardScaler(), PCA()), TypeError, "got PCA()"),
        (Pipeline([("a", "passthrough"), ("b", MLPClassifier())]), ValueError, "instance is not fitted yet"),
        (3, TypeError, "got 3"),
    ],
)
def test_what_is_no_mlp(estimator, kind, error):
    with pytest.raises(kind, match=re.escape(error)):
        from_sklearn(estimator)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (PCA(), "step 'pca': hotloop scales the inputs by offset and factor only, as StandardScaler"),
        (MinMaxScaler(clip=True), "step 'minmaxscaler': MinMaxScaler(clip=True) clips, which hotloop does not"),
        (StandardScaler(), "This StandardScaler instance is not fitted yet"),
    ],
)
def test_what_is_no_scaler(step, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_sklearn(make_pipeline(step, fitted(MLPClassifier, Y)))


def test_parameters_set_by_hand_are_checked():
    mlp = fitted(MLPClassifier, Y)
    mlp.coefs_[1] = mlp.coefs_[1].astype("f2")
    with pytest.raises(ValueError, match=re.escape("coefs_[1]: it has dtype float16; wanted float32 or float64")):
        from_sklearn(mlp)
    mlp.coefs_[1] = np.full((5, 4), np.nan)
    with pytest.raises(ValueError, match=re.escape("coefs_[1]: it holds NaN")):
        from_sklearn(mlp)


@pytest.fixture
def trained():
    """Return a network for three kinds of iris, float32."""
    net = Network([4, 8, 3], "tanh", loss="cross_entropy", input_offset=X.mean(0), input_scale=1 / X.std(0), seed=0)
    net.fit(X, Y, epochs=30)
    return net


def test_skl2onnx_takes_it_on(trained, tmp_path):
    skl2onnx, runtime = library("skl2onnx"), library("onnxruntime")
    rows = X.astype("f4")
    onnx = skl2onnx.to_onnx(to_sklearn(trained), rows[:1], options={"zipmap": False})
    session = runtime.InferenceSession(onnx.SerializeToString(), providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"X": rows})
    wanted = trained.predict(rows)
    assert_same(probabilities, wanted)
    np.testing.assert_array_equal(labels, wanted.argmax(1))


@needs_compiler
@pytest.mark.parametrize(
    ("loss", "method"), [("cross_entropy", "inline"), ("cross_entropy", "loadable"), ("mse", "loadable")]
)
def test_emlearn_takes_it_on(loss, method, tmp_path, monkeypatch):
    emlearn = library("emlearn")
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    monkeypatch.chdir(tmp_path)
    net = Network([4, 8, 3 if loss == "cross_entropy" else 1], "relu", loss=loss, seed=1)
    mlp, regresses = to_sklearn(net), loss == "mse"
    model = emlearn.convert(mlp, method=method, return_type="regressor" if regresses else "classifier")
    found = model.predict(X.astype("f4"))
    wanted = net.predict(X)
    if regresses:
        np.testing.assert_allclose(found, wanted[:, 0], rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(found, wanted.argmax(1))
