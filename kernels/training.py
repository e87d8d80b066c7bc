"""The compiled training loop: gather, forward, loss, backward, update, for a slice of an epoch in one call.

One loop serves every depth and width, since the network is data: a table with one record a layer, the flat parameter
vector, and one workspace. Offsets and strides count elements. A batch is processed in micro-batches of rows, so that
the workspace stays small however large the batch, and a call may stop between two of them. What each step is told,
learning rate, momentum, decay and share of dropout, is looked up in a table. Nothing is allocated.

All threads of a team run the same loop. Groups of them have some rows of the micro-batch each, from the gather to the
deltas: a group waits for no other, and its members share the columns of wide layers and the rows in everything else.
After a barrier of all, each thread has a block of every layer's weights, from the gradient to the update; after another
the next micro-batch begins. `hotloop.kernels.division` says how large the groups are. To clip the gradient's norm takes
a round more: all gradients, a barrier, the norm, then all updates. To limit norms of weights each thread has some
columns of every layer, before a last barrier. Each number is computed by one thread in one order, so that the bits do
not depend on their number.
"""

import math
from typing import Any

import numpy as np

from hotloop.kernels import clock, codes
from hotloop.kernels.descent import limit_norms, update_step
from hotloop.kernels.division import group_size
from hotloop.kernels.gather import gather
from hotloop.kernels.jit import Array, inline, inlined, kernel
from hotloop.kernels.matmul import NR, ZERO
from hotloop.kernels.ordered_sums import ordered_sum
from hotloop.kernels.propagation import backward, forward, loss_rows, prepared_inputs
from hotloop.kernels.records import Draw, MicroBatch, Model, Part, Samples, Training
from hotloop.kernels.simd import width
from hotloop.kernels.tables import Record
from hotloop.kernels.team import barrier, share
from hotloop.kernels.views import row, segment
from hotloop.kernels.weights import batch_weight

NORM_EPSILON = 1e-6  # PyTorch's, so that a norm of 0 divides nothing
GRANULE: Any = np.int64(4)  # rows of a micro-batch that one thread takes at least, if there are that many


