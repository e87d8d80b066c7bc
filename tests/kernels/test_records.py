"""Records as arguments: their types have the same names in every process, so that processes find each other's code."""

import json
import subprocess
import sys

from conftest import needs_compiler
from programs import ENVIRONMENT

PROGRAM = """
import json
import numpy as np
from hotloop import Network
from hotloop.kernels.prediction import forward_slice
from hotloop.kernels.training import train_slice

net = Network([3, 2], "identity", loss="mse", seed=0)
X, y = np.ones((4, 3), "f4"), np.ones((4, 2), "f4")
net.fit(X, y, epochs=1, progress=False, n_threads=1)
net.predict(X)
loops = train_slice, forward_slice
print(json.dumps({
    "signatures": [str(loop.signatures) for loop in loops],
    "hits": [sum(loop.stats.cache_hits.values()) for loop in loops],
    "misses": [sum(loop.stats.cache_misses.values()) for loop in loops],
}))
"""


@needs_compiler
def test_another_process_finds_the_code(observed):
    """That of the processes of `observed`."""
    found = json.loads(subprocess.check_output([sys.executable, "-c", PROGRAM], env=ENVIRONMENT, text=True))
    assert (found["hits"], found["misses"]) == ([1, 1], [0, 0])
    training, prediction = found["signatures"]
    assert "Training(" in training
    assert "Prediction(" in prediction
    assert not any(" at 0x" in text for text in found["signatures"])
