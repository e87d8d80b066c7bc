"""What a fuzzed program calls: hotloop's public API, with checks of what must be true of each call.

A program is a few lines of Python with this file's names (see fuzz_programs.py). Each `Subject` holds a network and its
shadow, which takes the simple way: trained in one piece where the network is trained in two, never saved, with another
number of threads. At the end of every call both must agree to the bit.
"""

import copy
import os
import pickle
import re
import signal
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import fuzz_oracle as exact
import numba
import numpy as np
from fuzz_names import *  # noqa: F403 (what a program may name)
from fuzz_names import NAMES, OWN, arranged
from fuzz_replay import QUIET, can_be_replayed, must, replay

from hotloop import ConvergenceWarning, DivergenceError, Network, profile
from hotloop.network.losses import loss_of

__all__ = ["Subject", "refused", "together", *NAMES]

MOST_STEPS = 40  # in a fit that is replayed step by step


def be_strict():
    """Turn every warning into an error, except the one that reports no fault."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ConvergenceWarning)
    if numba.config.DISABLE_JIT:
        np.seterr(all="ignore")  # as in compiled code


def state_of(net):
    """Return all that a call could have changed, arrays to the bit."""
    arrays = [(array.tobytes(), array.shape, str(array.dtype)) for array in (net.parameters, net._training.moments)]
    made_of = [
        net.sizes, net.activations, net.loss, net.dropout, net.l1, net.l2, net.input_scale, net.seed, net.layer_norm,
        net.learn_activation, net.learn_input_scale, net.input_dropout, net.label_smoothing, net.max_norm,
        net.layer_norm_epsilon,
    ]  # fmt: skip
    training = net._training
    return (
        arrays,
        training.epochs,
        training.steps,
        training.step_offset,
        net.optimizer,
        dict(net.metadata),
        repr(made_of),
    )


def same(net, other, what):
    """Raise unless two networks are equal to the bit."""
    names = ("arrays", "epochs_trained", "steps", "step_offset", "optimizer", "metadata", "make-up")
    differ = [name for name, a, b in zip(names, state_of(net), state_of(other), strict=True) if a != b]
    must(not differ, f"{what}: {', '.join(differ)} differ")


def sound(net):
    """Raise unless parameters and moments are finite, and their padding zero."""
    for vector in (net.parameters, *net._training.moments):
        must(np.isfinite(vector).all(), "a parameter or a moment is not finite")
        inside = np.zeros(vector.shape, bool)
        for part in net.parts(inside).values():
            part[...] = True
        must(not vector[~inside].any(), "the padding is not zero")


@contextmanager
def leaving_no_thread():
    """Raise if there are more threads after the block than before; only where the system tells their number."""
    tasks = Path("/proc/self/task")

    def count():
        return len(list(tasks.iterdir())) if tasks.exists() else 0

    before, until = count(), time.monotonic() + 2
    yield
    while (left := count() - before) > 0:
        must(time.monotonic() < until, f"threads were left running: {left}")
        time.sleep(0.001)


def refused(call, argument, *subjects):
    """Raise unless the call is refused by an error that names the argument, and nothing is changed."""
    before = [state_of(net) for s in subjects for net in (s.net, s.shadow)]
    try:
        call()
    except Exception as error:
        kind, text = type(error), str(error)
        must(kind in (TypeError, ValueError, MemoryError), f"{kind.__name__} for a wrong {argument}: {text}")
        must(re.search(rf"\b{argument.removesuffix('s')}s?\b", text), f"the error does not name {argument}: {text}")
        must(len(text) < 2000, f"the error for {argument} has {len(text)} characters")
    else:
        raise AssertionError(f"a wrong {argument} was accepted")
    must(
        [state_of(net) for s in subjects for net in (s.net, s.shadow)] == before,
        f"a wrong {argument} changed a network",
    )


def trained(net, X, y, epochs, **options):
    """Fit, in as many calls as `epochs` has entries, and return (losses, how it ended)."""
    losses = []
    for count in epochs:
        try:
            history = net.fit(X, y, epochs=count, **QUIET, **options)
        except DivergenceError as error:
            return losses + error.history["loss"], str(error)
        losses += history["loss"]
        found = history["loss"] + history.get("val_loss", [])
        must(np.isfinite(found).all(), f"a loss is not finite, and no error: {history}")
        must(
            len(history.epochs) == count or history.stop_reason in ("converged", "early stopping"),
            f"epochs are missing: {history}",
        )
    return losses, history.stop_reason


class Subject:
    """A network and its shadow."""

    def __init__(self, sizes, activation="relu", *, seed, **options):
        self.net, self.shadow = (Network(sizes, activation, seed=seed, **options) for _ in range(2))
        same(self.net, self.shadow, "two networks of one seed")
        more = sum(
            part.size
            for name, part in self.net.parts(self.net.parameters).items()
            if name.rpartition(".")[2] not in ("weights", "bias")
        )
        must(self.net.n_parameters == sum((i + 1) * o for i, o in pairwise(sizes)) + more, "n_parameters is wrong")
        sound(self.net)

    def data(self, rows, *, seed, kind="float64", order="C", scale=1.0, soft=False):
        """Return inputs, in a dtype and memory layout, and targets that suit the network."""
        rng, net = np.random.default_rng(seed), self.net
        X, outputs = rng.normal(size=(rows, net.sizes[0])), net.sizes[-1]
        X = np.rint(X * 9) % 256 if kind in ("uint8", "int64", "bool") else X * scale
        if net.loss == "cross_entropy":
            y = rng.dirichlet(np.ones(outputs), rows) if soft else rng.integers(0, outputs, rows)
        elif net.loss == "binary_cross_entropy":
            y = rng.random((rows, outputs)) if soft else rng.integers(0, 2, (rows, outputs))
        else:
            columns = loss_of(net.loss).target_columns(outputs)
            y = rng.normal(size=(rows, columns)) * scale
            y = np.abs(y) if net.loss == "poisson" else y
            y = y[:, 0] if columns == 1 and soft else y
        return arranged(X.astype(kind), order), y

    def fit(self, X, y, *, epochs=(1,), n_threads=1, shadow_threads=1, watched=False, calm=True, **options):
        """Fit the network in `epochs` pieces and the shadow in one; replay small fits step by step, and check each."""
        net, shadow, before = self.net, self.shadow, copy.deepcopy(self.net)
        with leaving_no_thread():
            losses, end = trained(net, X, y, epochs, n_threads=n_threads, **options)
        if watched:
            with profile(snapshots=watched != "without snapshots"):
                straight = trained(shadow, X, y, [sum(epochs)], n_threads=shadow_threads, **options)
        else:
            straight = trained(shadow, X, y, [sum(epochs)], n_threads=shadow_threads, **options)
        must((losses, end) == straight, f"the ways differ: {(losses, end)} and {straight}")
        same(net, shadow, "the network and its shadow, after a fit")
        sound(net)
        must(net.epochs_trained == before.epochs_trained + len(losses), "epochs_trained is wrong")
        if "diverged" in end:
            # Of ten units one is kept, times 10: steps may then be too long.
            scaled = any(net.dropout) or net.input_dropout > 0
            must(not calm or scaled, f"calm data and a small rate diverged: {end}")
            return
        steps = len(losses) * -(-len(X) // options.get("batch_size", 32))
        if options.get("validation_split"):
            return
        must(net.steps == before.steps + steps, f"steps is {net.steps}, from {before.steps} after {steps} more")
        if steps <= MOST_STEPS and calm and can_be_replayed(**options):
            replay(before, net, X, y, losses, steps, **options)

    def interrupt(self, X, y, *, after, **options):
        """Fit, interrupted after some seconds; what was trained must be what the same steps one by one give."""
        net, before, batches = self.net, copy.deepcopy(self.net), -(-len(X) // options.get("batch_size", 32))
        handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
        with leaving_no_thread():
            try:
                signal.setitimer(signal.ITIMER_REAL, after)
                net.fit(X, y, epochs=500, **QUIET, **options)
            except KeyboardInterrupt:
                pass  # before the training or after it
            except DivergenceError as error:  # as in `fit`
                must(any(net.dropout) or net.input_dropout > 0, str(error))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, handler)
        sound(net)
        epochs, steps = net.epochs_trained - before.epochs_trained, net.steps - before.steps
        must(epochs * batches <= steps <= (epochs + 1) * batches, f"{steps} steps in {epochs} epochs of {batches}")
        if (
            steps <= MOST_STEPS and not any(net.dropout) and not net.input_dropout
        ):  # with it the last step may have overflowed, and been undone
            replay(before, net, X, y, None, steps, **{k: v for k, v in options.items() if k != "n_threads"})
        self.shadow = copy.deepcopy(net)

    def partial_fit(self, X, y, *, rows, optimizer):
        """Take a step, as the shadow, and as a fit of one batch."""
        X, y, twin = np.asarray(X)[:rows], np.asarray(y)[:rows], copy.deepcopy(self.net)
        try:
            found = [net.partial_fit(X, y, optimizer=optimizer) for net in (self.net, self.shadow)]
        except DivergenceError as error:  # as in `fit`
            must(any(twin.dropout) or twin.input_dropout > 0, str(error))
            self.shadow = copy.deepcopy(self.net)
            return
        optimizer = twin.optimizer if optimizer is None else optimizer  # partial_fit goes on with the last one
        fitted = twin.fit(X, y, epochs=1, batch_size=rows, shuffle=False, optimizer=optimizer, **QUIET)
        must(found == fitted["loss"] * 2, f"the losses of partial_fit are {found}, of fit {fitted['loss']}")
        must(twin.parameters.tobytes() == self.net.parameters.tobytes(), "partial_fit is not a fit of one batch")
        same(self.net, self.shadow, "the network and its shadow, after partial_fit")
        sound(self.net)

    def resume(self, X, y, *, epochs, **options):
        """Fit, and let a network as it was before go on from the checkpoint; the shadow is fitted in one piece."""
        before, (first, more) = copy.deepcopy(self.net), epochs
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            losses, end = trained(self.net, X, y, [first], checkpoint=path, **options)
            if "diverged" not in end:
                losses, end = trained(before, X, y, [first + more], resume=path, n_threads=2, **options)
                self.net = before
        if "diverged" in end:
            must(any(self.net.dropout) or self.net.input_dropout > 0, end)
            self.shadow = copy.deepcopy(self.net)
            return
        straight = trained(self.shadow, X, y, [first + more], **options)
        must((losses, end) == straight, f"resumed {(losses, end)}, in one piece {straight}")
        same(self.net, self.shadow, "a network resumed, and one trained in one piece")

    def one_cycle(self, X, y, epochs, rate):
        """Fit with one cycle, on one thread and two."""
        found = []
        for net, n_threads in ((self.net, 2), (self.shadow, 1)):
            try:
                found.append(net.fit_one_cycle(X, y, epochs, rate, n_threads=n_threads, **QUIET)["loss"])
            except DivergenceError as error:
                must(any(net.dropout) or net.input_dropout > 0, str(error))
                found.append(str(error))
        must(found[0] == found[1], f"the losses of one cycle differ: {found}")
        same(self.net, self.shadow, "the network and its shadow, after one cycle")

    def find_learning_rate(self, X, y, *, steps, **options):
        """Sweep the learning rate: nothing changes, and each suggestion is a rate of the sweep or none."""
        before = state_of(self.net)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "find_learning_rate: ")  # the loss never fell, for example
            found = self.net.find_learning_rate(X, y, steps=steps, **options)
        must(state_of(self.net) == before, "find_learning_rate changed the network")
        must(len(found.losses) <= steps and (np.diff(found.rates) > 0).all(), f"the sweep is wrong: {found}")

    def check_gradients(self, X, y, **options):
        """Compare the gradient with differences of the loss."""
        before = state_of(self.net)
        if np.abs(self.net.parameters).max() > 1e3:
            return
        found = self.net.check_gradients(np.asarray(X), y, **options)
        must(found.ok or "could not be checked" in str(found), f"the gradient is called wrong: {found}")
        must(state_of(self.net) == before, "check_gradients changed the network")

    def evaluate(self, X, y, *, n_threads=1, calm=True, **options):
        """Evaluate; compare loss and outputs with the oracle, and a row with the same row on its own."""
        net, before = self.net, state_of(self.net)
        scores, outputs = net.evaluate(X, y, n_threads=n_threads, **options), net.predict(X, n_threads=n_threads)
        must(state_of(net) == before, "evaluate or predict changed the network")
        must(
            repr(scores) == repr(self.shadow.evaluate(X, y, **options)),
            "the evaluations of a network and its shadow differ",
        )
        must(not scores.get("r2", 0) > 1 and 0 <= scores.get("accuracy", 0) <= 1, f"no such score: {scores}")
        rows, row = np.asarray(X), len(X) // 2
        for part in (slice(row, row + 1), slice(None, None, -1)):
            again = net.predict(rows[part])
            must(again.tobytes() == outputs[part].tobytes(), "a row's prediction depends on the rows beside it")
        if calm and np.abs(net.parameters).max() < 1e6 and exact.covers(net):
            exact.check_outputs(net, rows, outputs)
            if "sample_weight" not in options:
                exact.check_loss(net, rows, y, scores["loss"], "evaluate")

    def gradient(self, X, y):
        """Compute the gradient, and compare it and the loss with the oracle."""
        before = state_of(self.net)
        loss, gradient = self.net.gradient(X, y)
        must(state_of(self.net) == before, "gradient changed the network")
        if not exact.covers(self.net) or self.net.label_smoothing:
            return
        if np.abs(self.net.parameters).max() > 1e6:  # a fit with dropout went astray: nothing to compare
            return
        exact.check_loss(self.net, np.asarray(X), y, loss, "gradient")
        exact.check_gradient(self.net, np.asarray(X), y, gradient)
        trace = self.net.trace(X, y)
        must(state_of(self.net) == before, "trace changed the network")
        must(trace.loss == loss and trace.gradient.tobytes() == gradient.tobytes(), "trace has another gradient")
        must(trace[-1].a.tobytes() == self.net.predict(X).tobytes(), "trace has other outputs than predict")

    def through(self, way, metadata=None):
        """Send the network, but not its shadow, through a file, a pickle or a copy."""
        if metadata is not None:
            self.net.metadata, self.shadow.metadata = dict(metadata), dict(metadata)
        if way == "file":
            with tempfile.TemporaryDirectory() as folder:
                self.net.save(Path(folder) / "net")
                self.net = Network.load(Path(folder) / "net", custom=OWN)
        elif way == "pickle":
            self.net = pickle.loads(pickle.dumps(self.net))
        else:
            self.net = copy.deepcopy(self.net)
        same(self.net, self.shadow, f"a network and what came through a {way}")
        must(self.net.parameters.flags.writeable, f"what came through a {way} cannot be trained")

    def damage(self, way, place, value):
        """Save, damage the file, and load: an error that says so, or the network as it was."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net"
            self.net.save(path)
            whole = path.read_bytes()
            at = int(place * len(whole))
            damaged = {
                "cut": whole[:at], "flip": whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :],
                "insert": whole[:at] + bytes([value]) + whole[at:],
                "overwrite": whole[:at] + bytes([value]) * 16 + whole[at + 16 :],
            }[way]  # fmt: skip
            path.write_bytes(damaged)
            try:
                loaded = Network.load(path, custom=OWN)
            except ValueError as error:
                must("net" in str(error), f"the error does not name the file: {error}")
            else:
                same(self.net, loaded, "a damaged file was loaded")

    def in_fork(self, X, y, **options):
        """Train in a forked process and in this one: the same bits."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            twin = copy.deepcopy(self.net)
            trained(twin, X, y, [1], **options)
            os.write(write, pickle.dumps(state_of(twin))[:60000])
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            told = pipe.read()
        must(os.waitpid(pid, 0)[1] == 0, "the forked process failed")
        self.fit(X, y, epochs=(1,), **options)
        must(told == pickle.dumps(state_of(self.net))[:60000], "a forked process trained to other bits")


def together(first, second, X, y, X2, y2, **options):
    """Train two networks at the same time, in a thread each; their shadows one after the other."""
    errors = []

    def train(net, *data):
        try:
            trained(net, *data, [2], **options)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=train, args=given) for given in ((first.net, X, y), (second.net, X2, y2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    for subject, data in ((first, (X, y)), (second, (X2, y2))):
        trained(subject.shadow, *data, [2], **options)
        same(subject.net, subject.shadow, "networks trained at the same time, and one by one")
        sound(subject.net)
