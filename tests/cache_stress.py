"""Many processes fill an empty cache, one is killed at a random moment, and the next process must find it sound.

    python tests/cache_stress.py --rounds 50
    python tests/cache_stress.py --rounds 2 --training

Each round has an empty folder, and processes that compile the same functions for the same signatures, each in a
different order: two small kernels for four signatures each; with ``--training`` the training loop, for both dtypes,
with and without a profile. Afterwards everything must come from the cache, nothing may be compiled, and every result
must have the bits of a process with a separate cache. Each process waits for a random time before it renames a file, so
that others run between its steps. Exit status 1 if a round went wrong.

The processes are forked after Numba and hotloop's kernels are imported, which would take most of their time; with
``--training`` before hotloop is imported.
"""

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

SUFFIX = ".kernel"
LATEST = 0.2  # the most seconds that a process waits before it renames a file
kernels: Any = None  # imported where the folder is set


def small_calls() -> dict[str, Callable[[], tuple[bytes, Any]]]:
    """Return calls of small kernels by name, each of which compiles one signature. Their folder is found here."""

    def call(kernel: Any, dtype: str, writable: bool) -> tuple[bytes, Any]:
        z = np.linspace(-2, 2, 67).astype(dtype)
        z.flags.writeable = writable
        out = np.empty(67, dtype)
        kernel(z, out)
        return out.tobytes(), kernel

    return {
        f"{kernel.__name__} {dtype} {writable}": lambda given=(kernel, dtype, writable): call(*given)
        for kernel in map(kernels.kernel, (kernels.relu.py_func, kernels.leaky_relu.py_func))
        for dtype in ("f4", "f8")
        for writable in (False, True)
    }


def training_calls() -> dict[str, Callable[[], tuple[bytes, Any]]]:
    """Return trainings by name, each of which compiles one signature of the training loop."""
    from hotloop import Network, profile
    from hotloop.kernels.training import train_slice

    def call(dtype: str, profiled: bool) -> tuple[bytes, Any]:
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((64, 5)), rng.standard_normal((64, 2))
        net = Network([5, 7, 2], dtype=dtype, seed=0)
        if profiled:
            with profile(snapshots=False):
                net.fit(x, y, epochs=3, n_threads=1)
        else:
            net.fit(x, y, epochs=3, n_threads=1)
        return net.parameters.tobytes() + net.predict(x).tobytes(), train_slice

    return {
        f"train {dtype} {profiled}": lambda given=(dtype, profiled): call(*given)
        for dtype in ("float32", "float64")
        for profiled in (False, True)
    }


def late(replace: Callable[..., None], choice: random.Random) -> Callable[..., None]:
    """Return a function that waits before it renames, so that other processes act in between."""

    def waiting(*given: Any) -> None:
        time.sleep(choice.uniform(0, LATEST))
        replace(*given)

    return waiting


def fork(folder: Path, training: bool, seed: int, output: Path | None = None) -> int:
    """Start a process that makes all calls on a cache, in an order drawn from `seed`, and writes the results."""
    number = os.fork()
    if number:
        return number
    status = 1
    try:
        numba.config.CACHE_DIR = str(folder)
        calls = training_calls() if training else small_calls()
        names = sorted(calls)
        choice = random.Random(seed)
        choice.shuffle(names)
        os.replace = late(os.replace, choice)
        results, called = {}, {}
        for name in names:
            bits, kernel = calls[name]()
            results[name], called[kernel.__name__] = bits.hex(), kernel
        if output is not None:
            counts = [[sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values())]
                      for kernel in called.values()]  # fmt: skip
            output.write_text(json.dumps({"results": results, "hits and misses": np.sum(counts, 0).tolist()}))
        status = 0
    except BaseException:
        if output is None:  # one line is enough, since many may fail
            print(traceback.format_exc().splitlines()[-1], file=sys.stderr)
        else:
            traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def observed(folder: Path, training: bool, output: Path) -> dict[str, Any]:
    """Return the results of a process that runs by itself, or nothing if it fails."""
    output.unlink(missing_ok=True)
    _, status = os.waitpid(fork(folder, training, 0, output), 0)
    return json.loads(output.read_text()) if status == 0 else {}


def play(folder: Path, training: bool, processes: int, seed: int, duration: float) -> tuple[list[int], float]:
    """Let the processes fill an empty cache and kill one; return the exit statuses of the others, and when it was."""
    choice = random.Random(seed)
    moment, victim = choice.uniform(0, duration), choice.randrange(processes)
    began = time.monotonic()
    numbers = [fork(folder, training, seed * processes + index) for index in range(processes)]
    killed = numbers.pop(victim)
    ended = False
    while time.monotonic() < began + moment and not ended:
        time.sleep(0.01)
        ended = os.waitpid(killed, os.WNOHANG)[0] == killed
    if not ended:
        os.kill(killed, signal.SIGKILL)
        os.waitpid(killed, 0)
    statuses = [os.waitpid(number, 0)[1] for number in numbers]
    return statuses, moment


def main() -> int:
    """Run the rounds, print a line for each that went wrong and one for all, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training", action="store_true", help="the training loop instead of small kernels")
    arguments = parser.parse_args()
    wrong, kept, left = 0, 0, 0
    numba.njit(lambda x: x + 1)(1)  # what the compiler prepares once in a process
    with tempfile.TemporaryDirectory() as base:
        if not arguments.training:
            global kernels
            numba.config.CACHE_DIR = base
            kernels = importlib.import_module("hotloop.kernels")
        output = Path(base, "output")
        began = time.monotonic()
        wanted = observed(Path(base, "own"), arguments.training, output)
        duration = time.monotonic() - began
        hits, misses = wanted["hits and misses"]
        assert hits == 0 < misses
        for number in range(arguments.rounds):
            folder = Path(base, str(number))
            began = time.monotonic()
            seed = arguments.seed + number
            statuses, moment = play(folder, arguments.training, arguments.processes, seed, duration)
            duration = time.monotonic() - began
            found = observed(folder, arguments.training, output)
            files = [path for path in folder.rglob("*") if path.is_file()]
            entries = [path for path in files if path.suffix == SUFFIX]
            kept, left = kept + len(entries), left + len(files) - len(entries)
            faults = []
            if any(statuses):
                faults.append(f"{len(statuses) - statuses.count(0)} processes failed")
            if not found:
                faults.append("the process after them failed")
            elif found["results"] != wanted["results"]:
                faults.append("other results")
            elif found["hits and misses"] != [misses, 0]:
                faults.append(f"{found['hits and misses'][0]} of {misses} came from the cache")
            if faults:
                wrong += 1
                print(f"round {number} (killed after {moment:.2f} s): {', '.join(faults)}", flush=True)
    print(
        f"{arguments.rounds} rounds of {arguments.processes} processes, one of which is killed: {wrong} went wrong; "
        f"{misses} signatures, {kept} files, {left} temporary files left"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
