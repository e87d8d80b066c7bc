"""`profile`: where the time of a training run goes, by phase, layer and thread, and how near each is to the limit."""

import json
import os
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from numba.core import event

from hotloop.network.persistence.atomic_write import write_file
from hotloop.network.profiling import rows as row_sums
from hotloop.network.profiling.calibration import Calibration, clock_kind, read_both, seconds_of_a_read
from hotloop.network.profiling.observer import ProfileObserver, current
from hotloop.network.profiling.phase_clock import PhaseClock, described
from hotloop.network.profiling.roofline import Roof, measured
from hotloop.network.profiling.rows import GROUPS, SORTS, Row
from hotloop.network.profiling.spans import Span, Spans, Thinned
from hotloop.network.profiling.table import summary, table
from hotloop.network.training.callbacks import activate, deactivate
from hotloop.network.validation import arguments

if TYPE_CHECKING:
    from hotloop.network.network import Network
    from hotloop.network.profiling.diagnosis.diagnosis import Diagnosis
    from hotloop.network.profiling.diagnosis.snapshots import FitSnapshots
    from hotloop.network.training.history import History
    from hotloop.network.training.loop_arguments import LoopArguments

ROOT = "profile"
MOST_MARKS = 4096
TRACE_BYTES = 20_000_000
# How often the roofs are measured at most, as long as a phase is above them by this much, in %.
MOST_MEASURES, TRUSTED = 4, 102.0
PathLike = str | os.PathLike[str]


class CompileSpans(event.Listener):  # type: ignore[misc]
    """Makes a span of each function that Numba compiles in this thread."""

    def __init__(self, spans: Spans) -> None:
        self._spans, self._thread = spans, threading.get_ident()
        self._open: list[Span] = []

    def on_start(self, event: Any) -> None:
        """Hear that a function is being compiled."""
        if threading.get_ident() == self._thread:
            function = event.data["dispatcher"].py_func
            self._open.append(self._spans.span(f"compile {function.__name__}", "compile").__enter__())

    def on_end(self, event: Any) -> None:
        """Hear that it has been compiled."""
        if threading.get_ident() == self._thread and self._open:
            self._open.pop().__exit__()


