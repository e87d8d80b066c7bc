"""A fit taken apart into its steps, for the fuzzer: each is what the oracle says, and together they are the fit."""

import copy

import fuzz_oracle as exact
import numpy as np

QUIET = {"progress": False}
ROUNDED = 1e-13  # relative error of a mean of batch losses


def must(holds, message):
    """Raise unless something holds."""
    if not holds:
        raise AssertionError(message)


def can_be_replayed(optimizer=None, class_weight=None, callbacks=(), **options):
    """Return whether a fit is its steps one by one: no schedule or callback intervenes, no weight is of all rows."""
    numbers = () if optimizer is None or isinstance(optimizer, str) else vars(optimizer).values()
    scheduled = any(map(callable, (*numbers, options.get("dropout_schedule"))))
    return class_weight != "balanced" and not callbacks and not scheduled


def replay(
    before, net, X, y, losses, steps, *, batch_size=32, shuffle=True, optimizer=None, sample_weight=None,
    class_weight=None, positive_weight=None, **_,
):  # fmt: skip
    """Train a copy batch by batch in the same order: each loss must be the oracle's, and the end equal to the bit."""
    rows, total, X, y = len(X), 0.0, np.asarray(X), np.asarray(y)
    twin, first, stop = copy.deepcopy(before), before.epochs_trained, before.steps + steps
    weighing = {"class_weight": class_weight, "positive_weight": positive_weight}
    w = np.ones(rows) if sample_weight is None else sample_weight
    weighted = sample_weight is not None or class_weight is not None or positive_weight is not None
    known = exact.covers(net) and not (net.input_dropout or net.label_smoothing or weighted)
    for epoch in range(first, first + steps):
        generator = np.random.Generator(np.random.Philox(key=[before.seed, epoch]))
        order, total = generator.permutation(rows) if shuffle else np.arange(rows), 0.0
        for start in range(0, rows if twin.steps < stop else 0, batch_size):
            batch = order[start : start + batch_size]
            if twin.steps == stop:
                break
            if not w[batch].any():  # a fit of no weight is refused
                return
            held, masks = copy.copy(twin), exact.masks(twin, len(batch))
            held._parameters = twin.parameters.copy()
            weighing["sample_weight"] = None if sample_weight is None else sample_weight[batch]
            step = twin.fit(
                X[batch], y[batch], epochs=1, batch_size=rows, optimizer=optimizer, shuffle=False, **weighing, **QUIET
            )
            if known:
                exact.check_loss(held, X[batch], y[batch], step["loss"][0], "a step of fit", masks)
            total += step["loss"][0] * w[batch].sum()
        if losses is not None and epoch - first < len(losses) and class_weight is None:
            off = abs(losses[epoch - first] - total / w.sum())
            must(off <= ROUNDED * abs(total / w.sum()), f"an epoch's loss is off by {off} from the mean of its steps'")
    must(twin.parameters.tobytes() == net.parameters.tobytes(), "training is not its steps, one by one")
