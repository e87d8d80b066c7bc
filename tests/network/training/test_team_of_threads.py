"""A team of threads: each does its part of a run and none is left, whatever is raised, forked or interrupted."""

import contextlib
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import needs_compiler
from programs import run_script
from step_kernels import wait
from thread_teams import ends_with, interrupted_by_an_alarm, living, parts_done, works

from hotloop.kernels import kernel
from hotloop.kernels.team import ARRIVED, barrier
from hotloop.network.training import team as threads
from hotloop.network.training.team import Team


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_each_thread_does_its_part_once(n_threads):
    with Team(n_threads) as team:
        notes = parts_done(team, "a", 7)
    assert [(thread, n, same, *rest) for thread, n, same, _, *rest in notes] == [
        (thread, n_threads, True, "a", 7) for thread in range(n_threads)
    ]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_threads_live_as_long_as_the_with_statement(n_threads):
    before = living()
    with Team(n_threads) as team:
        assert living() == before + n_threads - 1
        first, second = (([ident for *_, ident in parts_done(team)]) for _ in range(2))
        assert first == second
        assert first[0] == threading.get_ident()
        assert len(set(first)) == n_threads
    assert ends_with(before)


def test_a_run_outside_the_with_statement():
    team = Team(2)
    with pytest.raises(RuntimeError, match="use it in its with statement"):
        team.run(wait)
    with team:
        assert works(team)
    with pytest.raises(RuntimeError, match="use it in its with statement"):
        team.run(wait)


@needs_compiler
def test_all_threads_may_be_the_first_to_call_a_kernel():
    @kernel
    def fresh(thread, n_threads, words, numbers):
        numbers[thread] = n_threads
        return barrier(words, thread, n_threads)

    numbers = np.zeros(4, np.int64)
    with Team(4) as team:
        assert team.run(fresh, numbers)
    assert numbers.tolist() == [4] * 4
    assert len(fresh.signatures) == 1


# Errors.


@pytest.mark.parametrize("n_threads", [2, 4])
@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_thread_that_raises_releases_the_others(n_threads, culprit, error):
    def fail_or_wait(thread, n_threads, words):
        if thread == culprit:
            while words[ARRIVED] < n_threads - 1:  # until the others wait
                time.sleep(0.001)
            raise error("mine")
        answers.append(wait(thread, n_threads, words))

    answers = []
    with Team(n_threads) as team:
        with pytest.raises(error, match="mine"):
            team.run(fail_or_wait)
        assert answers == [False] * (n_threads - 1)
        assert works(team)


def test_of_several_errors_the_first_is_raised():
    def fail(thread, n_threads, words):
        if thread != 1:
            wait(thread, n_threads, words)
            assert not second.wait(0 if thread == 2 else 0.05)
        raise ValueError(thread)

    second = threading.Event()
    with Team(3) as team, pytest.raises(ValueError, match=r"^1$"):
        team.run(fail)


def test_an_error_with_one_thread():
    def fail(thread, n_threads, words):
        raise ValueError("mine")

    with Team(1) as team:
        with pytest.raises(ValueError, match="mine"):
            team.run(fail)
        assert works(team)


def test_ctrl_c_while_the_caller_waits_for_the_others():
    def interrupt(thread, n_threads, words):
        if thread == 1:
            time.sleep(0.05)  # thread 0 has returned, and waits
            os.kill(os.getpid(), signal.SIGINT)
            assert wait(thread, n_threads, words) is False

    with Team(2) as team:
        with pytest.raises(KeyboardInterrupt):
            team.run(interrupt)
        assert works(team)


