"""``hotloop warmup``: compile ahead of need."""

import argparse
import time

import numba

from hotloop.kernels import cache
from hotloop.network import cache_files
from hotloop.network.cli.exit_status import UNWELL
from hotloop.network.cli.streams import complain
from hotloop.network.warmup import cache_folder, compile_for


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop warmup`` and return its exit status."""
    if numba.config.DISABLE_JIT:
        complain("hotloop: error: nothing is compiled, since NUMBA_DISABLE_JIT is set; unset it")
        return UNWELL
    folder = cache_folder()
    if folder is None:
        complain(
            "hotloop: error: nothing can be kept: no folder for Numba's cache is writable. Set NUMBA_CACHE_DIR to one "
            "that is."
        )
        return UNWELL
    began = time.perf_counter()
    for line in cache_files.repair(folder):
        print(f"cache: {line}", flush=True)
    for dtype, notice in compile_for(arguments.dtype, arguments.profiles, closing=False):
        done = "compiled" if notice.compiled else "already compiled, loaded"
        what = "training, prediction and profiling" if arguments.profiles else "training and prediction"
        print(f"{dtype}: {what} {done} in {notice.seconds:.2f} s", flush=True)
    if cache.failures:
        complain(f"hotloop: error: not everything could be kept in {folder}: {cache.failures[0]}")
        return UNWELL
    kept = cache_files.examine(folder)
    print(f"cache: {folder}, {cache_files.number_of_files(kept.count)}, {kept.size / 1e6:.1f} MB")
    print(f"warm after {time.perf_counter() - began:.1f} s")
    return 0
