"""When checkpoints are written, what happens if one cannot be, and how a fit that goes on is told to callbacks."""

import contextlib
import errno
import os
import warnings

import numpy as np
import pytest
from resumable_fits import build, outcome, train
from watched_fits import Noted

from hotloop import CheckpointWarning, DivergenceError, Network, profile
from hotloop.callbacks import CSVLogger, ModelCheckpoint
from hotloop.network.persistence import checkpoint as files
from hotloop.network.persistence import checkpoint_writer
from hotloop.network.persistence.interval import Interval
from hotloop.network.training import fit as fitting
from hotloop.network.training import progress_bar, thread_choice

pytestmark = pytest.mark.filterwarnings("ignore::hotloop.ConvergenceWarning")


@pytest.fixture
def written(monkeypatch):
    """The starting points of all checkpoints that are written."""
    write, found = files.write, []

    def note(path, net, identity, start, callbacks):
        write(path, net, identity, start, callbacks)
        found.append(start)

    monkeypatch.setattr(files, "write", note)
    return found


@pytest.fixture
def call_is_a_batch(monkeypatch):
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)


def small(net=None, **options):
    net = build("Adam") if net is None else net
    return net, train(net, "Adam", 40, **({"epochs": 3, "n_threads": 1} | options))


# When.


@pytest.mark.parametrize(("text", "number", "unit"), [
    ("30 s", 30, "seconds"), ("0.5 s", 0.5, "seconds"), ("5 min", 300, "seconds"), ("1.5 h", 5400, "seconds"),
    ("2 hours", 7200, "seconds"), ("10s", 10, "seconds"), (" 1 step ", 1, "steps"), ("100 steps", 100, "steps"),
    ("1 epoch", 1, "epochs"), ("20 epochs", 20, "epochs"), ("2.0 epochs", 2, "epochs"),
    (" 1  epoch ", 1, "epochs"), ("5. s", 5, "seconds"),
])  # fmt: skip
def test_intervals(text, number, unit):
    assert Interval.of(text) == Interval(number, unit)


@pytest.mark.parametrize(("every", "exception"), [
    ("0 s", ValueError), ("0 steps", ValueError), ("1.5 epochs", ValueError), ("-1 s", ValueError), ("s", ValueError),
    ("30", ValueError), ("3 days", ValueError), ("", ValueError), ("nan s", ValueError), (30, TypeError),
    (2.5, TypeError), (b"30 s", TypeError),
])  # fmt: skip
def test_what_is_no_interval(every, exception, tmp_path):
    net = build("Adam")
    with pytest.raises(exception, match=r"every must be a .* such as '30 s', '100 steps' or '1 epoch', got"):
        small(net, checkpoint=tmp_path / "run", every=every)
    assert net.steps == 0


