"""`profile`: where the time of a training run goes, by phase, layer and thread, and how close each is to the limit."""

import contextvars
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import event

from hotloop.network.html.elements import note, representation
from hotloop.network.persistence.atomic_write import write_file
from hotloop.network.plots.style import figure
from hotloop.network.profiling.compile_spans import CompileSpans
from hotloop.network.profiling.diagnosis.diagnosis import diagnose
from hotloop.network.profiling.diagnosis.findings import Diagnosis
from hotloop.network.profiling.export import charts, flamegraph, html_page, json_report, trace
from hotloop.network.profiling.notebook_table import notebook_table
from hotloop.network.profiling.observer import ProfileObserver, current
from hotloop.network.profiling.recording import Recording
from hotloop.network.profiling.rows import GROUPS, Row, arranged, grouped
from hotloop.network.profiling.sort_orders import SORTS
from hotloop.network.profiling.spans import Span
from hotloop.network.profiling.table import summary, table
from hotloop.network.training.callbacks import ACTIVE, activate, deactivate
from hotloop.network.validation import arguments

NOT_ENDED = "a profile that has not ended"
TRACE_BYTES = 20_000_000
PathLike = str | os.PathLike[str]


def profile(*, snapshots: bool = True) -> "Profile":
    """Return a new profile, to be used in a ``with`` statement: what this thread does in it is measured.

    Parameters
    ----------
    snapshots : bool, default True
        Whether `fit` takes snapshots of its gradients now and then, for `Profile.diagnose`.

    Returns
    -------
    Profile

    Examples
    --------
    >>> from hotloop import Network, profile
    >>> net = Network([2, 8, 1], seed=0)
    >>> with profile() as prof:
    ...     history = net.fit([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0], epochs=3)
    >>> print(prof.table(row_limit=5))  # doctest: +SKIP
    """
    return Profile(snapshots=snapshots)


def in_own_profile(call: Callable[[], float]) -> float:
    """Call a function in a new profile, whichever is open: its loop with a clock has been compiled before."""

    def profiled() -> float:
        ACTIVE.set(())
        with Profile(snapshots=False):
            return call()

    return contextvars.copy_context().run(profiled)


