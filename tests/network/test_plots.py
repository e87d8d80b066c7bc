"""The pictures: what is drawn, with which words, and what cannot be drawn."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from hotloop import History, Network
from hotloop.losses import Huber
from hotloop.network.training.learning_rate_sweep import RULES, LearningRateSweep

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from hotloop.network.plots.style import styled  # noqa: E402
from hotloop.plots import (  # noqa: E402
    plot_calibration,
    plot_confusion_matrix,
    plot_decision_boundary,
    plot_history,
    plot_learning_rates,
)


@pytest.fixture(autouse=True)
def small_and_closed(monkeypatch):
    monkeypatch.setattr("hotloop.network.plots.decision_boundary.GRID", 20)  # fewer points to predict
    yield
    pyplot.close("all")


def png(axes):
    """Return the size of the picture, drawn as a file would be, warnings being errors."""
    axes.figure.canvas.draw()
    return np.asarray(axes.figure.canvas.buffer_rgba()).std()


def line(record, number):
    return {"epoch": number, "loss": 1 / number, **record, "seconds": 0.1}


def curves(axes):
    return {each.get_label(): list(each.get_ydata()) for each in axes.get_lines()}


def test_a_history():
    records = [
        line({"val_loss": 2 / n, "val_f1": 0.1 * n, "learning_rate": 0.1 / n, "norm": 5.0 + n}, n) for n in range(1, 6)
    ]
    history = History(records, best_epoch=4)
    drawn = history.plot()
    assert [axes.get_title() for axes in drawn] == ["loss", "f1", "norm", "learning rate"]
    assert [list(axes.get_lines()[-1].get_xdata()) for axes in drawn] == [[4, 4]] * 4
    loss, f1, norm, rate = map(curves, drawn)
    assert loss.pop("best epoch, 4") == [0, 1]
    assert loss == {"training": history["loss"], "validation": history["val_loss"]}
    assert (f1["validation"], norm["training"]) == (history["val_f1"], history["norm"])
    assert history["learning_rate"] in rate.values()
    for axes in [*drawn, *History(records[:2]).plot()]:  # by themselves two epochs would get ticks between
        assert axes.get_xlabel() == "epoch"
        assert all(tick == int(tick) for tick in axes.get_xticks())
    assert png(drawn[0]) > 0
    assert len(pyplot.get_fignums()) == 2


def test_a_notebook_shows_the_picture_and_no_text():
    """What is displayed is nothing, an interpreter shows a line, and it is an array of Axes all the same."""
    drawn = History([line({"val_f1": 0.5}, n) for n in (1, 2)]).plot()
    assert drawn._ipython_display_() is None
    assert repr(drawn) == "<array of 2 Axes>"
    assert isinstance(drawn, np.ndarray)
    drawn[0].set_title("mine")
    assert [axes.get_title() for axes in drawn.ravel()] == ["mine", "f1"]


def test_a_backend_that_becomes_interactive_stays_so():
    """That of a notebook does, with the first figure: otherwise it would show no other."""
    matplotlib.interactive(False)
    size = matplotlib.rcParams["font.size"]
    with styled(**{"font.size": 3}):
        matplotlib.interactive(True)
    assert matplotlib.is_interactive()
    matplotlib.interactive(False)
    assert matplotlib.rcParams["font.size"] == size


def test_a_history_without_much_in_it():
    records = [line({"learning_rate": 0.1, "note": "warm"}, n) for n in range(1, 60)]
    (axes,) = plot_history(History(records))
    assert curves(axes).keys() == {"training"}
    (axes,) = plot_history(History(records[:1]))
    assert list(axes.get_xticks()) == [1]
    assert png(axes) > 0
    with pytest.raises(ValueError, match="no epoch was finished"):
        History().plot()


def test_a_column_with_gaps_is_drawn():
    _, axes = plot_history(History([line({}, 1), line({"norm": 3.0}, 2)]))
    np.testing.assert_array_equal(curves(axes)["training"], [np.nan, 3.0])


def test_a_column_whose_name_is_like_a_formula_is_drawn():
    (axes,) = plot_history({"$\\frac$": [1.0, 2.0]})
    assert png(axes) > 0


def test_a_history_without_epochs_is_counted():
    """A mapping of lists, such as one read from a file."""
    (axes,) = plot_history({"loss": [2.0, 1.0]})
    assert list(axes.get_lines()[0].get_xdata()) == [1, 2]
    for nothing in ({"loss": []}, {}):
        with pytest.raises(ValueError, match="no epoch was finished"):
            plot_history(nothing)
    with pytest.raises(TypeError, match=r"history must be a History, or a mapping of lists, got \[2.0\]"):
        plot_history([2.0])
    with pytest.raises(ValueError, match="history must have lists of one length: 'loss' has 1, and 'val_loss' 2"):
        plot_history({"loss": [1.0], "val_loss": [1.0, 2.0]})
    with pytest.raises(ValueError, match="history has no column of numbers"):
        plot_history({"note": ["a"]})


def test_a_data_frame_of_epochs(tmp_path):
    """Such as that of a `CSVLogger`."""
    pandas = pytest.importorskip("pandas")
    frame = History([line({"val_loss": 2 / n, "learning_rate": 0.1 / n}, n) for n in (3, 4, 5)]).to_pandas()
    frame.to_csv(tmp_path / "log.csv", index=False)
    for read in (pandas.read_csv(tmp_path / "log.csv"), frame.drop(columns="epoch")):
        loss, rate = plot_history(read)
        assert curves(loss)["validation"] == pytest.approx([2 / 3, 2 / 4, 2 / 5])
        assert rate.get_title() == "learning rate"
        assert png(loss) > 0
    assert list(loss.get_lines()[0].get_xdata()) == [1, 2, 3]


def sweep(number):
    """Return a recorded sweep of learning rates."""
    record = json.loads((Path(__file__).parents[1] / "recorded_schedules.json").read_text())["sweeps"][number]
    losses = np.array([math.nan if loss is None else loss for loss in record["losses"]])
    return LearningRateSweep(1e-7 * 1e8 ** (np.arange(len(losses)) / record["steps"]), losses, record["steps"])


@pytest.mark.parametrize("number", [0, 23, 26])
def test_a_sweep_of_learning_rates(number):
    """Of a long curve, of one of six steps, of one that ends in NaN."""
    found = sweep(number)
    for axes in (found.plot(), plot_learning_rates(found)):
        assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "learning rate", "loss")
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        finite = [rule for rule in RULES if math.isfinite(getattr(found, rule))]
        assert labels == ["loss of each step", "smoothed", *(f"{rule} {getattr(found, rule):.2g}" for rule in finite)]
    assert png(axes) > 0
    assert len(pyplot.get_fignums()) == 2
    mine = pyplot.figure().add_subplot()
    assert plot_learning_rates(found, axes=mine) is mine


def fixed(outputs, loss, **options):
    """Return a network of two inputs that decides by a line."""
    weights = np.array([[0.5, -0.5, 0.0], [0.0, 0.0, 0.625]])[:, :outputs]
    return Network([2, outputs], loss=loss, initializer=[(weights, np.zeros(outputs))], **options)


POINTS = np.array([[1.0, 0.0], [-1.0, 0.5], [0.5, -1.0], [-0.25, 3.0], [2.0, 0.0]])


@pytest.mark.parametrize("output", ["sigmoid", "identity"])
def test_a_confusion_matrix_of_one_output(output):
    net = fixed(1, "binary_cross_entropy", output=output)
    axes = plot_confusion_matrix(net, POINTS, [[1], [0], [0], [0], [1]], labels=["no", "yes"])
    assert [text.get_text() for text in axes.texts] == ["2", "1", "0", "2"]
    assert axes.get_title() == "4 of 5 rows right"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no", "yes"]
    assert png(axes) > 0


@pytest.mark.parametrize(("normalize", "cells"), [
    (None, ["1", "0", "0", "1", "1", "0", "1", "0", "1"]),
    ("true", ["100 %", "0", "0", "50 %", "50 %", "0", "50 %", "0", "50 %"]),
    ("pred", ["33 %", "0", "0", "33 %", "100 %", "0", "33 %", "0", "100 %"]),
    ("all", ["20 %", "0", "0", "20 %", "20 %", "0", "20 %", "0", "20 %"]),
])  # fmt: skip
def test_a_confusion_matrix_of_classes(normalize, cells):
    net, y = fixed(3, "cross_entropy"), np.array([0, 1, 1, 2, 2])
    for truth in (y, np.eye(3)[y]):
        axes = plot_confusion_matrix(net, POINTS, truth, normalize=normalize, axes=pyplot.figure().add_subplot())
        assert [text.get_text() for text in axes.texts] == cells
    assert axes.get_title() == "3 of 5 rows right"


def test_many_classes_have_no_numbers_in_the_cells():
    net = Network([2, 30], loss="cross_entropy", seed=0)
    axes = plot_confusion_matrix(net, POINTS, [0, 1, 2, 3, 29], labels=[f"class {n}" for n in range(30)])
    assert len(axes.texts) == 0
    assert png(axes) > 0


@pytest.mark.parametrize(("outputs", "loss", "output", "lines"), [
    (1, "binary_cross_entropy", "sigmoid", 1), (1, "binary_cross_entropy", "identity", 1),
    (2, "cross_entropy", "softmax", 1), (3, "cross_entropy", "identity", 3),
])  # fmt: skip
def test_a_decision_boundary(outputs, loss, output, lines):
    net, y = fixed(outputs, loss, output=output), np.array([1, 0, 1, 0, 1])
    axes = plot_decision_boundary(net, POINTS, y, labels=["red", "green", "blue"][: max(2, outputs)])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("input 1", "input 2")
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["red", "green", "blue"][: max(2, outputs)]
    contours = [each for each in axes.collections if type(each).__name__ == "QuadContourSet"]
    assert len(contours) == lines
    if lines == 1:  # the line where both classes are as likely
        assert abs(np.concatenate([path.vertices for path in contours[0].get_paths()])[:, 0]).max() < 0.01
    scattered = sum(len(each.get_offsets()) for each in axes.collections if each not in contours)
    assert scattered == 5
    assert png(axes) > 0


def test_a_decision_boundary_has_the_names_of_the_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"length": [1.0, 1.0], "width": [1.0, 2.0]})  # a column that is constant
    axes = plot_decision_boundary(fixed(1, "binary_cross_entropy"), frame, [0, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("length", "width")
    assert axes.get_xlim() == (0, 2)


@pytest.mark.parametrize(("call", "message"), [
    (lambda y: plot_decision_boundary(Network([3, 1], loss="binary_cross_entropy"), POINTS, y), "for 2 inputs; the ne"),
    (lambda y: plot_decision_boundary(Network([2, 1]), POINTS, y), "decision boundary needs one class a row; the loss"),
    (lambda y: plot_decision_boundary(Network([2, 1], loss=Huber(2)), POINTS, y), "class a row; the loss is huber"),
    (lambda y: plot_decision_boundary(fixed(3, "cross_entropy"), POINTS, y, labels="ab"), "2 names for 3 classes"),
    (lambda y: plot_confusion_matrix(fixed(3, "binary_cross_entropy"), POINTS, y), "needs one class a row"),
    (lambda y: plot_confusion_matrix(fixed(3, "cross_entropy"), POINTS, y, labels="ab"), "2 names for 3 classes"),
    (lambda y: plot_confusion_matrix(fixed(3, "cross_entropy"), POINTS, y, normalize="rows"), "normalize must be one"),
    (lambda y: plot_confusion_matrix(fixed(3, "cross_entropy"), POINTS, [0, 1, 0, 1, 3]), "y must be classes 0 to 2"),
    (lambda y: plot_confusion_matrix(fixed(1, "binary_cross_entropy"), POINTS, [0, 1, 0, 1, 2]), "y must be prob"),
    (lambda y: plot_confusion_matrix(fixed(3, "cross_entropy"), POINTS, y[:4]), "y has 4 rows; X has 5 rows"),
])  # fmt: skip
def test_what_cannot_be_drawn(call, message):
    with pytest.raises(ValueError, match=message):
        call([0, 1, 0, 1, 0])
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("draw", [plot_confusion_matrix, plot_decision_boundary])
def test_text_as_classes(draw):
    with pytest.raises(TypeError, match=r"y has dtype <U1; .* number the classes: classes, y = numpy.unique"):
        draw(fixed(3, "cross_entropy"), POINTS, ["a", "b", "a", "b", "c"])
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("draw", [lambda: plot_history(History([line({}, 1)])), lambda: sweep(0).plot()])
def test_without_matplotlib(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pictures need matplotlib: python -m pip install 'hotloop\[plot\]'"):
        draw()


# Classifiers that are no networks, by the names of scikit-learn.


class Rule:
    """Decides by the sign of the first input, and is as sure as it is large."""

    classes_ = np.array(["left", "right"])

    def predict(self, X):
        return self.classes_[(np.asarray(X)[:, 0] > 0).astype(int)]


class SureRule(Rule):
    def predict_proba(self, X):
        share = 1 / (1 + np.exp(-np.asarray(X, float)[:, 0]))
        return np.stack([1 - share, share], axis=1)


SIDES = ["right", "left", "left", "left", "right"]


def test_a_confusion_matrix_of_a_classifier():
    axes = plot_confusion_matrix(Rule(), POINTS, SIDES)
    assert [text.get_text() for text in axes.texts] == ["2", "1", "0", "2"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["left", "right"]
    axes = plot_confusion_matrix(Rule(), POINTS, SIDES, labels=["L", "R"])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["L", "R"]


@pytest.mark.parametrize("rule", [Rule, SureRule])
def test_a_decision_boundary_of_a_classifier(rule):
    axes = plot_decision_boundary(rule(), POINTS, SIDES)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["left", "right"]
    shades = {round(alpha, 6) for alpha in axes.images[0].get_array()[..., 3].ravel().tolist()}
    assert (len(shades) == 1) == (rule is Rule)


@pytest.mark.parametrize("names", [("_left", "_right"), ("", "right"), ("$5", "$6")])
def test_a_legend_names_every_class(names):
    """matplotlib leaves out names that are empty or begin with an underscore, unless they are given to the legend."""
    axes = plot_decision_boundary(SureRule(), POINTS, SIDES, labels=names)
    assert [text.get_text().replace("\\", "") for text in axes.get_legend().get_texts()] == [*names]
    assert png(axes) > 0


def test_names_of_many_classes_are_shortened_once():
    many = type("Many", (Rule,), {"classes_": np.arange(7)})()
    names = [*(f"between $1{number} and $2{number} a day" for number in range(6)), "$"]
    axes = plot_confusion_matrix(many, POINTS, [1, 0, 0, 0, 1], labels=names)
    assert [axes.get_xticklabels()[at].get_text() for at in (0, 6)] == [r"between \$…day", r"\$"]
    assert png(axes) > 0


def test_an_estimator_knows_a_frame_by_its_columns():
    pytest.importorskip("sklearn")
    pandas = pytest.importorskip("pandas")
    from sklearn.linear_model import LogisticRegression

    frame = pandas.DataFrame(POINTS, columns=["length", "width"])
    model = LogisticRegression().fit(frame, SIDES)
    axes = plot_decision_boundary(model, frame, SIDES)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("length", "width")
    assert png(axes) > 0


@pytest.mark.parametrize("draw", [plot_confusion_matrix, plot_decision_boundary, plot_calibration])
def test_what_is_no_classifier(draw):
    with pytest.raises(TypeError, match="of a Network, or of a fitted classifier with classes_; got 'net'"):
        draw("net", POINTS, SIDES)
    unfitted = type("Unfitted", (), {"fit": None, "predict": None})()
    with pytest.raises(TypeError, match="has no classes_: fit it first"):
        draw(unfitted, POINTS, SIDES)
    with pytest.raises(ValueError, match=r"y has the class 'up', which classes_ lacks: \['left', 'right'\]"):
        draw(SureRule(), POINTS, ["up", *SIDES[1:]])
    with pytest.raises(ValueError, match="y has the class None, which classes_ lacks"):
        draw(SureRule(), POINTS, np.array([None, *SIDES[1:]], dtype=object))
    with pytest.raises(ValueError, match="X has no rows"):
        draw(SureRule(), np.empty((0, 2)), [])
    with pytest.raises(ValueError, match="y has 4 rows; X has 5 rows"):
        draw(SureRule(), POINTS, SIDES[1:])


# Calibration.


class Told:
    """Has the probabilities that it is given as X."""

    classes_ = np.arange(3)

    def predict(self, X):
        return np.argmax(X, axis=1)

    def predict_proba(self, X):
        return X


def test_the_calibration_of_two_classes():
    """Three rows of probability 0.1, 0.3, 0.8 in two bins: the expected calibration error on paper."""
    rule = SureRule()
    rule.predict_proba = lambda X: np.stack([1 - X, X], axis=1)
    axes = plot_calibration(rule, np.array([0.1, 0.3, 0.8]), ["left", "right", "right"], bins=2)
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.2, 0.5], [0.8, 1.0]])
    (above,) = axes.child_axes
    assert [text.get_text() for text in above.texts] == ["2", "1"]
    assert above.get_title().endswith(f"= {2 / 3 * 0.3 + 1 / 3 * 0.2:.3f}")
    assert axes.get_xlabel() == "probability of class right, mean p"


def test_the_calibration_of_three_classes_is_that_of_the_predicted_one():
    X = np.array([[0.5, 0.3, 0.2], [0.25, 0.55, 0.2], [0.0, 0.0, 1.0]])
    axes = plot_calibration(Told(), X, [0, 0, 2])
    np.testing.assert_allclose(axes.lines[1].get_xydata(), [[0.525, 0.5], [1.0, 1.0]])
    assert axes.get_xlabel() == "probability of the predicted class, mean p"
    net = fixed(3, "cross_entropy", output="identity")
    assert png(plot_calibration(net, POINTS, [0, 1, 2, 0, 1])) > 0


def test_the_calibration_in_a_part_of_a_figure():
    axes = pyplot.figure(layout="constrained").subfigures(1, 2)[1].subplots()
    assert plot_calibration(SureRule(), POINTS, SIDES, axes=axes) is axes


def test_what_has_no_calibration():
    with pytest.raises(ValueError, match="needs probabilities; the classifier has no predict_proba"):
        plot_calibration(Rule(), POINTS, SIDES)
    with pytest.raises(ValueError, match="needs probabilities of 0 to 1; a row has others"):
        plot_calibration(Told(), np.array([[2.0, 0.0, 0.0]]), [0])
    with pytest.raises(ValueError, match="bins must be"):
        plot_calibration(SureRule(), POINTS, SIDES, bins=1)
    assert pyplot.get_fignums() == []
