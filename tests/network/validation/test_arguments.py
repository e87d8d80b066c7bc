"""Wrong arguments of what makes something: one plain exception that names the argument and says what is wanted.

The first column of a table is the call, in Python; the second the exception's type, exactly; the third a pattern for
its text. tests/network/test_errors.py has the calls of a trained network, which has something to lose.
"""

import itertools

import numpy as np
import pytest

from hotloop import SGD, Adagrad, Adam, AdamW, Network, Normal, RMSprop, profile, warmup
from hotloop.activations import LeakyReLU
from hotloop.datasets import load_csv
from hotloop.network import layout
from hotloop.network.training.optimizers import Optimizer

X = np.random.default_rng(0).normal(size=(6, 3))
NAMES = {
    "itertools": itertools, "np": np, "nan": np.nan, "inf": np.inf, "X": X, "PROFILE": profile(), "load_csv": load_csv,
    "Network": Network, "Normal": Normal, "Optimizer": Optimizer, "warmup": warmup, "LeakyReLU": LeakyReLU,
    "SGD": SGD, "Adagrad": Adagrad, "Adam": Adam, "AdamW": AdamW, "RMSprop": RMSprop,
}  # fmt: skip

CONSTRUCTION = [
    ("Network([3])", ValueError, r"at least inputs and outputs.*got \[3\]"),
    ("Network([])", ValueError, "at least inputs and outputs"),
    ("Network(5)", TypeError, "sizes must be a sequence"),
    ("Network('64,10')", TypeError, "sizes must be a sequence"),
    ("Network(b'ab')", TypeError, "sizes must be a sequence"),
    ("Network({3, 2})", TypeError, "sizes must be a sequence"),
    ("Network(np.array(4))", TypeError, "sizes"),
    ("Network([3, 0, 1])", ValueError, r"sizes\[1\] must be at least 1, got 0"),
    ("Network([-3, 1])", ValueError, r"sizes\[0\] must be at least 1, got -3"),
    ("Network([2, [3, 4]])", TypeError, r"sizes\[1\] must be a whole number, got \[3, 4\]"),
    ("Network([[2, 3], [4]])", TypeError, r"sizes\[0\] must be a whole number, got \[2, 3\]"),
    ("Network(bytearray(b'ab'))", TypeError, "sizes must be a sequence"),
    ("Network([2, 2**70])", ValueError, r"sizes\[1\] must be below 2\*\*63, got 1180591620717411303424"),
    ("Network([2, -(10**5000)])", ValueError, r"sizes\[1\] must be at least 1, got an object of type int"),
    ("Network([2**31, 2**31])", MemoryError, r"4.61e\+18 parameters: 1.84e\+10 GB, more than memory"),
    ("Network([2**62, 2**62])", MemoryError, r"2.13e\+37 parameters: 8.51e\+28 GB, more than memory"),
    ("Network([2, 1], activation=5)", TypeError, "activation must be a name .*got 5"),
    ("Network([2, 3, 1], activation=b'relu')", TypeError, "activation must be a name .*got b'relu'"),
    (
        "Network([2, 3, 3, 1], {'relu', 'tanh'})",
        TypeError,
        "activation must be one value, or a sequence of one a layer",
    ),
    ("Network([2, 3, 1], itertools.repeat('relu'))", ValueError, r"activation must be .*\(1\), got 2 or more"),
    ("Network([2, 3, 1], 'x' * 10**6)", ValueError, "activation 'xxx.{0,300} is not known"),
    ("Network([3, 2.0])", TypeError, r"sizes\[1\] must be a whole number, got 2.0"),
    ("Network([True, 2])", TypeError, r"sizes\[0\] must be a whole number, got True"),
    ("Network([3, None])", TypeError, r"sizes\[1\] must be a whole number, got None"),
    ("Network([3, 2, 1], 'reul')", ValueError, r"activation 'reul'.*Did you mean 'relu'\?.*sigmoid.*softplus"),
    ("Network([3, 2, 1], ['relu', 'tanh'])", ValueError, r"activation must be one value, or one a layer \(1\), got 2"),
    ("Network([3, 2, 1], [])", ValueError, "activation must be one value, or one a layer"),
    ("Network([3, 2, 1], None)", TypeError, "activation must be a name .*relu.*got None"),
    ("Network([3, 1], None)", TypeError, "activation must be a name"),
    ("Network([3, 1], 'bogus')", ValueError, "activation 'bogus' is not known"),
    ("Network([3, 2, 1], 'softmax')", ValueError, "softmax.*output='softmax'"),
    ("Network([3, 2, 2, 1], ['relu', 'softmax'])", ValueError, "softmax.*output='softmax'"),
    ("Network([3, 2, 1], 'rleu')", ValueError, "Did you mean 'relu'.*Known: identity, .*, softplus$"),
    ("Network([3, 2, 1], 'exp')", ValueError, "Did you mean 'exponential'"),
    ("Network([3, 2, 1], LeakyReLU)", TypeError, r"is the class LeakyReLU, not an instance: write LeakyReLU\(...\)"),
    ("Network([3, 2], dropout=0.2)", ValueError, "dropout is for hidden layers, and this network has none"),
    ("Network([3, 2], 'softmax')", ValueError, "softmax.*output='softmax'"),
    ("Network([3, 2], output='bogus')", ValueError, "output 'bogus' is not known.*Known: identity.*softmax"),
    ("Network([3, 2], output=1)", TypeError, "output must be a name"),
    ("Network([3, 2], loss='cross_entropy', output='sigmoid')", ValueError, "'softmax' or 'identity'.*got 'sigmoid'"),
    ("Network([3, 2], loss='binary_cross_entropy', output='softmax')", ValueError, "'sigmoid' or 'identity'"),
    ("Network([3, 1], loss='cross_entropy')", ValueError, "at least 2 outputs.*binary_cross_entropy"),
    ("Network([3, 1], loss='sme')", ValueError, "loss 'sme'.*Did you mean 'mse'.*mae.*cross_entropy"),
    ("Network([3, 1], loss=None)", TypeError, "loss must be a name .*mse.*got None"),
    ("Network([3, 1], loss=['mse'])", TypeError, "loss must be a name"),
    ("Network([3, 2, 1], dropout=1)", ValueError, "dropout must be .*at least 0 and below 1, got 1"),
    ("Network([3, 2, 1], dropout=-0.1)", ValueError, "dropout must be .*got -0.1"),
    ("Network([3, 2, 1], dropout=nan)", ValueError, "dropout must be .*got nan"),
    ("Network([3, 2, 1], dropout='0.5')", TypeError, "dropout must be a number, got '0.5'"),
    ("Network([3, 2, 1], dropout=True)", TypeError, "dropout must be a number, got True"),
    ("Network([3, 2, 1], dropout=np.array(0.5))", TypeError, "dropout"),
    ("Network([3, 2, 1], dropout=[0.1, 0.2])", ValueError, "dropout must be one value, or one a layer"),
    ("Network([2, 3, 3, 1], dropout=[[0.1], [0.1, 0.2]])", TypeError, r"dropout must be a number, got \[0.1\]"),
    ("Network([3, 2, 1], dropout={0: 0.1})", TypeError, "dropout must be one value, or a sequence"),
    ("Network([3, 1], dropout=2.0)", ValueError, "dropout must be .*got 2"),
    ("Network([3, 1], l1=-1)", ValueError, "l1 must be finite, at least 0, got -1"),
    ("Network([3, 1], l1='x')", TypeError, "l1 must be a number, got 'x'"),
    ("Network([3, 1], l1=10**400)", ValueError, "l1 must be finite"),
    ("Network([3, 1], l2=inf)", ValueError, "l2 must be finite, at least 0, got inf"),
    ("Network([3, 1], l2=nan)", ValueError, "l2 must be finite"),
    ("Network([3, 1], l2=False)", TypeError, "l2 must be a number, got False"),
    ("Network([3, 1], l2=1j)", TypeError, "l2 must be a number, got 1j"),
    ("Network([3, 1], l1=1e39)", ValueError, r"l1 must be at most 1.7e\+38 in float32, got 1e\+39"),
    ("Network([3, 1], l2=1e308, dtype='float64')", ValueError, r"l2 must be at most 8.99e\+307 in float64"),
    ("Network([3, 1], seed=10**5000)", ValueError, r"seed must be below 2\*\*63, got an object of type int"),
    ("Network([3, 1], seed=-1)", ValueError, "seed must be at least 0, got -1"),
    ("Network([3, 1], seed=2**63)", ValueError, r"seed must be below 2\*\*63"),
    ("Network([3, 1], seed=1.0)", TypeError, "seed must be a whole number, got 1.0"),
    ("Network([3, 1], seed=True)", TypeError, "seed must be a whole number, got True"),
    ("Network([3, 1], seed='0')", TypeError, "seed must be a whole number"),
    ("Network([3, 1], dtype='float16')", ValueError, "dtype must be 'float32' or 'float64', got float16"),
    ("Network([3, 1], dtype=int)", ValueError, "dtype must be 'float32' or 'float64', got int64"),
    ("Network([3, 1], dtype='>f4')", ValueError, "dtype must be 'float32' or 'float64', got >f4"),
    ("Network([3, 1], dtype='single precision')", TypeError, "dtype must be .*got 'single precision'"),
    ("Network([3, 1], dtype='(2,')", ValueError, r"dtype must be 'float32' or 'float64', got '\(2,'"),
    ("Network([3, 1], dtype='f4, ]')", ValueError, r"dtype must be 'float32' or 'float64', got 'f4, \]'"),
    ("Network([3, 1], dtype={'names': 3})", TypeError, "dtype must be 'float32' or 'float64', got {'names': 3}"),
    ("Network([3, 1], dtype=('f4', -1))", ValueError, r"dtype must be 'float32' or 'float64', got \('f4', -1\)"),
    ("Network([3, 1], dtype=None)", TypeError, "dtype must be 'float32' or 'float64', got None"),
    ("Network([3, 1], initializer='xavier')", ValueError, "initializer 'xavier' is not known.*glorot_uniform.*orthog"),
    ("Network([3, 2, 1], initializer=['zeros'])", ValueError, r"initializer must be .*one a layer \(2\), got 1"),
    (
        "Network([3, 1], initializer=[np.ones((1, 3))])",
        ValueError,
        r"initializer\[0\] has shape \(1, 3\); wanted \(3, 1",
    ),
    ("Network([3, 1], initializer=np.ones((3, 1)))", TypeError, r"use \[weights\]"),
    ("Network([1, 3], initializer=np.ones((1, 3)))", TypeError, r"use \[weights\]"),
    ("Network([3, 1], initializer=np.array(1.0))", TypeError, "initializer"),
    (
        "Network([3, 1], initializer=[(np.ones((3, 1)), [1, 2])])",
        ValueError,
        r"bias of initializer\[0\] has shape \(2,",
    ),
    ("Network([3, 1], initializer=[(np.ones((3, 1)),)])", ValueError, r"must be a pair \(weights, bias\), got 1"),
    ("Network([3, 1], initializer=[[[1], [nan], [1]]])", ValueError, r"initializer\[0\].*found nan in row 1, column 0"),
    ("Network([3, 1], initializer=[(np.ones((3, 1)), [inf])])", ValueError, r"bias of initializer\[0\].*inf in row 0"),
    ("Network([3, 1], initializer=[X.astype(str)])", TypeError, r"initializer\[0\] has dtype <U"),
    ("Network([3, 1], initializer=[None, None])", ValueError, "initializer must be one value, or one a layer"),
    ("Network([3, 1], initializer=lambda g, i, o: np.ones(3))", ValueError, r"has shape \(3,\); wanted \(3, 1\)"),
    ("Network([3, 1], initializer=lambda g, i, o: None)", TypeError, r"initializer\[0\] has dtype object"),
    ("Network([3, 1], initializer=3)", ValueError, r"initializer\[0\] has shape \(\); wanted \(3, 1\)"),
    ("Network([3, 1], initializer=Normal(1e-40))", ValueError, "scale of initializer must be above 0 .* in float32"),
    ("Network([3, 1], initializer=itertools.repeat('zeros'))", ValueError, "initializer must be .*got 2 or more"),
    ("Normal(0)", ValueError, "scale must be finite, above 0, got 0"),
    ("Normal(-1.0)", ValueError, "scale must be finite, above 0"),
    ("Normal(nan)", ValueError, "scale must be finite, above 0"),
    ("Normal(10**400)", ValueError, "scale must be finite, above 0, got inf"),
    ("Normal('1')", TypeError, "scale must be a number, got '1'"),
    ("Normal(True)", TypeError, "scale must be a number, got True"),
]

