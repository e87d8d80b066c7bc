"""hotloop's benchmarks, run by airspeed velocity: docs/benchmarking.md says how to write and run one.

Lower is better everywhere. Each benchmark runs in its own process for each combination of parameters, on one thread
unless it is about threads. Sizes are frozen: parameters are only ever appended. Change `version` by hand when a
benchmark measures something else; results of different versions are not compared. The current suite also times older
commits; where such a commit lacks something, `setup` raises NotImplementedError.

Each commit has its own cache of machine code in asv's environment, and asv deletes both together.
"""

import os
import pathlib

ENVIRONMENT, COMMIT = os.environ.get("ASV_ENV_DIR", ""), os.environ.get("ASV_COMMIT", "")
if COMMIT:  # before Numba is imported
    os.environ["NUMBA_CACHE_DIR"] = str(pathlib.Path(ENVIRONMENT, "numba-cache", COMMIT))
    for name in os.environ:  # harmless: where code is kept, and a number that hotloop does not use
        if name.startswith("NUMBA_") and name not in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
            raise RuntimeError(f"unset {name}: it changes the compiled code, and users run without it")
