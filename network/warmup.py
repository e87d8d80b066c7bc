"""Compiling ahead of need: for an image build, or before something is timed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.training import train_slice
from hotloop.network import cache_files
from hotloop.network.network import Network
from hotloop.network.profiling.profiler import profile
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.validation.arguments import flag, floating_dtype
from hotloop.network.validation.printable import shown

DTYPES = ("float32", "float64")


def cache_folder() -> Path | None:
    """Return the folder in which the training loop is kept; None if it cannot be, or nothing is compiled at all."""
    loop: Any = train_slice
    path = getattr(getattr(loop, "stats", None), "cache_path", None)
    return None if path is None else Path(path)


def warmup(dtypes: str | Sequence[str] = DTYPES, *, profiles: bool = False) -> dict[str, float]:
    """Have all that `Network` needs compiled and kept on disk, or loaded from there.

    That is what ``fit``, ``predict``, ``evaluate`` and ``gradient`` run, for every network, optimizer and loss, and
    thereby what ``hotloop train`` and ``hotloop predict`` run. A kernel of `hotloop.kernels` that you call yourself is
    compiled at its first call. Files in the folder that are damaged or that nothing will load are removed.

    Parameters
    ----------
    dtypes : {"float32", "float64"} or sequence of them, default both
        Of the networks to come.
    profiles : bool, default False
        Whether to have the training loop with a clock too, which `hotloop.profile` and ``hotloop profile`` run.

    Returns
    -------
    dict of str to float
        For each dtype how many seconds compiling took; 0 where it was there already.

    Examples
    --------
    >>> seconds = warmup(["float32"])
    """
    if not isinstance(dtypes, (str, Sequence)):
        raise TypeError(f"dtypes must be 'float32', 'float64' or a sequence of them, got {shown(dtypes)}")
    names = [str(floating_dtype(dtype)) for dtype in ([dtypes] if isinstance(dtypes, str) else dtypes)]
    profiles = flag("profiles", profiles)
    folder = cache_folder()
    if folder is not None:
        cache_files.repair(folder)
    return {dtype: notice.seconds if notice.compiled else 0.0 for dtype, notice in compile_for(names, profiles)}


def compile_for(dtypes: Sequence[str], profiles: bool) -> Iterator[tuple[str, CompileNotice]]:
    """Compile, or load, all that networks of these dtypes need; yield each dtype with how it went."""
    for dtype in dtypes:
        net, one = Network([1, 1], dtype=dtype, seed=0), np.zeros((1, 1), dtype)
        with CompileNotice(dtype, visible=False) as notice:
            net.gradient(one, one)
            net.predict(one)
            net.predict(np.zeros((2, 1), dtype))
            if profiles:
                with profile(snapshots=False) as prof:
                    net.gradient(one, one)
                prof.roofs  # noqa: B018 (compiles the loops that measure them)
        yield dtype, notice
