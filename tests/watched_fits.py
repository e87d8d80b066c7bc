"""Short fits that a callback watches."""

import numpy as np

from hotloop import Callback, Network
from hotloop.network.training.callbacks import MOMENTS

QUIET = {"progress": False, "n_threads": 1}
EVERY_BATCH = {"batch_size": 8, **QUIET}


def problem(rows=40):
    x = np.random.default_rng(1).normal(size=(rows, 3))
    return x, np.tanh(x @ [1.0, -2.0, 0.5])


def build(**options):
    return Network([3, 8, 1], "tanh", seed=0, **options)


def train(net=None, **options):
    net = build() if net is None else net
    return net, net.fit(*problem(), **(EVERY_BATCH | options))


class Noted(Callback):
    """Records each moment, and calls `do`; `on_step` only if asked to, since it makes each call a step."""

    def __init__(self, name="", notes=None, do=lambda moment, fit: None, steps=False):
        self.name, self.notes, self.do = name, [] if notes is None else notes, do
        if steps:
            self.on_step = lambda fit: self._note("on_step", fit)

    def _note(self, moment, fit):
        self.notes.append((self.name + moment.removeprefix("on_"), fit.epoch, fit.rows_done))
        self.do(moment, fit)


for moment in {*MOMENTS} - {"on_step"}:
    setattr(Noted, moment, lambda self, fit, moment=moment: self._note(moment, fit))
