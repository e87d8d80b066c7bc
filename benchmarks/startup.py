"""Seconds in a fresh interpreter: the import, and the first training."""

import subprocess
import sys

from benchmarks.base import Benchmark

FIRST_FIT = """
import numpy as np
from hotloop import Network
Network([4, 8, 2], loss="cross_entropy", seed=0).fit(np.ones((8, 4), "f4"), np.arange(8) % 2, progress=False)
"""
EMPTY_CACHE = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = folder.name
"""


def fill_cache():
    """Compile and cache the training loops, in a process other than the one that is measured."""
    subprocess.run([sys.executable, "-c", FIRST_FIT], check=True)


class Import(Benchmark):
    """The import. The difference between the two is what hotloop itself adds."""

    params = [["hotloop", "numba"]]
    param_names = ["package"]
    rounds = 2
    repeat = (3, 5, 5.0)  # in both rounds
    warmup_time = 0
    version = "2"

    def timeraw_import(self, package):
        # `import hotloop` imports the compiler only when the first name is asked for.
        return "from hotloop import Network" if package == "hotloop" else f"import {package}"


class FirstFit(Benchmark):
    """Import and train, with all machine code in the cache."""

    rounds = 2
    repeat = (3, 5, 5.0)  # in both rounds
    warmup_time = 0

    def prepare(self):
        fill_cache()

    def timeraw_warm_cache(self):
        return FIRST_FIT


class FirstFitEver(Benchmark):
    """Import, compile and train, with an empty cache. Only once, since it takes long."""

    rounds = 1
    repeat = 1
    warmup_time = 0

    def timeraw_empty_cache(self):
        return EMPTY_CACHE + FIRST_FIT
