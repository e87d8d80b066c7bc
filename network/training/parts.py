"""Training data that come in parts: an iterable of (X, y), or of (X, y, sample_weight), read anew in each epoch."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.validation.printable import shown

Prepare = Callable[[str, Any, Any, Any], LoopArguments]  # of the name of a part, X, y and weights


class Parts:
    """The parts of each epoch, as what the compiled loops are handed.

    Parameters
    ----------
    source : iterable, or callable that returns one
        Iterated anew in each epoch. An iterator, which can be read once, is read on instead, and then needs
        `steps_per_epoch`, unless there is one epoch.
    steps_per_epoch : int or None
        How many parts an epoch has; all by default.
    epochs : int
    prepare : callable
        Checks a part.

    Attributes
    ----------
    first : LoopArguments
        The first part: it is read to see what the data are.
    """

    def __init__(self, source: Any, steps_per_epoch: int | None, epochs: int, prepare: Prepare) -> None:
        self._source, self._steps, self._prepare = source, steps_per_epoch, prepare
        self._iterator = self._begun()
        self._once = self._iterator is source
        if self._once and epochs > 1 and steps_per_epoch is None:
            raise ValueError(
                f"X is an iterator, which can be read once, and epochs is {epochs}: give a list, a "
                "hotloop.datasets.Stream, a function that returns a new iterator, or steps_per_epoch"
            )
        given = next(self._iterator, None)
        if given is None:
            raise ValueError("X has no parts: wanted pairs (X, y)")
        self.first = self._prepared(1, given)
        self._epochs = 0

    @property
    def length(self) -> int | None:
        """The number of parts of an epoch, if it is known."""
        if self._steps is not None:
            return self._steps
        return len(self._source) if hasattr(self._source, "__len__") else None

    def epoch(self) -> Iterator[LoopArguments]:
        """Read the parts of the next epoch."""
        self._epochs += 1
        begun: list[LoopArguments] = [self.first] if self._epochs == 1 else []
        if self._epochs > 1 and not self._once:
            self._iterator = self._begun()
        left = None if self._steps is None else self._steps - len(begun)
        parts = enumerate(islice(self._iterator, left), len(begun) + 1)
        count = 0
        for part in chain(begun, (self._prepared(place, given) for place, given in parts)):
            count += 1
            yield part
        if count < (1 if self._steps is None else self._steps):
            wanted = "" if self._steps is None else f" of {self._steps}"
            raise ValueError(f"the data ended in epoch {self._epochs} after {count}{wanted} parts")

    def _begun(self) -> Iterator[Any]:
        """Return an iterator over the parts."""
        found = self._source() if callable(self._source) else self._source
        if isinstance(found, Iterable) and not isinstance(found, (str, bytes, dict)):
            return iter(found)
        raise TypeError(f"y is missing, or X must be an iterable of pairs (X, y); got {shown(found)}")

    def _prepared(self, place: int, given: Any) -> LoopArguments:
        name = f"part {place}"
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise TypeError(
                f"y is missing: without it X is an iterable of pairs (X, y) or (X, y, sample_weight), and {name} is "
                f"{shown(given)}"
            )
        return self._prepare(f"{name}: ", given[0], given[1], given[2] if len(given) == 3 else None)
