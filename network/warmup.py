"""Compiling ahead of need, to build an image or before something is timed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.kernels.training import train_slice
from hotloop.network import cache_files
from hotloop.network.display.terminal import is_shown
from hotloop.network.losses import compile_losses
from hotloop.network.network import Network
from hotloop.network.profiling.profiler import profile
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.validation.arguments import DTYPES, flag, floating_dtype
from hotloop.network.validation.printable import shown


def cache_folder() -> Path | None:
    """Return the folder of compiled code; None if no folder is writable, or nothing is compiled at all."""
    loop: Any = train_slice
    path = getattr(getattr(loop, "stats", None), "cache_path", None)
    return None if path is None else Path(path)


def warmup(dtypes: str | Sequence[str] = DTYPES, *, profiles: bool = False) -> dict[str, float]:
    """Compile all that `Network` needs and keep it on disk, or load it from there.

    That is what ``fit``, ``partial_fit``, ``predict``, ``evaluate`` and ``gradient`` run, for every network, optimizer
    and loss, and so what ``hotloop train`` and ``hotloop predict`` run. Kernels of `hotloop.kernels` that you call
    yourself are compiled at their first call, and what few networks need (layer normalisation, learnt activations and
    scales, dropout of inputs, clipping, the gradient's norm, a largest norm of weights, custom activations and losses)
    with the first of these, in a second or two. Files in the folder that are damaged, or that nothing can load any
    more, are removed.

    Parameters
    ----------
    dtypes : {"float32", "float64"} or sequence of them, default both
        The dtypes of the networks.
    profiles : bool, default False
        Whether to compile the training loop of `hotloop.profile` and ``hotloop profile`` too, which has a clock.

    Returns
    -------
    dict of str to float
        For each dtype the seconds that compiling took; 0 if it was compiled already.

    Examples
    --------
    >>> from hotloop import warmup
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


def compile_for(
    dtypes: Sequence[str], profiles: bool, closing: bool = True
) -> Iterator[tuple[str, CompileNotice]]:  # fmt: skip
    """Compile, or load, all that networks of these dtypes need; yield each dtype with its notice."""
    for dtype in dtypes:
        net, one = Network([1, 1], dtype=dtype, seed=0), np.zeros((1, 1), dtype)
        with CompileNotice(dtype, is_shown(), closing) as notice:
            net.gradient(one, one)
            net.predict(one)
            net.predict(np.zeros((2, 1), dtype))
            net.partial_fit(one, one)
            compile_losses(net.dtype)
            if profiles:
                with profile() as prof:  # the fit takes a snapshot
                    net.fit(one, one, epochs=1, n_threads=1, progress=False)
                prof.recording.roofs  # noqa: B018 (compiles the loops that measure them)
        yield dtype, notice
