"""Training and prediction through the Python API, float32: seconds a call, and nanoseconds a floating-point operation.

The networks, data and initial weights are those of `benchmarks.comparison.cases`.
"""

import contextlib
import inspect
import os
import statistics
import time
from dataclasses import replace
from functools import cache

from benchmarks.base import Benchmark, Timing
from benchmarks.comparison.cases import NETWORKS, data, initial_weights
from hotloop import SGD, Network

with contextlib.suppress(ImportError):  # older commits have no schedules
    from hotloop.schedules import Cosine

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


class PartialFit(Timing):
    """`partial_fit` of a batch, from the second on: of 64-64-10, whose step is short, so that the call counts."""

    params = [[1, 32]]
    param_names = ["rows"]

    def prepare(self, rows):
        if not hasattr(Network, "partial_fit"):
            raise NotImplementedError("this commit has no partial_fit")
        self.inputs, self.targets = (array[:rows] for array in data_of("64-32-10"))
        self.network = Network([64, 64, 10], loss=case_of("64-32-10").loss, seed=0)
        self.network.partial_fit(self.inputs, self.targets, optimizer=SGD(1e-6))

    def time_partial_fit(self, rows):
        self.network.partial_fit(self.inputs, self.targets)


def each_step():
    """Return a callback for which each step is a call of the compiled loop."""
    from hotloop import Callback

    return type("EachStep", (Callback,), {"on_step": lambda self, fit: None})()


# What few networks and fits have: arguments of Network, and of fit; functions, since a commit may lack what they name.
FEATURES = {
    "none": lambda: ({}, {}),
    "layer_norm": lambda: ({"layer_norm": True}, {}),
    "learn_activation": lambda: ({"learn_activation": True}, {}),
    "learn_input_scale": lambda: ({"learn_input_scale": True}, {}),
    "dropout": lambda: ({"dropout": 0.1}, {}),
    "input_dropout": lambda: ({"input_dropout": 0.1}, {}),
    "label_smoothing": lambda: ({"label_smoothing": 0.1}, {}),
    "max_norm": lambda: ({"max_norm": 1e3}, {}),
    "sample_weight": lambda: ({}, {"sample_weight": [1.0, 2.0] * (ROWS // 2)}),
    "gradient_norm": lambda: ({}, {"gradient_norm": True}),
    "clip_value": lambda: ({}, {"optimizer": SGD(1e-6, clip_value=1.0)}),
    "clip_norm": lambda: ({}, {"optimizer": SGD(1e-6, clip_norm=1.0)}),
    "factors": lambda: ({}, {"optimizer": SGD(1e-6, learning_rate_factors={"biases": 2})}),
    "schedule": lambda: ({}, {"optimizer": SGD(Cosine(1e-6))}),
    "max_seconds": lambda: ({}, {"max_seconds": 1e6}),
    "on_step": lambda: ({}, {"callbacks": [each_step()]}),
}


class Features(Timing):
    """An epoch of 64-32-10 in batches of 32 with one more thing asked for: over "none" is what it costs."""

    params = [list(FEATURES)]
    param_names = ["feature"]

    def prepare(self, feature):
        try:
            network, fit = FEATURES[feature]()
            case = case_of("64-32-10")
            self.network = Network(case.sizes, case.activation, loss=case.loss, seed=0, **network)
        except (TypeError, NameError) as error:
            raise NotImplementedError(f"this commit has no {feature}: {error}") from None
        self.data, self.settings = data_of("64-32-10"), settings(32) | fit

    def time_fit(self, feature):
        self.network.fit(*self.data, **self.settings)


@cache
def inputs_of(topology, rows):
    """Return `rows` rows of inputs."""
    return data(replace(NETWORKS[topology], rows=rows))[0]
