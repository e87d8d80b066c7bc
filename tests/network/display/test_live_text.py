"""Text that is redrawn in place, as a terminal shows it."""

import contextlib
import io
import os
import pty
import sys
import termios
import threading

import pytest

from hotloop.network.display import live_text
from hotloop.network.display.live_text import LiveText
from hotloop.network.display.terminal import Styled


class Line:
    """Something that is shown."""

    def __init__(self, line):
        self.line = line

    def text(self, columns):
        return Styled(self.line)

    def html(self):
        return self.line


@contextlib.contextmanager
def terminal(encoding="utf-8", **streams):
    """Make standard error a terminal, and standard output too unless it is given; yield what it has shown so far."""
    controller, inside = pty.openpty()
    attributes = termios.tcgetattr(inside)
    attributes[1] &= ~termios.OPOST  # a line end stays one character
    termios.tcsetattr(inside, termios.TCSANOW, attributes)
    termios.tcsetwinsize(inside, (24, 60))
    os.set_blocking(controller, False)

    def shown():
        found = b""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(controller, 4096):
                found += data
        return found.decode(encoding)

    with (
        open(inside, "w", encoding=encoding) as stream,
        contextlib.redirect_stderr(stream),
        contextlib.redirect_stdout(streams.get("stdout", stream)),
    ):
        yield shown
    os.close(controller)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_line_is_replaced_and_stays():
    with terminal() as shown:
        line = Line("one")
        live = LiveText(line)
        assert shown() == "one"
        line.line = "two"
        live.draw()
        assert shown() == "\r\x1b[2Ktwo"
        live.close()
        assert shown().endswith("two\n")
        live.close()
        assert shown() == ""
    assert live_text._SCREEN._shown == []


def test_a_line_can_be_taken_away():
    with terminal() as shown:
        LiveText(Line("one")).close(keep=False)
        assert shown().endswith("\n\r\x1b[1A\x1b[2K")


def test_lines_of_two_fits_stand_side_by_side():
    with terminal() as shown:
        first, second = LiveText(Line("one")), LiveText(Line("two"))
        assert shown().endswith("one\ntwo")
        first.close()
        assert shown().endswith("one\ntwo")  # the first above what is still redrawn
        second.draw()
        assert shown() == "\r\x1b[2Ktwo"
        second.close()
        assert shown().endswith("two\n")


def test_what_is_printed_meanwhile_appears_above_as_it_is():
    out, err = sys.stdout, sys.stderr
    with terminal() as shown:
        inner = sys.stdout, sys.stderr
        live = LiveText(Line("bar"))
        print("[bold]a[/bold]", 50 * "long ")
        print("\x1b[31mwarning", file=sys.stderr)
        text = shown()
        live.close()
        assert (sys.stdout, sys.stderr) == inner
    assert "[bold]a[/bold] " + 50 * "long " in text
    assert text.index("[bold]") < text.index("warning") < text.rindex("bar")
    assert (sys.stdout, sys.stderr) == (out, err)


def test_standard_output_that_goes_elsewhere_stays_there():
    with terminal(stdout=io.StringIO()) as shown:
        elsewhere = sys.stdout
        live = LiveText(Line("bar"))
        print("a")
        live.close()
        assert elsewhere.getvalue() == "a\n"
        assert "a\n" not in shown()


def test_the_cursor_stays_visible():
    """Or a process that is killed would leave a terminal without one."""
    with terminal() as shown:
        LiveText(Line("bar")).close()
        assert "\x1b[?25" not in shown()


def test_a_terminal_that_can_only_print_gets_a_line_now_and_then(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with terminal() as shown:
        line = Line("why\none")
        live = LiveText(line)
        live.draw()
        assert shown() == "why\none\n"
        monkeypatch.setattr(live_text, "REPEATED", 0.0)
        live.draw()
        assert shown() == "one\n"
        line.line = "two"
        live.close()
        assert shown() == "two\n"
        LiveText(line).close(keep=False)
        assert shown() == "two\n"


def test_characters_that_the_terminal_lacks():
    with terminal("latin-1") as shown:
        LiveText(Line("━━── ⠋ é 面")).close()
        assert shown().endswith("##-- | é ?\n")


def test_a_terminal_that_is_gone_ends_no_fit():
    with terminal() as shown:
        shown()
        line = Line("one")

        class Gone(io.StringIO):
            def isatty(self):
                return True

            def write(self, text):
                raise OSError(5, "Input/output error")

        out = sys.stdout
        with contextlib.redirect_stderr(Gone()):
            live = LiveText(line)
            live.draw()
            live.close()
            assert isinstance(sys.stderr, Gone)
        assert sys.stdout is out
        LiveText(line).close()
        assert shown().endswith("one\n")


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_draws_its_own():
    """Whatever lock a thread of its parent holds."""
    with terminal() as shown:
        live = LiveText(Line("parent"))
        held, release = threading.Event(), threading.Event()

        def hold():
            with live_text._SCREEN._lock:
                held.set()
                release.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        if (child := os.fork()) == 0:
            own = LiveText(Line("child"))
            own.close()
            print("printed", flush=True)
            os._exit(0)
        try:
            for _ in range(100):
                found, status = os.waitpid(child, os.WNOHANG)
                if found:
                    break
                release.wait(0.1)
            else:
                os.kill(child, 9)
                os.waitpid(child, 0)
        finally:
            release.set()
            thread.join()
        assert found == child
        assert status == 0
        assert shown().endswith("child\nprinted\n")
        live.close()
        assert shown().endswith("parent\n")
