"""What one thread did, as nested spans: the time of each path, and a timeline of limited size.

The tree of paths is exact. The timeline, for the trace, keeps at most `MOST` spans of a name: when there are too many,
every other one is dropped, and from then on only every other one is kept.
"""

import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Generic, NamedTuple, TypeVar

Path = tuple[str, ...]
Item = TypeVar("Item")
MOST = 8192  # spans of a name in the timeline
MOST_NAMES = 500  # further names share one list
OTHERS = "..."  # the name of that list
BATCH = 4096


class Thinned(Generic[Item]):
    """A list of at most `most` items, evenly spread over all that were added."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self.stride, self.added = most, 1, 0
        self.items: list[Item] = []

    def wanted(self) -> bool:
        """Count one more item, and return whether to keep it: if not, it need not be made."""
        self.added += 1
        if (self.added - 1) % self.stride:
            return False
        if len(self.items) == self.most:
            self.items, self.stride = self.items[::2], 2 * self.stride
            return (self.added - 1) % self.stride == 0
        return True

    def add(self, item: Item) -> None:
        """Add an item, or leave it out."""
        if self.wanted():
            self.items.append(item)


@dataclass(slots=True)
class Node:
    """The spans of one path: how many, their time, their self time (without the spans within them), their work."""

    category: str
    calls: int = 0
    seconds: float = 0.0
    self_seconds: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    threads: int = 1  # of the last

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle under the first two protocols too, which have no slots."""
        return type(self), astuple(self)


class Event(NamedTuple):
    """A span of the timeline, in seconds of `time.perf_counter`."""

    name: str
    start: float
    stop: float
    category: str
    arguments: dict[str, Any] | None = None


class Span:
    """A span, as a context manager."""

    __slots__ = ("_spans", "bytes", "category", "flops", "inner", "path", "start", "threads")

    def __init__(
        self, spans: "Spans", path: Path, category: str, flops: float, bytes_: float, threads: int = 1
    ) -> None:
        self._spans, self.path, self.category = spans, path, category
        self.flops, self.bytes, self.inner, self.start, self.threads = flops, bytes_, 0.0, 0.0, threads

    def __enter__(self) -> "Span":
        """Begin.

        Raises
        ------
        RuntimeError
            If the profile has ended, or this span has begun and not ended.
        """
        if self._spans.over or self in self._spans.open:
            raise RuntimeError("the profile has ended" if self._spans.over else f"{self.path[-1]!r} is already open")
        self._spans.open.append(self)
        self.inner, self.start = 0.0, time.perf_counter()
        return self

    def __exit__(self, *failure: object) -> None:
        """End, and with it all spans within it that have not ended, also when something was raised; only once."""
        stop, spans = time.perf_counter(), self._spans
        if self in spans.open:
            while spans.open.pop() is not self:
                pass
            spans.ended(self, stop)


class Spans:
    """The spans of a thread.

    Spans that end are only noted, and processed in batches: Python that runs once between two calls of the compiled
    loop runs from a cold cache, several times slower than in a loop.
    """

    def __init__(self) -> None:
        self.open: list[Span] = []
        self.over = False
        # Tuples of plain values, which Python's garbage collector skips.
        self._ended: list[tuple[Path, str, float, float, float, float, float, int]] = []
        self._tree: dict[Path, Node] = {}
        self._timeline: dict[str, Thinned[Event]] = {}

    @property
    def path(self) -> Path:
        """The names of the spans that are open."""
        return self.open[-1].path if self.open else ()

    @property
    def tree(self) -> dict[Path, Node]:
        """All spans by path: the names from the outermost to the innermost."""
        self._settle()
        return self._tree

    @property
    def timeline(self) -> dict[str, Thinned[Event]]:
        """Spans by name."""
        self._settle()
        return self._timeline

    def span(
        self, name: str, category: str = "python", flops: float = 0.0, bytes_: float = 0.0, threads: int = 1
    ) -> Span:
        """Return a new span, to be used in a ``with`` statement."""
        return Span(self, (*self.path, name), category, flops, bytes_, threads)

    def part(self, name: str, start: float) -> None:
        """Note a span from `start` to now, within the open one: cheaper than a context manager."""
        stop, around = time.perf_counter(), self.open[-1]
        around.inner += stop - start
        self._ended.append(((*around.path, name), "python", start, stop, 0.0, 0.0, 0.0, 1))
        if len(self._ended) == BATCH:
            self._settle()

    def ended(self, span: Span, stop: float) -> None:
        """Note that a span has ended."""
        if self.open:
            self.open[-1].inner += stop - span.start
        noted = (span.path, span.category, span.start, stop, span.inner, span.flops, span.bytes, span.threads)
        self._ended.append(noted)
        if len(self._ended) == BATCH:
            self._settle()

    def kept(self, name: str) -> Thinned[Event]:
        """Return the timeline's list for a name."""
        name = name if name in self._timeline or len(self._timeline) < MOST_NAMES else OTHERS
        return self._timeline.setdefault(name, Thinned())

    def events(self) -> Iterable[Event]:
        """Return the timeline."""
        return (event for kept in self.timeline.values() for event in kept.items)

    def _settle(self) -> None:
        known: dict[Path, tuple[Node, Thinned[Event]]] = {}
        for path, category, start, stop, inner, flops, bytes_, threads in self._ended:
            if path not in known:
                known[path] = self._tree.setdefault(path, Node(category)), self.kept(path[-1])
            node, kept = known[path]
            node.calls += 1
            node.seconds += stop - start
            node.self_seconds += stop - start - inner
            node.flops += flops
            node.bytes += bytes_
            node.threads = threads
            if kept.wanted():
                kept.items.append(Event(path[-1], start, stop, category))
        self._ended.clear()
