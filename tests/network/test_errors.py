"""Bad input: one plain exception that says what is wrong, and nothing is changed.

The table's first column is the call, in Python; the second the exception's type, exactly (Numba's errors are subclasses
of these); the third a pattern for its text.
"""

import copy

import numpy as np
import pytest

from hotloop import SGD, Adagrad, Adam, AdamW, Network, Normal, RMSprop
from hotloop.network.training.optimizers import Optimizer
from hotloop.schedules import Cosine

ROWS = 6
X = np.random.default_rng(0).normal(size=(ROWS, 3))
Y = np.random.default_rng(1).normal(size=(ROWS, 2))
LABELS = np.array([0, 1, 2, 3, 0, 1])
FLAGS = np.array([[0, 1]] * ROWS)


def put(array, place, value):
    changed = np.array(array, dtype=np.result_type(array, type(value)))
    changed[place] = value
    return changed


class Sparse:
    """Like a sparse matrix: of a shape, and no array."""

    shape, ndim, dtype = X.shape, 2, X.dtype

    def toarray(self):
        return X


GOOD = {"net": "Y", "one": "Y[:, 0]", "classifier": "LABELS", "detector": "FLAGS"}
NETWORKS = {}
NAMES = {
    "np": np, "nan": np.nan, "inf": np.inf, "X": X, "Y": Y, "LABELS": LABELS, "FLAGS": FLAGS, "put": put,
    "Network": Network, "Normal": Normal, "Sparse": Sparse, "Optimizer": Optimizer,
    "SGD": SGD, "Adagrad": Adagrad, "Adam": Adam, "AdamW": AdamW, "RMSprop": RMSprop, "Cosine": Cosine,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def trained():
    """Networks that have something to lose. That they could be trained shows that the good data are good."""
    losses = {"net": "mse", "one": "mse", "classifier": "cross_entropy", "detector": "binary_cross_entropy"}
    outputs = {"net": 2, "one": 1, "classifier": 4, "detector": 2}
    for name, loss in losses.items():
        NETWORKS[name] = Network([3, 4, outputs[name]], loss=loss, seed=0)
        y = eval(GOOD[name], NAMES)
        NETWORKS[name].fit(X, y, epochs=2, optimizer=Adam(0.01), validation_data=(X, y))
        NETWORKS[name].metadata["kept"] = "as it was"


def snapshot(network):
    """Return all that a fit could have changed, arrays to the bit."""
    arrays = [(array.tobytes(), array.shape) for array in (network.parameters, network._training.moments)]
    counts = network.epochs_trained, network.steps, network._training.step_offset, network.seed
    return arrays, counts, network.optimizer, dict(network.metadata)


def check(call, exception, match):
    before = {name: snapshot(network) for name, network in NETWORKS.items()}
    with pytest.raises(exception, match=match) as caught:
        eval(call, NAMES | NETWORKS)
    assert caught.type is exception
    assert {name: snapshot(network) for name, network in NETWORKS.items()} == before


# The inputs, in every call that takes them.
INPUTS = [
    ("X[:, :2]", ValueError, r"X has shape \(6, 2\); wanted \(rows, 3\)"),
    ("np.hstack([X, X])", ValueError, r"X has shape \(6, 6\); wanted \(rows, 3\)"),
    ("X[0]", ValueError, r"X has shape \(3,\).*X.reshape\(1, -1\)"),
    ("X[:, 0]", ValueError, r"X has shape \(6,\); wanted \(rows, 3\)"),
    ("X[None]", ValueError, r"X has shape \(1, 6, 3\); wanted \(rows, 3\)"),
    ("1.5", ValueError, r"X has shape \(\); wanted \(rows, 3\)"),
    ("X[:0]", ValueError, "X has no rows"),
    ("X[:, :0]", ValueError, r"X has shape \(6, 0\); wanted \(rows, 3\)"),
    ("[]", ValueError, r"X has shape \(0,\); wanted \(rows, 3\)"),
    ("[[]]", ValueError, r"X has shape \(1, 0\); wanted \(rows, 3\)"),
    ("put(X, (4, 1), nan)", ValueError, "X must be finite: found nan in row 4, column 1"),
    ("put(X, (0, 2), inf)", ValueError, "X must be finite: found inf in row 0, column 2, 1 in all"),
    ("put(X, ([5, 3], 0), -inf)", ValueError, "X must be finite: found -inf in row 3, column 0, 2 in all"),
    ("put(X, (2, 2), 1e300)", ValueError, r"in row 2, column 2 \(1e\+300 is too large for float32\)"),
    ("[[1, 2, None]] * 6", ValueError, "X must be finite: found None in row 0, column 2, a missing value: fill it in"),
    ("[[1, 2, 10**400]] * 6", TypeError, "X has dtype object.*too large for float64, 1000.*row 0, column 2; scale it"),
    ("X + 0j", TypeError, "X has dtype complex128; wanted real numbers"),
    ("X.astype(str)", TypeError, "X has dtype <U32; wanted real numbers"),
    ("X.astype(bytes)", TypeError, r"X has dtype \|S32; wanted real numbers"),
    ("'X.csv'", TypeError, "X has dtype <U5; wanted real numbers"),
    ("X.astype('M8[s]')", TypeError, r"X has dtype datetime64\[s\]"),
    ("X.astype('m8[s]')", TypeError, r"X has dtype timedelta64\[s\]"),
    ("X.astype([('value', 'f8')])", TypeError, r"X has dtype \[\('value', '<f8'\)\]"),
    ("np.ma.array(X, mask=X > 1)", TypeError, "X is a masked array"),
    ("Sparse()", TypeError, r"X is a sparse matrix; wanted a dense array: give X.toarray\(\), which takes 144 bytes"),
    ("None", TypeError, "X has dtype object"),
    ("{1: X}", TypeError, "X has dtype object"),
    ("(row for row in X)", TypeError, "X has dtype object"),
    ("[[1, 2, 3], [4, 5]] * 3", ValueError, "X is not an array of numbers: row 0 has 3 entries, and row 1 has 2"),
]
CALLS = {
    "fit": "net.fit({}, Y)",
    "validation": "net.fit(X, Y, optimizer='sgd', validation_data=({}, Y))",
    "predict": "net.predict({})",
    "evaluate": "net.evaluate({}, Y)",
    "gradient": "net.gradient({}, Y)",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("bad", "exception", "match"), INPUTS, ids=[case[0] for case in INPUTS])
def test_inputs(call, bad, exception, match):
    check(CALLS[call].format(bad), exception, "^validation_data X" if call == "validation" else "^X ")
    check(CALLS[call].format(bad), exception, match)


# The targets: the network, and what is wrong.
TARGETS = [
    ("net", "Y[:-1]", ValueError, "y has 5 rows; .*X has 6 rows"),
    ("net", "np.vstack([Y, Y])", ValueError, "y has 12 rows; .*X has 6 rows"),
    ("net", "Y[:0]", ValueError, "y has 0 rows; .*X has 6 rows"),
    ("net", "Y[:, :1]", ValueError, r"y has shape \(6, 1\); wanted \(6, 2\)"),
    ("net", "Y[:, 0]", ValueError, r"y has shape \(6,\); wanted \(6, 2\)"),
    ("net", "Y[..., None]", ValueError, r"y has shape \(6, 2, 1\); wanted \(6, 2\)"),
    ("net", "3", ValueError, "y is a single number"),
    ("net", "put(Y, (5, 1), nan)", ValueError, "y must be finite: found nan in row 5, column 1, 1 in all"),
    ("net", "put(Y, (2, 0), inf)", ValueError, "y must be finite: found inf in row 2, column 0"),
    ("net", "put(Y, (2, 0), -1e39)", ValueError, r"row 2, column 0 \(-1e\+39 is too large for float32\)"),
    ("net", "put(Y.astype(object), (4, 1), 'a')", TypeError, "y has dtype object; wanted real numbers.*'a' in row 4"),
    ("net", "Y + 0j", TypeError, "y has dtype complex128"),
    ("net", "Y.astype('M8[D]')", TypeError, r"y has dtype datetime64\[D\]"),
    ("net", "np.ma.array(Y)", TypeError, "y is a masked array"),
    ("net", "[[1, 2], [3]] * 3", ValueError, "y is not an array of numbers"),
    ("net", "None", TypeError, "y has dtype object|y is missing: without it X is an iterable of pairs"),
    ("one", "Y", ValueError, r"y has shape \(6, 2\); wanted \(6, 1\)"),
    ("one", "Y[:, 0][None]", ValueError, "y has 1 row; .*X has 6 rows"),
    ("one", "put(Y[:, 0], 4, nan)", ValueError, "found nan in row 4"),
    ("classifier", "put(LABELS, 3, 4)", ValueError, "classes 0 to 3 .*: found 4 in row 3"),
    ("classifier", "put(LABELS, 1, -1)", ValueError, "classes 0 to 3 .*: found -1 in row 1"),
    ("classifier", "np.array([0, 1, 2**63, 0, 0, 0], 'u8')", ValueError, "found 9223372036854775808 in row 2"),
    ("classifier", "put(LABELS, 2, 0.5)", ValueError, "whole numbers, the class of each row: found 0.5 in row 2"),
    ("classifier", "put(LABELS, 5, nan)", ValueError, "whole numbers.*: found nan in row 5"),
    ("classifier", "put(LABELS, 0, inf)", ValueError, "whole numbers.*: found inf in row 0"),
    ("classifier", "put(LABELS, 0, 1e30)", ValueError, r"found 1e\+30 in row 0"),
    (
        "classifier",
        "['cat', 'dog'] * 3",
        TypeError,
        r"y has dtype <U3;.*text, 'cat' in row 0; .*unique\(y",
    ),
    ("classifier", "LABELS[:, None]", ValueError, r"y has shape \(6, 1\); wanted \(6, 4\) or \(6,\) integer labels"),
    ("classifier", "LABELS[:4]", ValueError, "y has 4 rows; .*X has 6 rows"),
    ("classifier", "np.eye(5)[LABELS]", ValueError, r"y has shape \(6, 5\); wanted \(6, 4\)"),
    ("classifier", "put(np.eye(4)[LABELS], (2, 0), 1)", ValueError, "sum to 1 in each row.*: row 2 sums to 2"),
    ("classifier", "put(np.eye(4)[LABELS], (2, 2), 0)", ValueError, "row 2 sums to 0"),
    ("classifier", "put(np.eye(4)[LABELS], (1, 0), -1)", ValueError, "0 to 1.*: found -1 in row 1, column 0"),
    ("classifier", "put(np.eye(4)[LABELS], (4, 3), nan)", ValueError, "found nan in row 4, column 3"),
    ("detector", "put(FLAGS, (3, 1), 2)", ValueError, "probabilities, 0 to 1.*: found 2 in row 3, column 1"),
    ("detector", "put(FLAGS, (0, 0), -0.25)", ValueError, "found -0.25 in row 0, column 0"),
    ("detector", "FLAGS[:, 0]", ValueError, r"y has shape \(6,\); wanted \(6, 2\)"),
]


@pytest.mark.parametrize(("name", "bad", "exception", "match"), TARGETS, ids=[" ".join(case[:2]) for case in TARGETS])
def test_targets(name, bad, exception, match):
    for method in ("fit", "evaluate", "gradient"):
        check(f"{name}.{method}(X, {bad})", exception, match)
    check(
        f"{name}.fit(X, {GOOD[name]}, optimizer='sgd', validation_data=(X, {bad}))", exception, f"^validation.*{match}"
    )


FITTING = [
    ("net.split(np.zeros(3))", ValueError, r"vector has shape \(3,\); wanted \(\d+,\), as net.parameters"),
    ("net.split(net.parameters[None])", ValueError, "vector has shape"),
    ("net.split(None)", ValueError, "vector"),
    ("net.fit(X, Y, optimizer='lbfgs')", ValueError, "optimizer 'lbfgs' is not known.*sgd.*rmsprop.*adagrad.*adamw"),
    ("net.fit(X, Y, optimizer='adamv')", ValueError, "Did you mean 'adam"),
    ("net.fit(X, Y, optimizer=SGD)", TypeError, "optimizer must be one of SGD.*AdamW or its name"),
    ("net.fit(X, Y, optimizer=0.1)", TypeError, "optimizer must be one of"),
    ("net.fit(X, Y, optimizer=Optimizer())", TypeError, "optimizer must be one of"),
    (
        "net.fit(X, Y, optimizer=Adam(epsilon=1e-300))",
        ValueError,
        "epsilon of Adam must be above 0 .* in float32.*1e-300",
    ),
    ("net.fit(X, Y, optimizer=AdamW(epsilon=1e-40))", ValueError, "epsilon of AdamW .* in float32"),
    ("net.fit(X, Y, optimizer=RMSprop(epsilon=1e39))", ValueError, "epsilon of RMSprop .* in float32"),
    ("net.fit(X, Y, optimizer=Adagrad(epsilon=1e-46))", ValueError, "epsilon of Adagrad .* in float32"),
    ("net.fit(X, Y, optimizer=SGD(1e-40))", ValueError, "learning_rate of SGD .* in float32"),
    ("net.fit(X, Y, optimizer=SGD(1e39))", ValueError, "learning_rate of SGD .* in float32"),
    ("net.fit(X, Y, epochs=10**5000)", ValueError, r"epochs must be below 2\*\*63, got an object of type int"),
    ("net.fit(X, Y, patience=2**63, tolerance=0)", ValueError, r"patience must be below 2\*\*63"),
    ("net.fit(X, Y, epochs=-10**5000)", ValueError, "epochs must be at least 1"),
    ("net.fit(X, Y, n_threads=10**5000)", ValueError, "n_threads must be at most 1024"),
    ("net.fit(X, Y, epochs=0)", ValueError, "epochs must be at least 1, got 0"),
    ("net.fit(X, Y, epochs=1.5)", TypeError, "epochs must be a whole number, got 1.5"),
    ("net.fit(X, Y, epochs=True)", TypeError, "epochs must be a whole number, got True"),
    ("net.fit(X, Y, epochs='3')", TypeError, "epochs must be a whole number, got '3'"),
    ("net.fit(X, Y, batch_size=0)", ValueError, "batch_size must be at least 1, got 0"),
    ("net.fit(X, Y, batch_size=-32)", ValueError, "batch_size must be at least 1"),
    ("net.fit(X, Y, batch_size=32.0)", TypeError, "batch_size must be a whole number, got 32.0"),
    ("net.fit(X, Y, patience=0)", ValueError, "patience must be at least 1, got 0"),
    ("net.fit(X, Y, patience=inf)", TypeError, "patience must be a whole number, got inf"),
    ("net.fit(X, Y, tolerance=-1e-3)", ValueError, "tolerance must be finite, at least 0, got -0.001"),
    ("net.fit(X, Y, tolerance=nan)", ValueError, "tolerance must be finite, at least 0, got nan"),
    ("net.fit(X, Y, tolerance='auto')", TypeError, "tolerance must be a number, got 'auto'"),
    ("net.fit(X, Y, tolerance=True)", TypeError, "tolerance must be a number, got True"),
    ("net.fit(X, Y, shuffle=1)", TypeError, "shuffle must be True or False, got 1"),
    ("net.fit(X, Y, progress='no')", TypeError, "progress must be True or False, got 'no'"),
    ("net.fit(X, Y, validation_data=0.2)", TypeError, r"validation_data must be a pair \(X, y\)"),
    ("net.fit(X, Y, validation_data=X)", TypeError, r"validation_data must be a pair \(X, y\)"),
    ("net.fit(X, Y, validation_data=[(X, Y)] * 2)", TypeError, "got 2 batches: join them, or pass one"),
    (
        "net.fit(X, Y, validation_data=iter([(X, Y)]))",
        TypeError,
        "got <list_iter.*: join its batches, or pass one",
    ),
    (
        "net.fit(X, Y, sample_weight='balanced')",
        TypeError,
        "numbers, one a row, got 'balanced'; .* class_weight='balanced'",
    ),
    (
        "net.fit(X, Y, optimizer=Cosine(0.1))",
        TypeError,
        r"a schedule goes into an optimizer, .*SGD\(learning_rate=...\)",
    ),
    ("net.fit(X, Y, validation_data=(X,))", TypeError, r"validation_data must be a pair \(X, y\)"),
    (
        "net.fit(X, Y, validation_data=(X, Y, Y))",
        ValueError,
        r"^validation_data sample_weight has shape \(6, 2\); wanted \(6,\)",
    ),
    ("net.fit(X, Y, validation_data=(X, Y, Y, Y))", TypeError, r"validation_data must be a pair \(X, y\), or"),
    ("net.fit(X, Y, validation_data={'X': X, 'y': Y})", TypeError, r"validation_data must be a pair \(X, y\)"),
    ("net.fit(X, Y, validation_data=(X, None))", TypeError, "validation_data y has dtype object"),
    (
        "net.fit(X, Y, validation_data=(X, Y[:-1]))",
        ValueError,
        "validation_data y has 5 rows; validation_data X has 6 rows",
    ),
]


@pytest.mark.parametrize(("call", "exception", "match"), FITTING, ids=[case[0] for case in FITTING])
def test_arguments(call, exception, match):
    check(call, exception, match)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, int])