@kernel
def train_slice(thread: int, n_threads: int, words: Array, budget: int, run: Training, clocks: Array | None) -> None:
    """Train from row progress["row"] of an epoch on, for about `budget` rows, as one thread of a team.

    Parameters
    ----------
    thread, n_threads : int
        Which thread this is, and how many call at the same time with the same other arguments.
    words : int64 array
        The team's, from `hotloop.kernels.team.new_team`. If it is abandoned, the call returns in mid-step.
    budget : int
        Stop at the first end of a micro-batch at or after this many rows.
    run : Training
        Overwritten: parameters, moments, gradient, progress, and what is scratch. With the update `NO_UPDATE` the
        first two are not, and the gradient is that of the last batch, for its mean loss. After a batch whose loss, or
        norm to be clipped, is not finite ``progress["diverged"]`` is 1, and the parameters are those before it; where
        only the penalty is not finite, which is known after the update, those after it.
    clocks : int64 array from `hotloop.kernels.clock.new_clock`, with a row for each thread, or None
        What each phase takes is added to it. With None the loop is compiled without a clock.
    """
    s, p, mine = run.settings[0], run.progress[thread], clock.of_thread(clocks, thread)
    samples = Samples(run.inputs, run.targets, run.labels, run.weights, run.order)
    layers = run.layers[: s["n_layers"]]
    model = Model(layers, run.parameters, run.workspace, row(run.rooms, thread))
    bottom, top = layers[0], layers[layers.size - 1]
    end = min(p["row"] + budget, samples.order.size)
    team = group_size(layers, s["micro_batch"], n_threads, NR * width(model.parameters), s["group"])
    group, member, groups = thread // team, thread % team, n_threads // team
    penalised = s["l1"] > 0 or s["l2"] > 0 or s["l2_per_weight"] > 0
    logits = s["loss"] >= codes.BINARY_CROSS_ENTROPY
    clock.enter(mine)
    while p["row"] < end:
        clock.begin_micro_batch(mine)
        at = p["row"]
        batch = micro_batch_at(at, samples.order.size, s, penalised)
        first, last = share(batch.rows, GRANULE, group, groups)
        start, stop = share(last - first, GRANULE, member, team)
        start, stop = first + start, first + stop
        part = Part(words, 1 + group, member, team, first, last, start, stop)
        count, weight = batch.batch_rows, float(batch.batch_rows)
        if samples.weights.size > 0:
            if batch.first:
                p["batch_count"], p["batch_weight"], p["substitute"] = batch_weight(samples, at, batch.batch_rows)
            count, weight = p["batch_count"], p["batch_weight"]
        h = run.steps[min(p["step"] - s["first_step"], run.steps.size - 1)]
        draw = Draw(s["seed"], p["step"], batch.row, h["dropout"])
        if start < stop:
            gather(samples, at, start, stop, s, bottom, model.workspace, p["substitute"])
            prepared_inputs(model, bottom, start, stop, draw)
        clock.lap(mine, clock.GATHER, ZERO)
        if first < last:
            if not forward(model, part, draw, logits, mine):
                return
            loss_rows(
                s, run.loss_parameters, count, weight, samples, at, start, stop, top, model.workspace, ZERO,
                run.row_losses,
            )  # fmt: skip
            clock.lap(mine, clock.LOSS, layers.size - 1)
            if not backward(model, part, draw, logits, mine):
                return
        if not meet(words, thread, n_threads, mine):
            return
        p["batch_loss"] = (0.0 if batch.first else p["batch_loss"]) + ordered_sum(
            segment(run.row_losses, 0, batch.rows)
        )
        p["row"] = at + batch.rows
        if not np.isfinite(p["batch_loss"]):
            p["diverged"] = 1
            if s["update"] != codes.NO_UPDATE:
                clock.leave(mine)
                return
        clock.lap(mine, clock.LOSS, layers.size - 1)
        l2 = s["l2"] + (s["l2_per_weight"] / weight if weight > 0 else 0.0)
        rounds, shrinking = 2 if batch.clips and s["clip_norm"] > 0 else 1, 1.0
        for number in range(1, rounds + 1):
            update_step(
                thread, n_threads, team, run, model.room, h, batch, penalised, l2, p["step"] + 1, number == 1,
                number == rounds, shrinking, mine,
            )  # fmt: skip
            if not meet(words, thread, n_threads, mine):
                return
            if number < rounds:
                norm = norm_of_rows(run, ZERO)
                if not np.isfinite(norm):
                    p["diverged"] = 1
                    clock.leave(mine)
                    return
                shrinking = s["clip_norm"] / (norm + NORM_EPSILON)
        if batch.last and s["max_norm_address"] != 0 and s["update"] != codes.NO_UPDATE:
            limit_norms(thread, n_threads, run)
            if not meet(words, thread, n_threads, mine):
                return
        if batch.last:
            if penalised:
                p["batch_loss"] += ordered_sum(segment(run.row_penalties, 0, top["penalty"] + top["fan_in"]))
                if not np.isfinite(p["batch_loss"]):
                    p["diverged"] = 1
            if batch.clips and s["gradient_norm"] != 0:
                p["norm_sum"] += norm_of_rows(run, s["n_squares"])
            p["step"] += 1
            p["loss_sum"] += p["batch_loss"] * (weight if s["mean_by_rows"] == 0 else float(batch.batch_rows))
            if p["diverged"]:
                break
    clock.leave(mine)


@inlined
def micro_batch_at(at: int, n_samples: int, s: Record, penalised: bool) -> MicroBatch:
    """Return the micro-batch that begins at row `at` of an epoch."""
    batch_start = at - at % s["batch_size"]
    batch_stop = min(batch_start + s["batch_size"], n_samples)
    rows = min(s["micro_batch"], batch_stop - at)
    first, last = at == batch_start, at + rows == batch_stop
    clips = last and s["clip_address"] != 0 and s["update"] != codes.NO_UPDATE
    accumulate = s["update"] == codes.NO_UPDATE or not (first and last) or s["clip_norm"] > 0
    in_place = s["update"] == codes.SGD and not accumulate and not penalised and not clips
    return MicroBatch(rows, at - batch_start, batch_stop - batch_start, first, last, accumulate, in_place, clips)


@inline
def norm_of_rows(run: Training, shift: int) -> float:
    """Return the gradient's norm by the squares of its rows, added from the first to the last: a fixed order."""
    place = run.layers[0]["squares"] + shift
    return math.sqrt(ordered_sum(segment(run.row_penalties, place, run.settings[0]["n_squares"])))


@inlined
def meet(words: Array, thread: int, n_threads: int, mine: Array | None) -> bool:
    """Wait at a barrier, and tell the clock; False if the team was abandoned."""
    here = barrier(words, thread, n_threads)
    if n_threads > 1:
        clock.lap(mine, clock.WAIT, ZERO)
    return here
