"""Fitting as a user sees it: when it stops, what it reports, and what a divergence leaves."""

import linecache
import pickle
import time

import numpy as np
import pytest
from conftest import COMPILED, same_bits

from hotloop import SGD, Adam, ConvergenceWarning, DivergenceError, History, Network
from hotloop.metrics import r2
from hotloop.network.training import fit as fitting
from hotloop.network.training import thread_choice


def problem(rows=40):
    x = np.random.default_rng(1).normal(size=(rows, 3))
    return x, np.tanh(x @ [1.0, -2.0, 0.5])


def train(net=None, **options):
    """Fit a network to the problem, and return both the network and the history."""
    net = Network([3, 8, 1], "tanh", seed=0) if net is None else net
    return net, net.fit(*problem(), **options)


# Stopping.


def stops_at(losses, tolerance, patience):
    """The first epoch that ends `patience` epochs none of which was better than all before it by the tolerance."""
    stale = [k > 0 and loss >= min(losses[:k]) - tolerance for k, loss in enumerate(losses)]
    return next(n for n in range(patience, len(losses)) if all(stale[n - patience : n]))


@pytest.mark.parametrize(("tolerance", "patience"), [(0, 1), (0, 4), (3e-3, 1), (3e-3, 3), (0.05, 5)])
def test_the_training_loss_converges(tolerance, patience):
    options = {"optimizer": SGD(0.1, momentum=0.9), "batch_size": 8}
    losses = train(Network([3, 1], seed=0), epochs=60, **options)[1]["loss"]
    expected = stops_at(losses, tolerance, patience)
    net, history = train(Network([3, 1], seed=0), epochs=60, tolerance=tolerance, patience=patience, **options)
    assert history["loss"] == losses[:expected]
    assert (history.stop_reason, history.converged, history.interrupted) == ("converged", True, False)
    assert net.epochs_trained == expected


def test_with_validation_its_loss_decides():
    x, y = problem()
    _, history = train(epochs=9, validation_data=(x, -y), tolerance=1e-6, patience=4)  # it gets worse from the start on
    assert history.converged
    assert all(b < a - 1e-6 for a, b in zip(history["loss"], history["loss"][1:], strict=False))
    assert len(history.epochs) == len(history["val_loss"]) == stops_at([*history["val_loss"], 9], 1e-6, 4)
    assert history["val_loss"] == sorted(history["val_loss"])


def test_epochs_that_run_out_are_said_where_fit_was_called():
    with pytest.warns(ConvergenceWarning, match=r"no convergence in 3 epochs.*tolerance=0.001.*patience=5") as caught:
        _, history = train(epochs=3, tolerance=1e-3)
    (place,) = [(warning.filename, warning.lineno) for warning in caught]
    assert "net.fit(" in linecache.getline(*place)
    assert issubclass(ConvergenceWarning, UserWarning)
    assert (history.stop_reason, history.converged) == ("epochs", False)
    assert len(history.epochs) == 3


def test_a_loss_that_stands_still():
    net, data = Network([3, 1], initializer="zeros"), (np.ones((4, 3)), np.zeros(4))
    assert net.fit(*data, epochs=30)["loss"] == [0.0] * 30
    history = net.fit(*data, epochs=30, tolerance=0, patience=3)  # the first epoch is better than none before it
    assert (history["loss"], history.converged) == ([0.0] * 4, True)


# History.


@pytest.mark.parametrize(("rows", "batch_size"), [(20, 7), (300, 299)])
def test_the_loss_of_an_epoch_is_the_mean_over_its_rows_as_the_parameters_move(
    rows, batch_size, dtype, eps, short_micro_batches
):
    """Batches of whole micro-batches (256 rows) and less, the last one smaller than the others."""
    x, y = problem(rows)
    net, twin = (Network([3, 8, 1], "tanh", l2=0.01, dtype=dtype, seed=0) for _ in range(2))
    history = net.fit(x, y, epochs=1, batch_size=batch_size, optimizer=SGD(0.05), shuffle=False)
    total = 0.0
    for start in range(0, rows, batch_size):
        batch = slice(start, start + batch_size)
        loss, gradient = twin.gradient(x[batch], y[batch])
        total += loss * len(x[batch])
        twin.parameters[:] -= twin.dtype.type(0.05) * gradient
    np.testing.assert_allclose(net.parameters, twin.parameters, rtol=0, atol=20 * eps)
    assert history["loss"][0] == pytest.approx(total / rows, rel=20 * eps)


