"""Signals, and standard streams that are closed, full, or lack a character: one line, the right exit status."""

import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
from command_line import TINY, run, saved_network, write_flowers
from programs import ENVIRONMENT

from hotloop import Network
from hotloop.network.cli import main as cli
from hotloop.network.cli import predict as predict_command
from hotloop.network.cli import reports, streams
from hotloop.network.cli import train as train_command
from hotloop.network.cli.interrupts import Interrupts
from hotloop.network.cli.parser import parser
from hotloop.network.cli.prepared_data import load_prepared
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice

COMMAND = f"{sys.executable} -m hotloop"


def shell(script, **environment):
    """Run a shell command, without a prompt; return its status and what it wrote to both streams."""
    done = subprocess.run(
        ["sh", "-c", script], env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def stand_in(monkeypatch, work):
    """Replace what ``hotloop train`` does."""
    monkeypatch.setattr(train_command, "command", work)


# Signals.


@contextlib.contextmanager
def default(number):
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(("name", "expected"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_keeps_what_was_learnt(tmp_path, monkeypatch, name, expected):
    """Sent in the middle of the third epoch, twice as timeout(1) does: evaluated, printed and saved."""
    number, calls, train_slice = getattr(signal, name), [], fitting.train_slice

    def signalled(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            signal.raise_signal(number)
        train_slice(*arguments)

    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 1e9)
    monkeypatch.setattr(fitting, "train_slice", signalled)
    monkeypatch.setattr(fitting, "LOADED", set())
    model = tmp_path / "model"
    with default(number) if number != signal.SIGINT else contextlib.nullcontext():
        status, out, err = run("train", "--data", write_flowers(tmp_path), *TINY, "--epochs", "9", "--save", model)
    assert (status, err) == (expected, "")
    assert (
        "\ninterrupted in epoch 3 of 9\nkept: the parameters of epoch 2, which had the lowest validation loss (" in out
    )
    assert "\ntest accuracy" in out
    assert saved_network(model).epochs_trained == 2


def test_a_signal_that_comes_twice_is_one_request(monkeypatch):
    def work(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)
        return 0

    stand_in(monkeypatch, work)
    assert run("train") == (130, "", "")


def test_a_later_signal_ends_the_process_at_once():
    script = (
        "import signal, sys, time\nfrom hotloop.network.cli import interrupts\ninterrupts.ONE_REQUEST = 0.01\n"
        "with interrupts.Interrupts():\n"
        "    try:\n        signal.raise_signal(signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n        time.sleep(0.05)\n"
        "    signal.raise_signal(signal.SIGTERM)\n    print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def test_signals_that_are_ignored_or_handled_stay_so():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    rung = []
    alarm = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))  # as a test runner has
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with Interrupts() as listening:
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGALRM)
            assert (listening.status(7), rung) == (7, [True])
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, old)
        signal.signal(signal.SIGALRM, alarm)
    assert {number: signal.getsignal(number) for number in before} == before


def test_in_another_thread_signals_are_left_alone(monkeypatch):
    stand_in(monkeypatch, lambda _: 0)
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(cli.main(["train"])))
    thread.start()
    thread.join()
    assert statuses == [0]


class Dropping:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_a_dropped_interrupt_that_comes_again_too_late_only_counts():
    with Interrupts() as listening:
        Dropping()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0
    assert listening.status(0) == 130


def test_an_interrupt_that_python_drops_comes_again():
    with Interrupts() as listening:
        Dropping()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(5)
        assert listening.status(0) == 130


