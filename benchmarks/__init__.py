"""hotloop's benchmarks, run by airspeed velocity: see "Benchmarks" in README.md.

Lower is better everywhere. Each benchmark and combination of parameters runs in a process of its own: `setup` builds
the input and runs the body once, so that no compilation is timed. Parameters are only ever appended, and `version`
changes by hand when a benchmark measures something else: results of other versions are not compared.

Machine code is cached in a folder per commit inside asv's environment, which asv deletes with it.
"""

import os
import pathlib

if "ASV_COMMIT" in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(
        pathlib.Path(os.environ["ASV_ENV_DIR"]) / "numba-cache" / os.environ["ASV_COMMIT"]
    )


class Timing:
    """Settings of a timing: asv tells a regression from noise when it has six samples or more of either commit."""

    rounds = 2
    repeat = (6, 20, 2.0)  # at least, at most, seconds in all; each in both rounds
    sample_time = 0.02
    warmup_time = 0.05
    version = "1"
