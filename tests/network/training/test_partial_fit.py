"""`partial_fit`: the bits of a fit of one batch, whatever was there before, and nothing lost by what it refuses."""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from conftest import COMPILED, needs_compiler, same_bits
from small_networks import LOSSES_AND_OUTPUTS, OPTIMIZERS, QUIET, build, data, everything

from hotloop import SGD, Adam, AdamW, Callback, DivergenceError, Network
from hotloop.network.training import single_step


def fit(net, X, y, optimizer):
    """Return the loss of one batch in a fit of one epoch."""
    options = {"epochs": 1, "batch_size": len(X), "shuffle": False, "n_threads": 1, **QUIET}
    return net.fit(X, y, optimizer=optimizer, **options)["loss"][0]


def stepped(net):
    """Return all that training changes but the epochs."""
    parameters, moments, _, *counts = everything(net)
    return parameters, moments, *counts


def batches(loss="mse", rows=(25, 25, 9, 25), **options):
    return [data(loss, n, **options) for n in rows]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("loss", "output"), LOSSES_AND_OUTPUTS if COMPILED else LOSSES_AND_OUTPUTS[::6])
def test_the_bits_of_a_fit(loss, output, optimizer, dtype):
    """With dropout and penalties; the number of rows changes and comes back."""
    nets = [build(loss=loss, output=output, dropout=0.2, l2=1e-3, dtype=dtype) for _ in range(2)]
    for X, y in batches(loss):
        found = nets[0].partial_fit(X, y, optimizer=OPTIMIZERS[optimizer])
        wanted = fit(nets[1], X, y, OPTIMIZERS[optimizer])
        assert found == pytest.approx(wanted, rel=1e-14)
        assert stepped(nets[0]) == stepped(nets[1])
    assert (nets[0].steps, nets[0].epochs_trained) == (4, 0)
    assert isinstance(found, float)


def test_a_batch_of_several_micro_batches_with_all_that_an_update_may_have(dtype):
    nets = [build(dtype=dtype, max_norm=0.5, dropout=0.1) for _ in range(2)]
    factors = {"biases": 2}
    optimizer = AdamW(0.01, clip_norm=0.1, clip_value=0.02, learning_rate_factors=factors)
    rows = 300 if COMPILED else 40
    for X, y in batches(rows=(rows, rows)):
        nets[0].partial_fit(X, y, optimizer=optimizer)
        fit(nets[1], X, y, optimizer)
    assert stepped(nets[0]) == stepped(nets[1])


SCALES = {"one factor": (0, 0.1), "one for each": (0, [1, 2, 3, 4, 0.5]), "an offset": (0.25, 2)}


@pytest.mark.parametrize("scaling", SCALES)
@pytest.mark.parametrize("form", ["f4", "f8", "u1", "i4", "list", "Fortran", "rows of a larger one"])
def test_inputs_of_every_form(scaling, form, dtype):
    offset, scale = SCALES[scaling]
    rng = np.random.default_rng(3)
    nets = [build(dtype=dtype, input_offset=offset, input_scale=scale) for _ in range(2)]
    for _ in range(3):
        X, y = rng.integers(0, 9, (10, 5)), rng.normal(size=(10, 3)).astype(dtype)
        given = X.tolist() if form == "list" else X.astype(form if len(form) == 2 else dtype)
        if form == "Fortran":
            given = np.asfortranarray(given)
        if form == "rows of a larger one":
            given = np.repeat(given, 2, axis=0)[::2]
        nets[0].partial_fit(given, y)
        fit(nets[1], given, y, SGD())
    assert stepped(nets[0]) == stepped(nets[1])


@pytest.mark.parametrize("kind", ["i1", "u8", "i8", "f8", list])
def test_labels_of_every_form(kind, dtype):
    nets = [build(loss="labels", dtype=dtype) for _ in range(2)]
    X, y = data("labels")
    X, given = X.astype(dtype), y.tolist() if kind is list else y.astype(kind)
    for _ in range(2):
        nets[0].partial_fit(X, given)
        fit(nets[1], X, y, SGD())
    assert stepped(nets[0]) == stepped(nets[1])


def test_one_output_takes_a_vector_or_a_column(dtype):
    X, y = np.ones((4, 2), dtype), np.arange(4, dtype=dtype)
    nets = [Network([2, 3, 1], dtype=dtype, seed=0) for _ in range(2)]
    for _ in range(2):
        assert nets[0].partial_fit(X, y) == nets[1].partial_fit(X, y.reshape(4, 1))
    assert everything(nets[0]) == everything(nets[1])
    with pytest.raises(ValueError, match=r"y has shape \(2, 2\)|y has 2 rows"):
        nets[0].partial_fit(X, y.reshape(2, 2))
    with pytest.raises(ValueError, match=r"y has 1 row;"):
        nets[0].partial_fit(X, y.reshape(1, 4))


