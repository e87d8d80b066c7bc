"""What a fuzzed program may name: hotloop's public classes, and a user's own activation, loss and schedule."""

import tempfile

import numpy as np

from hotloop import Network, Normal, activations, callbacks, losses, profile, schedules, warmup  # noqa: F401
from hotloop.network.training.optimizers import OPTIMIZERS

KINDS = [*OPTIMIZERS.values()]
KINDS += [getattr(owner, name) for owner in (activations, callbacks, losses, schedules) for name in owner.__all__]
globals().update({kind.__name__: kind for kind in KINDS})
NAMES = ["OWN_LOSS", "SOFTSIGN", "Network", "Normal", "falling", "np", "profile", "warmup", "weights"]
NAMES += [kind.__name__ for kind in KINDS]
__all__ = NAMES


def squares(outputs, target, gradient):
    total = 0.0
    for j in range(outputs.size):
        error = outputs[j] - target[j]
        total += error * error
        gradient[j] = 2 * error
    return total


def softsign(z):
    return z / (1 + abs(z))


def softsign_derivative(z):
    return 1 / (1 + abs(z)) ** 2


SOFTSIGN = activations.CustomActivation(softsign, softsign_derivative, check=False)
OWN_LOSS = losses.CustomLoss(squares, check=False)
OWN = {piece.name: piece for piece in (SOFTSIGN, OWN_LOSS)}


def falling(step, steps):
    """Return a learning rate: a schedule that is a plain function."""
    return 1e-3 * (1 - step / steps)


def weights(y, seed):
    """Return weights of the rows of y, some of them 0, the first never."""
    found = np.random.default_rng(seed).integers(0, 4, len(y)) / 2
    found[0] = 1
    return found


def arranged(X, order):
    """Return an array of equal values in another layout."""
    if order == "strided":
        wide = np.zeros((2 * len(X), X.shape[1] + 3), X.dtype)
        wide[::2, 3:] = X
        return wide[::2, 3:]
    if order == "memmap":
        with tempfile.NamedTemporaryFile() as file:
            file.write(X.tobytes())
            file.flush()
            return np.memmap(file.name, X.dtype, "r", shape=X.shape)
    if order == "read-only":
        X.flags.writeable = False
    changed = {"F": np.asfortranarray, "reversed": lambda X: X[::-1], "list": lambda X: X.tolist()}
    return changed.get(order, lambda X: X)(X)
