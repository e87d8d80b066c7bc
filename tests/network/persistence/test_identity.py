"""What tells one fit from another: functions of one name, settings of callbacks; the same in every process."""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from watched_fits import build, train

from hotloop import SGD, Callback, EarlyStopping, Network
from hotloop.activations import CustomActivation
from hotloop.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from hotloop.losses import CustomLoss
from hotloop.metrics import f1
from hotloop.network.custom import pieces
from hotloop.network.persistence import identity
from hotloop.network.persistence.described import CLASS, CODE, NAME, described
from hotloop.network.persistence.identity import differences
from hotloop.schedules import Cosine, LinearWarmup, Piecewise

VALIDATED = {"validation_split": 0.2}
SCALE = 1.0


def rate(step, steps, value=0.1):
    return value


def closure(value):
    def inner(step, steps):
        return value

    return inner


def through(function):
    return lambda step, steps: function(step, steps)


def scaled(step, steps):
    return 0.1 * SCALE


def late(change):
    return lambda step, steps: 0.1 if step < steps - 1 else change


@dataclass
class Line:
    slope: float

    def __call__(self, step, steps):
        return 0.1 + self.slope * step

    def steep(self, step, steps):
        return 0.1 + 2 * self.slope * step


class Cosines(Cosine):
    """A schedule of the user's own class."""


def of_its_own(function, name="rate"):
    """Give a function the name of another."""
    function.__name__ = function.__qualname__ = name
    return function


def resumed(tmp_path, before, after, net=build, other=None):
    """Write a checkpoint of a fit with some arguments, and resume it with others."""
    train(net(), epochs=2, checkpoint=tmp_path / "run", **before)
    net = (other or net)()
    kept = net.parameters.copy()
    try:
        return train(net, epochs=2, resume=tmp_path / "run", **after)[1]
    except ValueError:
        assert (net.steps, net.optimizer) == (0, None)
        assert np.array_equal(net.parameters, kept)
        raise


@pytest.mark.parametrize(("before", "after", "difference"), [
    (functools.partial(rate, value=0.1), functools.partial(rate, value=0.0), "keywords.value was 0.1, is 0.0"),
    (LinearWarmup(rate, 2), LinearWarmup(rate, 3), "duration was 2, is 3"),
    (LinearWarmup(closure(0.1), 2), LinearWarmup(closure(0.2), 2), "then.closes over.value was 0.1, is 0.2"),
    (Piecewise([(0.5, rate), (1.0, 0.2)]), Piecewise([(0.5, rate), (1.0, 0.3)]), r"pieces\[1\] was \[1.0, 0.2\], is"),
    (rate, of_its_own(lambda step, steps, value=0.1: value / 1), " had other code"),
    (of_its_own(lambda step, steps, value=0.2: value), rate, "defaults.value was 0.2, is 0.1"),
    (closure(0.1), closure(0.3), "closes over.value was 0.1, is 0.3"),
    (through(closure(0.1)), through(closure(0.3)), "closes over.function.closes over.value was 0.1, is 0.3"),
    (late(0.1), late(0.2), "closes over.change was 0.1, is 0.2"), (Line(0.1), Line(0.2), "slope was 0.1, is 0.2"),
    (Line(0.1).steep, Line(0.2).steep, "self.slope was 0.1, is 0.2"),
    (Cosines(0.1), Cosine(0.1), " was the class Cosines, is Cosine"),
    (Cosine(0.1), rate, "was Cosine, is the function rate"), (0.1, rate, "was 0.1, is the function rate"),
])  # fmt: skip
def test_another_schedule_is_refused(before, after, difference, tmp_path):
    before, after = ({"optimizer": SGD(value)} for value in (before, after))
    resumed(tmp_path, before, before)
    with pytest.raises(ValueError, match=rf"fit: (.*; )?optimizer.learning_rate.?{difference}"):
        resumed(tmp_path, before, after)


def test_values_tell_what_a_description_does_not(tmp_path):
    """Of a method of an object that is neither data nor callable; at the last step of many."""

    class Rates:
        def __init__(self, last):
            self.last = last

        def rate(self, step, steps):
            return 0.1 if step < steps - 1 else self.last

    first, second = ({"optimizer": SGD(Rates(last).rate), "batch_size": 1} for last in (0.1, 0.2))
    resumed(tmp_path, first, first)
    with pytest.raises(ValueError, match=r"fit: optimizer.learning_rate had other values\."):
        resumed(tmp_path, first, second)


def test_a_constant_of_the_module(tmp_path, monkeypatch):
    """As a cell of a notebook changes it."""
    options = {"optimizer": SGD(scaled)}
    train(epochs=1, checkpoint=tmp_path / "run", **options)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    with pytest.raises(ValueError, match=r"optimizer.learning_rate.names.SCALE was 1.0, is 2.0"):
        train(epochs=1, resume=tmp_path / "run", **options)


