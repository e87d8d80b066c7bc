"""Standard output and standard error of a command: closed, full, or of an encoding that lacks a character."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

FAILED, BROKEN_PIPE = 2, 141
UNWRITABLE = "hotloop: error: standard output cannot be written"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def streams() -> Iterator[None]:
    """Have what the encoding of standard output lacks printed escaped, and nothing break where a stream is closed.

    Where the caller has closed standard output it stays None, into which `print` puts nothing.
    """
    for descriptor in (0, 1, 2):  # or a file that is opened later would become a standard stream
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    out, error = sys.stdout, sys.stderr
    reconfigure = getattr(out, "reconfigure", None)
    before = getattr(out, "errors", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    if error is None:  # and `print` would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (closed below)
    try:
        yield
    finally:
        if error is None:
            sys.stderr.close()
            sys.stderr = error
        if reconfigure is not None:
            with contextlib.suppress(OSError, ValueError):
                reconfigure(errors=before)


def complain(line: str) -> None:
    """Print a line to standard error, if that can be written to."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def is_of_output(error: OSError) -> bool:
    """Say whether standard output without a buffer (PYTHONUNBUFFERED) found no space: errors of files name them."""
    return error.errno in NO_SPACE and error.filename is None


def flush(status: int) -> int:
    """Write out what was printed; return `status`, or that of a failure, of which a line has been said."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        failure = BROKEN_PIPE
    except OSError as error:
        complain(f"{UNWRITABLE}: {error.strerror}")
        failure = FAILED
    drop(sys.stdout)
    return failure


def drop(stream: Any) -> None:
    """Have what is still buffered go nowhere, or Python would complain once more as it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
