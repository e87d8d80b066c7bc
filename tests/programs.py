"""Programs that run in a separate process, with hotloop and these modules."""

import os
import subprocess
import sys
from pathlib import Path

import hotloop

TESTS = Path(__file__).parent
FOLDERS = (Path(hotloop.__file__).parents[1], TESTS, TESTS / "kernels")  # whose test files import themselves
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, FOLDERS))}


def run_script(script):
    """Run a program that may hang if the code is wrong, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:.*multi-threaded:DeprecationWarning", "-c", script],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()