@pytest.mark.parametrize(("every", "places"), [
    ("4 steps", [(0, 28), (1, 14), (2, 0), (2, 28), (3, 0)]), ("6 steps", [(1, 0), (2, 0), (3, 0)]),
    ("1 epoch", [(1, 0), (2, 0), (3, 0)]), ("2 epochs", [(2, 0), (3, 0)]), ("30 s", [(3, 0)]),
])  # fmt: skip
def test_where_checkpoints_are_written(every, places, written, tmp_path):
    """Finished epochs, and rows of the next; six batches of at most 7 rows are an epoch."""
    small(checkpoint=tmp_path / "run", every=every)
    assert [(start.epochs, start.row) for start in written] == places
    assert [start.steps for start in written] == [6 * epochs + row // 7 for epochs, row in places]


def test_steps_are_counted_from_the_beginning_of_the_fit(written, tmp_path):
    """Also by a fit that goes on: so it writes where the first would have."""
    net, _ = small(epochs=1)
    small(net, epochs=1, checkpoint=tmp_path / "run", every="4 steps")
    small(net, resume=tmp_path / "run", checkpoint=tmp_path / "run", every="4 steps")
    assert [start.steps for start in written] == [4, 6, 8, 12, 16, 18]


def test_seconds_are_counted_from_one_checkpoint_to_the_next(written, tmp_path, monkeypatch, call_is_a_batch):
    """By a clock that each compiled call moves by a second."""
    now = [0.0]
    monkeypatch.setattr(checkpoint_writer, "time", type("Clock", (), {"perf_counter": lambda: now[0]}))

    def move(moment, fit):
        now[0] += moment == "on_call_begin"

    small(checkpoint=tmp_path / "run", every="4 s", callbacks=[Noted(do=move)])
    assert [start.steps for start in written] == [4, 8, 12, 16, 18]


def test_every_without_a_file_has_no_effect():
    with pytest.raises(ValueError, match="every='30 s' has no effect without a checkpoint: give the file to write"):
        small(every="30 s")


# Going on.


def test_resume_with_the_name_of_the_checkpoint(tmp_path, written):
    """True begins at the beginning if there is no file."""
    with pytest.raises(ValueError, match="resume=True goes on from the file that checkpoint names: give checkpoint"):
        small(resume=True)
    _, history = small(checkpoint=tmp_path / "run", resume=True, epochs=2)
    assert written[-1].epochs == 2
    net, more = small(checkpoint=str(tmp_path / "run"), resume=True)
    assert more.epochs[:2] == history.epochs
    assert outcome(net, more) == outcome(*small())
    again, same = small(resume=False)
    assert outcome(again, same) == outcome(net, more)
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(ValueError, match="run is not a safetensors file, or is truncated"):
        small(checkpoint=tmp_path / "run", resume=True)


@pytest.mark.parametrize("wrong", [3, b"run", ["run"]])
def test_what_is_no_path(wrong):
    for argument in ("checkpoint", "resume"):
        with pytest.raises(TypeError, match=f"{argument} must be a path"):
            small(**{argument: wrong})


def test_a_file_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    net = build("Adam")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none to write run in"):
        small(net, checkpoint=tmp_path / "none" / "run")
    with pytest.raises(IsADirectoryError):
        small(net, checkpoint=tmp_path)
    assert net.steps == 0


def test_what_callbacks_are_told_of_a_fit_that_goes_on(tmp_path, call_is_a_batch):
    """The epoch that was not finished begins again, with the rows that are done."""
    notes = []
    stop = Noted(do=lambda moment, fit: fit.stop() if (fit.epoch, fit.rows_done) == (2, 14) else None)
    _, first = small(callbacks=[stop], checkpoint=tmp_path / "run")
    seen = []

    def look(moment, fit):
        seen.append((moment, len(fit.history.epochs)))

    _, history = small(callbacks=[Noted(notes=notes, do=look)], resume=tmp_path / "run")
    rows = [21, 28, 35, 40]
    assert notes[:2] == [("fit_begin", 1, 0), ("epoch_begin", 2, 14)]
    assert [note for note in notes if note[0] == "call_end"][:4] == [("call_end", 2, row) for row in rows]
    assert seen[0] == ("on_fit_begin", 1)
    assert history.epochs[0] == first.epochs[0]


def test_the_time_of_the_first_part_counts(tmp_path, monkeypatch):
    """In the seconds of the history, and of the epoch that was not finished."""
    small(checkpoint=tmp_path / "run", epochs=1)
    config, _ = files.model_file.read(tmp_path / "run")
    assert 0 < config["checkpoint"]["start"]["seconds"] < 100
    write = files.write

    def pretend(path, net, identity, start, callbacks):
        changes = {"seconds": 1000.0, "epoch_seconds": 500.0 if start.in_epoch else 0.0}
        write(path, net, identity, type(start)(**(vars(start) | changes)), callbacks)

    monkeypatch.setattr(files, "write", pretend)
    small(checkpoint=tmp_path / "run", callbacks=[Noted(do=lambda _, fit: fit.stop() if fit.rows_done == 28 else None)],
          every="4 steps")  # fmt: skip
    _, history = small(resume=tmp_path / "run")
    assert 1000 < history.seconds < 1100
    assert 500 < history.epochs[0]["seconds"] < 600
    assert history.epochs[1]["seconds"] < 100


def test_the_bar_starts_where_the_fit_does(tmp_path, monkeypatch):
    bars, real = [], progress_bar.Bar

    def bar(*arguments):
        bars.append(real(*arguments))
        return bars[-1]

    monkeypatch.setattr(fitting, "is_shown", lambda: True)
    small(checkpoint=tmp_path / "run", every="2 steps", callbacks=[
        Noted(do=lambda moment, fit: fit.stop() if (fit.epoch, fit.rows_done) == (2, 14) else None)])  # fmt: skip
    monkeypatch.setattr(progress_bar, "Bar", bar)
    small(resume=tmp_path / "run", progress=True)
    assert [(bar._before, bar._total, bar._done) for bar in bars] == [(54, 120, 120)]


def test_under_a_profile(tmp_path):
    """Which trains some batches itself, to look at their gradients; it counts what was trained under it."""
    whole = outcome(*small())
    with profile():
        small(checkpoint=tmp_path / "run", every="3 steps", epochs=2)
    with profile() as prof:
        assert outcome(*small(resume=tmp_path / "run")) == whole
    assert "forward" in prof.table()


# When it cannot be written.


@contextlib.contextmanager
def checkpoint_warnings():
    """Yield a list of the texts of the warnings about checkpoints, filled at the end of the block."""
    texts = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
    texts += [str(warning.message) for warning in caught if warning.category is CheckpointWarning]


def full(monkeypatch, fails):
    """Let the disk be full for as long as `fails` returns True."""
    fsync = os.fsync

    def sync(descriptor):
        if fails():
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)


