"""Where progress is shown, and the line that fits."""

import io
import sys
import types
from contextlib import nullcontext

import numpy as np
import pytest

from hotloop import Network
from hotloop.network.training import single_step
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.progress_bar import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(**options):
    x, y = np.random.default_rng(0).normal(size=(8, 2)), np.arange(8.0)
    return Network([2, 1], seed=0).fit(x, y, epochs=3, validation_data=(x, y), **options)


def notebook(monkeypatch, kernel):
    """Make this process look like one where IPython runs, and return the texts of each output that is displayed."""
    outputs = []

    def display(text, *, raw, display_id):
        assert (raw, display_id) == (True, True)
        outputs.append([text["text/plain"]])
        return types.SimpleNamespace(update=lambda text, raw: outputs[-1].append(text["text/plain"]))

    package = types.ModuleType("IPython")
    package.version_info = (9, 0)  # which matplotlib asks
    package.get_ipython = lambda: types.SimpleNamespace(kernel=kernel)
    package.display = types.ModuleType("IPython.display")
    package.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", package.display)
    return outputs


def test_in_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(progress=False)
    assert terminal.getvalue() == ""
    fit()
    last = terminal.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("epoch 3/3: ")
    assert "loss=" in last


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_nowhere_else(monkeypatch, stream):
    outputs = notebook(monkeypatch, kernel=None)  # the shell of a terminal
    monkeypatch.setattr(sys, "stderr", stream)
    fit()
    assert outputs == []
    assert stream is None or stream.getvalue() == ""


def test_in_a_notebook(monkeypatch, capsys):
    """One output of the cell, replaced again and again; standard error, which a notebook shows in red, stays empty."""
    outputs = notebook(monkeypatch, kernel=object())
    fit()
    (texts,) = outputs
    assert texts[-1].startswith("epoch 3/3: ")
    assert "val_loss=" in texts[-1] and "100%" in texts[-1]  # noqa: PT018
    notice = CompileNotice("float32", visible=True)
    notice.on_start(None)
    assert capsys.readouterr() == ("hotloop: compiling kernels for float32, once on this machine ...\n", "")
    fit(progress=False)
    assert len(outputs) == 1


def test_partial_fit_tells_a_notebook_that_it_compiles(monkeypatch):
    seen = []
    monkeypatch.setattr(single_step, "CompileNotice", lambda what, visible: seen.append(visible) or nullcontext())
    for kernel in (object(), None):
        notebook(monkeypatch, kernel)
        Network([2, 1], seed=0).partial_fit([[1.0, 2.0]], [1.0])
    assert seen == [True, False]


@pytest.mark.parametrize(("width", "wanted"), [
    (140, [" 25%|", "| 25.0/100 [", "samples/s, loss=0.1234, val_loss=0.2345, val_accuracy=0.9512]"]),
    (105, [" 25%|", " left, ", " samples/s, loss=0.1234, val_loss=0.2345, val_accuracy=0.9512"]),
    (96, ["12/20: |", " left, ", "/s, loss=0.1234, val_loss=0.2345, val_accuracy=0.9512"]),
    (80, ["12/20: ", "/s, loss=0.1234, val_loss=0.2345, val_accuracy=0.9512"]),
    (60, ["12/20: ", "/s, loss=0.1234, val_loss=0.2345"]), (45, ["/s, loss=0.1234"]), (25, ["epoch 12/20: "]),
    (4, ["epoc"]),
])  # fmt: skip
def test_the_line_fits(width, wanted):
    """Time left, rate and metrics in one line; what has no room is left out from the right, and no number is cut."""
    bar = Bar(total=100, initial=0, unit=" samples", unit_scale=True, file=io.StringIO(), ncols=width, ascii=False)
    bar.set_description("epoch 12/20", refresh=False)
    bar.set_postfix({"loss": "0.1234", "val_loss": "0.2345", "val_accuracy": "0.9512"}, refresh=False)
    bar.n, bar.start_t = 25, bar.start_t - 10
    line = str(bar)
    bar.close()
    assert len(line) <= width
    places = [line.find(part) for part in wanted]
    assert -1 not in places, line
    assert places == sorted(places)
    assert line.endswith(wanted[-1]) or width < 30
