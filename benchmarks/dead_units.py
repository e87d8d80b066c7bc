"""Half of the units are dead: the time of training and prediction, over the time with live units.

Their z is -100. There activations with an exponential tail would give denormal numbers, which reach the gradients;
moments without a gradient decay to such numbers too. Each may cost a CPU 150 cycles.

``python -m benchmarks.dead_units`` prints all ratios.
"""

import itertools
import statistics
import time
from functools import cache

import numpy as np

from benchmarks.base import Benchmark
from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop

SIZES, BATCH, STEPS = (784, 256, 256, 256, 10), 128, 4
ROUNDS = 31
ACTIVATIONS = ["silu", "gelu", "softplus", "sigmoid", "elu", "tanh", "relu", "leaky_relu", "identity"]
CALLS = ["fit", "predict"]
RATE = 1e-6  # so small that live units stay alive, and dead ones dead
OPTIMIZERS = {
    "SGD": SGD(RATE),
    "momentum": SGD(RATE, momentum=0.9),
    "Nesterov": SGD(RATE, momentum=0.9, nesterov=True),
    "RMSprop": RMSprop(RATE),
    "Adagrad": Adagrad(RATE),
    "Adam": Adam(RATE),
    "AdamW": AdamW(RATE),
}
DENORMAL = 1e-39


@cache
def data():
    """Return inputs and labels."""
    rng = np.random.default_rng(0)
    rows = BATCH * STEPS
    return rng.random((rows, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], rows)


def network_of(activation, z=0.0):
    """Return a network in which half the units of each hidden layer have a bias of `z`."""
    net = Network(SIZES, activation, loss="cross_entropy", seed=0)
    for bias in net.biases[:-1]:
        bias[: bias.size // 2] = z
    return net


class Ratio(Benchmark):
    """The time with dead units over the time with live ones: medians of interleaved rounds."""

    unit = "ratio"

    def compare(self, activation, call="fit", optimizer="SGD"):
        """Prepare a call of each network."""
        self.call, self.optimizer = call, OPTIMIZERS[optimizer]
        self.networks = [network_of(activation), network_of(activation, -100.0)]
        for net in self.networks:
            self.run(net)
        dead = self.networks[1]
        moments = dead._training.moments if hasattr(dead, "_training") else dead.state  # of a commit before
        if moments.size:  # as the moments of dead units are after some hundred steps
            moments[:] = DENORMAL
            self.run(self.networks[1])

    def run(self, net):
        """Train for some steps, or predict, on one thread; return how long it takes."""
        X, y = data()
        began = time.perf_counter()
        if self.call == "fit":
            net.fit(X, y, epochs=1, batch_size=BATCH, optimizer=self.optimizer, n_threads=1, progress=False)
        else:
            net.predict(X, n_threads=1)
        return time.perf_counter() - began

    def ratio(self):
        """Return the ratio."""
        live, dead = zip(*([self.run(net) for net in self.networks] for _ in range(ROUNDS)), strict=True)
        return statistics.median(dead) / statistics.median(live)


class DeadUnits(Ratio):
    """Each activation, under plain gradient descent."""

    params = [ACTIVATIONS, CALLS]
    param_names = ["activation", "call"]

    def prepare(self, activation, call):
        self.compare(activation, call)

    def track_ratio(self, activation, call):
        return self.ratio()


class DecayedMoments(Ratio):
    """Each optimizer, with SiLU; the moments have decayed where there is no gradient."""

    params = [list(OPTIMIZERS)]
    param_names = ["optimizer"]

    def prepare(self, optimizer):
        self.compare("silu", optimizer=optimizer)

    def track_ratio(self, optimizer):
        return self.ratio()


if __name__ == "__main__":
    for owner in (DeadUnits, DecayedMoments):
        for parameters in itertools.product(*owner.params):
            subject = owner()
            subject.setup(*parameters)
            print(f"{subject.track_ratio(*parameters):6.2f}  {' '.join(parameters)}", flush=True)