@pytest.mark.parametrize(("loss", "measure"), [("mse", "r2"), ("cross_entropy", "accuracy")])
def test_records(loss, measure):
    x, y = problem()
    y = (y > 0).astype(int) if loss == "cross_entropy" else np.stack([y, -y], axis=1)
    net = Network([3, 4, 2], loss=loss, seed=0)
    net.fit(x, y, epochs=2)
    began = time.perf_counter()
    history = net.fit(x, y, epochs=3, validation_data=[x[:10], y[:10]])
    wall = time.perf_counter() - began
    assert [record["epoch"] for record in history.epochs] == [3, 4, 5]
    assert {*history.epochs[0]} == {"epoch", "loss", "val_loss", f"val_{measure}", "learning_rate", "seconds"}
    assert history["loss"] == [record["loss"] for record in history.epochs]
    last = net.evaluate(x[:10], y[:10])
    assert (history.epochs[-1]["val_loss"], history.epochs[-1][f"val_{measure}"]) == (*last.values(),)
    assert history["val_loss"][-1] == last["loss"]
    assert 0 < sum(record["seconds"] for record in history.epochs) <= history.seconds <= wall
    assert history.compile_seconds >= 0
    assert net.epochs_trained == 5
    assert "val_loss" not in train(epochs=1)[1]


def test_the_table_is_in_columns():
    assert str(History(stop_reason="interrupted")) == "no epoch finished (interrupted)"
    x, y = problem()
    _, history = train(epochs=11, validation_data=(x, y), optimizer="adam")
    head, *lines, best, stop = str(history).splitlines()
    lowest = 1 + int(np.argmin(history["val_loss"]))
    assert (best, stop) == (f"* best epoch: {lowest}, by validation loss", "stopped: epochs")
    assert [place for place, line in enumerate(lines, 1) if "*" in line] == [lowest]
    assert head.split() == ["epoch", "loss", "val", "loss", "val", "r2", "learning", "rate", "seconds"]
    for line, record in zip(lines, history.epochs, strict=True):
        assert [float(cell) for cell in line.replace("*", "").split()] == pytest.approx([*record.values()], rel=1e-3)
    assert len({len(line) for line in [head, *lines]}) == 1, f"the columns are not aligned:\n{history}"


# Steps, batches, slices.


@pytest.mark.parametrize("batch_size", [40, 41, 2**62, 2**63, 10**30])
def test_a_batch_larger_than_the_data_is_all_of_them(batch_size):
    assert same_bits(train(batch_size=batch_size)[0].parameters, train(batch_size=40)[0].parameters)


def test_shuffling_draws_a_new_order_for_each_epoch():
    def orders(seed=0, **options):
        seen = []
        with pytest.MonkeyPatch.context() as patch:
            real = fitting.train_slice
            patch.setattr(thread_choice, "SLICE_SECONDS", 1e9)
            patch.setattr(fitting, "LOADED", set())
            patch.setattr(fitting, "train_slice", lambda *given: (seen.append(given[4].order.tolist()), real(*given)))
            train(Network([3, 1], seed=seed), **options)
        return seen[1:]  # the first call only compiles

    first, second, third = orders(epochs=3)
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second != third != first != list(range(40))
    assert orders(epochs=3) == [first, second, third]
    assert orders(1, epochs=1) != [first]
    assert orders(epochs=2, shuffle=False) == [list(range(40))] * 2


def test_an_order_is_that_of_a_generator_of_its_own():
    """Whatever the thread's generator has drawn before: an odd number of draws leaves it half a word."""
    for seed, epoch, rows, part in [(0, 0, 7, 0), (2**63 - 1, 3, 8, 0), (5, 2**40, 7, 9), (0, 0, 0, 0), (0, 0, 7, 0)]:
        own = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, part]))
        found = fitting.shuffled(seed, epoch, rows, part)
        assert found.tolist() == own.permutation(rows).tolist()
        assert found.dtype == np.int64


def test_a_second_fit_loads_nothing():
    net, calls = Network([3, 1], seed=0), []
    train(net, epochs=1, validation_data=problem())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("train_slice", "load_forward"):
            real = getattr(fitting, name)
            patch.setattr(fitting, name, lambda *given, real=real: (calls.append(given), real(*given)))
        history = train(net, epochs=2, validation_data=problem())[1]
    assert (len(calls), history.compiled, history.compile_seconds) == (2, False, 0)


@pytest.mark.parametrize("optimizer", ["sgd", SGD(0.1, momentum=0.5, nesterov=True), "rmsprop", "adagrad", "adamw"])
def test_two_fits_are_one_longer_fit(optimizer):
    twice, once = (Network([3, 8, 1], dropout=0.4, seed=0) for _ in range(2))
    for epochs in (2, 3):
        train(twice, epochs=epochs, optimizer=optimizer)
    train(once, epochs=5, optimizer=optimizer)
    assert same_bits(twice.parameters, once.parameters)


