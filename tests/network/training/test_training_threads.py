"""Networks trained by several threads: to the bit what one thread makes, whatever else goes on.

`test_team_of_threads` tests the threads, `test_thread_tuner` how many are chosen, `test_predict` predictions.
"""

import os
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import thread_bits
from autograd_network import HIDDEN
from conftest import COMPILED, ODD_SIZES, alone, needs_compiler, same_bits
from programs import run_script
from small_networks import LOSSES_AND_OUTPUTS, OPTIMIZERS, OPTIONS, QUIET, Side, build, data, everything
from thread_teams import ends_with, interrupted_by_an_alarm, living

from hotloop import SGD, DivergenceError, Network
from hotloop.kernels.matmul import NR
from hotloop.network.training import fit as fitting
from hotloop.network.training import loop_arguments, thread_choice, thread_tuner
from hotloop.network.training.cores import available_cores
from hotloop.network.training.team import Team
from hotloop.network.training.thread_choice import ThreadChoice

COUNTS = (1, 2, 3, 8, "auto") if COMPILED else (1, 2, 3)  # "auto" also uses 4
EPOCHS = 2


@pytest.fixture
def restless(monkeypatch):
    """Let "auto" use 1, 2, 3 and 4 threads in turn, for a micro-batch of rows each; return the counts that it used."""
    monkeypatch.setattr(thread_tuner, "available_cores", lambda: 4)
    monkeypatch.setattr(thread_tuner, "candidates", lambda n, *_: [1, 2, 3, 4] if n == "auto" else [n])
    taken, run = [], Team.run
    monkeypatch.setattr(ThreadChoice, "plan", lambda choice: (choice.counts[len(taken) % len(choice.counts)], 1))

    def noted(team, *arguments):
        taken.append(team.n_threads)
        return run(team, *arguments)

    monkeypatch.setattr(Team, "run", noted)
    return taken


def trained(n_threads, X, y, *, epochs=EPOCHS, batch_size=10, optimizer="adam", validation_data=None, **options):
    """Return all that a fit makes: parameters, moments, counters, losses."""
    net = build(**options)
    history = net.fit(
        X, y, epochs=epochs, batch_size=batch_size, optimizer=optimizer, validation_data=validation_data,
        n_threads=n_threads, **QUIET,
    )  # fmt: skip
    assert np.isfinite(net.parameters).all()
    return everything(net), history["loss"], history.get("val_loss")


def same_for_all_counts(*given, **options):
    expected, *others = (trained(n_threads, *given, **options) for n_threads in COUNTS)
    assert [n for n, other in zip(COUNTS[1:], others, strict=True) if other != expected] == []
    assert len(expected[1]) == EPOCHS


# To the bit.


@pytest.mark.parametrize("optimizer", OPTIMIZERS if COMPILED else ["SGD", "Adam"])
@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS if COMPILED else LOSSES_AND_OUTPUTS[::3])
def test_losses_and_optimizers(loss, output, optimizer, dtype, restless):
    """25 rows: two batches of ten, and five rows."""
    X, y = data(loss)
    same_for_all_counts(X, y, loss=loss, output=output, optimizer=OPTIMIZERS[optimizer], dtype=dtype)
    assert not COMPILED or set(restless) == {1, 2, 3, 4, 8}


@pytest.mark.parametrize("penalties", [{}, {"l1": 1e-3}, {"l2": 1e-3}, {"l1": 1e-3, "l2": 1e-2}], ids=str)
@pytest.mark.parametrize("dropout", [0.0, [0.4, 0.0], 0.3] if COMPILED else [0.3], ids=str)
@pytest.mark.parametrize("optimizer", ["SGD", "Nesterov", "AdamW"] if COMPILED else ["SGD"])
def test_dropout_and_penalties(optimizer, dropout, penalties, dtype, restless):
    X, y = data("labels")
    same_for_all_counts(X, y, loss="labels", optimizer=OPTIMIZERS[optimizer], dropout=dropout, dtype=dtype, **penalties)


# The last two are cut into micro-batches of at most 256 rows; the moments move only after a batch's last.
BATCHES = [(7, 1), (9, 2), (33, 5), (40, 10), (100, 33), (90, 100), (300, 300), (700, 300)]


