"""Training and prediction through the Python API, float32: seconds a call, and nanoseconds a floating-point operation.

The networks, data and initial weights are those of `benchmarks.comparison.cases`.
"""

import inspect
import os
import statistics
import time
from dataclasses import replace
from functools import cache

from benchmarks.base import Benchmark, Timing
from benchmarks.comparison.cases import NETWORKS, data, initial_weights
from hotloop import SGD, Network

TOPOLOGIES = ["64-32-10", "784-30-10", "784-128-10", "784-512-512-10", "64-8x64-1"]
BATCHES = [32, 10, 128]  # asv's page opens with the first one
ROWS = 4096  # of an epoch, about
TIMES = 9
HAS_THREADS = "n_threads" in inspect.signature(Network.fit).parameters  # older commits have one thread


@cache
def case_of(topology, batch=32):
    """Return a case with whole batches only."""
    return replace(NETWORKS[topology], batch=batch, rows=ROWS // batch * batch)


@cache
def data_of(topology, batch=32):
    """Return (inputs, targets)."""
    return data(case_of(topology, batch))


def network_of(topology):
    """Return a network with its initial weights."""
    case = case_of(topology)
    return Network(case.sizes, case.activation, loss=case.loss, initializer=initial_weights(case), seed=0)


def settings(batch, n_threads=1):
    """Return the arguments of `fit`. The rate is so small that the network hardly changes, however often it runs."""
    threads = {"n_threads": n_threads} if HAS_THREADS else {}
    return {"epochs": 1, "batch_size": batch, "optimizer": SGD(1e-6), "progress": False} | threads


class Step(Timing):
    """`fit` of a single batch: a training step, and the cost of calling `fit` from Python."""

    params = [TOPOLOGIES, BATCHES]
    param_names = ["network", "batch"]

    def prepare(self, topology, batch):
        self.network, self.settings = network_of(topology), settings(batch)
        self.inputs, self.targets = (array[:batch] for array in data_of(topology, batch))

    def time_fit(self, topology, batch):
        self.network.fit(self.inputs, self.targets, **self.settings)


class Epoch(Timing):
    """`fit` for one epoch of about 4096 rows, in whole batches."""

    params = [TOPOLOGIES, BATCHES]
    param_names = ["network", "batch"]
    version = "2"

    def prepare(self, topology, batch):
        self.network, self.data, self.settings = network_of(topology), data_of(topology, batch), settings(batch)

    def time_fit(self, topology, batch):
        self.network.fit(*self.data, **self.settings)


class Work(Benchmark):
    """Nanoseconds a floating-point operation of the matrix products, in an epoch of training: the median of nine."""

    params = [TOPOLOGIES, BATCHES]
    param_names = ["network", "batch"]
    unit = "ns/FLOP"

    def prepare(self, topology, batch):
        self.network, self.data, self.settings = network_of(topology), data_of(topology, batch), settings(batch)
        self.flops = case_of(topology, batch).flops * case_of(topology, batch).steps
        self.network.fit(*self.data, **self.settings)

    def track_ns_per_flop(self, topology, batch):
        return 1e9 * statistics.median(self.seconds() for _ in range(TIMES)) / self.flops

    def seconds(self):
        """Return how long an epoch takes."""
        began = time.perf_counter()
        self.network.fit(*self.data, **self.settings)
        return time.perf_counter() - began


class Threads(Timing):
    """An epoch on several threads."""

    params = [["784-128-10", "784-512-512-10"], [1, 2]]
    param_names = ["network", "threads"]
    threads = 2

    def prepare(self, topology, threads):
        if not HAS_THREADS or len(os.sched_getaffinity(0)) < threads:
            raise NotImplementedError("this commit or this machine has no second thread")
        self.network, self.data, self.settings = network_of(topology), data_of(topology), settings(32, threads)

    def time_fit(self, topology, threads):
        self.network.fit(*self.data, **self.settings)


class Predict(Timing):
    """`predict` on one thread; for one row it is mostly the cost of the call."""

    params = [["64-32-10", "784-128-10"], [1, 32, 10_000]]
    param_names = ["network", "rows"]

    def prepare(self, topology, rows):
        self.network, self.inputs = network_of(topology), inputs_of(topology, rows)
        self.settings = {"n_threads": 1} if HAS_THREADS else {}

    def time_predict(self, topology, rows):
        self.network.predict(self.inputs, **self.settings)


@cache
def inputs_of(topology, rows):
    """Return `rows` rows of inputs."""
    return data(replace(NETWORKS[topology], rows=rows))[0]
