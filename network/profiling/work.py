"""What a training run has to compute and to move, by formula: floating-point operations and bytes of each phase.

B is the rows, I and O a layer's fan_in and fan_out, s the bytes of a number. The operations are those of
`hotloop.network.flops`. Each array is moved once in each phase that reads or writes it, twice in one that does both, by
each thread that reads it: `Division` says how many do. Padding and the copies of packed panels are not counted.
docs/profiling.md has the table.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from hotloop.kernels import codes
from hotloop.kernels.clock import BACKWARD, DESCENT, FORWARD, GATHER, LOSS, UPDATE, WEIGHT_GRADIENT
from hotloop.kernels.division import shared_columns
from hotloop.kernels.matmul import MR, NR
from hotloop.kernels.tables import LAYER
from hotloop.kernels.training import GRANULE
from hotloop.network import flops
from hotloop.network.layout import ALIGNMENT
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import METHODS


class Division(NamedTuple):
    """How many threads read each number of a layer, in the products of each pass."""

    inputs: int = 1  # forward
    weights: int = 1
    deltas: int = 1  # backward
    transposed: int = 1  # the weights again
    gradient_deltas: int = 1  # in a gradient that is kept, of whose inputs one thread reads each
    descent_inputs: int = 1  # in plain gradient descent, in place
    descent_deltas: int = 1


@dataclass
class Counts:
    """How much was trained; `summed` is the part that was summed into a gradient, the rest updated weights in place."""

    rows: int = 0
    summed_rows: int = 0
    micro_batches: int = 0
    summed_micro_batches: int = 0
    updates: int = 0
    summed_updates: int = 0

    def add(
        self, start: int, rows: int, total: int, batch_size: int, micro_batch: int, *, summed: bool, times: int = 1
    ) -> None:
        """Add the rows from `start` on, which end with a micro-batch, of an epoch of `total` rows, so many times.

        `summed` says whether batches of one micro-batch are summed into a gradient; those of several always are.
        """
        at, stop = start, start + rows
        while at < stop:
            batch_start = at - at % batch_size
            batch_rows = min(batch_size, total - batch_start)
            if batch_rows <= micro_batch:  # batches of one micro-batch: all full ones in one go
                batches = max(1, min(stop - at, total - at) // batch_size) if batch_rows == batch_size else 1
                taken, micro_batches, kept = min(batches * batch_rows, stop - at), batches, summed
            else:
                taken = min(batch_start + batch_rows, stop) - at
                micro_batches, kept = -(-taken // micro_batch), True
                batches = int(at + taken == batch_start + batch_rows)
            self.rows += times * taken
            self.micro_batches += times * micro_batches
            self.updates += times * batches
            self.summed_rows += times * kept * taken
            self.summed_micro_batches += times * kept * micro_batches
            self.summed_updates += times * kept * batches
            at += taken

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both."""
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


