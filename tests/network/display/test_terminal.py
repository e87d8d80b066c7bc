"""Who sees what: the width of text, and colours where they are wanted, of text that is never a code."""

import io
import os
import pickle
import pty
import subprocess
import sys
import termios

import pytest
from programs import ENVIRONMENT

from hotloop.network.display.terminal import COLUMNS, Styled, coloured, columns, is_terminal, styled

PLAIN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "COLORTERM")


@pytest.fixture
def terminal(monkeypatch):
    """Return a stream that is a terminal, 50 columns wide."""
    for name in PLAIN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    controller, inside = pty.openpty()
    termios.tcsetwinsize(inside, (24, 50))
    with open(inside, "w") as stream:
        yield stream
    os.close(controller)


def test_text_is_as_wide_as_the_terminal_and_elsewhere_80_columns(monkeypatch, terminal):
    monkeypatch.setattr(sys, "stdout", terminal)
    assert columns() == 50
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        assert columns() == COLUMNS == 80
    for given, wanted in ("123", 123), ("0", 80), ("wide", 80), ("", 80):
        monkeypatch.setenv("COLUMNS", given)
        assert columns() == wanted


def test_a_closed_stream_is_no_terminal(terminal):
    closed = io.StringIO()
    closed.close()
    assert [is_terminal(stream) for stream in (terminal, closed, None)] == [True, False, False]


@pytest.mark.parametrize(("environment", "red", "bold"), [
    ({}, True, True), ({"FORCE_COLOR": ""}, True, True), ({"NO_COLOR": "1"}, False, True),
    ({"TERM": "dumb"}, False, False),
])  # fmt: skip
def test_colours_are_for_terminals_that_want_them(environment, red, bold, monkeypatch, terminal):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    text = Styled.joined(" ", [styled("one", "bold red"), "two"])
    found = coloured(text, terminal)
    assert ("31" in found, "\x1b[1" in found) == (red, bold)
    assert found.endswith("two")
    assert coloured(text, io.StringIO()) is text
    assert coloured("two", terminal) == "two"


def test_colours_can_be_forced_into_a_pipe(monkeypatch, terminal):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32m" in coloured(styled("one", "green"), io.StringIO())


def test_text_is_no_markup_and_is_not_broken(terminal):
    text = "[bold]a[/bold] :smile: " + 100 * "x" + "1 'a' http://a"
    assert coloured(styled(text, "red"), terminal) == f"\x1b[31m{text}\x1b[0m"


def test_a_styled_text_is_a_text():
    text = Styled.joined("\n", [styled("a", "bold"), "b", styled("", "red"), styled("c", "")])
    assert text == "a\nb\n\nc"
    assert text.spans == ((0, 1, "bold"), (4, 4, "red"))
    again = pickle.loads(pickle.dumps(text))
    assert (again, again.spans) == (text, text.spans)


@pytest.mark.parametrize("program", [
    "from hotloop.network.cli.main import main; main(['--help'])",
    "from hotloop.network.cli.main import main; main(['train', '--data', 'nowhere.csv'])",
    "from hotloop import History; print(History([{'epoch': 1, 'loss': 0.5}]))",
])  # fmt: skip
def test_what_goes_to_a_pipe_does_not_wait_for_rich(program):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; print('rich' in sys.modules, 'tqdm' in sys.modules)"],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.endswith("False False\n"), done.stderr
    assert "\x1b" not in done.stdout + done.stderr