def interrupted(moment, work):
    """Call with a KeyboardInterrupt before the given bytecode of this thread in threads.py; return whether it came."""
    passed = 0

    def trace(frame, event, argument):
        nonlocal passed
        if frame.f_code.co_filename != threads.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            passed += 1
            if passed == moment:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_ctrl_c_at_any_moment_of_a_run():
    """Wherever in a run it comes, the run ends, no part is done twice, and the next run is sound."""

    def note(thread, n_threads, words):
        parts.append(thread)
        return wait(thread, n_threads, words)

    moment, came = 0, True
    with Team(2) as team:
        while came:
            moment, parts = moment + 1, []
            came = interrupted(moment, lambda: team.run(note))
            assert team.run(wait) is True
            assert len(parts_done(team)) == 2
            assert len(set(parts)) == len(parts)  # by now any work that was posted twice has come up again
    assert moment > 50
    assert sorted(parts) == [0, 1]


def test_ctrl_c_at_any_moment_leaves_no_thread_behind():
    """While the threads are started, as they run, and as they end."""

    def whole():
        with Team(3) as team:
            team.run(wait)

    moment, came, before = 0, True, living()
    while came:
        moment += 1
        came = interrupted(moment, whole)
        assert ends_with(before), f"at bytecode {moment}"
    assert moment > 200


def test_signals_at_random_moments_leave_no_thread_behind():
    """As the one above, but from a timer: between bytecodes, within calls of C, and in a thread's first moments."""

    def whole(microseconds):
        alarm(microseconds)
        with Team(2) as team:  # whose last reference goes with this frame: Ctrl-C may come as it enters __exit__
            team.run(wait)
        alarm(0)

    rng, before, came = np.random.default_rng(5), living(), 0
    with interrupted_by_an_alarm() as alarm:
        for microseconds in rng.integers(1, 400, 300):
            with contextlib.suppress(KeyboardInterrupt):
                whole(microseconds)
                came -= 1
            came += 1
            assert ends_with(before)
    assert came > 0


# Several teams, and processes.


def test_two_teams_at_once():
    def nested(thread, n_threads, words):
        return works(inner) if thread == 0 else wait(0, 1, words)

    with Team(2) as outer, Team(3) as inner:
        assert outer.run(nested)
        assert works(outer)


def test_teams_in_threads_of_a_pool():
    def use(n_threads):
        with Team(n_threads) as team:
            return [works(team) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, [2, 3, 2, 1])) == [[True] * 3] * 4


FORK = """
import os
import sys
from hotloop.network.training.team import Team
from thread_teams import works

def child():
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        try:
            team.run(works)
        except RuntimeError as error:
            assert "process" in str(error)
            with Team(2) as own:
                status = 0 if works(own) else 2
    finally:
        os._exit(status)

with Team(2) as team:
    print(works(team), child(), works(team), child(), works(team))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about forked processes")
def test_a_fork_while_a_team_lives():
    """The child may make a team, is told that it does not have the parent's, and the parent goes on."""
    assert run_script(FORK) == ["True", "0", "True", "0", "True"]


FORK_AT_A_BAR = """
import os
import signal
import threading
from hotloop.network.display.live_text import _SCREEN
from hotloop.network.training.progress_bar import Bar

held, done = threading.Event(), threading.Event()

def draw():
    with _SCREEN._lock:
        held.set()
        done.wait()

drawer = threading.Thread(target=draw)
drawer.start()
held.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    Bar(3, "samples").close()
    os._exit(0)
print(os.waitpid(pid, 0)[1])
done.set()
drawer.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about forked processes")
def test_a_fork_while_another_thread_draws_a_bar():
    """The lock that it holds is held for ever in the child, where a fit makes a new bar."""
    assert run_script(FORK_AT_A_BAR) == ["0"]


EXIT = """
import threading
import time
from hotloop.network.training.team import Team
from step_kernels import wait

def hang(thread, n_threads, words):
    entered.release()
    time.sleep(1000) if thread == 0 else wait(thread, n_threads, words)

entered = threading.Semaphore(0)
team = Team(2).__enter__()
threading.Thread(target=team.run, args=(hang,), daemon=True).start()
entered.acquire()
entered.acquire()
print("ends")
"""


def test_the_interpreter_ends_while_a_thread_waits():
    assert run_script(EXIT) == ["ends"]
