"""What a user sees while kernels are compiled: why, how far it is, and at last how long it took."""

import contextlib
import time
import types

import numba
import pytest
from numba.core import event

from hotloop.network.training import compilation
from hotloop.network.training.compilation import CompileNotice


class Screen:
    """What takes the place of the screen, and notes what is shown on it."""

    def __init__(self, shown):
        self._shown, self.texts, self.kept = shown, [str(shown.text(80))], None

    def draw(self):
        self.texts.append(str(self._shown.text(80)))

    def close(self, keep):
        self.kept = keep
        self.draw()


@pytest.fixture
def screens(monkeypatch):
    """Return the screens that were made. The events are made here, without the compiler."""
    found = []
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    monkeypatch.setattr(compilation, "LiveText", lambda shown: found.append(Screen(shown)) or found[-1])
    monkeypatch.setattr(compilation, "REDRAWN", 0.001)
    monkeypatch.setattr(compilation, "UNNOTICED", 0.0)
    monkeypatch.setattr(compilation, "_explained", set())
    return found


def compiled(*names, until=lambda: True):
    """Make the events of functions that are compiled, each within the one before, and wait within the innermost."""
    with contextlib.ExitStack() as stack:
        for name in names:
            data = {"dispatcher": types.SimpleNamespace(py_func=types.SimpleNamespace(__name__=name))}
            stack.enter_context(event.trigger_event("numba:compile", data))
        for _ in range(10_000):
            if until():
                break
            time.sleep(0.001)


def test_it_says_once_why_and_then_how_far_it_is(screens, capfd):
    with CompileNotice("float32", visible=True) as notice:
        compiled("outer", "inner", until=lambda: screens and "inner" in screens[0].texts[-1])
        compiled("last")
    assert (notice.compiled, notice.seconds > 0) == (True, True)
    (screen,) = screens
    *why, line = next(text for text in screen.texts if "inner" in text).split("\n")
    assert "hotloop: compiling its loops for this CPU (float32). It takes 10 to 30 seconds" in " ".join(why)
    assert line[1:] == " compiling for float32, 0 s, 0 functions, now inner"
    assert max(map(len, (*why, line))) <= 80
    assert screen.texts[-1] == f"hotloop: compiled 3 functions for float32 in {notice.seconds:.1f} s"
    assert screen.kept
    with CompileNotice("float64", visible=True):
        compiled("one", until=lambda: len(screens) > 1)
    assert "\n" not in screens[1].texts[0]
    assert capfd.readouterr() == ("", "")
    with event.trigger_event("numba:compile"):
        assert len(screens) == 2


@pytest.mark.parametrize(("visible", "functions", "unnoticed"), [(False, 1, 0.0), (True, 0, 0.0), (True, 1, 100.0)])
def test_when_nothing_is_shown(visible, functions, unnoticed, screens, monkeypatch):
    """Where nobody sees it, where all is in the cache, and where it is done in no time."""
    monkeypatch.setattr(compilation, "UNNOTICED", unnoticed)
    with CompileNotice("float32", visible) as notice:
        compiled(*["one"] * functions)
    assert (screens, notice.compiled) == ([], functions > 0)
    assert compilation._explained == set()


def test_the_last_line_is_left_out_where_it_is_not_wanted_or_not_true(screens):
    with CompileNotice("float32", visible=True, closing=False):
        compiled("one", until=lambda: len(screens) > 0)
    with pytest.raises(KeyboardInterrupt), CompileNotice("float32", visible=True):  # noqa: PT012
        compiled("one", until=lambda: len(screens) > 1)
        raise KeyboardInterrupt
    assert [screen.kept for screen in screens] == [False, False]


def test_an_end_while_it_is_drawn_is_told_once(screens):
    """By the last text alone."""
    notice = CompileNotice("float32", visible=True)
    with notice:
        compiled("one", until=lambda: len(screens) > 0)
        notice._ended.set()
        assert "compiling for float32" in notice.text(80)
        assert "<progress" in notice.html()
    assert [text.startswith("hotloop: compiled 1 function") for text in screens[0].texts].count(True) == 1


def test_what_a_notebook_shows(screens):
    with CompileNotice("<b>", visible=True) as notice:
        compiled("one", until=lambda: len(screens) > 0)
        running = notice.html()
    assert "<progress" in running
    assert "&lt;b&gt;" in running
    assert notice.html() == f"hotloop: compiled 1 function for &lt;b&gt; in {notice.seconds:.1f} s"


def test_without_a_thread_it_compiles_in_silence(screens, monkeypatch):
    def no_more(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(compilation.threading.Thread, "start", no_more)
    with CompileNotice("float32", visible=True) as notice:
        compiled("one")
    assert (notice.compiled, screens) == (True, [])
