"""The signals that ask a command to end: Ctrl-C, SIGTERM and SIGHUP all raise KeyboardInterrupt, once."""

import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
# Seconds within which a second signal counts as the first: timeout(1) signals the process and its group, and both the
# kernel and the shell report that a terminal was closed.
ONE_REQUEST = 0.3
ALARM: Any = getattr(signal, "SIGALRM", None)  # Windows has none


class Interrupts:
    """A context in which the first of these signals raises KeyboardInterrupt, and a later one kills the process.

    Signals that are ignored (SIGHUP under nohup), or that the calling program handles itself, are left as they are.

    Attributes
    ----------
    number : int
        Of the signal that arrived; 0 if none did.
    """

    def __init__(self) -> None:
        self.number, self._came = 0, 0.0
        self._before: dict[int, Any] = {}
        self._again, self._unraisable = int(signal.SIGINT), sys.unraisablehook

    def __enter__(self) -> "Interrupts":
        """Listen for the signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                handler = signal.getsignal(number)
                if handler in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = handler
                    signal.signal(number, self._handle)
            sys.unraisablehook = self._once_more
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the signals as they were."""
        sys.unraisablehook = self._unraisable
        if ALARM in self._before and signal.setitimer(signal.ITIMER_REAL, 0)[0] > 0:
            self.number = self._again  # it came too late to interrupt anything
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number == 0:
            self.number, self._came = number, now
            raise KeyboardInterrupt
        if now - self._came > ONE_REQUEST:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _once_more(self, unraisable: Any) -> None:
        """Raise a KeyboardInterrupt again that Python dropped because it came in a destructor or a callback from C."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._again, self.number = self.number or int(signal.SIGINT), 0
            if ALARM is None:  # without timers it stays dropped
                return
            before = signal.signal(ALARM, lambda _, frame: self._handle(self._again, frame))
            self._before.setdefault(ALARM, before)
            signal.setitimer(signal.ITIMER_REAL, 0.01)  # later: whatever this function raises is dropped too
        else:
            self._unraisable(unraisable)

    def status(self, status: int) -> int:
        """Return the exit status: after a signal, as a shell reports it, 128 plus its number."""
        return 128 + self.number if self.number else status
