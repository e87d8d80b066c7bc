"""LivePlot: where it draws, how often, and what stays."""

import copy
import pickle
import re
import sys
import threading
import types
import warnings

import numpy as np
import pytest
from conftest import needs_compiler
from html_reader import parsed

from hotloop import EarlyStopping, Network
from hotloop.callbacks import Callback, LambdaCallback, LivePlot
from hotloop.network.training import live_plot

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

X, Y = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2), np.arange(8, dtype=np.float32)


def fit(*callbacks, epochs=4, **options):
    net = Network([2, 3, 1], seed=0)
    return net.fit(X, Y, epochs=epochs, validation_data=(X, Y), progress=False, callbacks=callbacks, **options)


@pytest.fixture
def outputs(monkeypatch):
    """Make this process look like a notebook, and return what each output of the cell showed, one after the other."""
    found = []

    def display(data, *, raw, display_id):
        assert (raw, display_id) == (True, True)
        found.append([data])
        return types.SimpleNamespace(update=lambda data, raw: found[-1].append(data))

    package = types.ModuleType("IPython")
    package.display = types.ModuleType("IPython.display")
    package.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", package.display)
    monkeypatch.setattr(live_plot, "in_notebook", lambda: True)
    return found


@pytest.fixture
def at_each_epoch(monkeypatch):
    monkeypatch.setattr(live_plot, "REDRAWN", 0.0)
    monkeypatch.setattr(live_plot, "SHARE", np.inf)


def curves_in(data):
    """Return the points of each curve in an output."""
    paths = [path.attributes for path in parsed(data["text/html"]).all("path")]
    return [re.findall(r"[ML][\d.]+ [\d.]+", path["d"]) for path in paths if path.get("stroke-width") == "2"]


@pytest.mark.usefixtures("at_each_epoch")
def test_one_picture_is_replaced_and_stays(outputs):
    history = fit(LivePlot())
    (pictures,) = outputs
    assert [len(curves_in(data)) for data in pictures] == [0, 2, 2, 2, 2]  # one epoch is no curve; the last is the end
    assert [len(curve) for curve in curves_in(pictures[1])] == [2, 2]
    assert [len(curve) for curve in curves_in(pictures[-1])] == [4, 4]
    tree = parsed(pictures[-1]["text/html"])
    assert [text.text.strip() for text in tree.one("svg").all("text")][-3] == "loss"
    assert "training" in tree.one("svg").text
    assert tree.one("p").text == pictures[-1]["text/plain"]
    assert pictures[-1]["text/plain"] == (
        f"epoch 4 of 4; loss {history['loss'][-1]:.4g}, val loss {history['val_loss'][-1]:.4g}, "
        f"val r2 {history['val_r2'][-1]:.4g}; stopped: epochs"
    )
    assert "stopped" not in pictures[-2]["text/plain"]
    assert pyplot.get_fignums() == []


def test_a_short_fit_has_only_the_last_picture_and_the_next_its_own(outputs):
    plot = LivePlot(["loss", "val_r2"])
    fit(plot)
    fit(plot, epochs=3)
    assert [len(pictures) for pictures in outputs] == [1, 1]
    assert [len(curves_in(pictures[0])) for pictures in outputs] == [3, 3]  # of r2 there is only that of validation
    assert [svg.all("text")[-3].text for svg in parsed(outputs[0][0]["text/html"]).all("svg")] == ["loss", "r2"]
    assert pickle.loads(pickle.dumps(plot)).names == copy.deepcopy(plot).names == ("loss", "r2")