def test_another_dropout_schedule_is_refused(tmp_path):
    first, second = ({"dropout_schedule": closure(value)} for value in (0.5, 0.4))
    with pytest.raises(ValueError, match=r"fit: dropout_schedule.closes over.value was 0.5, is 0.4"):
        resumed(tmp_path, first, second, lambda: build(dropout=0.2))


def gradient(times):
    def loss(outputs, target, gradient):
        gradient[0] = times * (outputs[0] - target[0])
        return 0.5 * (outputs[0] - target[0]) ** 2

    return CustomLoss(loss, name="mine", check=False)


def parabola(times):
    return CustomActivation(lambda z: times * z * z, lambda z: 2 * times * z, name="parabola", check=False)


@pytest.mark.parametrize(("argument", "kind", "place"), [
    ("activation", parabola, r"activations\[0\].functions\[0\].closes over.times"),
    ("loss", gradient, r"loss.functions\[0\].closes over.times"),
])  # fmt: skip
def test_another_function_in_a_piece_of_the_same_name_is_refused(argument, kind, place, tmp_path):
    same, other = (lambda value=value: Network([3, 4, 1], seed=0, **{argument: kind(value)}) for value in (1.0, 3.0))
    resumed(tmp_path, {}, {}, same)
    with pytest.raises(ValueError, match=rf"fit: {place} was 1.0, is 3.0"):
        resumed(tmp_path, {}, {}, same, other)


def test_another_metric_of_the_same_name_is_refused(tmp_path):
    def metric(power):
        return lambda y, outputs: float(np.mean(np.abs(y - outputs) ** power))

    first, second = (VALIDATED | {"metrics": ["mae", metric(power)]} for power in (1, 2))
    resumed(tmp_path, first, first)
    with pytest.raises(ValueError, match=r"fit: metrics\[1\].function.closes over.power was 1, is 2"):
        resumed(tmp_path, first, second)


@pytest.mark.parametrize(("kind", "options", "others"), [
    (EarlyStopping, {"patience": 5, "monitor": "val_loss"}, {
        "monitor": "val_r2", "mode": "max", "patience": 1, "min_delta": 0.5, "baseline": 1.0, "start_from_epoch": 3,
        "restore_best": False, "prefer": "last",
    }),
    (ReduceLROnPlateau, {}, {"factor": 0.5, "patience": 3, "cooldown": 2, "min_lr": 1e-9, "min_delta": 0.0}),
    (ModelCheckpoint, {}, {"mode": "max", "monitor": "loss", "save_best_only": False}),
])  # fmt: skip
def test_other_settings_of_a_callback_are_refused(kind, options, others, tmp_path):
    """Each, and it is named with both values."""

    def with_callback(**changes):
        path = {"path": tmp_path / "best"} if kind is ModelCheckpoint else {}
        return VALIDATED | {"callbacks": [kind(**path, **options | changes)]}

    resumed(tmp_path, with_callback(), with_callback())
    for name, value in others.items():
        seen = "'max'|'min'" if name == "mode" else repr(value)
        with pytest.raises(ValueError, match=rf"[:;] {kind.__name__}.{name} was .*, is ({seen})"):
            resumed(tmp_path, with_callback(), with_callback(**{name: value}))


def test_callbacks_of_one_kind_are_numbered(tmp_path):
    class Stateless(Callback):
        pass

    def stoppers(patience):
        return {"callbacks": [EarlyStopping("loss"), Stateless(), EarlyStopping("loss", patience=patience)]}

    with pytest.raises(ValueError, match=r"fit: EarlyStopping 2.patience was 3, is 4\. Resume"):
        resumed(tmp_path, stoppers(3), stoppers(4))
    with pytest.raises(ValueError, match=r"was \[EarlyStopping, EarlyStopping\], is \[CSVLogger\]\. Resume"):
        resumed(tmp_path, stoppers(3), {"callbacks": [CSVLogger(tmp_path / "log")]})


