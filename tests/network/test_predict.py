"""What predictions do not depend on: the rows beside a row, and the number of threads; to the bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from autograd_network import HIDDEN
from conftest import COMPILED, ODD_SIZES, same_bits
from thread_teams import ends_with, living

from hotloop import Network
from hotloop.network.training import passes, thread_tuner
from hotloop.network.training.team import Team

ROWS = (*range(1, 41), 255, 256, 257, 258, 1000) if COMPILED else (1, 2, 5, 9)
MOST = max(ROWS)
NETWORKS = [
    *[(size, size, 3) for size in ODD_SIZES],
    *[(6, size) for size in ODD_SIZES],
    (1, 1), (300, 5, 2), (3, 300, 2), (520, 9), (784, 32, 10), (4, 4, 4, 4, 4),
]  # fmt: skip


def inputs(rows, columns, kind="float64"):
    """Return inputs whose products do not come out even; as bytes for uint8."""
    X = np.random.default_rng(columns).normal(size=(rows, columns))
    return np.abs(60 * X).clip(0, 255).astype(kind) if kind == "uint8" else X.astype(kind)


def check_rows(net, X):
    """Each row by itself, and among the first 1, 2, 3 ... rows, gives what it gives among all."""
    whole = net.predict(X)
    assert np.isfinite(whole).all()
    alone = np.concatenate([net.predict(X[i : i + 1], n_threads=1) for i in range(len(X))])
    different = [rows for rows in ROWS if not same_bits(net.predict(X[:rows]), alone[:rows])]
    assert different == []
    assert same_bits(whole, alone)


@pytest.mark.parametrize("sizes", NETWORKS if COMPILED else NETWORKS[::6], ids=str)
def test_the_rows_beside_a_row(sizes, dtype):
    check_rows(Network(sizes, "tanh", dtype=dtype, seed=1), inputs(MOST, sizes[0]))


@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid"])
@pytest.mark.parametrize("hidden", HIDDEN if COMPILED else ["gelu"])
def test_the_rows_beside_a_row_for_each_activation(hidden, output, dtype):
    """Over 17 and 5 units: more than a vector, and fewer."""
    check_rows(Network([9, 17, 5], hidden, output=output, dtype=dtype, seed=1), inputs(MOST, 9))


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
def test_the_rows_beside_a_row_of_each_kind(kind, dtype):
    net = Network([50, 33, 10], loss="cross_entropy", input_scale=1 / 255, dtype=dtype, seed=1)
    check_rows(net, inputs(MOST, 50, kind))


# Threads.


@pytest.fixture
def taken(monkeypatch):
    """Return how many threads each prediction took."""
    counts, start = [], Team.__enter__

    def noted(team):
        counts.append(team.n_threads)
        return start(team)

    monkeypatch.setattr(Team, "__enter__", noted)
    return counts


def targets(loss, rows):
    labels = np.arange(rows) % 3
    return labels if loss == "cross_entropy" else np.eye(3)[labels]


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("rows", [1, 2, 4, 33, 300, 5000] if COMPILED else [1, 9])
def test_the_number_of_threads(rows, loss, dtype, taken, monkeypatch):
    """A row for each thread or fewer, one piece of 256 rows, and several; also cut into calls of 100 rows."""
    net, X = Network([20, 33, 3], "silu", loss=loss, l2=0.01, dtype=dtype, seed=1), inputs(rows, 20)
    y = targets(loss, rows)

    def results(n_threads):  # the R^2 of one row is NaN, hence the text
        return net.predict(X, n_threads=n_threads).tobytes(), repr(net.evaluate(X, y, n_threads=n_threads))

    expected = results(1)
    teams = 1 if rows == 1 and X.dtype == net.dtype else 2  # one row as it is needs no team
    taken.clear()
    for n_threads in (2, 3, 5):
        assert results(n_threads) == expected
        assert taken == [min(rows, n_threads)] * teams
        taken.clear()
    monkeypatch.setattr(passes, "CALL_WORK", 100 * (net.n_parameters + passes.ROW_WORK))
    assert results(2) == expected


@pytest.mark.parametrize(("rows", "cores", "expected"), [
    (1, 8, 1), (19, 8, 1), (20, 8, 2), (50, 8, 5), (50, 3, 3), (50, 1, 1),
])  # fmt: skip
def test_auto_takes_a_thread_for_so_much_work(rows, cores, expected, taken, monkeypatch):
    net, X = Network([20, 33, 3], seed=1), inputs(rows, 20)
    monkeypatch.setattr(thread_tuner, "WORK_OF_A_PREDICTING_THREAD", 10 * net.n_parameters)
    monkeypatch.setattr(thread_tuner, "available_cores", lambda: cores)
    predicted = net.predict(X)
    assert taken == [expected]
    assert same_bits(predicted, net.predict(X, n_threads=1))


@pytest.mark.parametrize("n_threads", [1, 2, "auto"])
def test_no_rows_are_refused(n_threads):
    with pytest.raises(ValueError, match="X"):
        Network([20, 33, 3], seed=1).predict(np.empty((0, 20)), n_threads=n_threads)


def test_one_network_predicts_in_several_threads_at_once():
    """Each call has its own scratch memory."""
    net, X = Network([20, 33, 3], "silu", seed=1), inputs(5000 if COMPILED else 6, 20)
    expected, before = net.predict(X), living()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n_threads: net.predict(X, n_threads=n_threads), [1, 2, 3] * 10))
    assert all(same_bits(result, expected) for result in results)
    assert ends_with(before)


# Misuse.

WRONG = [
    (0, ValueError), (-1, ValueError), (10**6, ValueError), ("many", ValueError), ("", ValueError), (2.5, TypeError),
    (True, TypeError), (None, TypeError), ([2], TypeError),
]  # fmt: skip


@pytest.mark.parametrize("method", ["fit", "predict", "evaluate"])
@pytest.mark.parametrize(("n_threads", "error"), WRONG, ids=repr)
def test_a_wrong_number_of_threads_is_named(n_threads, error, method):
    net, X = Network([2, 1], seed=0), np.ones((4, 2))
    before = net.parameters.copy()
    given = (X,) if method == "predict" else (X, np.ones(4))
    with pytest.raises(error, match=r"^n_threads must be"):
        getattr(net, method)(*given, n_threads=n_threads)
    assert same_bits(net.parameters, before)
    assert net.optimizer is None