OPTIMIZERS = [
    ("SGD('fast')", TypeError, "learning_rate must be a number, got 'fast'"),
    ("SGD(lambda step: 0.1)", TypeError, r"learning_rate must be .* function of \(step, steps\), got <lambda>\(step\)"),
    ("Adam(beta1=Adam)", TypeError, "beta1 must be a number or a schedule, got the class Adam: make one"),
    ("Adam(beta2=lambda step, steps: 0.9)", TypeError, "beta2 must be a number, got <function"),
    ("SGD(-0.1)", ValueError, "learning_rate must be .*got -0.1"),
    ("SGD(nan)", ValueError, "learning_rate must be .*got nan"),
    ("SGD(inf)", ValueError, "learning_rate must be .*got inf"),
    ("SGD(10**400)", ValueError, "learning_rate must be finite"),
    ("SGD('0.1')", TypeError, "learning_rate must be .*got '0.1'"),
    ("SGD(None)", TypeError, "learning_rate must be .*got None"),
    ("SGD(True)", TypeError, "learning_rate must be .*got True"),
    ("SGD([0.1])", TypeError, r"learning_rate must be .*got \[0.1\]"),
    ("SGD(0.1, momentum=1)", ValueError, "momentum must be finite, at least 0 and below 1, got 1"),
    ("SGD(0.1, momentum=-0.5)", ValueError, "momentum must be"),
    ("SGD(0.1, momentum=True)", TypeError, "momentum must be"),
    ("SGD(0.1, momentum=0.9, nesterov=1)", TypeError, "nesterov must be True or False, got 1"),
    ("SGD(0.1, nesterov=True)", ValueError, "nesterov=True needs momentum"),
    ("RMSprop(rho=1.0)", ValueError, "rho must be .*got 1"),
    ("RMSprop(epsilon=0)", ValueError, "epsilon must be finite, above 0, got 0"),
    ("Adagrad(epsilon=-1e-8)", ValueError, "epsilon must be"),
    ("Adam(beta1=1)", ValueError, "beta1 must be"),
    ("Adam(beta2=-0.1)", ValueError, "beta2 must be"),
    ("Adam(beta2='0.9')", TypeError, "beta2 must be"),
    ("AdamW(weight_decay=-1)", ValueError, "weight_decay must be finite, at least 0, got -1"),
    ("AdamW(weight_decay=inf)", ValueError, "weight_decay must be"),
    ("Optimizer().code", AttributeError, "methods"),
]