def test_a_full_disk_ends_no_fit_and_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    whole, path = outcome(*small()), tmp_path / "run"
    small(checkpoint=path, epochs=1)
    before = path.read_bytes()
    with monkeypatch.context() as patch, checkpoint_warnings() as texts:
        full(patch, lambda: True)
        assert outcome(*small(checkpoint=path, resume=True, every="2 steps")) == whole
    assert texts == [
        f"no checkpoint was written: [Errno 28] No space left on device: '{path}'. Training goes on, and tries again "
        "later",
        f"{path} is not up to date: none has been written by this fit",
    ]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert outcome(*small(resume=path)) == whole


def test_a_disk_that_is_full_for_a_while(tmp_path, monkeypatch, written):
    """The warning comes once, and none at the end."""
    failures = iter(range(2))
    full(monkeypatch, lambda: len(written) == 2 and next(failures, None) is not None)
    with checkpoint_warnings() as texts:
        small(checkpoint=tmp_path / "run", every="2 steps")
    assert len(texts) == 1
    assert "No space left on device" in texts[0]
    assert [start.steps for start in written] == [2, 4, 10, 12, 14, 16, 18]


def test_a_record_that_no_file_can_hold(tmp_path):
    """It is known only at the end of an epoch: then the training goes on."""

    def add(moment, fit):
        if moment == "on_epoch_end":
            fit.record["odd"] = {1, 2}

    with checkpoint_warnings() as texts:
        _, history = small(checkpoint=tmp_path / "run", callbacks=[Noted(do=add)])
    assert "the history['records'][0]['odd'] is {1, 2}, of type set" in texts[0]
    assert texts[1:] == [f"{tmp_path / 'run'} is not up to date: none has been written by this fit"]
    assert history.stop_reason == "epochs"
    assert not [*tmp_path.iterdir()]


def test_a_fit_that_diverges_leaves_the_last_sound_checkpoint(tmp_path):
    """Also one whose parameters are infinite in the middle of an epoch, which no loss has shown yet."""

    def spoil(moment, fit):
        if moment == "on_call_end" and fit.network.steps == 9:
            fit.network.parameters[0] = np.inf

    net = build("Adam")
    with pytest.raises(DivergenceError):
        small(net, checkpoint=tmp_path / "run", every="1 step", callbacks=[Noted(do=spoil)])
    assert Network.load(tmp_path / "run").steps == 8
    assert outcome(*small(resume=tmp_path / "run")) == outcome(*small())


def test_an_error_of_a_callback_writes_nothing(tmp_path, call_is_a_batch):
    def fail(moment, fit):
        if moment == "on_call_end" and fit.network.steps == 9:
            raise LookupError

    with pytest.raises(LookupError):
        small(checkpoint=tmp_path / "run", every="4 steps", callbacks=[Noted(do=fail)])
    assert Network.load(tmp_path / "run").steps == 8


@pytest.mark.parametrize("state", [3, None, ("a", 1)])
def test_a_state_that_is_no_dict(state, tmp_path):
    class Odd(Noted):
        def state_dict(self):
            return state

    with pytest.raises(TypeError, match=r"state_dict\(\) of Odd must return a dict, got "):
        small(net := build("Adam"), callbacks=[Odd()], checkpoint=tmp_path / "run")
    assert net.steps == 0


@pytest.mark.parametrize("argument", ["checkpoint", "resume"])
def test_another_callback_that_writes_the_same_file(argument, tmp_path):
    (tmp_path / "folder").mkdir()
    path, same = tmp_path / "run", tmp_path / "folder" / ".." / "run"
    small(checkpoint=path, epochs=1)
    for callback in (ModelCheckpoint(same, save_best_only=False), CSVLogger(same)):
        message = rf"{type(callback).__name__} would replace the checkpoint of the fit, .*run: give it another file"
        with pytest.raises(ValueError, match=message):
            small(net := build("Adam"), callbacks=[callback], **{argument: path})
        assert net.steps == 0
    small(callbacks=[ModelCheckpoint(tmp_path / "{epoch}", save_best_only=False)], checkpoint=path)