def test_numbers_of_numpy_are_numbers(kind):
    one, zero = kind(1), kind(0)
    assert Network([3, 2, 1], dropout=zero, l1=one, l2=one).l2 == 1
    assert Normal(one) == Normal(1)
    assert Adam(one, epsilon=one, beta1=zero) == Adam(1.0, epsilon=1.0, beta1=0.0)
    assert hash(AdamW(weight_decay=one)) == hash(AdamW(weight_decay=1))


@pytest.mark.parametrize("name", GOOD)
def test_what_a_good_call_changes_is_seen(name):
    network = copy.deepcopy(NETWORKS[name])
    assert snapshot(network) == snapshot(NETWORKS[name])
    network.fit(X, eval(GOOD[name], NAMES), epochs=1, optimizer=Adam(0.01))
    assert all(new != old for new, old in zip(snapshot(network)[:2], snapshot(NETWORKS[name])[:2], strict=True))


def test_a_method_of_ones_own_is_refused():
    """Its loop would be that of the class it comes from, and its name is none that a file could keep."""
    own = type("Own", (SGD,), {})
    with pytest.raises(TypeError, match="optimizer must be one of SGD, RMSprop"):
        Network([3, 1], seed=0).fit(X, np.ones(len(X)), optimizer=own())


def test_parameters_may_be_changed_in_place_only():
    net = Network([3, 2], seed=0)
    before = net.parameters.copy()
    net.parameters -= 0.5 * before  # Python assigns the changed vector back
    np.testing.assert_array_equal(net.parameters, 0.5 * before)
    with pytest.raises(AttributeError, match=r"parameters\[:\] ="):
        net.parameters = before


def test_parameters_that_are_not_finite_are_not_trained():
    net = Network([3, 2], seed=0)
    net.weights[0][1, 1] = np.nan
    with pytest.raises(ValueError, match="parameters must be finite before training"):
        net.fit(np.ones((4, 3)), np.ones((4, 2)))
    assert net.epochs_trained == 0


def test_what_a_message_shows_is_short():
    with pytest.raises(TypeError, match="epochs must be a whole number") as caught:
        NETWORKS["net"].fit(X, Y, epochs="3" * 10**6)
    assert len(str(caught.value)) < 300
