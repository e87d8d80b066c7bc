"""The micro-kernel's shape: what each CPU gets, what HOTLOOP_MICRO_KERNEL asks for, and that no shape changes a bit.

    for shape in 6x1 8x2 12x2x512 9x3x192 6x4x128; do  # CONTRIBUTING.md has the whole command
        HOTLOOP_MICRO_KERNEL=$shape python -m pytest ...

runs the tests of everything that the micro-kernel computes for another shape.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import import_module

import numba
import numpy as np
import pytest
from conftest import COMPILED, needs_compiler
from programs import ENVIRONMENT

from hotloop import kernels
from hotloop.kernels import matmul, micro_kernel_shape
from hotloop.kernels.micro_kernel_shape import MOST, Shape, name_of, shape_for, shape_of

# Of CPUs with registers of 64 and of 32 bytes, taller and wider ones, and one that is none.
SHAPES = ("8x2", "6x1", "12x2", "9x3", "6x4", "16x4", "1x1")
TRAINED = ("8x2", "6x1", "1x1")  # importing the network takes most of the time
DEFAULT = Shape(6, 1, 256)


@pytest.mark.parametrize(("text", "shape"), [
    ("", DEFAULT), ("8x2", (8, 2, 256)), ("12x3x128", (12, 3, 128)), ("1x1x1", (1, 1, 1)), ("16x4x512", MOST),
])  # fmt: skip
def test_what_it_asks_for(text, shape):
    assert shape_of(text, DEFAULT) == shape
    assert shape_of(name_of(Shape(*shape)), DEFAULT) == shape


@pytest.mark.parametrize("text", [
    "8", "8x", "x2", "0x2", "8x0", "8x2x0", "17x1", "1x5", "8x2x513", "8x2x256x1", "-8x2", "8 x 2", "8X2", "8x2\n", "a",
    "٨x2", "1" * 5000 + "x1",
])  # fmt: skip
def test_what_is_no_shape(text):
    with pytest.raises(ValueError, match="HOTLOOP_MICRO_KERNEL must be MRxNR or MRxNRxKC, from 1x1x1 to 16x4"):
        shape_of(text, DEFAULT)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names CPUs of x86-64")
@pytest.mark.parametrize(("cpu", "registers", "rows"), [
    ("x86-64", 4, 6), ("haswell", 2, 6), ("znver3", 2, 6), ("znver4", 1, 8), ("skylake-avx512", 1, 8),
    ("sapphirerapids", 1, 8),
])  # fmt: skip
def test_what_a_cpu_gets(cpu, registers, rows, monkeypatch):
    monkeypatch.setattr(numba.config, "CPU_NAME", cpu)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", "")
    assert micro_kernel_shape.registers_of_a_vector() == registers
    assert shape_for(registers).mr == rows


# In another process.


def products(kernels, plain):
    """Return the bits of products with sums that are rounded; in `plain` Python of all three of a layer, and smaller.

    Layers of one to many micro-kernels, and of what each leaves over, of both sides of KC, and of a single row.
    """
    found = []
    for batch, fan_in, fan_out in ((1, 3, 150), (17, 9, 79)) if plain else ((1, 9, 150), (17, 21, 79), (50, 300, 113)):
        rng = np.random.default_rng(fan_in)
        shapes = (batch, fan_in), (fan_in, fan_out), (batch, fan_out)
        x, w, delta = (rng.normal(size=shape).astype("f4") for shape in shapes)
        z, gradient, dx = map(np.zeros_like, (delta, w, x))
        kernels.dense_forward(x, w, w[0].copy(), z)
        if plain:
            kernels.accumulate_weight_gradient(x, delta, gradient, np.zeros(fan_out, "f4"))
            kernels.input_gradient(delta, w, dx)
        found += [z, gradient, dx]
    return b"".join(array.tobytes() for array in found).hex()


def trained(hotloop, n_threads):
    """Return the bits of a small network after a few steps."""
    net = hotloop.Network([5, 35, 3], "tanh", loss="mse", seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(19, 5)), rng.normal(size=(19, 3))
    net.fit(X, y, epochs=1, batch_size=10, optimizer=hotloop.SGD(0.1), n_threads=n_threads, progress=False)
    return net.parameters.tobytes().hex()


def observe(*shapes):
    """Print what hotloop computes in each shape, imported again for each."""
    found = []
    for shape in shapes:
        os.environ["HOTLOOP_MICRO_KERNEL"] = shape
        for name in [name for name in sys.modules if name.partition(".")[0] == "hotloop"]:
            del sys.modules[name]
        hotloop, kernels, matmul, cache = map(
            import_module, ("hotloop", "hotloop.kernels", "hotloop.kernels.matmul", "hotloop.kernels.cache")
        )
        seen = {"shape": matmul.SHAPE, "settings": cache.settings(), "products": products(kernels, not COMPILED)}
        if shape in TRAINED and not COMPILED:
            seen["trained"] = [trained(hotloop, n_threads) for n_threads in (1, 2)]
        found.append(seen)
    print(json.dumps(found))


def observed(*shapes, **variables):
    command = [sys.executable, "-W", "error", "-c", f"import {__name__}; {__name__}.observe(*{shapes})"]
    return json.loads(subprocess.check_output(command, env=ENVIRONMENT | variables, text=True))


def test_no_shape_changes_a_bit():
    """In plain Python, where nothing is compiled for a shape; and each has a different cache key.

    Except KC, which changes the order of the sums: a block of KC is summed before it is added. So this test can fail.
    """
    *found, shallow = observed(*SHAPES, "8x2x4", NUMBA_DISABLE_JIT="1")
    assert [name_of(one["shape"]) for one in found] == [f"{shape}x256" for shape in SHAPES]
    assert len({one["products"] for one in found}) == 1
    networks = [bits for one in found for bits in one.get("trained", ())]
    assert (len(networks), len({*networks})) == (2 * len(TRAINED), 1)
    assert shallow["products"] != found[0]["products"]
    assert len({one["settings"]["HOTLOOP_MICRO_KERNEL"] for one in (*found, shallow)}) == len(SHAPES) + 1


@needs_compiler
def test_nor_does_one_that_is_compiled(tmp_path):
    """Against this process, of whatever shape it is."""
    rows = 9 if matmul.MR != 9 else 6
    (found,) = observed(f"{rows}x3x{matmul.KC}", NUMBA_CACHE_DIR=str(tmp_path))
    assert found["shape"] == [rows, 3, matmul.KC]
    assert found["products"] == products(kernels, plain=False)


def test_a_mistake_is_one_clear_error():
    command = [sys.executable, "-c", "from hotloop.kernels import sigmoid"]
    done = subprocess.run(command, env=ENVIRONMENT | {"HOTLOOP_MICRO_KERNEL": "6by1"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ValueError: HOTLOOP_MICRO_KERNEL must be MRxNR or MRxNR")
    assert done.stderr.splitlines()[-1].endswith("got '6by1'")


def test_this_process_has_the_shape_that_was_asked_for():
    asked = os.environ.get("HOTLOOP_MICRO_KERNEL", "")
    assert shape_of(asked, shape_for(micro_kernel_shape.REGISTERS)) == matmul.SHAPE
    assert matmul.NR < matmul.NR_OF_A_ROW <= 8
