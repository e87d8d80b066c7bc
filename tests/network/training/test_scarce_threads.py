"""Where the system gives no more threads, or small stacks: a clear error before anything is changed, or less speed."""

import threading

import pytest
from conftest import needs_compiler
from programs import run_script
from small_networks import OPTIONS, build, data, everything
from thread_teams import at_most, ends_with, living, parts_done, works

from hotloop import SGD
from hotloop.network.training import thread_stack as stack
from hotloop.network.training import thread_tuner
from hotloop.network.training.team import Team


@pytest.mark.parametrize("others", [0, 1])
def test_no_more_threads_are_to_be_had(others, monkeypatch):
    """None is left, and the error says what to do."""
    before = living()
    at_most(others, monkeypatch)
    message = rf"cannot start thread {others + 2} of 4 \(can't start new thread\): lower n_threads, or .*ulimit -u"
    with pytest.raises(RuntimeError, match=message), Team(4):
        pass
    assert ends_with(before)


@pytest.mark.parametrize("others", [0, 1])
def test_a_team_goes_on_with_fewer_where_it_may(others, monkeypatch):
    at_most(others, monkeypatch)
    with Team(4, fewest=1) as team:
        assert team.n_threads == others + 1
        assert works(team)
        assert len(parts_done(team)) == others + 1


def test_a_real_limit_on_threads():
    """As `ulimit -u` sets it; root has none, and so becomes another user."""
    script = """
import os, resource
from hotloop.network.training.team import Team
if os.getuid() == 0:
    os.setuid(65432)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    with Team(2):
        pass
except RuntimeError as error:
    print("refused" if "cannot start thread 2 of 2" in str(error) else error)
with Team(2, fewest=1) as team:
    print(team.n_threads)
"""
    assert run_script(script) == ["refused", "1"]


# Fits and predictions.


def test_too_few_threads_change_nothing(monkeypatch):
    """A number that was asked for is an error that says what to do, before the moments of the last fit are dropped."""
    (X, y), net = data(), build()
    net.fit(X, y, n_threads=1, **OPTIONS)
    before, optimizer = everything(net), net.optimizer
    at_most(1, monkeypatch)
    for call in (
        lambda: net.fit(X, y, n_threads=3, **OPTIONS | {"optimizer": SGD(0.1)}),
        lambda: net.predict(X, n_threads=3),
        lambda: net.evaluate(X, y, n_threads=3),
    ):
        with pytest.raises(RuntimeError, match="lower n_threads, or raise the limit"):
            call()
    assert everything(net) == before
    assert net.optimizer is optimizer


def test_validation_needs_no_threads_of_its_own(monkeypatch):
    """What was trained is not lost for them: one thread evaluates."""
    (X, y), net = data(), build()
    at_most(1, monkeypatch)
    history = net.fit(X, y, n_threads=2, validation_data=(X, y), **OPTIONS)
    assert (history.n_threads, len(history["val_loss"])) == (2, 1)


def test_auto_does_without_threads(monkeypatch):
    """In fit, validation, predict and evaluate, each of which would have taken two: to the same bits."""
    monkeypatch.setattr(thread_tuner, "available_cores", lambda: 2)
    monkeypatch.setattr(thread_tuner, "candidates", lambda *_: [1, 2])
    monkeypatch.setattr(thread_tuner, "WORK_OF_A_PREDICTING_THREAD", 1)
    (X, y), results = data(), []
    for others in (10**6, 0):
        with monkeypatch.context() as patch:
            at_most(others, patch)
            net = build()
            history = net.fit(X, y, validation_data=(X, y), **OPTIONS | {"epochs": 3})
            results.append((everything(net), history["loss"], history["val_loss"], net.predict(X).tobytes(),
                            net.evaluate(X, y)))  # fmt: skip
    assert results[0] == results[1]
    assert history.n_threads == 1


# The stack.