@pytest.mark.parametrize(("before", "after", "message"), [
    ({}, {"sample_weight": np.arange(40)}, "fit: sample_weight or class_weight was not given, is given. Resume"),
    ({"sample_weight": np.ones(40)}, {"sample_weight": np.arange(40)}, "or class_weight had other values"),
    (VALIDATED, {"validation_split": 0.3}, "fit: validation_split was 0.2, is 0.3. Resume"),
])  # fmt: skip
def test_arguments_are_named_as_users_know_them(before, after, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        resumed(tmp_path, before, after)


def test_arguments_that_may_differ(tmp_path):
    def options(**changes):
        return {"optimizer": "adam", "callbacks": [EarlyStopping("loss")], "batch_size": 8} | changes

    kept = train(epochs=4, **options())[0].parameters
    train(epochs=2, checkpoint=tmp_path / "run", every="3 steps", **options())
    others = {"max_seconds": 1e6, "every": "1 epoch", "checkpoint": tmp_path / "other", "n_threads": 1}
    callbacks = [Callback(), EarlyStopping("loss"), LambdaCallback(on_epoch_end=lambda fit: None)]
    net, history = train(epochs=4, resume=tmp_path / "run", **options(**others, callbacks=callbacks))
    assert np.array_equal(net.parameters, kept)
    train(epochs=4, resume=tmp_path / "other", **options())
    assert len(history.epochs) == 4


def test_a_fit_that_was_stopped_early_has_ended(tmp_path):
    """With more epochs, too; and another patience is refused."""

    def options(patience, epochs):
        adds = LambdaCallback(on_epoch_end=lambda fit: fit.record.update(mine=float(fit.epoch)))
        return {"callbacks": [adds, EarlyStopping("mine", mode="min", patience=patience)], "epochs": epochs}

    _, first = train(checkpoint=tmp_path / "run", **options(2, 9))
    assert (first.stop_reason, len(first.epochs)) == ("early stopping", 3)
    net, again = train(resume=tmp_path / "run", **options(2, 20))
    assert (again.stop_reason, again.epochs, net.steps) == ("early stopping", first.epochs, 15)
    with pytest.raises(ValueError, match=r"EarlyStopping.patience was 2, is 5"):
        train(resume=tmp_path / "run", **options(5, 20))


# Descriptions.


def test_another_version_of_python_compiles_to_other_bytecode():
    """So only that of one version is compared."""
    there, here = described(rate), described(of_its_own(lambda step, steps, value=0.1: value + 0))
    assert differences(there, here) == [" had other code"]
    assert differences(there | {CODE: {"cpython-39": "a"}}, here) == []


def test_what_a_function_changes_is_not_compared():
    """It counts its calls, for example: a notebook may run a cell again."""

    def counter(start):
        def count(y, outputs):
            nonlocal start
            start += 1
            return 0.0

        return count

    assert described(counter(0)) == described(counter(5))


def test_an_installed_function_is_known_by_its_name():
    assert described(f1) == {NAME: "f1"}
    assert described(np.sin) == {NAME: "sin"}
    assert described(len) == {NAME: "len"}
    loops = [pieces._activation(lambda z, times=times: times * z) for times in (2, 2, 3)]  # closures of functions
    assert described(loops[0]) == described(loops[1]) != described(loops[2])
    assert described(functools.wraps(f1)(lambda *given: f1(*given)))[NAME] == "f1"


def test_data():
    given = {"nan": float("nan"), "row": (1, 2.5, None), "of numpy": np.float32(0.5), "set": {"b", "a"}, "bytes": b"a"}
    assert described(given) == {
        "nan": "nan", "row": [1, 2.5, None], "of numpy": 0.5, "set": ["'a'", "'b'"], "bytes": "61"
    }  # fmt: skip
    assert described(np.arange(2)) != described(np.arange(1, 3))
    assert described([*range(100)]).keys() == {"entries", "values"} == described([*range(99)]).keys()
    assert described(object()) == described(object) == {CLASS: "object"}
    loop = [1]
    loop.append(loop)
    assert described(loop) == [1, "again 0"]


def test_functions_that_call_each_other():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n > 0 and even(n - 1)

    class Calls:
        def again(self):
            return self.again

    assert described([Calls.again, Calls().again])[1] == {"method": "again 1", "self": {CLASS: Calls.__qualname__}}

    del (unbound := closure(0.1)).__closure__[0].cell_contents
    assert "closes over" not in described(unbound)
    cached = functools.lru_cache(even)
    assert described(cached) == described(even)
    assert described(even)["closes over"]["odd"]["closes over"] == {"even": "again 0"}


PROGRAM = """
import functools, json, numba, numpy as np
from hotloop.activations import CustomActivation
from hotloop.network.persistence.described import described

def fits(y, outputs, *, limits={"x", "b", "cd", "efg"}, known=("a", 1.5)):
    near = lambda value: value in {"one", "two", "three", "four"}
    return helper(y) + TABLE.sum() + near("one")

@numba.njit
def helper(z):
    return z * z + 2

TABLE = np.arange(3.0)
square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square", check=False)
class Thing:
    def __init__(self):
        self.function, self.other = helper, object()
    def __call__(self, step, steps):
        return 0.1
print(json.dumps(described([functools.partial(fits, known=helper), Thing(), lambda: helper, square._pieces])))
"""


def test_another_process_sees_the_same(capsys):
    """Without Numba, if this one has it, and with another seed of Python's hashes, which here is by chance."""
    exec(PROGRAM, {"__name__": "__main__"})
    here = capsys.readouterr().out
    environment = os.environ | {"PYTHONHASHSEED": "1", "NUMBA_DISABLE_JIT": "1"}
    assert subprocess.check_output([sys.executable, "-c", PROGRAM], env=environment, text=True) == here
    assert "0x" not in here


def test_of_large_inputs_some_rows_are_compared():
    """Of a file larger than memory the others are not read; the first and the last are among them."""
    rows = np.arange(2 * identity.SMALL).reshape(-1, 8).view(np.uint8)
    sample = identity._sample(rows)
    assert (len(sample), sample[0].tobytes(), sample[-1].tobytes()) == (256, rows[0].tobytes(), rows[-1].tobytes())
    assert len({row.tobytes() for row in sample}) == 256
    small = rows[:100]
    assert identity._sample(small) is small
