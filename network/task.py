"""One job of the compiled loops: checked data, the tables that describe the network, and scratch memory of its size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.losses import CROSS_ENTROPY
from hotloop.kernels.training import PROGRESS, SETTINGS
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.losses import LOSSES
from hotloop.network.optimizers import Optimizer


@dataclass
class Task:
    """The arguments of a compiled loop, in the types that it was compiled for. See `hotloop.kernels.training`."""

    inputs: Array
    targets: Array
    labels: Array
    layers: Array
    settings: Array
    workspace: Array
    chunk_labels: Array
    progress: Array

    @property
    def rows(self) -> int:
        """Number of samples."""
        return int(self.inputs.shape[0])

    @classmethod
    def plan(
        cls, layout: Layout, activations: tuple[str, ...], loss: str, inputs: Array, targets: Array, labels: Array,
        *, batch_size: int, dropout: Sequence[float] = (), seed: int = 0,
    ) -> "Task":  # fmt: skip
        """Size the workspace for these data and fill the tables."""
        kinds = [ACTIVATIONS[name] for name in activations]
        last = len(kinds) - 1
        batch = min(batch_size, inputs.shape[0])
        chunk = layout.chunk(batch)
        rates = [*(dropout or [0.0] * last), 0.0]
        keeps_z = [kind.needs_z or index == last for index, kind in enumerate(kinds)]
        layers, size = layout.table(chunk, [kind.code for kind in kinds], keeps_z, rates)
        slope = chunk * max(layout.strides)
        settings = np.zeros(1, SETTINGS)
        settings["loss"] = CROSS_ENTROPY if labels.size else LOSSES[loss].code
        settings["batch_size"], settings["chunk"], settings["seed"] = batch, chunk, seed
        settings["slope"], settings["targets"] = size, size + slope
        workspace = aligned_zeros(size + slope + chunk * layout.sizes[-1], layout.dtype)
        chunk_labels, progress = np.zeros(chunk, np.int64), np.zeros(1, PROGRESS)
        return cls(inputs, targets, labels, layers, settings, workspace, chunk_labels, progress)

    def descend(self, optimizer: Optimizer, step: int, first_step: int) -> None:
        """Tell the loop to update by this method, after `step` updates, of which `first_step` with another method."""
        self.settings["update"] = optimizer.code
        for name in SETTINGS.names or ():
            if hasattr(optimizer, name):
                self.settings[name] = getattr(optimizer, name)
        self.settings["first_step"], self.progress["step"] = first_step, step