def with_stack(size, work):
    """Call `work` in a thread with a stack of this many bytes; return its result, or the error.

    The C library may give a thread the stack of one that has ended, up to four times as large: such threads wait, so
    that theirs is not given again.
    """
    found, done, before, threads = [], threading.Event(), threading.stack_size(size), []

    def keep():
        if stack.size_of_this_stack() not in (size, None):
            ready.set()
            done.wait()
            return
        try:
            found.append(work())
        except Exception as error:
            found.append(error)
        ready.set()

    try:
        while not found and len(threads) < 100:
            ready = threading.Event()
            threads.append(threading.Thread(target=keep))
            threads[-1].start()
            ready.wait()
    finally:
        threading.stack_size(before)
        done.set()
        for thread in threads:
            thread.join()
    return found[0]


def sizes_of_a_team():
    with Team(2) as team:
        sizes = {}
        team.run(lambda thread, *_: sizes.setdefault(thread, stack.size_of_this_stack()))
    return sizes


@pytest.mark.parametrize(
    ("size", "wanted"), [(128 * 1024, stack.OF_A_WORKER), (16 * 2**20, 16 * 2**20), (0, stack.OF_A_WORKER)]
)
def test_a_team_has_large_stacks(size, wanted):
    """Whatever `threading.stack_size` is, which stays what it was; 0 is the system's choice."""
    before = threading.stack_size(size)
    try:
        assert sizes_of_a_team()[1] >= wanted
        assert threading.stack_size(size) == size
    finally:
        threading.stack_size(before)


def test_the_size_of_a_stack_is_known():
    assert with_stack(640 * 1024, stack.size_of_this_stack) == 640 * 1024
    assert with_stack(160 * 1024, stack.size_of_this_stack) == 160 * 1024  # not the stack before, which is free
    assert stack.size_of_this_stack() > stack.ENOUGH


def test_a_fork_while_a_thread_is_started():
    """The lock that is held then is held for ever in the child, which makes a new one."""
    script = """
import os, signal, threading
from hotloop.network.training import thread_stack as stack
from hotloop.network.training.team import Team

threading.stack_size(128 * 1024)

def child():
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        with Team(2):
            os._exit(0)
    print(os.waitpid(pid, 0)[1])

stack.with_large_stack(child)
"""
    assert run_script(script) == ["0"]


@needs_compiler
def test_a_thread_with_a_small_stack(dtype):
    """It is refused before anything is changed: the compiled loops would end the process. One of 512 KiB is enough."""
    X, y = (array.astype(dtype) for array in data(rows=300))
    net = build(dtype=dtype)
    net.fit(X, y, n_threads=1, **OPTIONS)
    net.gradient(X[:2], y[:2])
    net.predict(X[:1]), net.predict(X[:2])
    before = everything(net)
    calls = [
        lambda: net.fit(X, y, n_threads=1, validation_data=(X, y), **OPTIONS | {"optimizer": SGD(0.1)}),
        lambda: net.predict(X), lambda: net.predict(X[:1]), lambda: net.evaluate(X, y), lambda: net.gradient(X, y),
    ]  # fmt: skip
    for call in calls:
        error = with_stack(128 * 1024, call)
        assert isinstance(error, RuntimeError)
        assert "the stack of this thread, 128 KiB, is too small" in str(error)
        assert "threading.stack_size(" in str(error)
    assert everything(net) == before
    for call in calls:
        assert not isinstance(with_stack(stack.ENOUGH, call), Exception)


@needs_compiler
def test_a_small_default_stack_is_not_that_of_the_teams_threads():
    (X, y), net, twin, before = data(), build(), build(), threading.stack_size(128 * 1024)
    try:
        net.fit(X, y, n_threads=3, **OPTIONS)
    finally:
        threading.stack_size(before)
    twin.fit(X, y, n_threads=1, **OPTIONS)
    assert everything(net) == everything(twin)