# What is kept between two steps must be made again when anything changes.

CHANGES = {
    "penalty": lambda net: setattr(net, "l2", 0.1),
    "dropout": lambda net: setattr(net, "dropout", (0.5, 0.5)),
    "scale": lambda net: setattr(net, "input_scale", 0.5),
    "offset": lambda net: setattr(net, "input_offset", 0.5),
    "seed": lambda net: setattr(net, "seed", 9),
    "largest norm": lambda net: setattr(net, "max_norm", (0.1, 0.1, 0.1)),
    "moments": lambda net: net.reset_optimizer(),
    "parameters": lambda net: net.parameters.__imul__(0.5),
    "a fit": lambda net: fit(net, *data(rows=12), Adam(0.02)),
    "another optimizer": lambda net: fit(net, *data(rows=12), SGD(0.02, momentum=0.9)),
    "a prediction": lambda net: net.predict(data()[0]),
    "a smaller batch": lambda net: net.partial_fit(*data(rows=4)),
    "nothing": lambda net: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_steps(change, dtype):
    (X, y), nets = data(), [build(dropout=0.2, dtype=dtype) for _ in range(2)]
    X, y = X.astype(dtype), y.astype(dtype)
    results = []
    for index, net in enumerate(nets):
        for round_ in range(2):
            for _ in range(2):
                if index == 0:
                    net.partial_fit(X, y, optimizer=Adam(0.02))
                else:
                    fit(net, X, y, Adam(0.02))
            if round_ == 0:
                CHANGES[change](net)
        results.append(stepped(net))
    assert results[0] == results[1]


def test_the_optimizer_is_the_last_one():
    (X, y), net = data(), build()
    net.partial_fit(X, y)
    assert net.optimizer == SGD(0.01)
    fit(net, X, y, Adam(0.02))
    net.partial_fit(X, y)
    assert (net.optimizer, net.steps, net._training.step_offset) == (Adam(0.02), 3, 1)
    net.partial_fit(X, y, optimizer=Adam(0.02))
    assert net._training.step_offset == 1
    net.partial_fit(X, y, optimizer="sgd")
    assert (net.optimizer, net._training.step_offset) == (SGD(0.01), 4)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_shares_nothing(again):
    (X, y), net = data(), build()
    net.partial_fit(X, y, optimizer=Adam())
    twin = again(net)
    before = everything(net)
    twin.partial_fit(X, y)
    assert everything(net) == before != everything(twin)
    net.partial_fit(X, y)
    assert everything(net) == everything(twin)


# What it refuses.


def bad(X, y, place, value):
    X, y = X.copy(), y.copy()
    (X if place == "X" else y)[3, 1] = value
    return X, y


WRONG = {
    "NaN": lambda X, y: (bad(X, y, "X", np.nan), "X must be finite: found nan in row 3, column 1"),
    "infinity": lambda X, y: (bad(X, y, "X", -np.inf), "X must be finite"),
    "a target": lambda X, y: (bad(X, y, "y", np.inf), "y must be finite: found inf in row 3, column 1"),
    "columns": lambda X, y: ((X[:, :4], y), r"X has shape \(25, 4\); wanted \(rows, 5\)"),
    "rows": lambda X, y: ((X[:9], y), "y has 25 rows; X has 9 rows"),
    "no rows": lambda X, y: ((X[:0], y[:0]), "X has no rows"),
    "text": lambda X, y: (("X", y), "X"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("first", [False, True])
def test_data_that_are_refused(wrong, first, dtype):
    """By the first step and by a later one, for the data of which everything is ready."""
    X, y = (array.astype(dtype) for array in data())
    net = build(dtype=dtype)
    if not first:
        net.partial_fit(X, y, optimizer=Adam())
    before = everything(net), net.optimizer
    given, message = WRONG[wrong](X, y)
    with pytest.raises((TypeError, ValueError), match=message):
        net.partial_fit(*given, optimizer=Adam())
    assert (everything(net), net.optimizer) == before
    net.partial_fit(X, y)


TARGETS = {
    "labels": (3, "y must be classes 0 to 2"),
    "binary_cross_entropy": (1.5, "y must be probabilities, 0 to 1"),
    "cross_entropy": (0.5, "y must sum to 1 in each row"),
}


@pytest.mark.parametrize("loss", TARGETS)
def test_targets_that_a_loss_refuses(loss, dtype):
    (X, y), net = data(loss), build(loss=loss, dtype=dtype)
    X, y = X.astype(dtype), y.astype(dtype if loss != "labels" else "i8")
    net.partial_fit(X, y, optimizer=Adam())
    before = everything(net)
    y[2 if loss == "labels" else (2, int(np.argmin(y[2])))] = TARGETS[loss][0]
    with pytest.raises(ValueError, match=TARGETS[loss][1]):
        net.partial_fit(X, y)
    assert everything(net) == before


def test_other_arguments():
    (X, y), net = data(), build()
    for options, message in (
        ({"optimizer": 3}, "optimizer must be one of"),
        ({"optimizer": Adam(learning_rate_factors={"biases": [1]})}, "one a layer"),
        ({"epochs": 3}, r"partial_fit\(\) got an unexpected keyword argument 'epochs'"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            net.partial_fit(X, y, **options)
    assert net.optimizer is None
    X, y = X.astype("f4"), y.astype("f4")
    net.partial_fit(X, y)
    net.parameters[3] = np.nan
    for _ in range(2):  # everything is ready for these data
        with pytest.raises(ValueError, match=r"net\.parameters must be finite before training"):
            net.partial_fit(X, y)
    assert net.steps == 1


DIVERGENT = {
    "the loss": (lambda net, X: X.__imul__(1e30), SGD(0.1)),
    "the parameters": (lambda net, X: None, SGD(1e38)),
    "the moments": (lambda net, X: X.__imul__(1e15), Adam(1e-30)),
}


@pytest.mark.parametrize("what", DIVERGENT)
def test_a_divergence_leaves_the_parameters_from_before(what):
    """In float32. A mean square of 1e60 is too large, so is a step of 1e38, so is the square of a gradient of 1e30."""
    net = Network([2, 3], seed=0, loss="mse" if what != "the moments" else "mae")
    change, optimizer = DIVERGENT[what]
    X, y = np.full((4, 2), 30, np.float32), np.full((4, 3), -9e3 if what == "the parameters" else 0, np.float32)
    net.partial_fit(np.zeros_like(X), np.zeros_like(y), optimizer=optimizer)
    change(net, X)
    if what == "the moments":
        X *= np.float32(1e6)
    before, steps = net.parameters.copy(), net.steps
    with pytest.raises(DivergenceError, match=r"partial_fit diverged in step 2: .* smaller learning rate") as caught:
        net.partial_fit(X, y)
    assert same_bits(net.parameters, before)
    assert (net.steps, net.optimizer) == (steps, None)
    assert caught.value.history.stop_reason == "diverged"
    net.partial_fit(np.ones_like(X), y * 0, optimizer=SGD(0.01))
    assert net.steps == steps + 1


def test_in_the_middle_of_a_fit():
    (X, y), net, seen = data(), build(), []

    class Stepping(Callback):
        def on_epoch_end(self, progress):
            def step():
                try:
                    net.partial_fit(X, y)
                except RuntimeError as error:
                    seen.append(str(error))

            step()
            thread = threading.Thread(target=step)
            thread.start()
            thread.join()

    net.fit(X, y, epochs=1, callbacks=[Stepping()], **QUIET)
    assert len(seen) == 2
    assert all(text.startswith("partial_fit was called in the middle of a fit") for text in seen)


@needs_compiler
def test_a_step_allocates_no_array(dtype):
    """Python's objects take some hundred bytes; the smallest array here, the labels, has 8000."""
    net = Network([64, 64, 10], loss="cross_entropy", dtype=dtype, seed=0)
    X, y = np.ones((1000, 64), dtype), np.zeros(1000, np.int64)
    net.partial_fit(X, y, optimizer=Adam())
    tracemalloc.start()
    try:
        net.partial_fit(X, y)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        net.partial_fit(X, y)
        assert tracemalloc.get_traced_memory()[1] - before < 4000
    finally:
        tracemalloc.stop()


def test_nothing_is_prepared_again(monkeypatch, dtype):
    """For arrays of the network's dtype, nor for others of as many rows."""
    X, y = data()
    net, made = build(dtype=dtype), []
    net.partial_fit(X, y)
    monkeypatch.setattr(single_step.SingleStep, "__init__", lambda *given: made.append(given))
    for kind in (dtype, "f2", "f8"):
        net.partial_fit(X.astype(kind), y.astype(kind))
    assert not made
