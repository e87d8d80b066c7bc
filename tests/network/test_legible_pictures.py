"""Each picture, of little data and of much: no text overlaps another, is cut off or faint; axes have ticks."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from hotloop import History, Network
from hotloop.network.profiling.diagnosis.findings import Diagnosis, FitDiagnosis
from hotloop.network.profiling.roofline import Roof
from hotloop.network.training.learning_rate_sweep import LearningRateSweep

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from picture_checks import apart, luminance, meet, points_below, problems, texts  # noqa: E402

from hotloop import plots  # noqa: E402
from hotloop.network.plots import style  # noqa: E402
from hotloop.network.plots.labels import contrasting, label_points, shortened  # noqa: E402
from hotloop.network.profiling.export import charts  # noqa: E402

X = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
LONG = [f"a long name of what is class {number}" for number in range(30)]


@pytest.fixture(autouse=True)
def small_and_closed(monkeypatch):
    monkeypatch.setattr("hotloop.network.plots.decision_boundary.GRID", 20)
    yield
    pyplot.close("all")


def history(epochs, metrics=("accuracy",), best=True):
    """Return a history whose loss falls by four decades in 300 epochs."""
    falling = np.exp(-np.arange(epochs) / 30)
    records = [
        {"epoch": n + 1, "loss": 2.3 * f, "val_loss": 2.4 * f + 0.02, "learning_rate": 0.1 * f**0.5, "seconds": 0.1}
        | {f"val_{name}": 1 - 0.9 * f for name in metrics}
        for n, f in enumerate(falling.tolist())
    ]
    return History(records, best_epoch=max(1, epochs * 4 // 5) if best else None)


def sweep():
    rates = 1e-7 * 1e8 ** (np.arange(100) / 100)
    return LearningRateSweep(rates, 2.5 - 1.5 / (1 + 0.01 / rates) + np.maximum(0, rates - 1), 100)


def classifier(classes, hidden=()):
    """Return a network of two inputs for so many classes around the origin, and the class of each row of X."""
    turns = 2 * np.pi * np.arange(classes) / classes
    weights = 8 * np.stack([np.cos(turns), np.sin(turns)])
    net = Network([2, classes], loss="cross_entropy", initializer=[(weights, np.zeros(classes))], dtype="float32")
    return net, (X @ weights + np.random.default_rng(1).normal(size=(len(X), classes))).argmax(axis=1)


def binary():
    net = Network([2, 1], loss="binary_cross_entropy", initializer=[(np.ones((2, 1)), [0.0])], dtype="float32")
    return net, (X.sum(axis=1) + np.random.default_rng(1).normal(size=len(X)) > 0).astype(int)


def deep(layers, activation="sigmoid"):
    return Network([2, *[6] * (layers - 1), 1], activation, loss="binary_cross_entropy", seed=0, dtype="float32")


def fit(layers, snapshots=5):
    rows = [{"layer": n + 1, "gradient": 10.0 ** (n - layers)} for n in range(layers)]
    return FitDiagnosis("a network", snapshots, 100, [], rows)


def a_profile(layers, networks=("4-5-6",)):
    """Return what the charts ask a profile, with times that do not depend on this computer."""
    rows = []
    for network, layer in itertools.product(networks, range(1, layers + 1)):
        for number, name in enumerate(("forward", "backward", "weight gradient", "update", "loss")):
            intensity, seconds = (6.0, 4.5, 6.5, 0.4, 0.1)[number] * (1 + 0.03 * layer), 1e-3 * (1 + number % 3)
            rows.append({
                "name": name, "layer": layer if name != "loss" else None, "kind": "kernel", "seconds": seconds,
                "network": network if len(networks) > 1 else None, "flops_per_byte": intensity,
                "flops_per_second": 8e9 * intensity**0.9 * (1 + 0.1 * (layer % 3)),
            })  # fmt: skip
    rows.append({"name": "compile", "layer": None, "kind": "compile", "seconds": 0.01, "network": None})
    clocks = [
        SimpleNamespace(kind=(name, "float32", "Adam"), thread_seconds=lambda: 2.0, wall=lambda: 1.0,
                        work=SimpleNamespace(step_bytes=3e5))
        for name in networks
    ]  # fmt: skip
    roofs = {"float32": Roof(1e11, (1e4, 1e6, 1e8), (1e11, 5e10, 1e10))}
    recording = SimpleNamespace(rows=rows, clocks=clocks, roofs=roofs, seconds=sum(row["seconds"] for row in rows))
    return SimpleNamespace(recording=recording, rows=rows)


def confusion(classes, **options):
    return plots.plot_confusion_matrix(*arguments(classes), **options)


def arguments(classes):
    net, y = classifier(classes)
    return net, X, y


TWO = ["healthy, as far as can be told", "not healthy at all"]
MANY = ("accuracy", "f1", "roc_auc", "log_loss", "balanced_accuracy")
PICTURES = {
    "history, 1 epoch": lambda: plots.plot_history(history(1)),
    "history, 2 epochs": lambda: plots.plot_history(history(2)),
    "history, 300 epochs": lambda: plots.plot_history(history(300, MANY)),
    "history, only losses": lambda: plots.plot_history({"loss": [3.0, 2.0, 1.5], "val_loss": [3.0, 2.5, 2.4]}),
    "sweep": lambda: plots.plot_learning_rates(sweep()),
    "confusion, 2": lambda: plots.plot_confusion_matrix(binary()[0], X, binary()[1], labels=TWO),
    "confusion, 10": lambda: confusion(10),
    "confusion, 10 named": lambda: confusion(10, labels=LONG[:10], normalize="true"),
    "confusion, 30": lambda: confusion(30),
    "confusion, 30 named": lambda: confusion(30, labels=LONG, normalize="all"),
    "boundary, 2": lambda: plots.plot_decision_boundary(binary()[0], X, binary()[1], labels=TWO),
    "boundary, 10": lambda: plots.plot_decision_boundary(*arguments(10)),
    "boundary, 30 named": lambda: plots.plot_decision_boundary(*arguments(30), labels=LONG),
    "calibration, 2": lambda: plots.plot_calibration(binary()[0], X, binary()[1], labels=TWO),
    "calibration, 30": lambda: plots.plot_calibration(*arguments(30), bins=20),
    "calibration, 25 bins": lambda: plots.plot_calibration(binary()[0], X, binary()[1], bins=25),
    "first layer": lambda: plots.plot_first_layer(Network([64, 30, 3], seed=0)),
    "first layer, 1 unit": lambda: plots.plot_first_layer(Network([64, 1], seed=0)),
    "first layer, wide": lambda: plots.plot_first_layer(Network([40, 30, 3], seed=0), shape=(2, 20), units=30),
    "first layer, high": lambda: plots.plot_first_layer(Network([40, 30, 3], seed=0), shape=(20, 2), units=30),
    "gradient flow, 1": lambda: plots.plot_gradient_flow(deep(1), X, X[:, 0] > 0, of="dW"),
    "gradient flow, 12": lambda: plots.plot_gradient_flow(deep(12), X, X[:, 0] > 0),
    "diagnosis, 1 layer": lambda: Diagnosis([fit(1)]).plot(),
    "diagnosis, 12 layers": lambda: Diagnosis([fit(12), fit(3)]).plot(),
    "roofline, 1 layer": lambda: plots.plot_roofline(a_profile(1)),
    "roofline, 12 layers": lambda: plots.plot_roofline(a_profile(12)),
    "roofline, 2 networks": lambda: plots.plot_roofline(a_profile(3, ("64-128-64-10", "2-2-2-1"))),
    "time, 1 layer": lambda: plots.plot_time_by_layer(a_profile(1)),
    "time, 12 layers": lambda: plots.plot_time_by_layer(a_profile(12)),
    "profile, 2 networks": lambda: charts.overview(a_profile(2, ("64-128-64-10", "2-2-2-1")).recording),
}
LARGE = ("confusion, 30", "confusion, 30 named")  # too much for half a page
ONE_VALUE = {"history, 1 epoch": "x", "gradient flow, 1": "x", "diagnosis, 1 layer": "x"}


def figure_of(drawn):
    """Return the figure of what a function returned: it, Axes, or an array of Axes."""
    if hasattr(drawn, "savefig"):
        return drawn
    return (drawn.flat[0] if isinstance(drawn, np.ndarray) else drawn).figure


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_legible(name):
    before = dict(matplotlib.rcParams)
    figure = figure_of(PICTURES[name]())
    assert problems(figure, legible=name not in LARGE, one_value=ONE_VALUE.get(name, "")) == []
    assert points_below(figure) == []
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", [
    "history, 2 epochs", "sweep", "confusion, 10 named", "boundary, 2", "calibration, 2", "first layer",
    "gradient flow, 12", "roofline, 1 layer", "time, 1 layer",
])  # fmt: skip
def test_a_picture_is_legible_on_black(name):
    with pyplot.style.context("dark_background"):
        figure = figure_of(PICTURES[name]())
        assert problems(figure) == []
        assert luminance(np.array(figure.get_facecolor()[:3])) < 0.01


def test_given_axes_keep_their_figure_and_its_colours():
    """Even if the style they were made in no longer holds."""
    with pyplot.style.context("dark_background"):
        figure, grid = pyplot.subplots(2, 2, figsize=(11, 9))
        figure.subplots_adjust(hspace=0.9, top=0.97, bottom=0.22)
    net, y = classifier(3)
    plots.plot_learning_rates(sweep(), axes=grid[0, 0])
    plots.plot_decision_boundary(net, X, y, axes=grid[0, 1])
    plots.plot_calibration(net, X, y, axes=grid[1, 0])
    plots.plot_roofline(a_profile(3), axes=grid[1, 1])
    assert tuple(figure.get_size_inches()) == (11, 9)
    assert problems(figure, legible=False) == []


def test_what_a_user_has_set_goes_first():
    with matplotlib.rc_context({"font.size": 13, "axes.grid": True, "xtick.labelsize": 14}):
        (axes,) = plots.plot_history({"loss": [2.0, 1.0]})
        assert axes.get_xticklabels()[0].get_fontsize() == 14
        assert axes.get_yticklabels()[0].get_fontsize() == style.SMALL


@pytest.mark.parametrize("colours", [
    (style.BLUE, style.RED), style.PALETTE[:4], style.PALETTE, (*charts.COLOURS, charts.OUTSIDE),
], ids=["curves", "suggestions", "classes", "phases"])  # fmt: skip
def test_colours_that_are_used_together_are_apart(colours):
    """For most readers, and for those who do not see green."""
    for one, other in itertools.combinations(dict.fromkeys(colours), 2):
        assert apart(one, other) > 10, (one, other)


def test_series_differ_by_more_than_colour():
    assert len({*style.series(49)}) == 49
    for one, other in itertools.combinations(style.series(7), 2):
        assert all(a != b for a, b in zip(one, other, strict=True))


# The checks themselves.


def plain(**options):
    figure = pyplot.figure(figsize=(3.3, 3))
    axes = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    axes.set(xlabel="x", ylabel="y", **options)
    return figure, axes


def test_the_checks_see_what_is_wrong():
    figure, axes = plain()
    assert problems(figure) == []
    axes.text(0.5, 0.5, "one")
    axes.text(0.55, 0.52, "two")
    axes.text(1.2, 0.8, "out of the figure")
    axes.text(0.1, 0.8, "tiny", fontsize=4)
    axes.text(0.1, 0.2, "faint", color="0.8")
    axes.set_yticks([0.5])
    axes.set_xlabel("")
    found = problems(figure)
    for what in (
        "'one' overlaps 'two'", "'out of the figure' is cut off", "'tiny' has 4.0 points at half a page",
        "'faint' has a contrast of 1.6", "the y axis of '' has the ticks ['0.5']", "the x axis of '' has no label",
    ):  # fmt: skip
        assert what in found
    axes.plot([0.52], [0.53], "o")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    assert points_below(figure) == ["'one' covers a point"]


def test_turned_texts_do_not_overlap_though_their_boxes_do():
    figure, axes = plain()
    axes.set_xticks([0.4, 0.55], ["a long name", "another one"], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlabel("")
    assert [line for line in problems(figure) if "overlaps" in line] == []
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    assert meet(square, square + 0.9)
    assert not meet(square, square + np.array([1.1, 0]))


def test_ticks_outside_the_limits_are_not_seen():
    figure, axes = plain(xlim=(0, 1))
    axes.set_xticks([0, 1, 1.01, 1.02])
    axes.set_xlim(0, 1)
    figure.canvas.draw()
    assert [text.get_text() for text in texts(figure) if text.get_text().startswith("1.0")] == ["1.00", "1.0"]


# Words.


def test_labels_of_many_points_are_apart():
    figure, axes = plain()
    points = np.random.default_rng(0).uniform(0.4, 0.6, (12, 2))
    axes.plot(*points.T, "o")
    label_points(axes, [(x, y, str(number)) for number, (x, y) in enumerate(points)], points)
    assert [line for line in problems(figure) if "overlaps" in line] == []
    assert points_below(figure) == []


def test_names_are_shortened_and_mean_no_formula():
    assert shortened("short") == "short"
    assert shortened("costs $5 or $6") == r"costs \$5 or \$6"
    assert len(shortened("a" * 100)) == 24
    assert len({shortened(name) for name in LONG}) == len(LONG)


def test_text_on_a_colour():
    assert [contrasting(colour) for colour in ((1, 1, 1, 1), (0, 0, 0), (0.03, 0.19, 0.42))] == [
        "black",
        "white",
        "white",
    ]
