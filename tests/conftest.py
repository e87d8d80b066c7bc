"""What tests share: the two dtypes, odd sizes, and arrays that notice what a kernel should not do."""

import gc
import json
import math
import os
import signal
import subprocess
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import settings

COMPILED = not numba.config.DISABLE_JIT
if not COMPILED:
    np.seterr(all="ignore")  # compiled code raises no floating-point warnings; the same code in plain Python would

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job: tests of Ctrl-C would hang
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Around a vector (8 doubles, 16 floats), around the six rows of the micro-kernel, and well beyond both.
ODD_SIZES = (1, 5, 6, 7, 15, 16, 17, 31, 33, 127)
DTYPES = ("float32", "float64")
MARGIN = 64  # elements on either side of an array in a buffer: several vectors

# The compiler makes millions of objects that live on: looking for garbage among them takes a tenth of the suite's time.
gc.set_threshold(50_000, 20, 100)

# The same examples in every run, and nothing written to disk; fewer in plain Python, which is slow.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=100 if COMPILED else 15)
settings.load_profile("fixed")

# The files that take longest: if one came last, all other workers would wait for it.
LONG_FILES = ("warmup", "activations", "fuzz", "cache", "dense", "training_threads", "benchmarks", "documents")


def pytest_collection_modifyitems(items):
    """Begin with the longest files."""
    rank = {f"test_{name}.py": place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_collection_finish():
    """Leave the tests themselves to live on, too."""
    gc.freeze()


@pytest.fixture
def short_micro_batches(monkeypatch):
    """Process at most 256 rows of a batch at a time, so that small batches have several micro-batches."""
    monkeypatch.setattr("hotloop.network.layout.LARGEST_MICRO_BATCH", 256)


@pytest.fixture(scope="session", autouse=True)
def compiled_first(request, tmp_path_factory):
    """Let the first two workers each compile half of what all tests need, so that no two compile the same.

    If a test needs `observed`, the processes that it reports on do so.
    """
    if not COMPILED:
        return
    half = {None: DTYPES, "gw0": DTYPES[:1], "gw1": DTYPES[1:]}.get(os.environ.get("PYTEST_XDIST_WORKER"), ())
    items = request.session.items
    if any("observed" in getattr(item, "fixturenames", ()) for item in items):
        for dtype in half:
            _observe(dtype, tmp_path_factory)
    elif half != DTYPES:
        from hotloop import warmup  # not above: coverage of a worker begins after the import of this file

        warmup(half, profiles=any("profil" in item.nodeid for item in items))


OBSERVE = """
import fcntl, gc, os, sys
gc.disable()
report, dtype = sys.argv[1:]
with open(report + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.exists(report):
        from compiled_loops import observe
        observe(report, dtype)
"""


def _observe(dtype, tmp_path_factory):
    """Return the report of `compiled_loops`; the first worker that asks for it starts the process."""
    import hotloop  # not above, as in compiled_first

    folder = tmp_path_factory.getbasetemp()
    report = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / f"observed-{dtype}.json"
    if not report.exists():
        folders = os.pathsep.join([str(Path(hotloop.__file__).parents[1]), str(Path(__file__).parent)])
        environment = os.environ | {"PYTHONPATH": folders, "NUMBA_NRT_STATS": "1"}
        subprocess.run([sys.executable, "-c", OBSERVE, str(report), dtype], env=environment, check=True)
    return json.loads(report.read_text())


@pytest.fixture(scope="session")
def observed(tmp_path_factory):
    """Return for each dtype the report of a process that compiled every loop: one process for all workers."""
    return {dtype: _observe(dtype, tmp_path_factory) for dtype in DTYPES}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Numba's cache folder, empty; nothing has failed yet."""
    from hotloop.kernels import cache  # not above, as in compiled_first

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "failures", [])
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path, folder):
    """Tiny functions in a file, like a user's."""
    from own_functions import module

    return module(tmp_path / "own.py")


@pytest.fixture(
    params=[np.float32, np.float64] if COMPILED else [np.float64], ids=lambda kind: kind.__name__, scope="module"
)
def dtype(request):
    """Both dtypes; in plain Python, where they run the same lines, the one that shows more digits."""
    return request.param


@pytest.fixture(scope="module")
def eps(dtype):
    """Distance from 1 to the next number: the unit in which tests state tolerances.

    The relative error of a rounding is half of it, so a tolerance states how many roundings it allows, or what
    condition number.
    """
    return float(np.finfo(dtype).eps)


@pytest.fixture
def rng():
    return np.random.default_rng(20240229)


def whole_numbers(rng, shape, dtype):
    """Return small whole numbers: sums of their products are exact in any order, so tests need no tolerance."""
    return rng.integers(-8, 9, shape).astype(dtype)


def same_bits(a, b):
    """Whether two arrays agree to the bit, NaNs and signs of zero included."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def poison(call, *outputs):
    """Call with outputs full of NaN, then of a large number; require the same bits, and return the call's value."""
    results = []
    for filling in (np.nan, -1e30):
        for output in outputs:
            output.fill(filling)
        value = call()
        results.append([np.asarray(value), *(output.copy() for output in outputs)])
    assert all(same_bits(first, second) for first, second in zip(*results, strict=True)), "old contents show through"
    return value


def walled(array, padding=0, wall=np.nan):
    """Return a copy of `array` (its rows `padding` elements apart) inside a buffer full of `wall`, and the buffer.

    Around an input the wall is NaN (for integers, a number far out of range), so reading outside spoils the result.
    """
    if np.issubdtype(array.dtype, np.integer):
        wall = -(10**9)
    *rows, columns = array.shape
    padded = (*rows, columns + padding)
    buffer = np.full(2 * MARGIN + math.prod(padded), wall, array.dtype)
    inside = buffer[MARGIN : MARGIN + math.prod(padded)].reshape(padded)[..., :columns]
    inside[...] = array
    return inside, buffer


@contextmanager
def fenced(shape, dtype, padding=0):
    """Yield an output surrounded by canaries, also between its rows; at the end all must be alive."""
    canary = -1234.5
    inside, buffer = walled(np.zeros(shape, dtype), padding, canary)
    yield inside
    inside[...] = canary
    assert np.all(buffer == canary), "written outside the output"


def llvm_code(function, *arguments):
    """Return the LLVM code of a kernel, compiled again if it came from the cache: such code cannot be inspected.

    "double" in float32 code is a constant or a division without a type, and makes vectors take twice the time.
    """
    types = tuple(map(numba.typeof, arguments))
    try:
        with warnings.catch_warnings(action="error"):
            return function.inspect_llvm(types)
    except (KeyError, UserWarning):  # not compiled yet, or by another process
        compiled = numba.jit(**function.targetoptions)(function.py_func)
        compiled(*arguments)
        return compiled.inspect_llvm(types)


needs_compiler = pytest.mark.skipif(not COMPILED, reason="about the compiled code")
alone = pytest.mark.alone  # measures time or needs all cores: no other test may run meanwhile
