"""The micro-kernel's shape, and other choices for a CPU: they change no bit, except those that say so.

``bash tests/every_micro_kernel`` runs the tests of everything that the micro-kernel computes with other choices, and
compares the bits of compiled products with those of the smallest micro-kernel of the same KC.
"""

import hashlib
import json
import os
import subprocess
import sys
from importlib import import_module

import numpy as np
from programs import ENVIRONMENT

from hotloop import kernels
from hotloop.kernels import matmul
from hotloop.kernels.choices import HERE, choose

# Of CPUs with registers of 64 and of 32 bytes, taller and wider ones, and one that is none.
SHAPES = ("8x2", "6x1", "12x2", "9x3", "6x4", "16x4", "1x1")
TRAINED = ("8x2", "6x1", "1x1")  # importing the network takes most of the time


# In another process.


def bits_of_compiled_products():
    """Print KC, on which the bits depend, and a digest of them."""
    print(matmul.KC, hashlib.sha256(products(kernels, plain=False).encode()).hexdigest())


def products(kernels, plain):
    """Return the bits of a layer's three products with sums that are rounded; in `plain` Python of smaller ones.

    Layers of one to many micro-kernels, and of what each leaves over, of both sides of KC, and of a single row.
    """
    found = []
    for batch, fan_in, fan_out in ((1, 3, 150), (17, 9, 79)) if plain else ((1, 9, 150), (17, 21, 79), (50, 300, 113)):
        rng = np.random.default_rng(fan_in)
        shapes = (batch, fan_in), (fan_in, fan_out), (batch, fan_out)
        x, w, delta = (rng.normal(size=shape).astype("f4") for shape in shapes)
        z, gradient, dx = map(np.zeros_like, (delta, w, x))
        kernels.dense_forward(x, w, w[0].copy(), z)
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


def observe(*machines):
    """Print what hotloop computes with the variables of each machine, imported again for each."""
    found = []
    for variables in machines:
        os.environ |= variables
        for name in [name for name in sys.modules if name.partition(".")[0] == "hotloop"]:
            del sys.modules[name]
        hotloop, kernels, choices, cache = map(
            import_module, ("hotloop", "hotloop.kernels", "hotloop.kernels.choices", "hotloop.kernels.cache")
        )
        seen = {"values": {chosen.choice.name: chosen.value for chosen in choices.CHOSEN}}
        seen |= {"settings": cache.settings(), "products": products(kernels, plain=True)}
        if variables["HOTLOOP_MICRO_KERNEL"] in TRAINED:
            seen["trained"] = [trained(hotloop, n_threads) for n_threads in (1, 2)]
        found.append(seen)
    print(json.dumps(found))


def observed(*machines, **variables):
    command = [sys.executable, "-W", "error", "-c", f"import {__name__}; {__name__}.observe(*{machines})"]
    return json.loads(subprocess.check_output(command, env=ENVIRONMENT | variables, text=True))


def machine(shape, number):
    """Return variables for a shape and other caches than this machine's: a small and a large value in turn."""
    small = number % 2
    return {
        "HOTLOOP_MICRO_KERNEL": shape,
        "HOTLOOP_BLOCK": "64" if small else "512",
        "HOTLOOP_PITCH": "64" if small else "4096",
        "HOTLOOP_PACKED_ROWS": "2" if small else "2000",
        "HOTLOOP_PACKED_SIZE": str(1 + number) if small else "16384",
    }


def test_no_choice_changes_a_bit():
    """In plain Python, where nothing is compiled for a shape; and each has a different cache key.

    Except KC, which changes the order of the sums: a block of KC is summed before it is added. So this test can fail.
    """
    machines = [machine(shape, number) for number, shape in enumerate((*SHAPES, "8x2x4"))]
    *found, shallow = observed(*machines, NUMBA_DISABLE_JIT="1")
    assert [one["values"]["MR x NR"] for one in found] == [*SHAPES]
    assert [(one["values"]["KC"], shallow["values"]["KC"]) for one in found] == [("384", "4")] * len(SHAPES)
    assert len({one["products"] for one in found}) == 1
    networks = [bits for one in found for bits in one.get("trained", ())]
    assert (len(networks), len({*networks})) == (2 * len(TRAINED), 1)
    assert shallow["products"] != found[0]["products"]
    for one, variables in zip((*found, shallow), machines, strict=True):
        shape = f"{one['values']['MR x NR']}x{one['values']['KC']}"
        expected = variables | {"HOTLOOP_MICRO_KERNEL": shape}
        assert {name: one["settings"].get(name) for name in expected} == expected


def test_this_process_has_the_shape_that_was_asked_for():
    shape = tuple(number for chosen in choose(HERE, os.environ)[:2] for number in chosen.numbers)
    assert shape == matmul.SHAPE
    assert matmul.NR < matmul.NR_OF_A_ROW <= 8
