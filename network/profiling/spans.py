"""What one thread was at, as nested spans: the time of each path of them, and a timeline that stays small.

The tree of paths is exact. The timeline, for the trace, keeps at most `MOST` spans of a name: when they are too many,
every other one is dropped, and from then on every other one kept.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Path = tuple[str, ...]
Item = TypeVar("Item")
MOST = 8192  # spans of a name in the timeline
MOST_NAMES = 500  # then names share one list
OTHERS = "..."  # its name


class Thinned(Generic[Item]):
    """A list that never holds more than `most` items, evenly spread over all that were added."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self.stride, self.added = most, 1, 0
        self.items: list[Item] = []

    def wanted(self) -> bool:
        """Count one more, and return whether it is to be kept: its maker may save the work."""
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
    """The spans of one path: how many, their time, and that of it which no span within them has; work in it."""

    category: str
    calls: int = 0
    seconds: float = 0.0
    own: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0


@dataclass(slots=True)
class Event:
    """A span of the timeline, in seconds of `time.perf_counter`."""

    name: str
    start: float
    stop: float
    category: str
    arguments: dict[str, Any] = field(default_factory=dict)


class Span:
    """An open span, as a context."""

    __slots__ = ("_spans", "arguments", "bytes", "category", "flops", "inner", "name", "start")

    def __init__(self, spans: "Spans", name: str, category: str, flops: float, bytes_: float) -> None:
        self._spans, self.name, self.category = spans, name, category
        self.flops, self.bytes, self.inner, self.start = flops, bytes_, 0.0, 0.0
        self.arguments: dict[str, Any] = {}

    def __enter__(self) -> "Span":
        """Begin."""
        self._spans.opened(self)
        self.start = time.perf_counter()
        return self

    def __exit__(self, *failure: object) -> None:
        """End, also when something was raised."""
        self._spans.closed(self, time.perf_counter())


class Spans:
    """The spans of a thread, from its first to its last.

    Attributes
    ----------
    tree : dict of tuple to Node
        By the names from the outermost span to the innermost.
    timeline : dict of str to Thinned
        By name.
    """

    def __init__(self) -> None:
        self.tree: dict[Path, Node] = {}
        self.timeline: dict[str, Thinned[Event]] = {}
        self._open: list[Span] = []

    @property
    def path(self) -> Path:
        """The names of the spans that are open."""
        return tuple(span.name for span in self._open)

    def span(self, name: str, category: str = "python", flops: float = 0.0, bytes_: float = 0.0) -> Span:
        """Return a new span, to be used in a ``with`` statement."""
        return Span(self, name, category, flops, bytes_)

    def opened(self, span: Span) -> None:
        """Note that a span begins."""
        self._open.append(span)

    def closed(self, span: Span, stop: float) -> None:
        """Note that a span ends, and those within it that did not."""
        path = self.path
        while self._open.pop() is not span:
            path = path[:-1]
        seconds = stop - span.start
        self.add(path, span.category, seconds, seconds - span.inner, span.flops, span.bytes)
        self.note(Event(span.name, span.start, stop, span.category, span.arguments))
        if self._open:
            self._open[-1].inner += seconds

    def part(self, name: str, start: float, stop: float, category: str = "python", **arguments: Any) -> None:
        """Note a span within the open one that has ended already."""
        self.add((*self.path, name), category, stop - start, stop - start)
        self.note(Event(name, start, stop, category, arguments))
        if self._open:
            self._open[-1].inner += stop - start

    def add(
        self, path: Path, category: str, seconds: float, own: float, flops: float = 0.0, bytes_: float = 0.0
    ) -> None:
        """Add a span to the tree."""
        node = self.tree.setdefault(path, Node(category))
        node.calls, node.seconds, node.own = node.calls + 1, node.seconds + seconds, node.own + own
        node.flops, node.bytes = node.flops + flops, node.bytes + bytes_

    def note(self, event: Event) -> None:
        """Add a span to the timeline alone."""
        name = event.name if event.name in self.timeline or len(self.timeline) < MOST_NAMES else OTHERS
        self.timeline.setdefault(name, Thinned()).add(event)

    def events(self) -> Iterable[Event]:
        """Return the timeline."""
        return (event for kept in self.timeline.values() for event in kept.items)