@pytest.mark.parametrize(("rows", "batch_size"), BATCHES if COMPILED else [(5, 1), (12, 5)])
@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop"])
@pytest.mark.parametrize("dropout", [0.0, 0.2] if COMPILED else [0.2])
def test_batches(rows, batch_size, optimizer, dropout, dtype, restless, short_micro_batches):
    X, y = data("labels", rows=rows)
    options = {"loss": "labels", "optimizer": OPTIMIZERS[optimizer], "dropout": dropout, "dtype": dtype}
    same_for_all_counts(X, y, batch_size=batch_size, l2=1e-3, **options)


# Around a vector and a micro-kernel, narrower and shorter than these, deeper than a block of the product, and deep.
NETWORKS = [
    *[(size, size, 3) for size in ODD_SIZES],
    *[(6, size) for size in ODD_SIZES[::3]],
    (1, 1), (2, 1, 2), (300, 5, 2), (3, 300, 2), (520, 3, 1), (4,) * 12, (33,) * 6,
]  # fmt: skip


@pytest.mark.parametrize("sizes", NETWORKS if COMPILED else NETWORKS[::5], ids=str)
@pytest.mark.parametrize("batch_size", [5, 64] if COMPILED else [5])
def test_sizes(sizes, batch_size, dtype, restless):
    X, y = data("mse", rows=70 if COMPILED else 6, inputs=sizes[0], outputs=sizes[-1])
    for optimizer in ("SGD", "Adam"):
        same_for_all_counts(
            X, y, batch_size=batch_size, sizes=sizes, hidden="tanh", optimizer=OPTIMIZERS[optimizer], dtype=dtype
        )


@pytest.mark.parametrize("optimizer", OPTIMIZERS if COMPILED else ["SGD", "Adam"])
@pytest.mark.parametrize("options", [
    {}, {"dropout": 0.3, "layer_norm": True, "learn_activation": True}, {"l1": 1e-3}, {"learn_input_scale": True},
], ids=str)  # fmt: skip
def test_groups_that_share_columns(optimizer, options, dtype, monkeypatch):
    """Of layers as wide as several panels, with a narrow one between, and a last batch of other rows."""
    width = 4 * 16 * NR
    sizes = (width + 1, 2 * width, 7, width, 3) if COMPILED else (3, width, 3)
    X, y = data("labels", rows=45 if COMPILED else 7, inputs=sizes[0], outputs=3)
    settings = {
        "loss": "labels",
        "sizes": sizes,
        "hidden": "tanh",
        "optimizer": OPTIMIZERS[optimizer],
        "dtype": dtype,
        **options,
    }
    expected = trained(1, X, y, batch_size=20, **settings)
    for group, n_threads in [(1, 4), (2, 4), (4, 4), (3, 6), (8, 8)] if COMPILED else [(2, 2)]:
        monkeypatch.setattr(loop_arguments, "GROUP", group)
        assert trained(n_threads, X, y, batch_size=20, **settings) == expected, (group, n_threads)


def test_random_networks():
    """A few of those that ``python tests/thread_bits.py`` compares."""
    rng = np.random.default_rng(16)
    for number in range(len(OPTIMIZERS) if COMPILED else 1):
        case = thread_bits.drawn(rng, number)
        assert thread_bits.differing(case, (2, 3, 6, 16) if COMPILED else (2,)) == [], case


@pytest.mark.parametrize("hidden", HIDDEN if COMPILED else ["elu"])
def test_activations(hidden, dtype, restless):
    """And the losses of validation."""
    X, y = data()
    same_for_all_counts(X, y, hidden=hidden, output=hidden, dropout=0.1, dtype=dtype, validation_data=(X[:20], y[:20]))


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "float16"])
def test_kinds_of_inputs(kind, dtype, restless):
    X, y = data("labels")
    X = np.abs(20 * X).astype(kind)
    same_for_all_counts(X, y, loss="labels", input_scale=1 / 255, dtype=dtype)


@needs_compiler  # plain Python warns of the overflow in each thread
@pytest.mark.parametrize("rate", [1e3, 3e38], ids=str)
@pytest.mark.parametrize("batch_size", [5, 300])
def test_divergence(batch_size, rate, dtype, restless):
    """Every number of threads stops at the same step, with the same parameters."""
    X, y = data(rows=300)
    results = []
    for n_threads in COUNTS:
        net = build(hidden="softplus", dtype=dtype)
        with pytest.raises(DivergenceError, match="training diverged in epoch") as caught:
            net.fit(
                1e3 * X, 1e3 * y, epochs=99, batch_size=batch_size, optimizer=SGD(rate), n_threads=n_threads, **QUIET
            )
        assert np.isfinite(net.parameters).all()
        results.append((str(caught.value), caught.value.history["loss"], everything(net)))
    assert [n for n, result in zip(COUNTS, results, strict=True) if result != results[0]] == []