ELSEWHERE = [
    ("warmup(5)", TypeError, "dtypes must be 'float32', 'float64' or a sequence of them, got 5"),
    ("warmup(['float32', 'half'])", ValueError, "dtype must be 'float32' or 'float64', got float16"),
    ("warmup('float32', profiles=1)", TypeError, "profiles must be True or False, got 1"),
    ("load_csv(TABLE, test_fraction='a')", TypeError, "test_fraction must be a number, got 'a'"),
    ("load_csv(TABLE, test_fraction=nan)", ValueError, "test_fraction must be finite, above 0 and below 1, got nan"),
    ("load_csv(TABLE, seed=-1)", ValueError, "seed must be at least 0, got -1"),
    ("load_csv(TABLE, seed=1.5)", TypeError, "seed must be a whole number, got 1.5"),
    ("PROFILE.table(sort_by=[1])", TypeError, r"sort_by must be a name .*got \[1\]"),
    ("PROFILE.table(group_by=5)", TypeError, "group_by must be a name .*got 5"),
    ("PROFILE.chrome_trace('x', max_bytes='y')", TypeError, "max_bytes must be a whole number, got 'y'"),
    ("PROFILE.diagnose(try_remedies=1)", TypeError, "try_remedies must be True or False, got 1"),
]
ALL = [*CONSTRUCTION, *OPTIMIZERS, *ELSEWHERE]