@pytest.mark.parametrize(("first", "second"), [
    (Adam(0.01), "adamw"), (SGD(0.1), SGD(0.1, momentum=0.5)), (SGD(0.1, momentum=0.5), SGD(0.1)),
    (SGD(0.1, momentum=0.5), SGD(0.1, momentum=0.5, nesterov=True)),
])  # fmt: skip
def test_another_optimizer_starts_afresh(first, second):
    net, _ = train(epochs=3, optimizer=first)
    twin = Network([3, 8, 1], "tanh", seed=0)
    twin.parameters[:], twin.epochs_trained = net.parameters, net.epochs_trained
    for each in (net, twin):
        train(each, epochs=2, optimizer=second)
    assert same_bits(net.parameters, twin.parameters)


@pytest.mark.parametrize("batch_size", [1, 7, 300])
def test_slices_leave_no_trace(batch_size, monkeypatch):
    """How long a compiled call is depends on the clock; what is learnt does not."""
    x, y = problem(300 if COMPILED or batch_size == 300 else 40)
    results = []
    for seconds in (0, 1e9):
        monkeypatch.setattr(thread_choice, "SLICE_SECONDS", seconds)
        net = Network([3, 4, 1], dropout=0.3, l1=0.001, seed=0)
        losses = net.fit(x, y, epochs=2, batch_size=batch_size, optimizer="adam")["loss"]
        results.append(np.append(net.parameters, losses))
    assert same_bits(*results)


# Divergence.


def explosive(dtype):
    """Return data whose third row is harmless while all weights are zero, and then overflows every square."""
    big = 1e30 if dtype == np.float32 else 1e200
    return np.array([[0], [0], [big], [1], [1]]), np.array([0.0, 0, 0, 1, 1])


def diverge(dtype):
    net = Network([1, 1], initializer="zeros", dtype=dtype, seed=0)
    with pytest.raises(DivergenceError) as caught:
        net.fit(*explosive(dtype), epochs=5, batch_size=1, shuffle=False, optimizer=SGD(0.1, momentum=0.5))
    return net, caught.value


def test_divergence_names_the_step_and_keeps_what_was_good(dtype):
    net, error = diverge(dtype)
    assert "in epoch 2, after 7 steps of this fit: the loss" in str(error)
    assert "smaller learning rate than 0.1" in str(error)
    assert isinstance(error, ArithmeticError)
    assert [record["epoch"] for record in error.history.epochs] == [1]
    assert net.epochs_trained == 1
    assert np.isfinite(net.parameters).all()
    assert 0 < net.weights[0][0, 0] < 1
    twin, (x, y) = Network([1, 1], dtype=dtype, seed=0), (np.ones((4, 1)), np.ones(4))
    twin.parameters[:], twin.epochs_trained = net.parameters, 1
    for each in (net, twin):  # with new moments, since the old ones may be as bad as the parameters were
        history = each.fit(x, y, epochs=60, optimizer=SGD(0.1, momentum=0.5))
        assert history.epochs[0]["epoch"] == 2
        np.testing.assert_allclose(each.predict(x), 1, atol=1e-3)
    assert same_bits(net.parameters, twin.parameters)


def test_divergence_in_the_last_batch_which_is_smaller():
    net = Network([1, 1], initializer="zeros")
    with pytest.raises(DivergenceError, match="epoch 1, after 2 steps of this fit"):
        net.fit([[1], [1], [0], [0], [1e30]], [1, 1, 0, 0, 0], batch_size=2, shuffle=False, epochs=1)


def test_what_a_divergence_leaves_does_not_depend_on_the_clock(dtype, monkeypatch):
    left = []
    for seconds in (0, 1e9):
        monkeypatch.setattr(thread_choice, "SLICE_SECONDS", seconds)
        left.append(diverge(dtype))
    assert same_bits(left[0][0].parameters, left[1][0].parameters)
    assert str(left[0][1]) == str(left[1][1])


def test_an_update_that_overflows_is_a_divergence():
    """The loss of the one step is finite; the parameters after it are not."""
    net, (x, y) = Network([3, 8, 1], seed=0), problem()
    before = net.parameters.copy()
    with pytest.raises(DivergenceError, match="epoch 1, after 1 step of this fit"):
        net.fit(x, 10 * y, batch_size=40, epochs=1, optimizer=SGD(3e38))
    assert same_bits(net.parameters, before)


def test_a_divergence_can_be_pickled():
    """Else a pool of processes hangs on it."""
    error = pickle.loads(pickle.dumps(DivergenceError("text", History([{"epoch": 1, "loss": 2.0}]))))
    assert str(error) == "text"
    assert error.history["loss"] == [2.0]


