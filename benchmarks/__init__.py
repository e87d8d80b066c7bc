"""hotloop's benchmarks, run by airspeed velocity: docs/benchmarking.md says how to write and run one.

Lower is better everywhere. Each benchmark and combination of parameters runs in a process of its own, on one thread
unless it is about threads. Sizes are frozen: parameters are only ever appended. `version` changes by hand when a
benchmark measures something else: results of other versions are not compared. The suite of the current commit times
older ones too; what such a commit does not have, `setup` leaves out by NotImplementedError.

Machine code is cached in a folder per commit inside asv's environment, which asv deletes with it.
"""

import os
import pathlib

ENVIRONMENT, COMMIT = os.environ.get("ASV_ENV_DIR", ""), os.environ.get("ASV_COMMIT", "")
if COMMIT:  # before Numba is imported
    os.environ["NUMBA_CACHE_DIR"] = str(pathlib.Path(ENVIRONMENT, "numba-cache", COMMIT))
    for name in os.environ:  # other than those that set where code is kept, or what hotloop does not use
        if name.startswith("NUMBA_") and name not in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
            raise RuntimeError(f"unset {name}: with it, other code would be timed than the one that users run")