# Beside others.


def test_networks_in_a_pool_of_threads():
    expected = [Side(seed).fit(n_threads=1) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(Side.fit, map(Side, range(3)))) == expected


def test_networks_in_threads():
    expected, sides, results = [Side(seed).fit(n_threads=1) for seed in (4, 5)], [Side(4), Side(5)], {}
    threads = [
        threading.Thread(target=lambda side=side: results.__setitem__(side.net.seed, side.fit())) for side in sides
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[4], results[5]] == expected


FORK = """
import multiprocessing, threading, time
from small_networks import Side

context = multiprocessing.get_context("fork")
expected = Side(1).fit(n_threads=1)
parent = Side(2)
parents, stop = Side(2).fit(1, epochs={epochs}), threading.Event()

def child():
    raise SystemExit(0 if Side(1).fit() == expected else 3)

def end(process):
    process.join(60)
    if process.exitcode is None:
        process.kill()
        return "hangs"
    return process.exitcode

result = []
thread = threading.Thread(target=lambda: result.append(parent.fit(2, epochs={epochs})))
thread.start()
codes, during = [], 0
while thread.is_alive() or len(codes) < 2:
    process = context.Process(target=child)
    process.start()
    during += thread.is_alive()
    codes.append(end(process))
thread.join()
print(during > 0, set(codes), result == [parents], Side(1).fit() == expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="about forked processes")
def test_forks_while_a_fit_runs():
    """Each child trains with new threads; the parent's fit goes on, and so does a later one."""
    script = FORK.format(epochs=150 if COMPILED else 2)
    assert run_script(script) == ["True", "{0}", "True", "True"]


# Errors and Ctrl-C.


def disturbed(monkeypatch, disturb):
    """Let `disturb(thread, call, train)` make the calls of the loop, the first of which has one thread."""
    real, calls = fitting.train_slice, {}

    def sliced(thread, *given):
        call = calls[thread] = calls.get(thread, -1 if thread == 0 else 0) + 1
        disturb(thread, call, lambda budget=given[2]: real(thread, *given[:2], budget, *given[3:]))

    monkeypatch.setattr(fitting, "train_slice", sliced)
    monkeypatch.setattr(fitting, "LOADED", set())
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)  # a call is a batch


@pytest.mark.parametrize("n_threads", [2, 4])
@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize("batches", [0, 3])
def test_a_thread_that_raises(batches, culprit, n_threads, monkeypatch):
    """The others are released; the network keeps the batches before, and continues as if nothing had happened."""

    def disturb(thread, call, train):
        if thread == culprit and call == batches + 1:
            raise ValueError("mine")
        train()

    (X, y), net, twin, before = data(), build(), build(), living()
    with monkeypatch.context() as patch:
        disturbed(patch, disturb)
        with pytest.raises(ValueError, match="mine"):
            net.fit(X, y, n_threads=n_threads, **OPTIONS)
    assert ends_with(before)
    if batches:
        twin.fit(X[: 5 * batches], y[: 5 * batches], n_threads=1, **OPTIONS)
        twin.epochs_trained = 0  # an epoch for the twin, but a part of one for the network
        assert everything(net) == everything(twin)
    assert same_bits(net.parameters, twin.parameters)
    for each, n in ((net, n_threads), (twin, 1)):
        each.fit(X, y, n_threads=n, **OPTIONS)
    assert everything(net) == everything(twin)


