"""What `export_c` writes, compiled into shared libraries, for the tests that call it."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from interchange_networks import change_by_rounding

from hotloop.interchange import export_c

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
STRICT = (
    "-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wdouble-promotion",
    "-Wmissing-prototypes",
)  # fmt: skip
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler: cc, gcc or clang")


def compiled(folder, networks, *flags, **options):
    """Return the shared library of networks, a dict by the name of the function, compiled as one program."""
    for name, net in networks.items():
        export_c(net, folder / f"{name}.c", name=name, **options)
    (folder / "all.c").write_text("".join(f'#include "{name}.c"\n' for name in networks))
    compile_files(folder, [folder / "all.c"], *flags)
    return ctypes.CDLL(str(folder / "all.so"))


def compile_files(folder, sources, *flags):
    """Compile C files, warnings being errors, and link them as all.so, without what -ffast-math does to a process."""
    objects = []
    for source in sources:
        objects.append(source.with_suffix(".o"))
        _run(COMPILER, *STRICT, "-fPIC", "-O2", *flags, "-c", source, "-o", objects[-1])
    sanitizers = [flag for flag in flags if flag.startswith("-fsanitize")]
    _run(COMPILER, "-shared", *sanitizers, *objects, "-o", folder / "all.so", "-lm")


def outputs_of(function, X, n_outputs):
    """Return what a function of a library makes of rows X; what it does not write is NaN."""
    function.restype = None
    out = np.full((len(X), n_outputs), np.nan, X.dtype)
    for x, y in zip(np.ascontiguousarray(X), out, strict=True):
        function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    return out


def unit_of(net, X):
    """Return the unit of rounding of a network's outputs: that of the largest, or what the network makes of others.

    The latter is the largest change of the exact outputs if each parameter and each input is off by one unit in its own
    last place: an output that is a small difference of large numbers, or a layer normalisation of nearly equal ones, is
    known no better, in whatever order and with whatever library it is computed.
    """
    return max(float(np.spacing(np.abs(net.predict(X)).max())), change_by_rounding(net, X, draws=8)[0])


def difference(found, wanted):
    """Return the largest difference of arrays of one shape and dtype."""
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    return float(np.abs(found.astype("f8") - wanted.astype("f8")).max())


def _run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
