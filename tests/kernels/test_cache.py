"""Machine code on disk: never stale, found again, and not needed where it cannot be kept.

Each test runs fresh processes on a separate cache, and changes a copy of the package.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMPILED
from kernel_caches import copy_package, environment, without_a_writable_folder

import hotloop

compiled_only = pytest.mark.skipif(not COMPILED, reason="starts processes that compile; the compiled run does that")

# The loop is in activations.py, with tanh of elementary_functions.py inside, which bounds its argument by a constant.
CALL_KERNEL = """
import json
import numpy as np
from hotloop.kernels import tanh

out = np.empty(1)
tanh(np.array([-2.0]), out)
print(json.dumps([round(out.item(), 4), sum(tanh.stats.cache_hits.values()), sum(tanh.stats.cache_misses.values())]))
"""


def run(package, cache, code=CALL_KERNEL, **variables):
    """Return what a fresh process prints, as JSON; it must not complain."""
    options = {"env": environment(package, cache, **variables), "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def change(path, pattern, replacement):
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.M)
    assert count == 1, f"{pattern} stands {count} times in {path.name}"
    path.write_text(text)


# Fresh code.


@compiled_only
def test_a_constant_changed_in_one_module_reaches_the_cached_loop_of_another(tmp_path):
    package, cache = copy_package(tmp_path), tmp_path / "cache"
    caller = (package / "kernels" / "activations.py").read_bytes()
    assert run(package, cache) == [-0.964, 0, 1]
    change(package / "kernels" / "elementary_functions.py", r"^(LOWEST64, .*) 20, 38\.6\)$", r"\1 1, 38.6)")
    assert run(package, cache) == [-0.7616, 0, 1]
    assert run(package, cache) == [-0.7616, 1, 0]
    assert (package / "kernels" / "activations.py").read_bytes() == caller


OWN_LOOPS = """
import numba
from hotloop.kernels import kernel, leaky_relu

@kernel
def under_kernel(z, out):
    leaky_relu(z, out)

@numba.njit(cache=True)
def under_njit(z, out):
    leaky_relu(z, out)
"""
CALL_OWN_LOOPS = """
import json
import numpy as np
import own_loops

seen = []
for name in NAMES:
    loop, out = getattr(own_loops, name), np.empty(1)
    loop(np.array([-1.0]), out)
    seen.append([out.item(), sum(loop.stats.cache_hits.values())])
print(json.dumps(seen))
"""


@compiled_only
def test_the_users_own_kernels_are_kept_fresh_too(tmp_path):
    """Under `kernel`; under Numba's decorator they are stale, as docs/caching.md says: Numba still needs the stamp.

    Afterwards each loop runs in a separate process: old code could otherwise find a fresh function of the same name.
    """
    package, cache = copy_package(tmp_path), tmp_path / "cache"
    (tmp_path / "own_loops.py").write_text(OWN_LOOPS)

    def call(*names):
        return run(package, cache, CALL_OWN_LOOPS.replace("NAMES", repr(names)))

    assert call("under_kernel", "under_njit") == [[-0.01, 0]] * 2
    change(package / "kernels" / "codes.py", r"^LEAKY_SLOPE = 0\.01$", "LEAKY_SLOPE = 0.25")
    assert call("under_kernel") == [[-0.25, 0]]
    assert call("under_njit") == [[-0.01, 1]]


# Where nothing can be kept, and where several processes do.

CALL_KERNELS = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    from hotloop import kernels
    hits, outputs = 0, []
    for loop in (kernels.relu, kernels.leaky_relu, kernels.identity_derivative):
        out = np.empty(2)
        loop(np.array([-1.0, 2.0]), out)
        outputs.append(round(out[0], 3))
        hits += sum(loop.stats.cache_hits.values())
print(json.dumps([outputs, hits, [(type(warning.message).__name__, str(warning.message)) for warning in caught]]))
"""
OUTPUTS = [0, -0.01, 1]


@compiled_only
def test_where_no_folder_is_writable_it_warns_once_and_works(tmp_path):
    package, cache, places = without_a_writable_folder(tmp_path)
    outputs, hits, caught = run(package, cache, CALL_KERNELS, **places)
    assert (outputs, hits) == (OUTPUTS, 0)
    assert [kind for kind, _ in caught] == ["RuntimeWarning"]
    for part in ("compiles its kernels again in each process", "NUMBA_CACHE_DIR"):
        assert part in caught[0][1]


@compiled_only
def test_a_setting_that_slows_code_down_leaves_other_runs_alone(tmp_path):
    """Compiled for debugging once, and then as usual."""
    package, cache = Path(hotloop.__file__).parent, tmp_path / "cache"
    assert run(package, cache, CALL_KERNEL, NUMBA_DEBUGINFO="1") == [-0.964, 0, 1]
    assert run(package, cache, CALL_KERNEL) == [-0.964, 0, 1]
    assert run(package, cache, CALL_KERNEL) == [-0.964, 1, 0]


@compiled_only
def test_where_files_may_not_be_large_it_warns_once_and_works(tmp_path):
    """As under ulimit -f, in a process that has imported hotloop when the limit comes."""
    package, cache = Path(hotloop.__file__).parent, tmp_path / "cache"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    outputs, hits, caught = run(package, cache, CALL_KERNELS.replace("    hits,", f"    {limit}\n    hits,"))
    assert (outputs, hits) == (OUTPUTS, 0)
    assert [kind for kind, _ in caught] == ["RuntimeWarning"]
    assert "File too large" in caught[0][1]


@compiled_only
def test_many_processes_may_fill_one_cache():
    """A short run; the long one is started by hand, as its docstring says."""
    script = Path(__file__).parents[1] / "cache_stress.py"
    command = [sys.executable, "-W", "error", str(script), "--rounds=1", "--processes=3"]
    environment = os.environ | {"PYTHONPATH": str(Path(hotloop.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^1 rounds of 3 processes.*: 0 went wrong; 8 signatures, 8 files, ", done.stdout)
