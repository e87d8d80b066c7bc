"""fit(max_seconds=...): the fit ends with a compiled call, and keeps what it has learned."""

import copy

import numpy as np
import pytest
from watched_fits import EVERY_BATCH, build, problem, train

from hotloop import Callback
from hotloop.callbacks import LambdaCallback
from hotloop.network.training import thread_choice, time_limit


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when it is told to."""

    class Clock:
        now = 100.0

        def perf_counter(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(time_limit, "time", found)
    return found


class Passes(Callback):
    """Lets a second pass at a moment, and makes each call a batch."""

    def __init__(self, clock, moment):
        setattr(self, moment, lambda fit: setattr(clock, "now", clock.now + 1))

    def rows_of_call(self, fit, rows):
        return 8


@pytest.mark.parametrize(("moment", "seconds", "epochs", "steps"), [
    ("on_call_end", 7, 1, 7), ("on_call_end", 0.5, 0, 1), ("on_call_end", 10, 2, 10), ("on_call_end", 1000, 4, 20),
    ("on_epoch_end", 2, 2, 10), ("on_fit_begin", 0.5, 4, 20), ("on_epoch_begin", 2.5, 3, 16),
])  # fmt: skip
def test_where_it_ends(clock, moment, seconds, epochs, steps):
    """With the call, or the epoch, in which the time is up; what comes before the first epoch does not count."""
    net, history = train(epochs=4, callbacks=[Passes(clock, moment)], max_seconds=seconds)
    assert (len(history.epochs), net.steps, net.epochs_trained) == (epochs, steps, epochs)
    assert history.stop_reason == ("epochs" if seconds == 1000 or moment == "on_fit_begin" else "time")


def test_what_it_has_learned_is_kept(clock):
    """As if a callback had stopped it there."""
    net, twin = build(), None
    twin = copy.copy(net)
    train(net, callbacks=[Passes(clock, "on_call_end")], max_seconds=7)
    stop = LambdaCallback(on_step=lambda fit: fit.stop() if fit.step == 7 else None)
    train(twin, callbacks=[stop])
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_a_real_clock(monkeypatch):
    """A fit that would take for ever ends."""
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.001)
    history = build().fit(*problem(), epochs=10**9, max_seconds=0.05, **EVERY_BATCH)
    assert history.stop_reason == "time"
    assert history.seconds >= 0.05


@pytest.mark.parametrize(("seconds", "error"), [(0, ValueError), (-1, ValueError), (np.inf, ValueError),
                                                (np.nan, ValueError), ("1", TypeError), (True, TypeError)])  # fmt: skip
def test_wrong_arguments(seconds, error):
    net = build()
    with pytest.raises(error, match="max_seconds must be"):
        train(net, max_seconds=seconds)
    assert net.steps == 0
