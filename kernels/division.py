"""How the work of a step is divided among threads: groups have rows of the micro-batch, their members columns.

A thread that computes some rows of a layer reads all of its weights, one that computes some columns all of its inputs.
So the threads of a team form groups of equal size. A group has some rows; its members share the columns of wide layers,
and the rows in everything else. Where plain gradient descent updates in place, a group has some rows of each layer's
weights, and its members the same columns as before, so that the weights which a thread reads are mostly those that it
has changed: they are in the cache of its core. Gradients that are kept are divided by rows, and so is what follows.

What is divided how changes no bit: each number is computed by one thread, in one order.
"""

from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.tables import Record
from hotloop.kernels.team import share

# What a barrier of a group costs, in numbers that could be read from another core's cache meanwhile: about 0.5 us.
BARRIER = 2000
EVENLY = 4  # panels for each thread from which a remainder does not matter


@inline
def divides(columns: int, panel: int, size: int) -> bool:
    """Return whether `size` threads can share so many columns by whole panels, evenly or nearly."""
    panels = (columns + panel - 1) // panel
    return size > 1 and (panels % size == 0 or panels >= EVENLY * size)


@inline
def group_size(layers: Array, rows: int, n_threads: int, panel: int, most: int) -> int:
    """Return how many threads form a group, which divides their number, for micro-batches of so many rows.

    It is the one with which a thread reads least that other cores have written: in groups of one the weights of all
    layers, in the forward and the backward pass; in larger groups a part of them, but the inputs and deltas of all rows
    of the group. With a `most` above 0 it is the largest up to that.
    """
    best, least = 1, 0
    for size in range(1, n_threads + 1):
        if n_threads % size == 0:
            cost = cost_of(layers, rows, n_threads, size, panel) if most == 0 else -size
            if size == 1 or (cost < least and (most == 0 or size <= most)):
                best, least = size, cost
    return best


@inline
def cost_of(layers: Array, rows: int, n_threads: int, size: int, panel: int) -> int:
    """Return how many numbers a thread of groups of `size` reads in a step, and what its barriers cost."""
    cost = 0
    for index in range(layers.size):
        fan_in, fan_out = layers[index]["input_stride"], layers[index]["stride"]
        weights = fan_in * fan_out
        if divides(fan_out, panel, size):
            cost += weights // size + rows * size // n_threads * fan_in + 2 * BARRIER
            cost += rows * (fan_in * size // n_threads + fan_out // size)
        else:
            cost += weights + rows * (fan_in // n_threads + fan_out)
        if index > 0:
            if divides(fan_in, panel, size):
                cost += weights // size + rows * size // n_threads * fan_out + 2 * BARRIER
            else:
                cost += weights
    return cost


@kernel
def shared_columns(layers: Array, rows: int, n_threads: int, panel: int, most: int, shared: Array) -> None:
    """shared[l] = how many threads share the columns of layer l, forward and backward, in micro-batches of `rows` rows.

    For what reports on the loop; 1 where none do.
    """
    size = group_size(layers, rows, n_threads, panel, most)
    for index in range(layers.size):
        shared[index, 0] = size if divides(layers[index]["stride"], panel, size) else 1
        shared[index, 1] = size if divides(layers[index]["input_stride"], panel, size) else 1


@inline
def block_of(
    layer: Record, panel: int, thread: int, n_threads: int, size: int, rows: int, granule: int
) -> tuple[int, int, int, int]:
    """Return the first and last row and column of a thread's block of a layer's `rows` rows of parameters."""
    stride = layer["stride"]
    if divides(stride, panel, size):
        start, stop = share(rows, granule, thread // size, n_threads // size)
        left, right = share(stride, panel, thread % size, size)
    else:
        start, stop = share(rows, granule, thread, n_threads)
        left, right = 0, stride
    return start, stop, left, right
