"""What Keras's EarlyStopping and ReduceLROnPlateau do with a course of values, written out as its sources have it.

Epochs count from 0 here, and a value may be None for an epoch that is left out.
"""

from dataclasses import dataclass
from operator import gt, lt


@dataclass
class Stopped:
    """How a fit of Keras ends: epochs trained, whether it was stopped, and the best epoch and value."""

    epochs: int
    early: bool
    best_epoch: int
    best: float


def early_stopping(values, *, more=False, min_delta=0.0, patience=0, baseline=None, start_from_epoch=0):
    """`keras.callbacks.EarlyStopping`, with restore_best_weights=True."""
    compare, delta = (gt, min_delta) if more else (lt, -min_delta)
    wait, best, best_epoch = 0, None, None
    for epoch, value in enumerate(values):
        if epoch < start_from_epoch:
            continue
        if best_epoch is None:
            best_epoch = epoch
        wait += 1
        if best is None or compare(value - delta, best):
            best, best_epoch = value, epoch
            if baseline is None or compare(value - delta, baseline):
                wait = 0
        elif wait >= patience and epoch > 0:
            return Stopped(epoch + 1, True, best_epoch, best)
    return Stopped(len(values), False, best_epoch, best)


def reduce_lr_on_plateau(values, rate, *, more=False, factor=0.1, patience=10, min_delta=1e-4, cooldown=0, min_lr=0.0):
    """`keras.callbacks.ReduceLROnPlateau`: return the learning rate after each epoch."""
    best, wait, cooldown_counter, rates = -float("inf") if more else float("inf"), 0, 0, []
    for value in values:
        if cooldown_counter > 0:
            cooldown_counter -= 1
            wait = 0
        if value > best + min_delta if more else value < best - min_delta:
            best, wait = value, 0
        elif cooldown_counter == 0:
            wait += 1
            if wait >= patience and rate > min_lr:
                rate = max(rate * factor, min_lr)
                cooldown_counter, wait = cooldown, 0
        rates.append(rate)
    return rates
