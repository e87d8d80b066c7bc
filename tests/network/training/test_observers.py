"""Observers: what a profile is told beside the moments of a callback, in its own thread and in no other."""

import contextvars
import threading

import numpy as np
import pytest
from conftest import same_bits

from hotloop import Callback, Network
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.training.callbacks import CallObserver, FitObserver, Observer, activate, deactivate

X, Y = np.ones((40, 3)), np.zeros(40)


def build():
    return Network([3, 8, 1], seed=0)


def train(net=None, **options):
    (build() if net is None else net).fit(X, Y, batch_size=8, progress=False, n_threads=1, **options)


class Watcher(Observer):
    """Notes all that it is asked."""

    def __init__(self, thread=None):
        super().__init__(threading.get_ident() if thread is None else thread)
        self.notes = []

    def span(self, name):
        self.notes.append(name)
        return super().span(name)

    def forward(self, data, n_threads):
        self.notes.append(("forward", data.rows))
        return super().forward(data, n_threads)

    def of_gradient(self, network, data):
        return WatchedCalls(self.notes)

    def of_fit(self, fit, data):
        return WatchedFit(self.notes)


class WatchedCalls(CallObserver):
    def __init__(self, notes):
        self.notes = notes

    def called(self, n_threads, start, row, rows):
        self.notes.append((n_threads, row, rows))


class WatchedFit(WatchedCalls, FitObserver):
    def rows_of_call(self, fit, rows):
        return min(rows, 16)


@pytest.fixture
def watcher():
    watcher = Watcher()
    activate(watcher)
    yield watcher
    deactivate(watcher)


def test_an_observer_sees_what_networks_do(watcher):
    net = build()
    train(net, epochs=1, validation_data=(X, Y))
    assert watcher.notes == [
        "fit", "check the data", "load kernels", (1, 0, 16), (1, 16, 16), (1, 32, 8), "validation", ("forward", 40),
    ]  # fmt: skip
    watcher.notes.clear()
    net.predict(X[:1])
    net.evaluate(X, Y)
    net.gradient(X, Y)
    assert watcher.notes == ["predict", ("forward", 1), "evaluate", ("forward", 40), "gradient", (1, 0, 40)]


def test_several_observers_see_the_same(watcher):
    other = Watcher()
    activate(other)
    try:
        train(epochs=2)
        build().predict(X)
    finally:
        deactivate(other)
    assert watcher.notes == other.notes
    build().predict(X)
    assert len(watcher.notes) == len(other.notes) + 2


@pytest.mark.parametrize("where", ["a thread that inherits the context", "another thread's observer"])
def test_an_observer_sees_only_its_own_thread(where, watcher):
    if where == "another thread's observer":
        watcher.thread = -1
        train(epochs=1)
    else:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(lambda: train(epochs=1),))
        thread.start()
        thread.join()
    assert watcher.notes == []


def test_an_observer_comes_before_the_callbacks(watcher):
    class First(FitObserver):
        def on_epoch_end(self, fit):
            watcher.notes.append("observer")

    class Second(Callback):
        def on_epoch_end(self, fit):
            watcher.notes.append("callback")

    watcher.of_fit = lambda fit, data: First()
    train(epochs=2, callbacks=[Second()])
    assert [note for note in watcher.notes if note in ("observer", "callback")] == ["observer", "callback"] * 2


@pytest.mark.parametrize("every", [1, 2])
def test_an_observer_may_train_a_batch_itself(every, watcher):
    """Each, or every second one: the rows are counted, and the bits are the same."""

    class Takes(FitObserver):
        asked = 0

        def rows_of_call(self, fit, rows):
            return 8

        def take_batch(self, run):
            self.asked += 1
            if self.asked % every:
                return False
            train_slice(0, 1, new_team(), 8, run, None)
            return True

    class Rows(Callback):
        def on_call_end(self, fit):
            rows.append(fit.rows_done)

    rows, takes, net, twin = [], Takes(), build(), build()
    watcher.of_fit = lambda fit, data: takes
    train(net, epochs=2, callbacks=[Rows()])
    assert (rows, takes.asked) == ([8, 16, 24, 32, 40] * 2, 10)
    deactivate(watcher)
    train(twin, epochs=2)
    assert same_bits(net.parameters, twin.parameters)
