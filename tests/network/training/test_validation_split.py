"""fit(validation_split=...): which rows are held out, and that the rest is trained as if it were given alone."""

import copy

import numpy as np
import pytest
from conftest import same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from watched_fits import EVERY_BATCH, QUIET, build, problem

from hotloop import Adam, Network, profile
from hotloop.network.losses import LOSSES
from hotloop.network.profiling.diagnosis.snapshots import data_of
from hotloop.network.training import validation_split
from hotloop.network.training.validation_split import rows_held_out

NO_TARGETS, NO_LABELS = np.empty((0, 0)), np.empty(0, np.int64)


def records(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history.epochs]


@pytest.mark.parametrize(("rows", "batch_size"), [(50, 8), (700, 1000)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_it_trains_as_if_the_rows_were_given_apart(rows, batch_size, shuffle):
    """To the bit, and the epochs have the same records; a batch may be larger than the rows that are left."""
    x, y = problem(rows)
    net, options = (
        build(dropout=0.2),
        {"epochs": 3, "batch_size": batch_size, "shuffle": shuffle, "optimizer": Adam(0.01)},
    )
    twin = copy.copy(net)
    history = net.fit(x, y, validation_split=0.3, **options, **QUIET)
    kept, held_out = rows_held_out(0.3, 0, LOSSES["mse"], y[:, np.newaxis], NO_LABELS)
    assert (len(kept), len(held_out)) == (rows * 7 // 10, rows * 3 // 10)
    expected = twin.fit(x[kept], y[kept], validation_data=(x[held_out], y[held_out]), **options, **QUIET)
    assert same_bits(net.parameters, twin.parameters)
    assert records(history) == records(expected)
    assert net.steps == twin.steps


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_no_row_is_copied_for_training(kind):
    """Only those for validation are. The loop sees the array itself, of whatever type."""
    x = np.random.default_rng(0).integers(0, 9, (40, 3)).astype(kind)
    x.setflags(write=False)
    net, shares = Network([3, 4, 3], loss="cross_entropy", seed=0), []

    def note(*given, prepare=Network._prepared, **options):
        data = prepare(*given, **options)
        shares.append((np.shares_memory(data.inputs, x), len(data.inputs)))
        return data

    net._prepared = lambda *given, **options: note(net, *given, **options)
    net.fit(x, np.arange(40) % 3, epochs=1, validation_split=0.25, **EVERY_BATCH)
    assert shares == [(True, 40), (False, 10)]


def test_the_same_rows_at_every_fit_and_others_for_another_seed(monkeypatch):
    found = []

    def noting(*given):
        found.append(rows_held_out(*given)[1].tolist())
        return rows_held_out(*given)

    monkeypatch.setattr("hotloop.network.training.checked_data.rows_held_out", noting)
    nets = [build(), build(), Network([3, 8, 1], seed=1)]
    for net in (nets[0], nets[0], nets[1], nets[2]):
        net.fit(*problem(), epochs=2, validation_split=0.2, **EVERY_BATCH)
    assert found[0] == found[1] == found[2] != found[3]
    assert found[0] != list(range(32, 40))  # not the last rows


def test_balanced_weights_are_of_the_rows_that_are_trained_on():
    labels = np.array([0] * 30 + [1] * 7 + [2] * 3)  # of which 18, 4 and 2 are kept
    x, options = np.random.default_rng(0).normal(size=(40, 3)), {"epochs": 2, "validation_split": 0.4}
    nets = [Network([3, 4, 3], loss="cross_entropy", seed=0, dtype="float64") for _ in range(2)]
    kept, _ = rows_held_out(0.4, 0, LOSSES["cross_entropy"], NO_TARGETS, labels)
    counts = np.bincount(labels[kept])
    assert (counts * 5 != np.bincount(labels) * 3).any()  # not 60 % of each, to the row
    for net, weights in zip(nets, ["balanced", dict(enumerate(24 / (3 * counts)))], strict=True):
        net.fit(x, labels, class_weight=weights, **options, **QUIET)
    assert nets[0].parameters == pytest.approx(nets[1].parameters, rel=1e-12)


@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=60), fraction=st.floats(0.02, 0.98), seed=st.integers(0, 3)
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_each_class_of_two_rows_is_on_both_sides(labels, fraction, seed):
    labels = np.array(labels)
    counts = np.bincount(labels)
    if counts.max() < 2:
        return
    kept, held_out = rows_held_out(fraction, seed, LOSSES["cross_entropy"], NO_TARGETS, labels)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()
    for rows in (kept, held_out):
        assert (np.bincount(labels[rows], minlength=len(counts))[counts > 1] > 0).all()
    share = np.bincount(labels[held_out], minlength=len(counts))
    assert (np.abs(share - counts * fraction) <= 1).all()


@pytest.mark.parametrize("form", ["labels", "one-hot", "one output"])
def test_the_classes_of_every_form_of_targets(form):
    """One row in ten is of class 1; without regard to the classes, half of the splits would have none held out."""
    labels = (np.arange(40) % 10 == 3).astype(np.int64)
    loss = LOSSES["binary_cross_entropy" if form == "one output" else "cross_entropy"]
    targets = np.eye(2)[labels] * 0.8 + 0.1 if form == "one-hot" else labels[:, np.newaxis] * 0.9
    for seed in range(20):
        given = (NO_TARGETS, labels) if form == "labels" else (targets, NO_LABELS)
        _, held_out = rows_held_out(0.25, seed, loss, *given)
        assert (len(held_out), labels[held_out].sum()) == (10, 1)


def test_several_labels_or_values_are_no_classes():
    targets = np.tile([[0.0, 1.0]], (40, 1))
    for loss in ("binary_cross_entropy", "mse"):
        expected = validation_split.split_rows(40, 0.25, 7)
        for found, wanted in zip(rows_held_out(0.25, 7, LOSSES[loss], targets, NO_LABELS), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_a_diagnosis_sees_the_rows_that_are_trained():
    x, y = problem()
    net = build()
    data = net._prepared(net._checked(x, y))
    assert len(data_of(data)[0]) == 40
    data.kept = np.array([1, 3, 8])
    inputs, targets = data_of(data)
    np.testing.assert_array_equal(inputs, x[data.kept])
    np.testing.assert_array_equal(targets[:, 0], y[data.kept].astype(net.dtype))


def test_a_profile_counts_the_rows_that_are_trained():
    x, y = problem(50)
    with profile(snapshots=True) as prof:
        build().fit(x, y, epochs=2, validation_split=0.2, **EVERY_BATCH)
    assert "10 steps, 80 rows" in prof.table()
    prof.diagnose(try_remedies=False)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"validation_split": 1}, ValueError, "validation_split must be finite, at least 0 and below 1, got 1.0"),
    ({"validation_split": -0.1}, ValueError, "validation_split must be finite, at least 0 and below 1"),
    ({"validation_split": "0.1"}, TypeError, "validation_split must be a number"),
    ({"validation_split": 0.1, "validation_data": problem()}, ValueError,
     "validation_split holds rows out of X as validation data: give it or validation_data, not both"),
])  # fmt: skip
def test_wrong_arguments(options, error, message):
    net = build()
    with pytest.raises(error, match=message):
        net.fit(*problem(), **options, **EVERY_BATCH)
    assert (net.steps, net.optimizer) == (0, None)


