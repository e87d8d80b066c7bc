"""One fit at a time: a network that is being trained is fitted by no callback and no other thread."""

import os
import threading

import numpy as np
import pytest
from programs import run_script
from watched_fits import QUIET, Noted, build, problem, train

from hotloop import SGD, Adam, Callback, DivergenceError


@pytest.mark.parametrize("call", ["fit", "reset_optimizer"])
def test_a_network_is_not_trained_within_its_own_fit(call):
    """Nor loses its moments, into which the compiled loop writes."""

    def again(moment, fit):
        if moment == "on_epoch_end":
            fit.network.reset_optimizer() if call == "reset_optimizer" else train(fit.network)

    net = build()
    with pytest.raises(RuntimeError, match=f"{call} was called in the middle of a fit of this network"):
        train(net, epochs=3, optimizer="adam", callbacks=[Noted(do=again)])
    train(net, epochs=1, optimizer="adam")
    net.reset_optimizer()


def test_a_fit_that_another_thread_began_while_the_data_were_checked():
    """Else both would run, and each might take the other's moments, of another size."""
    started, done = threading.Event(), threading.Event()

    class Waits(Callback):
        def on_fit_begin(self, fit):
            started.set()
            assert done.wait(60)

    net, others = build(), []
    x, y = problem()

    class Data:
        def __array__(self, dtype=None, copy=None):
            thread.start()
            assert started.wait(60)
            return x

    def first():
        others.append(train(net, epochs=2, optimizer="sgd", callbacks=[Waits()])[1])

    thread = threading.Thread(target=first)
    try:
        with pytest.raises(RuntimeError, match="fit was called in the middle of a fit of this network"):
            net.fit(Data(), y, optimizer="adam", **QUIET)
    finally:
        done.set()
        thread.join()
    assert (others[0].stop_reason, net.steps, net.optimizer) == ("epochs", 10, SGD(0.01))
    train(net, epochs=1)


def test_the_end_of_a_fit_leaves_a_fit_that_it_began_alone():
    """A thread that `on_fit_end` started is still training when the first fit returns."""
    going, done, threads = threading.Event(), threading.Event(), []

    class Waits(Callback):
        def on_fit_begin(self, fit):
            going.set()
            assert done.wait(60)

    class Starts(Callback):
        def on_fit_end(self, fit):
            threads.append(threading.Thread(target=train, args=(fit.network,), kwargs={"callbacks": [Waits()]}))
            threads[0].start()
            assert going.wait(60)

    net, _ = train(epochs=1, callbacks=[Starts()])
    try:
        with pytest.raises(RuntimeError, match="in the middle of a fit"):
            train(net, epochs=1)
    finally:
        done.set()
        threads[0].join()
    train(net, epochs=1)


def test_the_end_of_a_fit_sets_no_parameter_back_in_a_fit_that_it_began():
    """The other fit's own check sees to them, and the moments are in use."""
    going, done, threads, errors = threading.Event(), threading.Event(), [], []

    class Waits(Callback):
        def on_fit_begin(self, fit):
            going.set()
            assert done.wait(60)

    def other(net):
        try:
            train(net, callbacks=[Waits()], optimizer="adam")
        except DivergenceError as error:
            errors.append(error)

    class Starts(Callback):
        def on_fit_end(self, fit):
            threads.append(threading.Thread(target=other, args=(fit.network,)))
            threads[0].start()
            assert going.wait(60)
            fit.network.parameters[0] = np.nan

    net, _ = train(epochs=1, callbacks=[Starts()])
    try:
        assert (np.isnan(net.parameters[0]), net.optimizer) == (True, Adam())
    finally:
        done.set()
        threads[0].join()
    assert len(errors) == 1


FORK = """
import os, threading
from hotloop import Callback, Network

net, fitting, done = Network([2, 3, 1], seed=0), threading.Event(), threading.Event()
data = [[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0]

class Waits(Callback):
    def on_epoch_end(self, fit):
        fitting.set()
        done.wait(60)

thread = threading.Thread(target=net.fit, args=data, kwargs={"callbacks": [Waits()], "progress": False})
thread.start()
fitting.wait(60)
pid = os.fork()
if pid == 0:
    results = []
    def again():
        net.reset_optimizer()
        results.append(net.fit(*data, epochs=2, progress=False).stop_reason)
    again()
    other = threading.Thread(target=again)  # which may get the identity of the thread that was fitting
    other.start()
    other.join()
    os._exit(0 if results == ["epochs"] * 2 else 3)
done.set()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about forked processes")
def test_a_forked_process_trains_a_network_that_a_thread_was_training():
    """The child has no such thread, and the fit that it was in never ends there."""
    assert run_script(FORK) == ["0"]


def test_another_network_may_be_trained_within_a_fit():
    losses = []
    _, history = train(epochs=2, callbacks=[Noted(do=lambda moment, fit: losses.append(train(epochs=1)[1]["loss"][0]))])
    assert set(losses) == {history["loss"][0]}
