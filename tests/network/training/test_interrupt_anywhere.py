"""Ctrl-C at every line of hotloop's that a call runs, the first time and the last: no half of a change may be left."""

import copy
import functools
import os
import sys

import numpy as np
import pytest
from conftest import COMPILED, same_bits

from hotloop import SGD, Network

UNBROKEN = {"only_fit"}  # its lines have no call between them, and a signal is heard only after one
QUIET = {"n_threads": 1, "progress": False}


def problem():
    x = np.random.default_rng(1).normal(size=(40, 3))
    return x, np.tanh(x @ [1.0, -2.0, 0.5])


def traced(call, at_line):
    """Call a function, and `at_line` with the place of each line of hotloop's before it runs."""

    def trace(frame, event, argument):
        if f"{os.sep}network{os.sep}" not in frame.f_code.co_filename or frame.f_code.co_name in UNBROKEN:
            return None
        if event == "line":
            at_line((frame.f_code, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)


def moments_of(call):
    """Return when a call runs each of its lines for the first time and the last, as numbers of lines that ran."""
    places = []
    traced(call, places.append)
    first = {place: number for number, place in reversed([*enumerate(places)])}
    last = {place: number for number, place in enumerate(places)}
    return sorted({*first.values(), *last.values()})


def interrupt(call, number):
    """Call a function, with Ctrl-C once so many lines ran; return whether so many did."""
    left = iter(range(number, -1, -1))

    def at_line(place):
        if next(left, None) == 0:
            raise KeyboardInterrupt

    traced(call, at_line)
    return next(left, None) is None


@pytest.mark.skipif(not COMPILED, reason="hotloop's lines are the same, and those of its kernels take half a minute")
# A file that is opened as Ctrl-C comes is closed without its with statement.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["another optimizer", "resumed", "partial_fit"])
def test_ctrl_c_at_any_line_leaves_a_sound_network(how, tmp_path):
    """The moments are the optimizer's, or compiled code would write beyond them; and training goes on."""
    x, y = problem()
    start = Network([3, 1], seed=0)
    start.fit(x, y, epochs=1, batch_size=40, optimizer=SGD(0.1), checkpoint=tmp_path / "run", **QUIET)
    start.fit(x, y, epochs=1, batch_size=40, optimizer=SGD(0.1), **QUIET)
    calls = {
        "another optimizer": lambda net: net.fit(x, y, epochs=1, batch_size=40, optimizer="adam", **QUIET),
        "resumed": lambda net: net.fit(
            x, y, epochs=2, batch_size=40, optimizer=SGD(0.1), resume=tmp_path / "run", **QUIET
        ),
        "partial_fit": lambda net: net.partial_fit(x, y, optimizer="adam"),
    }
    call = calls[how]
    call(copy.deepcopy(start))  # what only the first call does, as to import, is no part of it
    interrupted = 0
    for number in moments_of(functools.partial(call, copy.deepcopy(start))):
        net = copy.deepcopy(start)
        interrupted += interrupt(functools.partial(call, net), number)
        wanted = 0 if net.optimizer is None else net.optimizer.n_moments
        assert len(net._training.moments) == wanted, f"interrupted after {number} lines"
        assert wanted == 0 or net._training.moments.shape[1] == net.parameters.size
        twin = copy.deepcopy(net)
        for each in (net, twin):
            each.fit(x, y, epochs=1, optimizer="adam", **QUIET)
        assert same_bits(net.parameters, twin.parameters)
    assert interrupted > 100
