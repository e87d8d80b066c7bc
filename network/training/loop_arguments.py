"""What a compiled loop is handed: checked data, the tables that describe the network, and scratch of its size."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from hotloop.kernels.by_address import address_of
from hotloop.kernels.choices import GROUP
from hotloop.kernels.clipping import clip, limit_column_norms
from hotloop.kernels.gather import FLOAT32, FLOAT64, UINT8
from hotloop.kernels.jit import Array
from hotloop.kernels.records import Prediction, Training
from hotloop.kernels.tables import PROGRESS, SETTINGS, STEP
from hotloop.kernels.tables import Record as TableRecord
from hotloop.network.activations import Activation, row_of
from hotloop.network.layout import Layout, addresses, aligned_zeros
from hotloop.network.losses import Loss, kernel_by_address, loss_of
from hotloop.network.training.conventions import HOTLOOP, Conventions
from hotloop.network.training.optimizers import OPTIMIZERS, Optimizer
from hotloop.network.validation import weights as sample_weights

INPUT_KINDS = {np.dtype("uint8"): UINT8, np.dtype("float32"): FLOAT32, np.dtype("float64"): FLOAT64}
# The fields of SETTINGS and STEP that are hyper-parameters of an optimizer.
HYPER_PARAMETERS = {field.name for kind in OPTIMIZERS.values() for field in fields(kind)}
OF_THE_RUN, OF_A_STEP = ([name for name in table.names or () if name in HYPER_PARAMETERS] for table in (SETTINGS, STEP))
PREDICTED_ROWS = 256  # that a thread takes at a time: enough to repay reading all weights, few enough for its cache
IN_ORDER = np.empty(0, np.int64)  # an empty order: that of the data


def bytes_of_rows(array: Array) -> Array:
    """Return a C-ordered matrix as the bytes of its rows, read-only: the one type that the loops are compiled for."""
    view = array.view(np.uint8)
    view.setflags(write=False)
    return view


@dataclass
class LoopArguments:
    """The arguments of a compiled loop, in the types that it was compiled for. See `hotloop.kernels.training`.

    `layout`, `activations` and `loss` are what the tables were made from. `kept` are the rows that are trained, where
    others of the same arrays are held out.
    """

    layout: Layout
    activations: tuple[str | Activation, ...]
    loss: str | Loss
    inputs: Array
    targets: Array
    labels: Array
    weights: Array
    layers: Array
    table: Array  # `layers`, and after them the record of a learnt scale of the inputs, if there is one
    settings: Array
    loss_parameters: Array
    steps: Array
    workspace: Array
    row_losses: Array
    row_penalties: Array
    progress: Array
    rooms: Array
    shape: tuple[Any, ...]  # what the layer table depends on, beside the rows of a micro-batch
    kept: Array | None = None
    linked: bool = False
    update: tuple[Optimizer, bool] | None = None  # what `set_optimizer` was called with

    @property
    def rows(self) -> int:
        """Number of samples."""
        return int(self.inputs.shape[0] if self.kept is None else self.kept.size)

    @property
    def batches(self) -> int:
        """Number of steps that these samples take."""
        return -(-self.rows // int(self.settings["batch_size"][0]))

    def rows_to(self, steps: int) -> int:
        """Return how many rows are left to the end of so many steps, of which one may have begun."""
        row, batch = int(self.progress["row"][0]), int(self.settings["batch_size"][0])
        return (row // batch + steps) * batch - row

    def rows_in(self, order: Array) -> Array:
        """Return which rows of the arrays an order of the samples visits."""
        return order if self.kept is None else self.kept[order]

    @property
    def total_weight(self) -> float:
        """The sum of the samples' weights; without weights their number."""
        if not self.weights.size:
            return float(self.rows)
        return float((self.weights if self.kept is None else self.weights[self.kept]).sum())

    @property
    def loss_weight(self) -> float:
        """What the sum of an epoch's losses is divided by: of what each batch's was multiplied by, the sum."""
        return float(self.rows) if self.settings["mean_by_rows"][0] else self.total_weight

    @classmethod
    def prepare(
        cls, layout: Layout, activations: tuple[str | Activation, ...], loss: str | Loss, inputs: Array, targets: Array,
        labels: Array, *, batch_size: int | None, dropout: Sequence[float] = (), input_dropout: float = 0.0,
        seed: int = 0, input_scale: float = 1.0, l1: float = 0.0, l2: float = 0.0,
        max_norm: Sequence[float | None] | None = None, weights: Array = sample_weights.NONE,
        label_smoothing: float = 0.0, conventions: Conventions = HOTLOOP,
    ) -> "LoopArguments":  # fmt: skip
        """Size the workspace for these data and fill the tables.

        Without a `batch_size` they are for prediction, all rows at once. `label_smoothing` is of the labels only.
        """
        kinds = [row_of(activation) for activation in activations]
        last = len(kinds) - 1
        batch = inputs.shape[0] if batch_size is None else min(batch_size, inputs.shape[0])
        micro_batch = layout.micro_batch(batch, PREDICTED_ROWS if batch_size is None else None)
        rates = [*(dropout or [0.0] * last), 0.0]
        keeps_z = [kind.needs_z or index == last for index, kind in enumerate(kinds)]
        shape = kinds, keeps_z, rates, input_dropout
        table, size = layout.table(micro_batch, *shape)
        settings = np.zeros(1, SETTINGS)
        settings["n_layers"], settings["group"] = layout.n_layers, GROUP
        row = loss_of(loss)
        settings["loss"] = row.label_code if labels.size else row.code
        settings["loss_address"], loss_parameters = kernel_by_address(row, layout.dtype)
        settings["label_smoothing"] = label_smoothing
        settings["batch_size"], settings["micro_batch"], settings["seed"] = batch, micro_batch, seed
        settings["input_kind"], settings["input_scale"] = INPUT_KINDS[inputs.dtype], input_scale
        settings["l1"], settings["l2"] = l1, l2
        if conventions is not HOTLOOP:
            for field in fields(conventions):
                settings[field.name] = getattr(conventions, field.name)
        if max_norm is not None:
            table["max_norm"][: last + 1] = [np.inf if limit is None else limit for limit in max_norm]
            settings["max_norm_address"] = address_of(limit_column_norms, layout.dtype, 1, -1, -1, -1, 0)
        workspace = aligned_zeros(size, layout.dtype)
        row_losses, row_penalties = np.zeros(micro_batch), np.zeros(sum(layout.sizes[:-1]))
        steps, progress = np.zeros(1, STEP), np.zeros(1, PROGRESS)
        steps["dropout"] = 1
        return cls(
            layout, activations, loss, bytes_of_rows(inputs), targets, labels, weights, table[: layout.n_layers], table,
            settings, loss_parameters, steps, workspace, row_losses, row_penalties, progress, layout.rooms(1), shape,
        )  # fmt: skip

    def share_rows(self, n_threads: int) -> None:
        """Make room for the rows that so many threads predict at a time."""
        if n_threads == 1:
            return
        self.set_threads(n_threads)
        rows = self.layout.micro_batch(self.rows, n_threads * PREDICTED_ROWS)
        if rows > self.settings["micro_batch"][0]:
            table, size = self.layout.table(rows, *self.shape)
            table["product"] = self.table["product"][0]
            self.table, self.layers, self.settings["micro_batch"] = table, table[: self.layout.n_layers], rows
            self.workspace = aligned_zeros(size, self.layout.dtype)

    def for_batch(self, inputs: Array, targets: Array, labels: Array, weights: Array) -> "LoopArguments | None":
        """Return these arguments for another batch, which shares tables and scratch; None unless it suits them."""
        same_kind = INPUT_KINDS[inputs.dtype] == self.settings["input_kind"][0]
        if len(inputs) != len(self.inputs) or not same_kind or bool(labels.size) != bool(self.labels.size):
            return None
        return self.changed(inputs=bytes_of_rows(inputs), targets=targets, labels=labels, weights=weights)

    def changed(self, **changes: Any) -> "LoopArguments":
        """Return a copy with other attributes; `dataclasses.replace` takes five times as long."""
        found = object.__new__(LoopArguments)
        vars(found).update(vars(self), **changes)
        return found

    def replace(self, part: "LoopArguments", optimizer: Optimizer, *, gradient_norm: bool) -> None:
        """Switch to another part's data and workspace; keep progress and step table."""
        first_step, step_offset = (int(self.settings[name][0]) for name in ("first_step", "step_offset"))
        told = self.steps.copy()
        for field in fields(self):
            if field.name not in ("steps", "progress", "rooms"):
                setattr(self, field.name, getattr(part, field.name))
        self.settings["first_step"] = first_step
        self.set_optimizer(optimizer, int(self.progress["step"][0]), step_offset, gradient_norm=gradient_norm)
        self.steps[:] = told  # with a factor of the learning rate, if a callback has set one

    def _link(self) -> None:
        """Compile or load what all loops call by its address: here, since this is said and timed as compiling."""
        if not self.linked:
            self.table["product"], self.linked = addresses(self.layout.dtype, "product")["product"], True

    def set_threads(self, n_threads: int) -> None:
        """Make a record of progress, and scratch, for each thread."""
        if n_threads != len(self.progress):
            self.progress = np.repeat(self.progress[:1], n_threads)
        if n_threads > len(self.rooms):
            self.rooms = self.layout.rooms(n_threads)

    def training(self, parameters: Array, gradient: Array, moments: Array, order: Array) -> Training:
        """Return the run for `train_slice`."""
        self._link()
        return Training(
            self.inputs, self.targets, self.labels, self.weights, order, self.table, parameters, self.workspace,
            self.settings, self.loss_parameters, self.steps, self.progress, gradient, moments, self.row_losses,
            self.row_penalties, self.rooms,
        )  # fmt: skip

    def prediction(self, parameters: Array, losses: Array, outputs: Array) -> Prediction:
        """Return the run for `forward_slice`."""
        self._link()
        return Prediction(
            self.inputs, self.targets, self.labels, IN_ORDER, self.layers, parameters, self.workspace, self.settings,
            self.loss_parameters, losses, outputs, self.rooms,
        )  # fmt: skip

    def set_optimizer(self, optimizer: Optimizer, step: int, step_offset: int, *, gradient_norm: bool = False) -> None:
        """Set the update: `step` steps have been taken, the first `step_offset` of them with another optimizer.

        What is scheduled is left to the `StepTable`. With `gradient_norm` its norms are added up in
        ``progress["norm_sum"]``.
        """
        self.settings["step_offset"], self.progress["step"] = step_offset, step
        if self.update == (optimizer, gradient_norm):
            return
        self.update = optimizer, gradient_norm
        self.settings["update"], self.settings["gradient_norm"] = optimizer.code, gradient_norm
        for table, names in ((self.settings, OF_THE_RUN), (self.steps, OF_A_STEP)):
            for name in names:
                if not callable(value := getattr(optimizer, name, None)) and value is not None:
                    table[name] = value
        if optimizer.learning_rate_factors is not None or optimizer.weight_decay_factors is not None:
            self._set_factors(optimizer)
        if gradient_norm or optimizer.clip_value is not None or optimizer.clip_norm is not None:
            self._set_clipping(optimizer)

    def _set_factors(self, optimizer: Optimizer) -> None:
        after_weights = [*self.layout.vectors, *([("input_scale",)] if self.layout.learn_input_scale else [])]
        self.table["rates"] = optimizer.factors("learning_rate_factors", after_weights)
        self.table["decays"] = optimizer.factors("weight_decay_factors", after_weights)
        self.table["by_row"] = [len({*row["rates"]}) > 1 or len({*row["decays"]}) > 1 for row in self.table]

    def _set_clipping(self, optimizer: Optimizer) -> None:
        """Make room for the squares of each row of parameters, after clipping by value and before."""
        n_penalties, rows = len(self.row_penalties), self.table["fan_in"] + self.table["vectors"]
        self.table["squares"] = n_penalties + np.cumsum(rows) - rows
        self.row_penalties = np.zeros(n_penalties + 2 * rows.sum())
        self.settings["n_squares"] = rows.sum()
        self.settings["clip_value"] = np.inf if optimizer.clip_value is None else optimizer.clip_value
        self.settings["clip_address"] = address_of(clip, self.layout.dtype, 1, 0, 0, returns=np.float64)

    @property
    def last_step(self) -> TableRecord:
        """The record `STEP` of the last step that was taken; before the first step that of the first."""
        if len(self.steps) == 1:
            return self.steps[0]
        index = int(self.progress["step"][0]) - 1 - int(self.settings["first_step"][0])
        return self.steps[min(max(index, 0), len(self.steps) - 1)]
