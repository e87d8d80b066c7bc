"""What a training run has to compute and to move, by formula: floating-point operations and bytes of each phase.

B is the rows, I and O a layer's fan_in and fan_out, s the bytes of a number. Counted is what the formulas of training
need, not what the loops do besides (padding, the copies of a packed panel): a multiply-add is two operations, an
elementwise function (activation, derivative, loss) one a value, and each array is moved once in each phase that reads
or writes it, twice in one that does both. docs/profiling.md has the table.
"""

from dataclasses import dataclass

from hotloop.kernels import codes
from hotloop.kernels.clock import BACKWARD, DESCENT, FORWARD, GATHER, LOSS, UPDATE, WEIGHT_GRADIENT
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import METHODS

PENALTY_FLOPS = 4  # a weight, for the gradient and the loss: two of l1 sign(w) + 2 l2 w, two of l1 |w| + l2 w^2


@dataclass
class Counts:
    """How much was trained. `whole` counts what was summed into a gradient, the rest updated the weights in place."""

    rows: int = 0
    whole_rows: int = 0
    micro_batches: int = 0
    whole_micro_batches: int = 0
    updates: int = 0
    whole_updates: int = 0

    def add(self, start: int, rows: int, total: int, batch_size: int, micro_batch: int, *, whole: bool) -> None:
        """Add the rows from `start` on, which ends a micro-batch, of an epoch of `total` rows."""
        at, stop = start, start + rows
        while at < stop:
            batch_start = at - at % batch_size
            batch_rows = min(batch_size, total - batch_start)
            if batch_rows <= micro_batch:  # batches of one micro-batch: all of the full ones at once
                batches = max(1, min(stop - at, total - at) // batch_size) if batch_rows == batch_size else 1
                taken, micro_batches, kept = min(batches * batch_rows, stop - at), batches, whole
            else:
                taken = min(batch_start + batch_rows, stop) - at
                micro_batches, kept, batches = (
                    -(-taken // micro_batch),
                    True,
                    int(at + taken == batch_start + batch_rows),
                )
            self.rows, self.micro_batches, self.updates = (
                self.rows + taken,
                self.micro_batches + micro_batches,
                self.updates + batches,
            )
            self.whole_rows, self.whole_micro_batches = (
                self.whole_rows + kept * taken,
                self.whole_micro_batches + kept * micro_batches,
            )
            self.whole_updates += kept * batches
            at += taken


class Work:
    """The formulas for one network and one way to train it.

    Parameters
    ----------
    task : LoopArguments
        Whose tables say what is computed.
    training : bool, default True
        Whether the last layer is left at z for a loss that takes it; outputs alone have their activation.
    """

    def __init__(self, task: LoopArguments, *, training: bool = True) -> None:
        settings = task.settings[0]
        self.fan_in = [int(layer["fan_in"]) for layer in task.layers]
        self.fan_out = [int(layer["fan_out"]) for layer in task.layers]
        self.itemsize = task.workspace.itemsize
        self.input_itemsize = task.inputs.shape[1] // self.fan_in[0]
        self.data_bytes = task.inputs.nbytes
        self.batch_size, self.micro_batch = int(settings["batch_size"]), int(settings["micro_batch"])
        self.update = int(settings["update"])
        self.penalised = bool(settings["l1"] > 0 or settings["l2"] > 0)
        self.whole = self.update != codes.SGD or self.penalised
        last, logits = len(self.fan_in) - 1, training and settings["loss"] >= codes.BINARY_CROSS_ENTROPY
        # Layers of which an activation is computed, and those that keep z beside it; a cross-entropy takes z alone.
        self.active = [
            layer["activation"] != codes.IDENTITY and not (logits and index == last)
            for index, layer in enumerate(task.layers)
        ]
        self.keeps_z = [
            bool(layer["z"] != layer["output"]) and not (logits and index == last)
            for index, layer in enumerate(task.layers)
        ]
        self.labelled = bool(task.labels.size)
        # Batches of several micro-batches are summed up, but a last one of one micro-batch is not.
        remainder = task.rows % self.batch_size
        self.mixed = not self.whole and self.batch_size > self.micro_batch and 0 < remainder <= self.micro_batch

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum((i + 1) * o for i, o in zip(self.fan_in, self.fan_out, strict=True))

    @property
    def step_bytes(self) -> int:
        """Bytes that a step touches: parameters, moments, gradient, and the values and deltas of a micro-batch."""
        arrays = 1 + METHODS[self.update].n_moments + self.whole
        values = self.fan_in[0] + sum(o * (2 + keeps) for o, keeps in zip(self.fan_out, self.keeps_z, strict=True))
        return self.itemsize * (arrays * self.parameters + self.micro_batch * values)

    def micro_batches_of_an_epoch(self, rows: int) -> int:
        """Return how many micro-batches so many rows make."""
        counts = Counts()
        counts.add(0, rows, rows, self.batch_size, self.micro_batch, whole=self.whole)
        return counts.micro_batches

    def step_flops(self) -> float:
        """Return the operations of a micro-batch of rows."""
        whole = int(self.whole)
        counts = Counts(self.micro_batch, self.micro_batch * whole, 1, whole, 1, whole)
        phases = (GATHER, FORWARD, LOSS, BACKWARD, WEIGHT_GRADIENT, UPDATE, DESCENT)
        return sum(self.of(phase, index, counts)[0] for phase in phases for index in range(len(self.fan_in)))

    def of(self, phase: int, layer: int, counts: Counts) -> tuple[float, float]:
        """Return the operations and bytes of a phase of a layer (from 0)."""
        i, o, s, rows = self.fan_in[layer], self.fan_out[layer], self.itemsize, counts.rows
        weights, top = (i + 1) * o, layer == len(self.fan_in) - 1
        if phase == GATHER and layer == 0:
            return rows * i, rows * i * (self.input_itemsize + s)
        if phase == FORWARD:
            # z = x W + b, a = f(z)
            flops = rows * o * (2 * i + self.active[layer])
            return flops, s * (rows * i + counts.micro_batches * weights + rows * o * (1 + self.keeps_z[layer]))
        if phase == LOSS and top:
            return rows * o, rows * o * s + rows * (8 if self.labelled else o * s) + rows * o * s
        if phase == BACKWARD:
            # delta = dC/da f'(z), dC/dx = delta W.T
            active, below = self.active[layer], layer > 0
            moved = rows * o * (1 + 2 * active) + below * (counts.micro_batches * i * o + rows * i)
            return rows * o * active + below * 2 * rows * i * o, s * moved
        if phase == WEIGHT_GRADIENT:
            # dC/dW = x.T delta, dC/db = sum of delta; a batch in several micro-batches is added up
            rows, micro_batches = counts.whole_rows, counts.whole_micro_batches
            read_again = max(micro_batches - counts.whole_updates, 0)
            return rows * o * (2 * i + 1), s * (rows * (i + o) + (micro_batches + read_again) * weights)
        if phase == UPDATE and self.update != codes.NO_UPDATE and counts.whole_micro_batches:
            n = counts.whole_updates
            flops = n * (METHODS[self.update].flops * weights + self.penalised * PENALTY_FLOPS * i * o)
            return flops, s * n * weights * (3 + 2 * METHODS[self.update].n_moments)
        if phase == DESCENT:
            # W := W - alpha x.T delta, in one pass
            rows, micro_batches = rows - counts.whole_rows, counts.micro_batches - counts.whole_micro_batches
            return rows * o * (2 * i + 1) + 2 * micro_batches * weights, s * (
                rows * (i + o) + 2 * micro_batches * weights
            )
        return 0.0, 0.0


def forward_work(task: LoopArguments) -> tuple[float, float]:
    """Return the operations and bytes of the outputs of all rows of a task, and of their losses."""
    work, micro_batch = Work(task, training=False), int(task.settings["micro_batch"][0])
    counts = Counts(rows=task.rows, micro_batches=-(-task.rows // micro_batch))
    phases = (GATHER, FORWARD, *([LOSS] if task.labels.size or task.targets.size else []))
    parts = [work.of(phase, layer, counts) for phase in phases for layer in range(len(work.fan_in))]
    return sum(flops for flops, _ in parts), sum(moved for _, moved in parts)