class Profile:
    """What happened between the start and the end of a ``with profile() as prof:`` block, in its thread.

    Parameters
    ----------
    snapshots : bool, default True
        As of `profile`.

    Attributes
    ----------
    diagnosis : Diagnosis or None
        The last that was made.
    recording : Recording
        All that was recorded, for whatever is made of it; not for users.

    Examples
    --------
    >>> from hotloop import Network, profile
    >>> net = Network([2, 8, 1], seed=0)
    >>> with profile() as prof:
    ...     with prof.record("make data"):
    ...         X, y = [[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0]
    ...     history = net.fit(X, y, epochs=3)
    >>> print(prof.table(row_limit=5))  # doctest: +SKIP
    >>> {"make data", "fit", "check the data"} <= {row["name"] for row in prof.rows}
    True
    >>> bool(prof.to_pandas()["seconds"].sum() < 1.01 * prof.seconds)
    True
    >>> text = prof.to_json("profile.json")
    >>> prof.chrome_trace("trace.json")  # for Perfetto
    >>> prof.flamegraph("stacks.txt")
    >>> prof.html("report.html")
    >>> figure = prof.plot()
    >>> prof.diagnose(try_remedies=False).findings
    []
    """

    def __init__(self, *, snapshots: bool = True) -> None:
        self.recording = Recording(takes_snapshots=arguments.flag("snapshots", snapshots))
        self.diagnosis: Diagnosis | None = None
        self._thread: int | None = None  # that opened it

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes for a copy or a pickle, without what recorded them."""
        if self._thread is not None and not self.recording.has_ended:
            raise TypeError("an open profile cannot be copied or pickled: end its with block first")
        return {name: value for name, value in vars(self).items() if name not in ("_observer", "_listener")}

    @property
    def seconds(self) -> float:
        """Wall time of the block."""
        return self.recording.seconds

    @property
    def rows(self) -> list[Row]:
        """The rows of the table as plain data, the longest first; their seconds add up to `seconds`.

        Each is a dict: name, layer (from 1, or None), network (if there are several), kind (kernel, wait,
        interrupted, python, compile, record, profiler), calls, seconds, percent, seconds_per_call, flops, bytes,
        flops_per_second, bytes_per_second, flops_per_byte, roof_percent, bound_by. What does not apply is None.
        """
        return self.recording.rows

    def __enter__(self) -> "Profile":
        """Begin."""
        if current() is not None:
            raise RuntimeError("a profile is already open in this thread: end its with block first")
        if self._thread is not None:
            raise RuntimeError("this profile has been used: call profile() for a new one")
        self._thread = threading.get_ident()
        self.recording.begin()
        self._observer = ProfileObserver(self.recording)
        activate(self._observer)
        self._listener = CompileSpans(self.recording.spans)
        if not numba.config.DISABLE_JIT:
            event.register("numba:compile", self._listener)
        return self

    def __exit__(self, *failure: object) -> None:
        """End, also when something was raised: what was recorded until then can be read."""
        if not numba.config.DISABLE_JIT:
            event.unregister("numba:compile", self._listener)
        deactivate(self._observer)
        self.recording.end()

    def record(self, name: str, *, flops: float = 0.0, bytes: float = 0.0) -> Span:
        """Return a context that gives a part of your program its own row.

        Parameters
        ----------
        name : str
        flops, bytes : float, default 0
            Its floating-point operations and bytes moved, if you know them: the row then has rates too.

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
        if self._thread is None or self.recording.has_ended:
            raise RuntimeError("the profile is not open: call record inside its with block")
        if threading.get_ident() != self._thread:
            raise RuntimeError("record must be called in the thread that opened the profile")
        return self.recording.spans.span(name, "record", flops, bytes)

    def table(self, sort_by: str = "self_cpu_time_total", row_limit: int = -1, group_by: str | None = None) -> str:
        """Return the table as text that fits the terminal; a line below it names the columns without room.

        A pipe, a file or a notebook counts as 80 columns wide, unless the environment says otherwise: with COLUMNS=125
        all columns have room.

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
        found = self.rows if group_by is None else grouped(self.rows, group_by, self.seconds)
        footer = summary(self.seconds, self.recording.clocks, self.recording.calibration.name)
        return table(arranged(found, sort_by), row_limit, footer)

    def __str__(self) -> str:
        """Return the table."""
        return self.table() if self.recording.has_ended else NOT_ENDED

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        if not self.recording.has_ended:
            return representation(note(NOT_ENDED))
        footer = summary(self.seconds, self.recording.clocks, self.recording.calibration.name)
        return notebook_table(arranged(self.rows, "self_cpu_time_total"), self.seconds, footer[1:])

    def to_json(self, path: PathLike | None = None) -> str:
        """Return all of it as JSON, and write it to a file if a `path` is given."""
        text = json.dumps(json_report.as_dict(self.recording, self.diagnosis), indent=1, allow_nan=False)
        if path is not None:
            write_file(Path(path), text)
        return text

    def to_pandas(self) -> Any:
        """Return the rows as a ``pandas.DataFrame``; pandas must be installed."""
        import pandas

        return pandas.DataFrame(self.rows)

    def chrome_trace(self, path: PathLike, max_bytes: int = TRACE_BYTES) -> None:
        """Write a trace for Perfetto and chrome://tracing to `path`, of at most `max_bytes`."""
        max_bytes = arguments.whole_number("max_bytes", max_bytes, 0)
        write_file(Path(path), trace.chrome_trace(self.recording, max_bytes))

    def flamegraph(self, path: PathLike) -> None:
        """Write collapsed stacks (``a;b;c microseconds``) to `path`, or speedscope's JSON if it ends in ``.json``."""
        make = flamegraph.speedscope if os.fspath(path).endswith(".json") else flamegraph.collapsed
        write_file(Path(path), make(self.recording))

    def plot(self) -> Any:
        """Return a matplotlib figure: time by layer and phase, and the roofline with each phase on it."""
        return charts.overview(self.recording)

    def html(self, path: PathLike) -> None:
        """Write a page with charts, table and diagnosis to `path`; it needs only a browser, and here matplotlib."""
        figure(1, 1)  # without matplotlib raise now, not after a diagnosis that takes seconds
        write_file(Path(path), html_page.profile_page(self.recording, self.diagnosis or self.diagnose()))

    def diagnose(self, *, try_remedies: bool = True) -> Diagnosis:
        """Return what is wrong with the training itself, each with its evidence and a remedy that was tried.

        Parameters
        ----------
        try_remedies : bool, default True
            Train twins of the network with the remedy and without, each for up to about a second.

        Notes
        -----
        It needs the data of the fits. The profile keeps them, but not as a copy: they must not have changed since.
        """
        runner = in_own_profile if arguments.flag("try_remedies", try_remedies) else None
        self.recording.calibration  # noqa: B018 (raises unless it has ended)
        fits = self.recording.fits
        self.diagnosis = diagnose(fits, self.recording.n_fits - len(fits) if fits else 0, runner)
        return self.diagnosis