@pytest.fixture(scope="module", autouse=True)
def table(tmp_path_factory):
    """A file that is right, for wrong arguments beside it."""
    NAMES["TABLE"] = tmp_path_factory.mktemp("table") / "table.csv"
    NAMES["TABLE"].write_text("a,b,y\n1,2,0.5\n3,5,1.5\n")


@pytest.mark.parametrize(("call", "exception", "match"), ALL, ids=[case[0][:80] for case in ALL])
def test_arguments(call, exception, match):
    with pytest.raises(exception, match=match) as caught:
        eval(call, NAMES)
    assert caught.type is exception
    assert len(str(caught.value)) < 500


def test_a_network_of_many_layers_is_made_in_time():
    """In seconds, not hours: the views of all layers are made once."""
    assert Network([1] * 5000, seed=0).n_parameters == 2 * 4999


@pytest.mark.parametrize("limit", [10**9, 10**3])
def test_memory_that_the_system_does_not_grant(limit, monkeypatch):
    """Of an array that is larger than the memory there is, and of one that is refused."""
    monkeypatch.setattr(layout, "total_memory", lambda: limit)
    monkeypatch.setattr(layout, "aligned_zeros", lambda *size: (_ for _ in ()).throw(MemoryError("by NumPy")))
    with pytest.raises(MemoryError, match=r"a network of these sizes has 1.01e\+04 parameters: 4.52e-05 GB"):
        Network([100, 100])


def test_memory_that_is_not_known(monkeypatch):
    monkeypatch.setattr(layout, "total_memory", lambda: np.inf)
    with pytest.raises(MemoryError, match="more than memory"):
        Network([2**62, 2**62])
