"""Figures other than the time of a call: memory, generated code, sizes, and how soon a network is good.

Instructions, allocations and signatures are the same in every run, and `gate.py` allows no increase.
"""

import os
import pathlib
import pkgutil
import platform
import re
import statistics
import time
from importlib import import_module

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import rtsys
from numba.core.runtime._nrt_python import memsys_enable_stats

from benchmarks import COMMIT, ENVIRONMENT
from benchmarks.base import Benchmark
from benchmarks.networks import TIMES, network_of, settings
from benchmarks.startup import fill_cache
from hotloop import SGD, Network, kernels
from hotloop.kernels import jit

IMAGES = 60_000  # as many as MNIST has


class Allocations(Benchmark):
    """Blocks of memory that Numba's runtime allocates in a training step: 41 steps minus one step, over 40."""

    params = [["64-32-10", "64-8x64-1"]]
    param_names = ["network"]
    unit = "allocations"
    exact = True

    def prepare(self, topology):
        memsys_enable_stats()
        self.network = network_of(topology)
        self.counts(topology, 1)

    def track_allocations(self, topology):
        return (self.counts(topology, 41) - self.counts(topology, 1)) / 40

    def counts(self, topology, steps):
        """Return how many blocks a fit of `steps` steps allocates."""
        rows, width = 8 * steps, self.network.sizes[0]
        targets = np.zeros(rows, np.int64) if self.network.loss == "cross_entropy" else np.zeros((rows, 1), np.float32)
        before = rtsys.get_allocation_stats().alloc
        self.network.fit(np.zeros((rows, width), np.float32), targets, **settings(8))
        return rtsys.get_allocation_stats().alloc - before


class Signatures(Benchmark):
    """How many functions are compiled for later networks, with other topologies and other forms of inputs."""

    unit = "signatures"
    exact = True

    def prepare(self):
        self.fit([3, 4, 2], "relu", np.ones((8, 3), np.float32))

    def track_compiled_again(self):
        return compiled_by(self.train_others)

    def train_others(self):
        """Train other networks, on a transposed array of doubles and on a read-only array."""
        self.fit([5, 7, 6, 2], "tanh", np.asfortranarray(np.ones((8, 5))))
        read_only = np.ones((8, 5), np.float32)
        read_only.flags.writeable = False
        self.fit([5, 2], "relu", read_only)

    def teardown(self):
        """Do not check: this benchmark counts what is compiled."""

    def fit(self, sizes, activation, inputs):
        """Train and predict."""
        network = Network(sizes, activation, loss="cross_entropy", seed=0)
        network.fit(inputs, np.arange(8) % 2, **settings(4))
        network.predict(inputs)


def compiled_by(call):
    """Return how many signatures a call adds."""
    before = signatures()
    call()
    return signatures() - before


def signatures():
    """Return for how many signatures the functions of `hotloop.kernels` are compiled in this process."""
    modules = [import_module(found.name) for found in pkgutil.walk_packages(kernels.__path__, "hotloop.kernels.")]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return sum(len(value.signatures) for value in found.values())


class Tile(Benchmark):
    """Instructions of the innermost loop of a matrix product, for each multiply-add of two numbers."""

    params = [["float32", "float64"]]
    param_names = ["dtype"]
    unit = "instructions/multiply-add"
    exact = True

    def prepare(self, dtype):
        if platform.machine() not in ("x86_64", "AMD64"):
            raise NotImplementedError("reads only the assembly of x86-64")
        if not hasattr(jit, "assembly"):
            raise NotImplementedError("this commit does not show its assembly")
        x, bias = np.ones((2, 2), dtype), np.ones(2, dtype)
        self.assembly = jit.assembly(kernels.dense_forward, x, x, bias, np.empty((2, 2), dtype))

    def track_instructions(self, dtype):
        return instructions_per_multiply_add(self.assembly, 8 * np.dtype(dtype).itemsize)


def instructions_per_multiply_add(assembly, bits):
    """Return the ratio for the loop with the most multiply-adds of numbers of `bits` bits.

    The assembly is x86-64 in AT&T syntax. A loop is a block that ends in a jump to its own label.
    """
    most, found = 0, None
    for block in re.split(r"^(?=\.LBB\w+:)", assembly, flags=re.M):
        label, _, rest = block.partition(":")
        body = rest.split(f"\t{label}\n")[0]
        if body == rest or re.search(r"\n[^\s#.].*:", body):
            continue
        instructions = [line.split("#")[0].strip() for line in body.splitlines() if re.match(r"\s+[a-z]", line)]
        count = sum(numbers(line, bits) for line in instructions)
        if count > most:
            most, found = count, len(instructions) / count
    if found is None:
        raise RuntimeError("no loop with a multiply-add in the assembly")
    return found


def numbers(instruction, bits):
    """Return how many products an instruction computes: a fused multiply-add, or a multiplication."""
    if not (operation := re.match(r"v?(?:fn?madd\d*|mul)([ps])[sd]\b", instruction)):
        return 0
    width = {"x": 128, "y": 256, "z": 512}[re.findall(r"%([xyz])mm", instruction)[-1]]
    return width // bits if operation[1] == "p" else 1


class Digits(Benchmark):
    """Seconds of training until 95 % of the test digits are right, checked after each epoch: median of nine runs."""

    unit = "seconds"

    def prepare(self):
        try:
            from hotloop.network.datasets import load_digits
        except ModuleNotFoundError:
            raise NotImplementedError("this commit has no digits") from None
        self.digits = load_digits()
        self.epochs_to_95_percent()

    def track_seconds_to_95_percent(self):
        return statistics.median(self.epochs_to_95_percent() for _ in range(TIMES))

    def epochs_to_95_percent(self):
        """Train a new network, and return how long its epochs took."""
        network, seconds = Network([64, 64, 10], loss="cross_entropy", seed=0), 0.0
        given = settings(32) | {"optimizer": SGD(0.05, momentum=0.9)}
        for _ in range(100):
            began = time.perf_counter()
            network.fit(self.digits.x_train, self.digits.y_train, **given)
            seconds += time.perf_counter() - began
            if network.evaluate(self.digits.x_test, self.digits.y_test)["accuracy"] >= 0.95:
                return seconds
        raise RuntimeError("no 95 % in 100 epochs")


class Memory(Benchmark):
    """Peak memory of a process that makes 60,000 images of 784 float32 pixels, 188 MB, and trains on them."""

    def prepare(self):
        fill_cache()  # compiling would take more memory than training
        rng = np.random.default_rng(0)
        self.images, self.labels = rng.random((IMAGES, 784), np.float32), rng.integers(0, 10, IMAGES)
        self.network = Network([784, 30, 10], loss="cross_entropy", seed=0)
        self.network.fit(self.images[:32], self.labels[:32], **settings(32))

    def peakmem_fit(self):
        self.network.fit(self.images, self.labels, **settings(32))


class Wheel(Benchmark):
    """The size of the commit's wheel."""

    unit = "bytes"

    def prepare(self):
        found = sorted(pathlib.Path(ENVIRONMENT, "asv-build-cache", COMMIT).glob("*.whl")) if COMMIT else []
        if len(found) != 1:
            raise NotImplementedError("asv built no wheel, or several")
        self.wheel = found[0]

    def track_size(self):
        return os.path.getsize(self.wheel)