def test_what_a_picture_takes_decides_when_the_next_is_drawn(monkeypatch):
    now, spent = [0.0], [0.0]
    monkeypatch.setattr(live_plot.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(live_plot.time, "thread_time", lambda: spent[0])
    drawn, costs = [], [0.1, 0.05, 0.001, 0.001]

    def show(fits, ended):
        drawn.append(now[0])
        now[0] += 0.3  # as long as that, since another program has the processor
        spent[0] += costs.pop(0)

    monkeypatch.setattr(live_plot, "_screen", lambda names, networks: types.SimpleNamespace(show=show))
    board = live_plot._Board(("loss",))
    board.draw_if_due()
    board.note_epoch()
    for tick in range(540):
        now[0] = max(now[0], tick / 100)
        board.draw_if_due()
    assert drawn == pytest.approx([0.5, 2.8, 4.1, 4.9], abs=0.02)  # 0.1 seconds are 5 % of 2, 0.05 of 1


@pytest.mark.usefixtures("at_each_epoch")
def test_the_best_epoch_is_marked(outputs):
    history = fit(EarlyStopping(), LivePlot())
    assert f"best epoch, {history.best_epoch}" in parsed(outputs[0][-1]["text/html"]).text
    assert "best epoch" not in parsed(outputs[0][0]["text/html"]).text


def test_a_fit_that_fails_keeps_its_picture(outputs):
    def fails(progress):
        if progress.epoch == 3:
            raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        fit(LivePlot(), LambdaCallback(on_epoch_end=fails))
    assert outputs[0][-1]["text/plain"].endswith("stopped: failed")
    with pytest.raises(OSError, match="no more"):
        fit(LivePlot(), LambdaCallback(on_epoch_begin=lambda progress: fails(types.SimpleNamespace(epoch=3))))
    assert len(outputs) == 1  # nothing to draw


@pytest.mark.usefixtures("at_each_epoch", "outputs")
def test_a_picture_that_fails_does_not_end_the_fit(monkeypatch):
    def broken(*_, **__):
        raise OSError("the browser has gone")

    monkeypatch.setattr(sys.modules["IPython.display"], "display", broken)
    with pytest.warns(UserWarning, match="draws no more, the fit goes on: OSError: the browser has gone") as caught:
        history = fit(LivePlot())
    assert (len(history.epochs), len(caught)) == (4, 1)


def test_names_that_no_epoch_has_are_an_error_before_the_fit(outputs):
    with pytest.raises(ValueError, match=r"LivePlot draws 'accuracy', which no epoch has; it has epoch, loss"):
        fit(LivePlot("accuracy"))
    with pytest.raises(ValueError, match=r"LivePlot draws 'norm', which no epoch has"):
        fit(type("Own", (Callback,), {"on_epoch_end": lambda self, fit: None})(), LivePlot("norm"))
    for names in (3, [], [""], ["loss", 3]):
        with pytest.raises(TypeError, match="names must be texts"):
            LivePlot(names)
    with pytest.raises(TypeError, match="names"):
        LivePlot(metrics=["loss"])


@needs_compiler  # or three networks of the recipe take half a minute
@pytest.mark.usefixtures("at_each_epoch")
def test_networks_side_by_side_share_a_picture(outputs):
    from hotloop.estimators import TabularRegressor

    plot = LivePlot()
    estimator = TabularRegressor(preset="fast", n_ensemble=3, max_epochs=3, random_state=0, callbacks=[plot])
    estimator.fit(np.tile(X, (4, 1)), np.tile(Y, 4))
    (pictures,) = outputs
    assert len(curves_in(pictures[-1])) == 6
    assert pictures[-1]["text/plain"] == "3 networks, 3 begun"
    assert plot._board is None


# Elsewhere.


def test_without_a_window_it_warns_once_and_trains():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = fit(LivePlot())
    (warning,) = caught
    assert re.match(r"LivePlot shows nothing: this is not a notebook, .*backend is agg\)", str(warning.message))
    assert warning.filename == __file__
    assert len(history.epochs) == 4
    assert pyplot.get_fignums() == []
    with pytest.warns(UserWarning, match="several networks only in a notebook"):
        LivePlot()._for_networks(2)


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"hotloop\[plot\]"):
        LivePlot()


@pytest.mark.usefixtures("at_each_epoch")
def test_in_a_window(monkeypatch):
    monkeypatch.setattr(live_plot, "_has_windows", lambda: True)
    monkeypatch.setattr(pyplot, "show", lambda block: None)  # Agg has none
    fit(LivePlot(["loss", "r2"]))
    (number,) = pyplot.get_fignums()
    loss, r2 = pyplot.figure(number).axes
    assert [len(line.get_xdata()) for line in loss.get_lines()] == [4, 4]
    assert [line.get_label() for line in r2.get_lines()] == ["validation"]
    pyplot.close("all")
    closes = LambdaCallback(on_epoch_end=lambda progress: pyplot.close("all"))
    assert len(fit(closes, LivePlot()).epochs) == 4
    assert pyplot.get_fignums() == []


def test_only_the_main_thread_has_windows(monkeypatch):
    monkeypatch.setattr(pyplot, "get_backend", lambda: "tkagg")
    found = [live_plot._has_windows()]
    thread = threading.Thread(target=lambda: found.append(live_plot._has_windows()))
    thread.start()
    thread.join()
    assert found == [True, False]