def test_what_a_library_makes_of_an_interrupt_is_an_interrupt(monkeypatch):
    def chained(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    def unchained(_):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ImportError("cannot import name")

    for work in (chained, unchained):
        stand_in(monkeypatch, work)
        assert run("train") == (130, "", "hotloop: interrupted\n")


def test_an_error_after_an_interrupt_is_told(monkeypatch):
    def work(_):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise OSError(28, "No space left on device", "model")

    stand_in(monkeypatch, work)
    assert run("train") == (130, "", "hotloop: error: [Errno 28] No space left on device: 'model'\n")


ANSWERED = """
import contextlib, io, json, sys
import hotloop.__main__ as it
for arguments in json.load(sys.stdin):
    sys.argv[1:], out, err = arguments.split(), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        it.main()
    heavy = sorted({"numba", "numpy", "llvmlite"} & {*sys.modules})
    print(json.dumps([arguments, bool(out.getvalue()), bool(err.getvalue()), heavy]))
"""


def test_help_and_faulty_arguments_import_neither_numba_nor_numpy():
    """They answer in less time than the import of Numba takes, and Ctrl-C while it is imported is handled."""
    commands = ["train", "predict", "profile", "warmup", "doctor"]
    helps = ["--help", "--version", *(f"{command} --help" for command in commands)]
    faults = ["", "trian", "train --loss rmse", "train --epochs 0", "profile --sort-by speed"]
    done = subprocess.run(
        [sys.executable, "-c", ANSWERED], input=json.dumps(helps + faults), env=ENVIRONMENT, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [[each, True, False, []] for each in helps] + [[each, False, True, []] for each in faults]


def test_ctrl_c_while_the_modules_are_imported(tmp_path):
    """A module that the command line imports sends it, in place of the user."""
    (tmp_path / "argparse.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time\ntime.sleep(9)"
    )
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "hotloop", "--help"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "hotloop: interrupted\n")


# Errors.


@pytest.mark.parametrize(("error", "status", "message"), [
    (TypeError("can't multiply\nsequence"), 70, "unforeseen TypeError: can't multiply (a fault of hotloop: please"),
    (AssertionError(), 70, "unforeseen AssertionError (a fault of hotloop: please report it; HOTLOOP_TRACEBACK=1"),
    (RecursionError("too deep"), 70, "unforeseen RecursionError: too deep (a fault"),
    (numba.core.errors.TypingError("no \x1b[1mmatch\n\nmore"), 70, r"unforeseen TypingError: "),
    (MemoryError(), 2, "not enough memory"),
    (RuntimeError("cannot start thread 2 of 2"), 2, "cannot start thread 2 of 2"),
    (ValueError("a\x1b[2Jb\nc"), 2, r"a\x1b[2Jb\nc"),
    (OSError(), 2, "OSError"),
])  # fmt: skip
def test_every_error_is_one_line(error, status, message, monkeypatch):
    def work(_):
        raise error

    stand_in(monkeypatch, work)
    found, out, err = run("train")
    assert (found, out) == (status, "")
    assert err.startswith(f"hotloop: error: {message}")
    assert err.count("\n") == 1
    assert "\x1b" not in err
    monkeypatch.setenv("HOTLOOP_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in run("train")[2]


# Streams.


class Full(io.StringIO):
    """As /dev/full."""

    def flush(self):
        raise OSError(28, "No space left on device")


def test_a_full_standard_output(monkeypatch):
    stand_in(monkeypatch, lambda _: print("lost") or 0)
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(Full()):
        assert cli.main(["train"]) == 2
    assert err.getvalue() == "hotloop: error: standard output cannot be written: No space left on device\n"


def test_a_full_standard_output_without_a_buffer(monkeypatch, capsys):
    def work(_):
        raise OSError(28, "No space left on device")  # and nothing is left to be flushed

    stand_in(monkeypatch, work)
    assert cli.main(["train"]) == 2
    assert capsys.readouterr().err == ("hotloop: error: standard output cannot be written: No space left on device\n")


def test_a_closed_standard_error_does_not_become_standard_output(monkeypatch):
    def work(_):
        print("aside", file=sys.stderr)
        raise ValueError("bad")

    stand_in(monkeypatch, work)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(None):
        assert cli.main(["train"]) == 2
        assert sys.stderr is None
    assert out.getvalue() == ""


def test_a_full_standard_error(monkeypatch):
    stand_in(monkeypatch, lambda _: 7)
    with contextlib.redirect_stderr(Full()):
        assert cli.main(["train", "--nonsense"]) == 2
        streams.complain("lost")


def test_predictions_need_a_standard_output(tmp_path, monkeypatch):
    monkeypatch.setattr(predict_command.Network, "load", pytest.fail)
    err = io.StringIO()
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(err):
        assert cli.main(["predict", "model", "digits"]) == 2
    assert err.getvalue() == "hotloop: error: standard output is closed: name a file with --output\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--version", "train --loss foo"])
