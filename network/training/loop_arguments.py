"""What a compiled loop is handed: checked data, the tables that describe the network, and scratch of its size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hotloop.kernels.gather import FLOAT32, FLOAT64, UINT8
from hotloop.kernels.jit import Array
from hotloop.kernels.records import Prediction, Training
from hotloop.kernels.tables import PROGRESS, SETTINGS, STEP
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.losses import LOSSES
from hotloop.network.training.optimizers import Optimizer

INPUT_KINDS = {np.dtype("uint8"): UINT8, np.dtype("float32"): FLOAT32, np.dtype("float64"): FLOAT64}
IN_ORDER = np.empty(0, np.int64)  # an empty order: that of the data


def bytes_of_rows(array: Array) -> Array:
    """Return a C-ordered matrix as the bytes of its rows, read-only: the one type that the loops are compiled for."""
    view = array.view(np.uint8)
    view.setflags(write=False)
    return view


@dataclass
class LoopArguments:
    """The arguments of a compiled loop, in the types that it was compiled for. See `hotloop.kernels.training`.

    `layout`, `activations` and `loss` are what the tables were made from.
    """

    layout: Layout
    activations: tuple[str, ...]
    loss: str
    inputs: Array
    targets: Array
    labels: Array
    layers: Array
    table: Array  # `layers`, and after them the record of a learnt scale of the inputs, if there is one
    settings: Array
    loss_parameters: Array
    steps: Array
    workspace: Array
    row_losses: Array
    row_penalties: Array
    progress: Array

    @property
    def rows(self) -> int:
        """Number of samples."""
        return int(self.inputs.shape[0])

    @classmethod
    def prepare(
        cls, layout: Layout, activations: tuple[str, ...], loss: str, inputs: Array, targets: Array, labels: Array,
        *, batch_size: int, dropout: Sequence[float] = (), input_dropout: float = 0.0, seed: int = 0,
        input_scale: float = 1.0, l1: float = 0.0, l2: float = 0.0,
    ) -> "LoopArguments":  # fmt: skip
        """Size the workspace for these data and fill the tables."""
        kinds = [ACTIVATIONS[name] for name in activations]
        last = len(kinds) - 1
        batch = min(batch_size, inputs.shape[0])
        micro_batch = layout.micro_batch(batch)
        rates = [*(dropout or [0.0] * last), 0.0]
        keeps_z = [kind.needs_z or index == last for index, kind in enumerate(kinds)]
        table, size = layout.table(micro_batch, [kind.code for kind in kinds], keeps_z, rates, input_dropout)
        settings = np.zeros(1, SETTINGS)
        settings["n_layers"] = layout.n_layers
        settings["loss"] = LOSSES[loss].label_code if labels.size else LOSSES[loss].code
        settings["batch_size"], settings["micro_batch"], settings["seed"] = batch, micro_batch, seed
        settings["input_kind"], settings["input_scale"] = INPUT_KINDS[inputs.dtype], input_scale
        settings["l1"], settings["l2"] = l1, l2
        workspace, loss_parameters = aligned_zeros(size, layout.dtype), np.zeros(0, layout.dtype)
        row_losses, row_penalties = np.zeros(micro_batch), np.zeros(sum(layout.sizes[:-1]))
        steps, progress = np.zeros(1, STEP), np.zeros(1, PROGRESS)
        steps["dropout"] = 1
        return cls(
            layout, activations, loss, bytes_of_rows(inputs), targets, labels, table[: layout.n_layers], table,
            settings, loss_parameters, steps, workspace, row_losses, row_penalties, progress,
        )  # fmt: skip

    def set_threads(self, n_threads: int) -> None:
        """Make a record of progress for each thread."""
        self.progress = np.repeat(self.progress[:1], n_threads)

    def training(self, parameters: Array, gradient: Array, moments: Array, order: Array) -> Training:
        """Return the run for `train_slice`."""
        return Training(
            self.inputs, self.targets, self.labels, order, self.table, parameters, self.workspace, self.settings,
            self.loss_parameters, self.steps, self.progress, gradient, moments, self.row_losses, self.row_penalties,
        )  # fmt: skip

    def prediction(self, parameters: Array, losses: Array, outputs: Array) -> Prediction:
        """Return the run for `forward_slice`."""
        return Prediction(
            self.inputs, self.targets, self.labels, IN_ORDER, self.layers, parameters, self.workspace, self.settings,
            self.loss_parameters, losses, outputs,
        )  # fmt: skip

    def set_optimizer(self, optimizer: Optimizer, step: int, step_offset: int) -> None:
        """Set the update: `step` steps have been taken, the first `step_offset` of them with another optimizer."""
        self.settings["update"] = optimizer.code
        for table in (self.settings, self.steps):
            for name in table.dtype.names or ():
                if hasattr(optimizer, name):
                    table[name] = getattr(optimizer, name)
        self.settings["step_offset"], self.settings["first_step"], self.progress["step"] = step_offset, step, step
