"""The compiled training loop: gather, forward, loss, backward, update, for a slice of an epoch in one call.

One loop serves every depth and width, since the network is data: a table with one record a layer, the flat parameter
vector, and one workspace. Offsets and strides count elements. A batch is worked off in micro-batches of rows, so that the
workspace stays small however large the batch, and a call may stop between two micro-batches. Nothing is allocated.

All threads of a team run the same loop. Each has some rows of the micro-batch, from the gather to the deltas, without
waiting for anyone; after a barrier each has some rows of every layer's weights, from the gradient to the update; after
another the next micro-batch begins. Where weights are updated in place (plain gradient descent, no penalty, a batch in one
micro-batch) and the first layer's columns can be shared by whole tiles, evenly or nearly, a thread has columns of that layer
instead, for the weighted inputs of all rows, between two barriers more, and for the update: its part of the largest
weights stays in the cache of its core. Two threads gain 1.72 instead of 1.6 on 784-128-10, 1.85 instead of 1.76 on
784-512-512-10. Each number is computed by one thread in one order, so that the bits do not depend on how many there
are.
"""

from typing import Any

import numpy as np

from hotloop.kernels import clock, codes
from hotloop.kernels.descent import descend
from hotloop.kernels.gather import gather
from hotloop.kernels.jit import Array, inlined, kernel
from hotloop.kernels.matmul import NR, ZERO
from hotloop.kernels.propagation import backward, forward, loss_rows, weighted_inputs
from hotloop.kernels.row_softmax import ordered_sum
from hotloop.kernels.simd import width
from hotloop.kernels.team import barrier, share
from hotloop.kernels.views import segment

GRANULE: Any = np.int64(4)  # rows of a micro-batch that one thread takes at least, if there are so many


@kernel
def train_slice(
    thread: int, n_threads: int, words: Array, budget: int, inputs: Array, targets: Array, labels: Array, order: Array,
    layers: Array, settings: Array, parameters: Array, gradient: Array, state: Array, workspace: Array,
    row_losses: Array, row_penalties: Array, progress: Array, clocks: Array | None,
) -> None:  # fmt: skip
    """Train from row progress["row"] of an epoch on, for about `budget` rows, as one thread of a team.

    Parameters
    ----------
    thread, n_threads : int
        Which thread this is, and how many call at the same time with the same other arguments.
    words : int64 array
        The team's, from `hotloop.kernels.team.new_team`. If it is abandoned, the call returns in the midst of a step.
    budget : int
        Stop at the first end of a micro-batch at or behind this many rows.
    inputs : uint8 array (N, bytes of a row), read-only
        Of the kind that the settings say: I values a row.
    targets : array (N, O), or (0, 0) for integer labels
    labels : int64 array (N,), or (0,) for targets
    order : int64 array (N,)
        The rows of the epoch, in their order.
    layers, settings, progress : structured arrays `LAYER` (one a layer), `SETTINGS` (one), `PROGRESS` (one a thread)
    parameters, gradient : array (P,)
        Overwritten. With the update `NO_UPDATE` the parameters are not, and the gradient is that of the last batch, for
        its mean loss; else it is scratch.
    state : array (0 to 2, P)
        The optimiser's moments.
    workspace : array; row_losses : float64 array (micro-batch,); row_penalties : float64 array (rows of all weights,)
        Scratch. Padding starts as zero.
    progress
        Overwritten. After a batch whose loss is not finite ``diverged`` is 1, and the parameters are those before it;
        where only the penalty is not finite, which is known after the update, those after it.
    clocks : int64 array from `hotloop.kernels.clock.new_clock`, with a row for each thread, or None
        What each phase takes is added to it. With None the loop is compiled without a clock.
    """
    s, p, mine = settings[0], progress[thread], clock.of_thread(clocks, thread)
    stop = min(p["row"] + budget, order.size)
    bottom, top = layers[0], layers[layers.size - 1]
    of_a_tile = NR * width(parameters)
    penalised = s["l1"] > 0 or s["l2"] > 0
    logits = s["loss"] >= codes.BINARY_CROSS_ENTROPY
    clock.enter(mine)
    while p["row"] < stop:
        clock.begin_micro_batch(mine)
        start = p["row"]
        batch_start = start - start % s["batch_size"]
        batch_stop = min(batch_start + s["batch_size"], order.size)
        rows, offset = min(s["micro_batch"], batch_stop - start), start - batch_start
        begins, ends = start == batch_start, start + rows == batch_stop
        whole = s["update"] == codes.NO_UPDATE or not (begins and ends)
        in_place = s["update"] == codes.SGD and not whole and not penalised
        by_columns = in_place and columns_for_all(bottom["stride"], of_a_tile, n_threads)
        left, right = share(bottom["stride"], of_a_tile, thread, n_threads)
        first, last = share(rows, GRANULE, thread, n_threads)
        if first < last:
            gather(
                inputs, order, start + first, last - first, s["input_kind"], s["input_scale"],
                bottom["input"] + first * bottom["input_stride"], bottom["input_stride"], bottom["fan_in"], workspace,
            )  # fmt: skip
        clock.lap(mine, clock.GATHER, ZERO)
        if by_columns:
            if not meet(words, n_threads, mine):
                return
            weighted_inputs(bottom, parameters, ZERO, rows, left, right, workspace)
            clock.lap(mine, clock.FORWARD, ZERO)
            if not meet(words, n_threads, mine):
                return
        if first < last:
            forward(layers, parameters, first, last, s["seed"], p["step"], offset, logits, by_columns, workspace, mine)
            loss_rows(
                s["loss"], batch_stop - batch_start, top, targets, labels, order, start, first, last, workspace,
                ZERO, row_losses,
            )  # fmt: skip
            clock.lap(mine, clock.LOSS, layers.size - 1)
            backward(layers, parameters, first, last, s["seed"], p["step"], offset, logits, workspace, mine)
        if not meet(words, n_threads, mine):
            return
        p["batch_loss"] = (0.0 if begins else p["batch_loss"]) + ordered_sum(segment(row_losses, 0, rows))
        p["row"] = start + rows
        if not np.isfinite(p["batch_loss"]):
            p["diverged"] = 1
            if s["update"] != codes.NO_UPDATE:
                clock.leave(mine)
                return
        clock.lap(mine, clock.LOSS, layers.size - 1)
        descend(
            thread, n_threads, layers, settings, rows, begins, ends, whole, penalised, in_place, by_columns, left,
            right, p["step"] + 1, gradient, state, parameters, workspace, row_penalties, mine,
        )  # fmt: skip
        if not meet(words, n_threads, mine):
            return
        if ends:
            if penalised:
                p["batch_loss"] += ordered_sum(row_penalties)
                if not np.isfinite(p["batch_loss"]):
                    p["diverged"] = 1
            p["step"] += 1
            p["loss_sum"] += p["batch_loss"] * (batch_stop - batch_start)
            if p["diverged"]:
                break
    clock.leave(mine)


@inlined
def meet(words: Array, n_threads: int, mine: Array | None) -> bool:
    """Wait at a barrier, and have the clock know."""
    here = barrier(words, n_threads)
    if n_threads > 1:
        clock.lap(mine, clock.WAIT, ZERO)
    return here


@inlined
def columns_for_all(columns: int, of_a_tile: int, n_threads: int) -> bool:
    """Whether several threads can share columns by whole tiles, evenly or nearly."""
    tiles = (columns + of_a_tile - 1) // of_a_tile
    return n_threads > 1 and (tiles % n_threads == 0 or tiles >= 4 * n_threads)
