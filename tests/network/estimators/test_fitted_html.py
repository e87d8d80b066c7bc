"""What fitted estimators show in a notebook below scikit-learn's page."""

import warnings

import numpy as np
import sklearn
from conftest import needs_compiler
from html_reader import HOSTILE, parsed
from tabular_data import tiny

from hotloop.estimators import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor
from hotloop.network.estimators.fitted_html import mlp_html, tabular_html

X = np.linspace(-1, 1, 40).reshape(20, 2)
Y = np.arange(20) % 2


def ours(estimator):
    """Return the tree of what follows scikit-learn's page."""
    page = estimator._repr_html_()
    assert page.startswith("<style>")
    assert '<div class="sk-container"' in page
    before, found, after = page.partition('<div class="hotloop">')
    assert type(estimator).__name__ in before
    return parsed(found + after) if found else None


def test_a_multilayer_perceptron():
    mlp = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0)
    assert ours(mlp) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp.fit(X, Y)
    tree = ours(mlp)
    assert [row[:3] for row in tree.one("table").rows()[1:]] == [["1", "2 x 4", "relu"], ["2", "4 x 1", "sigmoid"]]
    best = int(np.argmax(mlp.validation_scores_)) + 1
    assert tree.all(kind="hotloop-note")[-1].text == (
        f"3 epochs, solver adam; last loss {mlp.loss_curve_[-1]:.4g}; "
        f"best validation score {mlp.best_validation_score_:.4g}, in epoch {best}"
    )
    assert "by epoch, 1 to 3" in tree.one("svg").attributes["aria-label"]
    with sklearn.config_context(display="text"):
        assert not hasattr(mlp, "_repr_html_")


def test_lbfgs_has_no_curve():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=2, random_state=0).fit(X, Y)
    tree = parsed(mlp_html(mlp))
    assert tree.all("svg") == []
    assert tree.all(kind="hotloop-note")[-1].text == f"{mlp.n_iter_} iterations, solver lbfgs"


def test_a_tabular_estimator(tmp_path):
    table = {HOSTILE: [*"abcd"] * 5, "size": [None, *range(19)]}
    estimator = TabularClassifier(preset=tiny(), n_ensemble=2, random_state=0)
    assert ours(estimator) is None
    estimator.fit(table, Y)
    tree = ours(estimator)
    columns, fits, layers = tree.all("table")
    assert [row[:2] + row[3:] for row in columns.rows()[1:]] == [
        [HOSTILE, "category", "4", "-"], ["size", "number", "2", "1"],
    ]  # fmt: skip
    heads, *rows = fits.rows()
    assert heads[:3] == ["network", "epochs", "best epoch"]
    for number, (row, history) in enumerate(zip(rows, estimator.history_, strict=True), 1):
        assert row[:3] == [str(number), str(len(history.epochs)), str(history.best_epoch)]
        value = history["val_accuracy"][history["epoch"].index(history.best_epoch)]
        assert row[heads.index("val accuracy")] == f"{value:.4g}"
        assert row[-1] == history.stop_reason
    assert layers.rows()[1][0] == "1"
    assert tree.one("summary").text == "layers of the first"
    estimator.save(tmp_path / "estimator.safetensors")
    loaded = parsed(tabular_html(TabularClassifier.load(tmp_path / "estimator.safetensors")))
    assert len(loaded.all("table")) == 2
    assert "the history of their training is not in the file" in loaded.text


@needs_compiler  # or it takes twenty seconds
def test_many_columns_are_folded_and_counted():
    estimator = TabularRegressor(preset="fast", n_ensemble=1, max_epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(20, 205))
    X[:, 7] = 1
    tree = parsed(tabular_html(estimator.fit(X, Y)))
    columns, layers = tree.all("details")
    assert columns.one("summary").text == "205 columns as 2,040 inputs: 204 number, 1 dropped"
    assert len(columns.one("table").rows()) == 201
    assert "and 5 more columns" in columns.text
    assert layers.one("summary").text == "layers"