def test_processes_without_streams(command, unbuffered, monkeypatch):
    """Silence or one line, whatever is closed or full, and no traceback as Python exits: with and without buffers."""
    monkeypatch.setitem(ENVIRONMENT, "PYTHONUNBUFFERED", unbuffered)
    expected = 0 if command == "--version" else 2
    assert shell(f"{COMMAND} {command} >&- 2>&- <&-") == (expected, "", "")
    assert shell(f"{COMMAND} {command} 2>&-")[::2] == (expected, "")
    assert shell(f"{COMMAND} {command} 2>/dev/full")[0] == expected
    status, _, err = shell(f"{COMMAND} {command} >/dev/full")
    assert (status, len(err.splitlines()) <= 2, "Traceback" in err) == (2, True, False)


@pytest.fixture
def hostile(tmp_path):
    """A table whose classes a terminal should not see as they are, or cannot show."""
    path = tmp_path / "fl\x1bowers.csv"
    lines = write_flowers(tmp_path).read_text().replace("rose", "ros\x1b[2Jé").replace("tulip", "郁金香")
    path.write_text(lines, encoding="utf-8")
    return path


def test_names_are_printed_escaped(hostile):
    arguments = parser().parse_args(["train", "--data", str(hostile)])
    lines = reports.data(load_prepared(arguments))
    assert r"2 classes: ros\x1b[2Jé, 郁金香" in lines
    assert r"fl\x1bowers.csv" in lines
    assert "\x1b" not in lines


def in_ascii(*arguments):
    """Run with a standard output that has only ASCII; return the status and what was written."""
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, encoding="ascii")) as stream:
        status = cli.main([str(argument) for argument in arguments])
        assert stream.errors == "strict"  # as it was
        return status, written.getvalue().decode("ascii")


def test_an_encoding_that_lacks_a_character(hostile, tmp_path):
    """Training goes on; the printed lines have the character escaped, the written file has it as it is."""
    model = tmp_path / "mé"
    status, out = in_ascii("train", "--data", hostile, *TINY, "--epochs", "1", "--save", model)
    assert status == 0
    assert r"2 classes: ros\x1b[2J\xe9, \u90c1\u91d1\u9999" in out
    assert r"/m\xe9; to predict" in out
    status, out = in_ascii("predict", model, hostile)
    assert status == 0
    assert r"probability_\u90c1\u91d1\u9999" in out
    assert run("predict", model, hostile, "--output", tmp_path / "out")[0] == 0
    assert "probability_郁金香" in (tmp_path / "out").read_text(encoding="utf-8")


def test_predictions_in_a_terminal_are_escaped(tmp_path, monkeypatch):
    """In a pipe the names stay as they are."""
    fields = {"columns": None, "classes": ["a\x1b[2J", "b"]}
    net = Network([1, 2], loss="cross_entropy", seed=0)
    net.save(tmp_path / "model", metadata={"data": json.dumps(fields)})
    np.savez(tmp_path / "data.npz", x=np.zeros((1, 1)))
    controller, inside = pty.openpty()
    with open(inside, "w") as stream, contextlib.redirect_stdout(stream):
        assert cli.main(["predict", str(tmp_path / "model"), str(tmp_path / "data.npz")]) == 0
    shown = os.read(controller, 4096).decode()
    os.close(controller)
    assert r"probability_a\x1b[2J" in shown
    assert "probability_a\x1b[2J" in run("predict", tmp_path / "model", tmp_path / "data.npz")[1]


# Options without effect.


@pytest.mark.parametrize(("options", "message"), [
    (["--layers", "64,10", "--activation", "tanh"], "--activation is for hidden layers"),
    (["--layers", "64,10", "--dropout", "0.1"], "--dropout is for hidden layers"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["train", "profile"])
def test_options_without_effect(command, options, message):
    status, out, err = run(command, *options)
    assert (status, out) == (2, "")
    assert err.startswith(f"hotloop: error: {message}")


@pytest.mark.parametrize("option", ["--patience", "--tolerance"])
def test_options_of_what_is_turned_off(option):
    status, out, err = run("train", "--no-early-stopping", option, "2")
    assert (status, out) == (2, "")
    assert err == f"hotloop: error: {option} is for early stopping, which --no-early-stopping turns off\n"
