"""scikit-learn's own tests of its MLPs, run on hotloop's:  python -m pytest tests/sklearn_mlp.py

The file of the installed release is read, and what it imports from `sklearn.neural_network` is exchanged. It holds the
estimators to scikit-learn's own word; it compiles nothing that the suite does not, but takes half a minute.
"""

from pathlib import Path

import pytest

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
