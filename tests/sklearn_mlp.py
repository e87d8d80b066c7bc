"""scikit-learn's own tests of its MLPs, run on hotloop's:  python -m pytest tests/sklearn_mlp.py

The file of the installed release is read, and what it imports from `sklearn.neural_network` is exchanged: what fails is
a difference. `test_gradient` calls a private method, which hotloop's lack: here it is `Network.gradient`.
"""

from pathlib import Path

import numpy as np
import pytest

from hotloop.estimators import MLPClassifier

sklearn_tests = pytest.importorskip("sklearn.neural_network.tests.test_mlp")
THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
OURS = "from hotloop.estimators import MLPClassifier, MLPRegressor"

path = Path(sklearn_tests.__file__)
source = path.read_text(encoding="utf-8")
assert source.count(THEIRS) == 1
exec(compile(source.replace(THEIRS, OURS), path, "exec"), globals())


@pytest.fixture
def global_random_seed():
    """Return the seed that scikit-learn's own conftest would."""
    return 42


def loss_and_gradient(mlp, packed, X, Y, *scratch):
    """Return the loss and its gradient, all weights and then all biases in one vector, as scikit-learn packs them."""
    net, start = mlp.network_, 0
    for values in (*net.weights, *net.biases):
        values[...] = packed[start : start + values.size].reshape(values.shape)
        start += values.size
    loss, gradient = net.gradient(X, Y if Y.shape[1] == 1 else Y.argmax(1))
    weights, biases = net.split(gradient)
    strength = mlp.alpha / len(X)
    squares = sum((values**2).sum() for values in net.weights)
    slopes = [slope + strength * values for slope, values in zip(weights, net.weights, strict=True)]
    return loss + strength / 2 * squares, np.hstack([part.ravel() for part in (*slopes, *biases)])


@pytest.fixture(autouse=True)
def _private_method(monkeypatch):
    monkeypatch.setattr(MLPClassifier, "_loss_grad_lbfgs", loss_and_gradient, raising=False)