class Work:
    """The formulas for one network and one way to train it.

    Parameters
    ----------
    data : LoopArguments
        Whose tables say what is computed.
    training : bool, default True
        Whether the last layer is left at z for a loss that takes it. Without training it has its activation.
    """

    def __init__(self, data: LoopArguments, *, training: bool = True) -> None:
        settings = data.settings[0]
        self.fan_in = [int(layer["fan_in"]) for layer in data.layers]
        self.fan_out = [int(layer["fan_out"]) for layer in data.layers]
        self.vectors = [int(layer["vectors"]) for layer in data.layers]
        self.input_strides = [int(layer["input_stride"]) for layer in data.layers]
        self.strides = [int(layer["stride"]) for layer in data.layers]
        self.normalises = [bool(layer["normalise"]) for layer in data.layers]
        self.mixes = [bool(layer["mix"]) for layer in data.layers]
        self.input_scale = bool(data.layers[0]["input_delta"] >= 0)
        self.input_steps = int(self.input_scale) + int(data.layers[0]["input_dropout"] > 0)
        self.itemsize = data.workspace.itemsize
        self.input_itemsize = data.inputs.shape[1] // self.fan_in[0]
        self.data_bytes = data.inputs.nbytes
        self.batch_size, self.micro_batch = int(settings["batch_size"]), int(settings["micro_batch"])
        self.group, self.method = int(settings["group"]), METHODS[int(settings["update"])]
        self.penalised = any(settings[name] > 0 for name in ("l1", "l2", "l2_per_weight"))
        by_norm, by_value = bool(settings["clip_norm"] > 0), bool(settings["clip_value"] < np.inf)
        # Of clipping and the gradient's norm: 0 operations a parameter for neither.
        self.clipping = 0
        if settings["clip_address"] != 0:
            self.clipping = flops.clipping(by_value=by_value, by_norm=by_norm, norm=bool(settings["gradient_norm"]))
        self.summed = self.method.code != codes.SGD or self.penalised or self.clipping > 0
        last, logits = len(self.fan_in) - 1, training and settings["loss"] >= codes.BINARY_CROSS_ENTROPY
        # Whether a layer's activation is computed, and whether z is kept beside it. A cross-entropy takes only z.
        self.active = [
            bool(layer["activation"] != codes.IDENTITY) and not (logits and index == last)
            for index, layer in enumerate(data.layers)
        ]
        self.keeps_z = [
            bool(layer["z"] != layer["output"]) and not (logits and index == last)
            for index, layer in enumerate(data.layers)
        ]
        self.labelled = bool(data.labels.size)
        # Whether batches of several micro-batches are summed up, but a last one of one micro-batch is not.
        remainder = data.rows % self.batch_size
        self.mixed = not self.summed and self.batch_size > self.micro_batch and 0 < remainder <= self.micro_batch

    def __eq__(self, other: object) -> bool:
        """Return whether all formulas are the same."""
        return isinstance(other, Work) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Return a hash of what differs most often."""
        return hash((*self.fan_in, *self.fan_out, self.batch_size, self.data_bytes))

    def divisions(self, n_threads: int) -> list[Division]:
        """Return how a team divides each layer."""
        if n_threads == 1:
            return [Division()] * len(self.fan_in)
        pieces, found = -(-self.micro_batch // GRANULE), []  # of rows: not all threads have some
        for (forward, backward), i, vectors in zip(self._shared(n_threads), self.fan_in, self.vectors, strict=True):
            blocks = -(-(i + vectors) // MR)
            weights, transposed = min(n_threads // forward, pieces), min(n_threads // backward, pieces)
            kept, in_place = min(n_threads, blocks), min(n_threads // forward, blocks)
            found.append(Division(forward, weights, backward, transposed, kept, forward, in_place))
        return found

    def _shared(self, n_threads: int) -> list[tuple[int, int]]:
        """Return how many threads share the columns of each layer, forward and backward; 1 where none do."""
        layers, shared = np.zeros(len(self.fan_in), LAYER), np.ones((len(self.fan_in), 2), np.int64)
        layers["input_stride"], layers["stride"] = self.input_strides, self.strides
        shared_columns(layers, self.micro_batch, n_threads, NR * ALIGNMENT // self.itemsize, self.group, shared)
        return [(forward, backward) for forward, backward in shared.tolist()]

    @property
    def step_bytes(self) -> float:
        """Bytes that a step touches: parameters, moments, gradient, and the values and deltas of a micro-batch."""
        return self.bytes_of_a_thread(1)

    def bytes_of_a_thread(self, n_threads: int) -> float:
        """Return the bytes that one of so many threads touches in a step.

        In wide layers it touches the weights of its columns forward, and where it updates in place; of its rows
        backward, and of others where it updates with a gradient that was kept.
        """
        read, found = self.divisions(n_threads), 0.0
        arrays = self.method.n_moments + self.summed  # beside the parameters: a thread has its share of them
        for layer, (i, o, vectors) in enumerate(zip(self.fan_in, self.fan_out, self.vectors, strict=True)):
            columns = read[layer].inputs
            below = 1.0 if layer == 0 else 1 - 1 / read[layer].deltas  # not touched backward
            if self.summed or self.batch_size > self.micro_batch:
                below *= 1 - 1 / n_threads  # nor in the update
            found += (i + vectors) * o * (1 - (1 - 1 / columns) * below + arrays / n_threads)
            values = self.fan_in[0] * (layer == 0) + o * (2 + self.keeps_z[layer])
            found += self.micro_batch * values * columns / n_threads
        found += self.fan_in[0] * self.input_scale * (1 + arrays / n_threads)
        return self.itemsize * found

    def micro_batches_of_an_epoch(self, rows: int) -> int:
        """Return how many micro-batches so many rows make."""
        counts = Counts()
        counts.add(0, rows, rows, self.batch_size, self.micro_batch, summed=self.summed)
        return counts.micro_batches

    def step_flops(self) -> float:
        """Return the operations of a micro-batch."""
        summed = int(self.summed)
        counts = Counts(self.micro_batch, self.micro_batch * summed, 1, summed, 1, summed)
        phases = (GATHER, FORWARD, LOSS, BACKWARD, WEIGHT_GRADIENT, UPDATE, DESCENT)
        return sum(self.of(phase, index, counts)[0] for phase in phases for index in range(len(self.fan_in)))

    def of(self, phase: int, layer: int, counts: Counts, n_threads: int = 1) -> tuple[float, float]:
        """Return the operations and bytes of a phase of a layer (from 0), of all threads together."""
        i, o, s, rows = self.fan_in[layer], self.fan_out[layer], self.itemsize, counts.rows
        read = self.divisions(n_threads)[layer]
        first, last, vectors = layer == 0, layer == len(self.fan_in) - 1, self.vectors[layer]
        inputs = i * (first and self.input_scale)  # parameters of the inputs' scale, which counts as the first layer's
        parameters = (i + vectors) * o + inputs
        extras = {"layer_norm": self.normalises[layer], "mix": self.mixes[layer]}
        active, n_moments = self.active[layer], self.method.n_moments
        if phase == GATHER and first:
            values = rows * i * (self.input_itemsize + s * (1 + 2 * self.input_steps))
            return flops.gather(rows, i, self.input_steps), values
        if phase == FORWARD:
            more = 3 * (self.normalises[layer] + self.mixes[layer])  # values read and written besides
            values = read.inputs * rows * i + read.weights * counts.micro_batches * parameters
            values += rows * o * (1 + self.keeps_z[layer] + more)
            return flops.forward(rows, i, o, activation=active, **extras), s * values
        if phase == LOSS and last:
            return flops.loss(rows, o), rows * o * s + rows * (8 if self.labelled else o * s) + rows * o * s
        if phase == BACKWARD:
            ends, more = first and not self.input_scale, 5 * self.normalises[layer] + 8 * self.mixes[layer]
            values = rows * o * (2 * active + more) + (1 if ends else read.deltas) * rows * o
            values += 0 if ends else read.transposed * counts.micro_batches * i * o + rows * i
            scaling = rows * i * (first and self.input_scale)
            operations = flops.backward(rows, i, o, activation=active, first=ends, **extras) + scaling
            return operations, s * (values + 3 * scaling)
        if phase == WEIGHT_GRADIENT:  # a batch in several micro-batches is added up
            rows, micro_batches = counts.summed_rows, counts.summed_micro_batches
            read_again = max(micro_batches - counts.summed_updates, 0)
            values = rows * (i + read.gradient_deltas * o * vectors + inputs)
            values += (micro_batches + read_again) * parameters
            return flops.weight_gradient(rows, i, o, vectors) + rows * inputs, s * values
        if phase == UPDATE and self.method.code != codes.NO_UPDATE and counts.summed_micro_batches:
            n = counts.summed_updates
            each = flops.update(i, o, self.method.flops, penalised=self.penalised, vectors=vectors)
            each += flops.update(0, inputs, self.method.flops) + self.clipping * parameters
            return n * each, s * n * parameters * (3 + (self.clipping > 0) + 2 * n_moments)
        if phase == DESCENT:  # W := W - alpha x.T delta, in one pass
            rows, micro_batches = rows - counts.summed_rows, counts.micro_batches - counts.summed_micro_batches
            method = METHODS[codes.SGD].flops
            update = micro_batches * (flops.update(i, o, method, vectors=vectors) + flops.update(0, inputs, method))
            values = rows * (read.descent_inputs * i + read.descent_deltas * o * vectors + inputs)
            values += 2 * micro_batches * parameters
            return flops.weight_gradient(rows, i, o, vectors) + rows * inputs + update, s * values
        return 0.0, 0.0


def forward_work(data: LoopArguments) -> tuple[float, float]:
    """Return the operations and bytes of computing the outputs of all rows, and their losses."""
    work, micro_batch = Work(data, training=False), int(data.settings["micro_batch"][0])
    counts = Counts(rows=data.rows, micro_batches=-(-data.rows // micro_batch))
    phases = (GATHER, FORWARD, *([LOSS] if data.labels.size or data.targets.size else []))
    parts = [work.of(phase, layer, counts) for phase in phases for layer in range(len(work.fan_in))]
    return sum(operations for operations, _ in parts), sum(moved for _, moved in parts)