def test_too_few_rows():
    net = Network([3, 2], loss="cross_entropy", seed=0)
    with pytest.raises(ValueError, match=r"validation_split=0.1 holds out no row: 1 row cannot be split"):
        net.fit(np.zeros((1, 3)), [1], validation_split=0.1, **EVERY_BATCH)
    with pytest.raises(ValueError, match=r"validation_split=0.1 holds out no row: no class has two of the 2 rows"):
        net.fit(np.zeros((2, 3)), [0, 1], validation_split=0.1, **EVERY_BATCH)
    history = net.fit(np.zeros((2, 3)), [1, 1], epochs=1, validation_split=0.9, **EVERY_BATCH)
    assert len(history.epochs) == 1
    assert "val_loss" in history.epochs[0]


@pytest.mark.parametrize(("held_out", "message"), [(True, "left to train on all have weight 0"), (False, "held out")])
def test_rows_without_weight(held_out, message):
    """All weight on one side: nothing is trained."""
    net = Network([2, 3, 1], seed=0)
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20.0)
    chosen = np.zeros(20)
    chosen[rows_held_out(0.3, 0, LOSSES["mse"], y[:, None], np.empty(0, np.int64))[held_out]] = 1
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=rf"validation_split=0.3: .*{message}"):
        net.fit(X, y, epochs=1, sample_weight=chosen, validation_split=0.3, progress=False)
    assert (net.steps, net.optimizer) == (0, None)
    assert np.array_equal(net.parameters, before)


def test_zero_holds_out_nothing():
    history = build().fit(*problem(), epochs=1, validation_split=0, validation_data=problem(), **EVERY_BATCH)
    assert "val_loss" in history.epochs[0]
    assert "val_loss" not in build().fit(*problem(), epochs=1, validation_split=0.0, **EVERY_BATCH).epochs[0]
