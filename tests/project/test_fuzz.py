"""A short run of the fuzzer, and planted bugs that it must find. The long run is started by hand."""

import os
import pickle
import re
import threading
import time

import fuzz_programs
import numpy as np
import pytest
from conftest import needs_compiler

from hotloop import Network
from hotloop.network.training import fit as fitting
from hotloop.network.validation import arguments

pytestmark = needs_compiler  # thousands of steps
PROGRAMS = 40
MOST = 150  # programs until a planted bug is found
SEED = 4


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compile or load the loops here: each program runs in a fork of this process."""
    fuzz_programs.prepare()


def test_programs_of_the_public_api():
    """It does what its documentation says. If this fails, the output has a small program that shows the failure."""
    assert [index for index, *_ in fuzz_programs.hunt(PROGRAMS, SEED)] == []


def wrap(owner, name, change):
    """Replace a function by `change`, which is given the original first."""
    original = getattr(owner, name)
    replacement = lambda *given, **options: change(original, *given, **options)  # noqa: E731
    setattr(owner, name, classmethod(replacement) if name == "load" else replacement)


def crash():
    wrap(Network, "gradient", lambda *given: os.abort())


def hang():
    wrap(Network, "gradient", lambda *given: time.sleep(3600))


def draw_an_unseeded_order():
    fitting.shuffled = lambda seed, epoch, rows, part: np.random.default_rng().permutation(rows)


def draw_one_order_for_all_epochs():
    wrap(fitting, "shuffled", lambda shuffled, seed, epoch, rows, part: shuffled(seed, 0, rows, part))


def after_fit(change):
    """Change the network and the history after every fit."""

    def changed(fit, net, *given, **options):
        history = fit(net, *given, **options)
        change(net, history, options)
        return history

    wrap(Network, "fit", changed)


def drop_a_step():
    after_fit(lambda net, history, options: setattr(net._training, "steps", net.steps - 1))


def shift_the_loss_of_fit():
    after_fit(lambda net, history, options: [record.update(loss=record["loss"] + 1e-9) for record in history.epochs])


def record_nan():
    def change(net, history, options):
        if history.epochs:  # none where Ctrl-C came first
            history.epochs[-1].update(loss=float("nan"))

    after_fit(change)


def leave_a_thread():
    thread = {"target": time.sleep, "args": (60,), "daemon": True, "name": "hotloop-1"}
    after_fit(lambda *given: threading.Thread(**thread).start())


def change_a_bit_where_there_are_two_threads():
    def change(net, history, options):
        if options.get("n_threads") == 2:
            net.weights[0][0, 0] = np.nextafter(net.weights[0][0, 0], net.dtype.type(2))

    after_fit(change)


def shift_the_loss_of_evaluate():
    def shifted(evaluate, *given, **options):
        scores = evaluate(*given, **options)
        return scores | {"loss": scores["loss"] + 1e-9}

    wrap(Network, "evaluate", shifted)


def shift_the_loss_of_gradient():
    def shifted(gradient, *given):
        loss, vector = gradient(*given)
        return loss + 1e-9, vector

    wrap(Network, "gradient", shifted)


def change_a_gradient():
    def changed(gradient, net, *given):
        loss, vector = gradient(net, *given)
        net.split(vector)[1][-1][0] += 0.01
        return loss, vector

    wrap(Network, "gradient", changed)


def change_a_trace():
    def changed(trace, *given):
        found = trace(*given)
        found.gradient[0] += 0.01
        return found

    wrap(Network, "trace", changed)


def have_rows_depend_on_each_other():
    def depend(predict, net, X, **options):
        outputs = predict(net, X, **options)
        if len(X) > 1:
            outputs = np.nextafter(outputs, net.dtype.type(9))
        return outputs

    wrap(Network, "predict", depend)


def change_before_the_checks():
    def change(fit, net, *given, **options):
        net.metadata["trained"] = "yes"
        history = fit(net, *given, **options)
        del net.metadata["trained"]
        return history

    wrap(Network, "fit", change)


def raise_another_error():
    def other(shown, value):
        raise RuntimeError(shown(value))

    wrap(arguments, "shown", other)


def name_no_argument():
    def nameless(whole_number, argument, *given):
        return whole_number("it", *given)

    wrap(arguments, "whole_number", nameless)


def lose_the_moments():
    def forget(net):
        if isinstance(net, Network):
            net._training.moments = np.zeros_like(net._training.moments)
        return net

    wrap(Network, "load", lambda load, kind, path, **options: forget(load(path, **options)))
    wrap(pickle, "loads", lambda loads, text: forget(loads(text)))


PLANTS = [
    crash, hang, draw_an_unseeded_order, draw_one_order_for_all_epochs, drop_a_step, shift_the_loss_of_fit, record_nan,
    leave_a_thread, change_a_bit_where_there_are_two_threads, shift_the_loss_of_evaluate, shift_the_loss_of_gradient,
    change_a_gradient, change_a_trace, have_rows_depend_on_each_other, change_before_the_checks, raise_another_error,
    name_no_argument, lose_the_moments,
]  # fmt: skip
SAYS = {
    crash: "signal 6", hang: "after 1 s",
    shift_the_loss_of_fit: "loss of a step of fit is|the losses of partial_fit are",
    record_nan: "loss is not finite|loss of a step of fit is nan",  # whichever check comes first
    leave_a_thread: "threads were left running", change_a_gradient: "the gradient of|another gradient",
    change_a_trace: "another gradient",
    shift_the_loss_of_evaluate: "loss of evaluate is", shift_the_loss_of_gradient: "loss of gradient is",
    have_rows_depend_on_each_other: "rows beside it|trace has other outputs",
    change_before_the_checks: "changed a network",
    raise_another_error: "RuntimeError for a wrong", name_no_argument: "does not name", lose_the_moments: "arrays",
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant):
    limit = 1 if plant is hang else fuzz_programs.LIMIT
    found = fuzz_programs.hunt(MOST, SEED, limit=limit, plant=plant, most_shrunk=0)
    _, outcome, lines = next(found)
    assert fuzz_programs.run(lines).kind == "passed"
    assert outcome.kind == {crash: "crashed", hang: "hung"}.get(plant, "failed")
    assert re.search(SAYS.get(plant, "AssertionError"), outcome.text)


def test_a_failing_program_is_shrunk_to_a_script():
    lines = [
        "net = Subject([2, 1], seed=1, l1=0.1)",
        "X, Y = net.data(1, seed=1)",
        "net.fit(X, Y)",
        "net.gradient(X, Y)",
    ]
    outcome = fuzz_programs.run(lines, plant=crash)
    smaller = fuzz_programs.shrink(lines, outcome, plant=crash)
    assert smaller == ["net = Subject([1, 1], seed=1)", "X, Y = net.data(1, seed=1)", "net.gradient(X, Y)"]
    compile(fuzz_programs.script(smaller), "script", "exec")
    assert fuzz_programs.run(smaller).kind == "passed"
    assert fuzz_programs.run(smaller, plant=crash).signature == outcome.signature