def test_a_moment_that_overflows_is_a_divergence():
    """Adam would never move again: its step is divided by infinity."""
    net = Network([1, 1], loss="mae", initializer="zeros", seed=0)
    with pytest.raises(DivergenceError, match="epoch 1"):
        net.fit(np.full((4, 1), 1e25), np.ones(4), optimizer="adam", epochs=3)
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("tolerance", [None, 0.0], ids=str)
def test_a_penalty_that_is_not_finite_is_a_divergence(tolerance, dtype):
    """The data are met exactly, so that the loss without the penalty is 0, and all parameters stay finite."""
    size = 1e25 if dtype == np.float32 else 1e200
    net = Network([1, 1], l2=0.01, initializer=[np.full((1, 1), size)], dtype=dtype)
    with pytest.raises(DivergenceError, match="epoch 1, after 1 step of this fit: the loss or") as caught:
        net.fit(np.zeros((2, 1)), np.zeros((2, 1)), batch_size=1, epochs=3, optimizer=SGD(0.1), tolerance=tolerance)
    assert caught.value.history["loss"] == []
    assert net.steps == 1
    assert net.weights[0][0, 0] == pytest.approx(size * (1 - 0.1 * 2 * 0.01))


def test_a_penalty_that_is_off_has_no_part_in_the_loss():
    """Squares that overflow were multiplied by l2 = 0: NaN was recorded, and the run "converged"."""
    net = Network([1, 1], l1=0.01, seed=0)
    losses = net.fit(np.zeros((2, 1)), np.zeros((2, 1)), epochs=3, optimizer=SGD(1e30))["loss"]
    assert losses[1] == pytest.approx(0.01 * 1e28, rel=1e-6)
    assert np.isfinite(losses).all()
    assert losses[2] < losses[1]


def test_a_sum_of_losses_that_overflows_is_a_divergence():
    """Each batch's loss is finite, 1e308; the sum over ten rows is not."""
    net = Network([1, 1], initializer="zeros", dtype="float64", seed=0)
    with pytest.raises(DivergenceError, match="epoch 1"):
        net.fit(np.zeros((10, 1)), np.full((10, 1), 1e154), batch_size=1, epochs=1, optimizer=SGD(1e-300))
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("tolerance", [None, 0.0], ids=str)
def test_a_val_loss_that_is_not_finite_is_a_divergence(tolerance):
    net, (x, y) = Network([3, 8, 1], seed=0), problem()
    with pytest.raises(DivergenceError, match=r"epoch 1, after 2 steps .*the validation loss is not finite") as caught:
        net.fit(x, y, validation_data=(x, 1e30 * y), epochs=3, tolerance=tolerance)
    assert caught.value.history["val_loss"] == [np.inf]
    assert net.epochs_trained == 1
    assert np.isfinite(net.parameters).all()


def test_the_gradient_where_the_loss_overflows_is_what_the_formula_says():
    net = Network([1, 1], initializer="zeros", dtype="float64", seed=0)
    loss, gradient = net.gradient(np.ones((4, 1)), np.full((4, 1), 1e200))
    assert loss == np.inf
    assert net.split(gradient)[0][0][0, 0] == pytest.approx(-2e200)


def test_evaluate_of_huge_numbers_raises_no_warning():
    """Warnings are errors here."""
    net = Network([1, 1], l1=0.1, l2=0.1, initializer=[(np.full((1, 1), 1e200), [0.0])], dtype="float64")
    assert net.evaluate([[1.0], [2.0], [4.0]], [1e200, 2e200, 5e200]) == {
        "loss": np.inf, "r2": pytest.approx(1 - 3 / 26)
    }  # fmt: skip
    only_l1 = Network([1, 1], loss="mae", l1=0.5, initializer=[(np.full((1, 1), 1e200), [0.0])], dtype="float64")
    assert only_l1.evaluate([[1.0]] * 2, [0.0] * 2) == {"loss": pytest.approx(1.5e200), "r2": 0.0}


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e307])
def test_r2_of_numbers_of_any_size(size):
    targets = np.array([[0.0, 0.1], [1.0, 0.1], [5.0, 0.1]]) * size
    outputs = np.array([[1.0, 0.1], [1.0, 0.1], [4.0, 0.1]]) * size
    assert r2(targets, outputs) == pytest.approx((1 - 2 / 14 + 1) / 2)
    assert r2(targets[:, 1:], outputs[:, 1:] * (1 + 1e-10)) == 0  # all targets equal, and not met
    assert r2(np.array([[0.0], [1e-308]]), np.array([[1e308], [0.0]])) == -np.inf