class Profile:
    """What happened between the start and the end of a ``with profile() as prof:`` block, in its thread.

    Attributes
    ----------
    seconds : float
        Wall time of the block.
    diagnosis : Diagnosis or None
        The last that was made.
    """

    def __init__(self, *, health: bool = True) -> None:
        self.health = health
        self.spans = Spans()
        self.fits: list[FitSnapshots] = []  # the first that were looked at
        self.n_fits = 0
        self.counters: dict[str, Thinned[tuple[float, float]]] = {}
        self.marks: Thinned[tuple[float, str, dict[str, Any]]] = Thinned(MOST_MARKS)
        self.histories: list[tuple[list[float], History]] = []  # of each fit, and when its epochs ended
        self.seconds = 0.0
        self.began = 0.0
        self.diagnosis: Diagnosis | None = None
        self._clocks: dict[tuple[Any, ...], PhaseClock] = {}
        self._calibration: Calibration | None = None
        self.thread: int | None = None  # that opened it

    def __enter__(self) -> "Profile":
        """Begin."""
        if current() is not None:
            raise RuntimeError("a profile is open in this thread already: end its with statement first")
        if self.thread is not None:
            raise RuntimeError("this profile has been used: call profile() for a new one")
        self._kind = clock_kind()
        self._read_seconds = seconds_of_a_read(self._kind)
        self._first = read_both(self._kind)
        self.thread = threading.get_ident()
        self._observer = ProfileObserver(self)
        activate(self._observer)
        self._listener = CompileSpans(self.spans)
        if not numba.config.DISABLE_JIT:
            event.register("numba:compile", self._listener)
        self._root = self.spans.span(ROOT).__enter__()
        self.began = self._root.start
        return self

    def __exit__(self, *failure: object) -> None:
        """End, also when something was raised: what there is until then can be looked at."""
        self._root.__exit__()
        self.spans.over = True
        if not numba.config.DISABLE_JIT:
            event.unregister("numba:compile", self._listener)
        deactivate(self._observer)
        for clock in self._clocks.values():
            clock.settle()
        for moments, history in self.histories:
            self._note_epochs(moments, history)
        self.seconds = self.spans.tree[ROOT,].seconds
        self._calibration = Calibration.since(self._kind, self._first)

    # While it is open.

    def record(self, name: str, *, flops: float = 0.0, bytes: float = 0.0) -> Span:
        """Return a context that gives a part of your program a row of its own.

        Parameters
        ----------
        name : str
        flops, bytes : float, default 0
            Floating-point operations and bytes of it, if you know them: the row then has its rates too.

        Raises
        ------
        RuntimeError
            If the profile is not open, or open in another thread.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"record takes a name, got {name!r}")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ValueError(f"record takes a name that files can hold, got {name!r}") from None
        flops, bytes = arguments.real_number("flops", flops, 0), arguments.real_number("bytes", bytes, 0)
        if self.thread is None or self._calibration is not None:
            raise RuntimeError("the profile is not open: use record within its with statement")
        if threading.get_ident() != self.thread:
            raise RuntimeError("record belongs to the thread that opened the profile")
        return self.spans.span(name, "record", flops, bytes)

    def count(self, name: str, moment: float, value: float) -> None:
        """Note a value for a counter track of the trace."""
        self.counters.setdefault(name, Thinned()).add((moment, value))

    def mark(self, name: str, moment: float, arguments: dict[str, Any]) -> None:
        """Note an instant for the trace."""
        self.marks.add((moment, name, arguments))

    def clock_of(self, net: "Network", task: "LoopArguments") -> PhaseClock:
        """Return the clock of such runs of the training loop, at this place of the program."""
        settings = task.settings[0]
        key = (
            self.spans.path, net.sizes, net.activations, str(net.dtype), int(settings["update"]),
            int(settings["batch_size"]), bool(settings["l1"] or settings["l2"]), task.inputs.shape, task.labels.size,
        )  # fmt: skip
        if key not in self._clocks:
            self._clocks[key] = PhaseClock(self.spans.path, described(net), task, self._kind, self._read_seconds)
        return self._clocks[key]

    def _note_epochs(self, moments: list[float], history: "History") -> None:
        for moment, record in zip(moments, history.epochs, strict=False):
            for name, value in record.items():
                if name not in ("epoch", "seconds"):
                    self.count(name.replace("_", " "), moment, value)
            self.mark("epoch", moment, {"epoch": int(record["epoch"]), "loss": record["loss"]})

    # When it has ended.

    @property
    def clocks(self) -> list[PhaseClock]:
        """The clocks of all runs."""
        self.calibration  # noqa: B018 (raises while the profile is open)
        return [clock for clock in self._clocks.values() if clock.calls]

    @property
    def calibration(self) -> Calibration:
        """How ticks become seconds."""
        if self._calibration is None:
            raise RuntimeError("the profile has not ended: look at it behind its with statement")
        return self._calibration

    @cached_property
    def roofs(self) -> dict[str, Roof]:
        """The measured limits of a core, by dtype; none in plain Python."""
        return self._roofs(again=False)

    def _roofs(self, *, again: bool) -> dict[str, Roof]:
        dtypes = {str(clock.dtype) for clock in self.clocks} or {"float32"}
        return {dtype: measured(dtype, again=again) for dtype in sorted(dtypes) if not numba.config.DISABLE_JIT}

    @cached_property
    def _rows(self) -> list[Row]:
        calibration = self.calibration
        for _ in range(MOST_MEASURES):
            found = row_sums.rows(self.spans, self.clocks, calibration, self.roofs, self.seconds)
            shares = [row["roof_percent"] or 0.0 for row in found if row["kind"] == "kernel"]
            if max(shares, default=0.0) <= TRUSTED:
                break
            self.roofs = self._roofs(again=True)  # the machine was slower when they were measured
        return found

    @property
    def rows(self) -> list[Row]:
        """The rows of the table as plain data, the longest first; their seconds add up to `seconds`.

        Each is a dict: name, layer (from 1, or None), network (if there are several), kind (kernel, wait,
        interrupted, python, compile, record, profiler), calls, seconds, percent, seconds_per_call, flops, bytes,
        flops_per_second, bytes_per_second, flops_per_byte, roof_percent, bound_by. What does not apply is None.
        """
        return [dict(row) for row in self._rows]

    def table(self, sort_by: str = "self_cpu_time_total", row_limit: int = -1, group_by: str | None = None) -> str:
        """Return the table as text.

        Parameters
        ----------
        sort_by : str, default "self_cpu_time_total"
            Or "cpu_time" (of a call), "count", "flops", "bytes", "roof_percent"; "order" is that of a training step.
        row_limit : int, default -1
            How many rows to show; all if it is negative.
        group_by : {"phase", "layer"}, optional
            Add up all layers of a phase, or all phases of a layer.
        """
        arguments.choose("sort_by", sort_by, dict.fromkeys(SORTS))
        if group_by is not None:
            arguments.choose("group_by", group_by, dict.fromkeys(GROUPS))
        row_limit = arguments.whole_number("row_limit", row_limit, -(2**31))
        found = self._rows if group_by is None else row_sums.grouped(self._rows, group_by, self.seconds)
        footer = summary(self.seconds, self.clocks, self.calibration.name)
        return table(row_sums.arranged(found, sort_by), row_limit, footer)

    def __str__(self) -> str:
        """Return the table."""
        return "a profile that has not ended" if self._calibration is None else self.table()

    def to_json(self, path: PathLike | None = None) -> str:
        """Return all of it as JSON, and write it to a file if a path is given."""
        from hotloop.network.profiling.export.json_report import as_dict

        text = json.dumps(as_dict(self), indent=1, allow_nan=False)
        if path is not None:
            write_file(Path(path), text)
        return text

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame``; pandas must be installed."""
        import pandas

        return pandas.DataFrame(self.rows)

    def chrome_trace(self, path: PathLike, max_bytes: int = TRACE_BYTES) -> None:
        """Write a trace for Perfetto and chrome://tracing, of at most `max_bytes`."""
        from hotloop.network.profiling.export.trace import chrome_trace

        max_bytes = arguments.whole_number("max_bytes", max_bytes, 0)
        write_file(Path(path), chrome_trace(self, max_bytes))

    def flamegraph(self, path: PathLike) -> None:
        """Write collapsed stacks (``a;b;c microseconds``), or speedscope's JSON if the name ends in ``.json``."""
        from hotloop.network.profiling.export.flamegraph import collapsed, speedscope

        make: Callable[[Profile], str] = speedscope if os.fspath(path).endswith(".json") else collapsed
        write_file(Path(path), make(self))

    def plot(self) -> Any:
        """Return a matplotlib figure: time by layer and phase, and the roofline with each phase on it."""
        from hotloop.network.profiling.export.charts import overview

        return overview(self)

    def html(self, path: PathLike) -> None:
        """Write a page with charts, table and diagnosis that needs nothing but a browser; takes matplotlib to make."""
        from hotloop.network.profiling.export.html_page import page

        write_file(Path(path), page(self))

    def diagnose(self, *, try_remedies: bool = True) -> "Diagnosis":
        """Return what is wrong with the training itself, each with its evidence and a remedy that was tried.

        Parameters
        ----------
        try_remedies : bool, default True
            Train twins of the network, each for up to a second or so, with the remedy and without.

        Notes
        -----
        It takes the data of the fits, which the profile keeps (not a copy): they must not have been changed since.
        """
        from hotloop.network.profiling.diagnosis.diagnosis import diagnose

        self.diagnosis = diagnose(self, try_remedies=arguments.flag("try_remedies", try_remedies))
        return self.diagnosis
