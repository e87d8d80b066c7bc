"""The profile that is open in a thread, which `Network` asks for before it does anything for one."""

import threading
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any

CURRENT: ContextVar[Any] = ContextVar("hotloop.profile", default=None)
UNWATCHED: Any = nullcontext()  # in place of a span, where there is no profile


def current() -> Any:
    """Return the profile that this thread has opened; not one whose context was copied into it."""
    found = CURRENT.get()
    return None if found is None or found.thread != threading.get_ident() else found
