"""Arguments that belong together, as named tuples, which the compiler takes apart: they cost nothing in compiled code.

A call from Python takes 0.8 us longer with a named tuple than with its fields. Named tuples within one would take 6 us,
so `Training` and `Prediction` have none, and the loops make `Samples` and `Model` of their fields.
"""

from typing import NamedTuple

from hotloop.kernels.jit import Array


class Matrix(NamedTuple):
    """A matrix in memory: (i, j) is data[offset + i * row_stride + j * column_stride].

    A row stride of 0 repeats one row.
    """

    data: Array
    offset: int
    row_stride: int
    column_stride: int


class Ahead(NamedTuple):
    """Memory to be fetched ahead of its use: some runs of `length` elements, `stride` apart."""

    data: Array
    offset: int
    stride: int
    runs: int
    length: int


class Model(NamedTuple):
    """What forward and back propagation work on: records `LAYER`, the flat parameters (P,), and scratch memory."""

    layers: Array
    parameters: Array
    workspace: Array  # its padding starts as zero
    room: Array  # of this thread, for packed panels


class Samples(NamedTuple):
    """N samples of I inputs and O outputs, and the order in which they are visited."""

    inputs: Array  # the bytes of their rows, uint8 (N, bytes of a row), read-only; the settings say what they mean
    targets: Array  # (N, O), or (0, 0) with labels
    labels: Array  # int64 (N,), or (0,) with targets
    weights: Array  # float64 (N,), at least 0, or (0,): all count alike
    order: Array  # int64 (N,); in prediction (0,) is the data's own order


class Training(NamedTuple):
    """What `train_slice` is handed: the fields of `Samples` and `Model`, and the rest that a step reads and writes."""

    inputs: Array
    targets: Array
    labels: Array
    weights: Array
    order: Array
    layers: Array  # and after them the record of a learnt scale of the inputs, if there is one
    parameters: Array
    workspace: Array
    settings: Array  # one record `SETTINGS`
    loss_parameters: Array  # of a loss by address
    steps: Array  # records `STEP`, from the update settings["first_step"] on
    progress: Array  # records `PROGRESS`, one a thread
    gradient: Array  # (P,)
    moments: Array  # (0 to 2, P): the optimizer's
    row_losses: Array  # float64 (micro-batch,): scratch
    row_penalties: Array  # float64 (rows of all weights,), and to clip the squares of all rows, twice: scratch
    rooms: Array  # (threads, elements): scratch for each thread's packed panels


class Prediction(NamedTuple):
    """What `forward_slice` is handed: the fields of `Samples` (no weights) and `Model`, and where the results go."""

    inputs: Array
    targets: Array
    labels: Array
    order: Array
    layers: Array
    parameters: Array
    workspace: Array
    settings: Array  # one record `SETTINGS`
    loss_parameters: Array  # of a loss by address
    row_losses: Array  # float64 (N,), or (0,): no losses
    outputs: Array  # (N, O)
    rooms: Array  # (threads, elements): scratch for each thread's packed panels


class MicroBatch(NamedTuple):
    """Some rows of a batch, and what a step does with their gradient."""

    rows: int
    row: int  # how many rows of the batch come before
    batch_rows: int
    first: bool  # of its batch: the gradient starts from zero
    last: bool  # of its batch: the parameters move
    accumulate: bool  # the gradient is kept, for the next micro-batch or for the caller
    in_place: bool  # the parameters move without a gradient in memory
    clips: bool  # the gradient is clipped, or its norm is asked for


class Part(NamedTuple):
    """What a thread does in a micro-batch: the rows from start to stop, and in wide layers columns of its group's.

    The threads of a group have the rows from first to last between them, and wait for each other.
    """

    words: Array | None  # of its team; None if it never waits
    group: int  # its barrier
    member: int  # of the group
    size: int  # of the group
    first: int
    last: int
    start: int
    stop: int


class Draw(NamedTuple):
    """What dropout's random numbers depend on beside the unit: the rows are counted from `row` of the batch."""

    seed: int
    step: int
    row: int
    factor: float  # of each layer's rate
