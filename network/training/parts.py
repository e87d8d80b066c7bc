"""Training data that come in parts: an iterable of (X, y), or of (X, y, sample_weight), read anew in each epoch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.validation.printable import shown

END = object()
Prepare = Callable[[str, Any, Any, Any], LoopArguments]  # of the name of a part, X, y and weights


class Parts:
    """The parts of each epoch, as what the compiled loops are handed.

    Parameters
    ----------
    source : iterable, or callable that returns one
        Iterated anew in each epoch, or, with `steps_per_epoch`, when it has run out. An iterator, which can be read
        once, is read on instead, and then needs `steps_per_epoch`, unless there is one epoch.
    steps_per_epoch : int or None
        How many steps an epoch has; all of the source by default. The rest of a part in which an epoch ends begins
        the next.
    epochs : int
    batch_size : int or None
        None if each part is one step.
    prepare : callable
        Checks a part.

    Attributes
    ----------
    first : LoopArguments
        The first part: it is read to see what the data are.
    """

    def __init__(
        self, source: Any, steps_per_epoch: int | None, epochs: int, batch_size: int | None, prepare: Prepare
    ) -> None:
        self._source, self._steps, self._batch_size, self._prepare = source, steps_per_epoch, batch_size, prepare
        if _is_pair(source):
            raise TypeError(f"X is a tuple of {len(source)}, and y is missing: did you mean fit(X, y)?")
        self._iterator, self._place = self._begun(), 0
        self._once = self._iterator is source or bool(getattr(source, "reads_once", False))
        if self._once and epochs > 1 and steps_per_epoch is None:
            raise ValueError(
                f"X can be read once, as {_name(source)}, and epochs is {epochs}: give a list, a "
                "hotloop.datasets.Stream of files, a function that returns a new iterator, or steps_per_epoch"
            )
        first = self._next()
        if first is None:
            raise ValueError("X has no parts: wanted pairs (X, y)")
        self.first = first
        self._rest: LoopArguments | None = first  # read, and not trained yet
        self._epochs = 0

    def steps_in_epoch(self) -> int:
        """Return the number of steps of an epoch, which schedules must know.

        Raises
        ------
        ValueError
            If nothing says it.
        """
        if self._steps is not None:
            return self._steps
        rows, size = self._rows_of_parts(), self._batch_size
        if rows is not None:
            return len(rows) if size is None else sum(-(-part // size) for part in rows)
        if size is None and hasattr(self._source, "__len__"):
            return len(self._source)
        what = "the batches that X gives in an epoch" if size is None else f"the batches of {size} rows in an epoch"
        raise ValueError(f"a schedule must know the number of steps: give steps_per_epoch, {what}")

    def epoch(self) -> Iterator[LoopArguments]:
        """Read the parts of the next epoch."""
        self._epochs += 1
        if self._epochs > 1 and self._steps is None:
            self._again()
        done = 0
        while self._steps is None or done < self._steps:
            part, self._rest = self._rest or self._next(), None
            if part is None and self._steps is not None and not self._once:
                self._again()
                part = self._next()
            if part is None:
                break
            if self._steps is not None:
                self._rest = _cut(part, self._steps - done)
            done += part.batches
            yield part
        if done < (self._steps or 1):
            wanted = "" if self._steps is None else f" of {self._steps}"
            raise ValueError(f"the data ended in epoch {self._epochs} after {done}{wanted} steps")

    def _again(self) -> None:
        if not self._once:
            self._iterator, self._place = self._begun(), 0

    def _begun(self) -> Iterator[Any]:
        """Return an iterator over the parts."""
        found = self._source() if callable(self._source) else self._source
        if isinstance(found, Iterable) and not isinstance(found, (str, bytes, dict)):
            return iter(found)
        raise TypeError(f"y is missing, or X must be an iterable of pairs (X, y); got {shown(found)}")

    def _rows_of_parts(self) -> list[int] | None:
        """Return the number of rows of each part, if the source is a list or says it without being trained on."""
        if hasattr(self._source, "rows_of_parts"):
            found: list[int] | None = self._source.rows_of_parts()
            return found
        if type(self._source) not in (list, tuple):
            return None
        try:
            return [len(given[0]) for given in self._source]
        except (TypeError, LookupError):
            return None  # a later part is no pair: an error when it is read

    def _next(self) -> LoopArguments | None:
        """Read and check the next part; None at the end."""
        self._place += 1
        given, name = next(self._iterator, END), f"part {self._place}"
        if given is END:
            return None
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise TypeError(
                f"y is missing: without it X is an iterable of pairs (X, y) or (X, y, sample_weight), and {name} is "
                f"{shown(given)}"
            )
        return self._prepare(f"{name}: ", given[0], given[1], given[2] if len(given) == 3 else None)


def _cut(part: LoopArguments, steps: int) -> LoopArguments | None:
    """Leave so many steps of a part, and return the rest of it, None if nothing is left."""
    if part.batches <= steps:
        return None
    rows, end = np.arange(part.rows), steps * int(part.settings["batch_size"][0])
    rest = replace(part, kept=part.rows_in(rows[end:]))
    part.kept = part.rows_in(rows[:end])
    return rest


def _is_pair(source: Any) -> bool:
    """Return whether this is rather a pair (X, y) than a sequence of pairs."""
    if not isinstance(source, tuple) or len(source) not in (2, 3):
        return False
    first = source[0]
    return not (isinstance(first, tuple) or (isinstance(first, list) and first and hasattr(first[0], "shape")))


def _name(source: Any) -> str:
    return f"{'an' if type(source).__name__[0] in 'aeiouAEIOU' else 'a'} {type(source).__name__}"