def test_a_thread_that_raises_after_some_steps_of_a_slice(monkeypatch):
    """Thread 1 ends between two steps: thread 0 is released, and the parameters are those of the last whole step."""

    def disturb(thread, call, train):
        if thread == 1:
            train(15)
            raise ValueError("mine")
        train()

    (X, y), net, twin = data(), build(), build()
    with monkeypatch.context() as patch:
        disturbed(patch, disturb)
        patch.setattr(thread_choice, "SLICE_SECONDS", 1e9)
        with pytest.raises(ValueError, match="mine"):
            net.fit(X, y, n_threads=2, **OPTIONS)
    twin.fit(X[:15], y[:15], n_threads=1, **OPTIONS)
    assert same_bits(net.parameters, twin.parameters)
    assert same_bits(net._training.moments, twin._training.moments)


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("sender", [0, pytest.param(1, marks=needs_compiler)])  # plain Python stops within a step
def test_ctrl_c(sender, n_threads, monkeypatch):
    """In the third call of thread 0, or, sent by thread 1, within it or while thread 0 waits for thread 1."""

    def disturb(thread, call, train):
        train()
        if thread == sender and call == 3:
            os.kill(os.getpid(), signal.SIGINT)

    (X, y), net, twin = data(), build(), build()
    with monkeypatch.context() as patch:
        disturbed(patch, disturb)
        history = net.fit(X, y, n_threads=n_threads, **OPTIONS)
    assert (history.interrupted, history.n_threads) == (True, n_threads)
    assert net.steps in (3, 4) if sender else net.steps == 3
    rows = 5 * net.steps
    twin.fit(X[:rows], y[:rows], n_threads=1, **OPTIONS)
    assert same_bits(net.parameters, twin.parameters)
    assert same_bits(net._training.moments, twin._training.moments)


@needs_compiler
def test_ctrl_c_at_some_moment():
    """Sent from outside while both threads compute: the result is that of as many whole steps by one thread."""

    def interrupt():
        while same_bits(side.net.parameters, before):  # until the compiled loop has made a step
            time.sleep(0.001)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    side, twin, options = Side(1), Side(1), {"batch_size": 50, "shuffle": False, "optimizer": "adam", **QUIET}
    before, sender = side.net.parameters.copy(), threading.Thread(target=interrupt)
    sender.start()
    history = side.net.fit(side.X, side.y, n_threads=2, epochs=10**9, **options)
    sender.join()
    assert history.interrupted
    whole, steps = divmod(side.net.steps, len(side.X) // 50)
    assert whole - len(history.epochs) in (0, 1)  # 1 if it came before the last epoch was noted
    assert whole > 1
    for rows, epochs in ((len(side.X), whole), (50 * steps, 1)):
        if rows:
            twin.net.fit(twin.X[:rows], twin.y[:rows], n_threads=1, epochs=epochs, **options)
    assert same_bits(side.net.parameters, twin.net.parameters)
    assert same_bits(side.net._training.moments, twin.net._training.moments)


# Python drops an interrupt that comes in a destructor (of the progress bar, say), and pytest would call that an error.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_signal_around_a_fit_leaves_no_thread_behind():
    """Within a millisecond of its start and its end, as from Ctrl-C; the network is sound in any case."""
    (X, y), net, before = data(), build(), living()
    net.fit(X, y, n_threads=2, **OPTIONS)  # llvmlite, which loads the machine code, does not bear interrupts
    rng, interrupts = np.random.default_rng(3), 0
    with interrupted_by_an_alarm() as alarm:
        for microseconds in rng.integers(1, 1500, 120 if COMPILED else 40):
            try:
                alarm(microseconds)
                interrupts += net.fit(X, y, n_threads=2, **OPTIONS).interrupted
                alarm(0)
            except KeyboardInterrupt:
                interrupts += 1
            assert ends_with(before)
    assert interrupts > 0
    assert np.isfinite(net.parameters).all()


# More threads than cores.


@needs_compiler
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or available_cores() < 2, reason="compares threads that run on two cores"
)
@alone
def test_more_threads_than_cores():
    """Eight threads on two cores end, and take less than three times as long as two.

    Both are timed in turn, on the same two cores whatever the machine has, so that other load slows both.
    """
    X = np.random.default_rng(0).integers(0, 256, (128 * 100, 784), np.uint8)
    y = np.arange(len(X)) % 10

    def seconds(n_threads):
        net = Network([784, 128, 10], loss="cross_entropy", input_scale=1 / 255, seed=0)
        return net.fit(X, y, epochs=1, batch_size=128, n_threads=n_threads, **QUIET).seconds

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:2])
    try:
        seconds(2)
        eight, two = zip(*[(seconds(8), seconds(2)) for _ in range(7)], strict=True)
    finally:
        os.sched_setaffinity(0, cores)
    assert statistics.median(eight) < 3 * statistics.median(two)
