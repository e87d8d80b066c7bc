"""Where progress is shown, and the line that fits."""

import io
import sys
import types
from contextlib import nullcontext

import numpy as np
import pytest

from hotloop import Network, profile
from hotloop.network.display.text_table import width_of
from hotloop.network.training import progress_bar, single_step


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
    assert "epoch 3/3" in last
    assert "loss" in last


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
    assert texts[-1].startswith("epoch 3/3 100% ")
    assert "val_loss" in texts[-1]
    assert capsys.readouterr() == ("", "")
    fit(progress=False)
    assert len(outputs) == 1


def test_partial_fit_tells_a_notebook_that_it_compiles(monkeypatch):
    seen = []
    monkeypatch.setattr(single_step, "CompileNotice", lambda what, visible: seen.append(visible) or nullcontext())
    for kernel in (object(), None):
        notebook(monkeypatch, kernel)
        Network([2, 1], seed=0).partial_fit([[1.0, 2.0]], [1.0])
    assert seen == [True, False]


VALUES = {"loss": "0.1234", "val_loss": "0.2345", "val_accuracy": "0.9512", "left": "0.5"}


class Clock:
    """A clock that stands still."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def drawn(monkeypatch):
    """Return a bar of which a quarter is done after ten seconds, what it has drawn, and its clock."""
    clock, drawn = Clock(), []
    live = types.SimpleNamespace(draw=lambda: drawn.append("draw"), close=lambda: drawn.append("close"))
    monkeypatch.setattr(progress_bar, "time", clock)
    monkeypatch.setattr(progress_bar, "LiveText", lambda shown: live)
    bar = progress_bar.Bar(100_000, "samples", head="epoch 12/20")
    bar.values, clock.now = VALUES, 10.0
    bar.update(25_000)
    return bar, drawn, clock


@pytest.mark.parametrize(("width", "wanted"), [
    (180, "epoch 12/20  25% ━━━━━━━─────────────────────── 0:30 left  25k/100k samples  2.5k samples/s  loss 0.1234  "
          "val_loss 0.2345  val_accuracy 0.9512  left 0.5"),
    (94, "epoch 12/20 ━────── 0:30 left  loss 0.1234  val_loss 0.2345  val_accuracy 0.9512  left 0.5"),
    (80, "epoch 12/20 0:30 left  loss 0.1234  val_loss 0.2345  val_accuracy 0.9512"),
    (70, "epoch 12/20  25% 0:30 left  loss 0.1234  val_loss 0.2345  left 0.5"),
    (64, "epoch 12/20 ━━────── 0:30 left  loss 0.1234  val_loss 0.2345"),
    (50, "epoch 12/20  25%  loss 0.1234  val_loss 0.2345"),
    (40, "epoch 12/20 0:30 left  loss 0.1234"),
    (25, "epoch 12/20 0:30 left"), (15, "epoch 12/20"), (8, "epoc"), (1, ""),
])  # fmt: skip
def test_the_line_says_what_has_room(width, wanted, drawn):
    """Loss and validation loss before all else; no number is cut, and there is room for the ^C of a terminal."""
    line = drawn[0].text(width)
    assert len(line) <= max(width - 4, 0)
    assert line == wanted


def test_names_of_wide_characters_are_counted_as_the_terminal_shows_them(drawn):
    bar, _, _ = drawn
    bar.values = {"loss": "0.1234", "面積面積面積": "0.5"}
    assert bar.text(55).endswith("loss 0.1234")
    assert bar.text(56) == "epoch 12/20 0:30 left  loss 0.1234  面積面積面積 0.5"
    assert max(width_of(bar.text(width)) - width for width in range(20, 120)) == -4


def test_a_profile_has_a_row_for_what_the_bar_takes(monkeypatch):
    """It imports rich, which takes longer than a short fit."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with profile(snapshots=False) as prof:
        fit(n_threads=1)
    assert [row["kind"] for row in prof.rows if row["name"] == "show the progress"] == ["python"]


def test_words_are_made_only_to_be_shown(monkeypatch):
    """Here for the last state: no quarter of a second passes."""
    made = []
    monkeypatch.setattr(progress_bar, "short", lambda value: made.append(value) or "1")
    monkeypatch.setattr(progress_bar, "time", Clock())
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit()
    assert len(made) == 3  # loss, val_loss and val_r2 of the last epoch


def test_a_bar_is_drawn_four_times_a_second_at_most(drawn):
    bar, drawn, clock = drawn
    assert drawn == ["draw"]
    for _ in range(98):
        clock.now += 0.01
        bar.update(30_000)
    assert len(drawn) == 1 + 3
    bar.close()
    assert drawn[-1] == "close"
    assert " 0:11 in all" in bar.text(80)


def test_samples_whose_number_is_not_known(drawn):
    bar, _, clock = drawn
    bar = progress_bar.Bar(None, "samples", head="epoch 1/2")
    clock.now += 1
    bar.update(1234)
    assert bar.text(80) == "epoch 1/2  1.23k samples  1.23k samples/s"
    assert "progress" not in bar.html()


def test_what_a_callback_adds_is_neither_a_code_nor_html(drawn):
    bar = drawn[0]
    bar.values = {"a\x1b[2J": "<b>\n"}
    assert bar.text(160).endswith(r"a\x1b[2J <b>\n")
    assert "&lt;b&gt;" in bar.html()
    assert '<progress value="0.2500"' in bar.html()
