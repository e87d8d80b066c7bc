"""The standard streams of a command: closed, full, or of an encoding that lacks a character."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

from hotloop.network.cli.exit_status import BROKEN_PIPE, FAILED
from hotloop.network.display.terminal import Styled, coloured, columns, is_terminal, styled
from hotloop.network.display.text_table import GAP, paragraph, width_of
from hotloop.network.validation.printable import printable

UNWRITABLE = "hotloop: error: standard output cannot be written"
PROGRAM = "hotloop: "
STYLES = {"error": "bold red", "warning": "bold magenta", "note": "bold cyan"}  # of what `complain` says
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Escape characters that the encoding of standard output lacks, and stand in for closed streams.

    If the caller has closed standard output it stays None, to which `print` writes nothing.
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


def say(*texts: str) -> None:
    """Print lines immediately, so that a reader of a pipe sees them while they are news; escape control characters.

    A terminal gets colours, and lines that are broken between words.
    """
    for text in texts:
        lines = [printable(line) for line in text.split("\n")]
        if is_terminal(sys.stdout):
            lines = [line if width_of(line) <= columns() or GAP in line else paragraph("", line) for line in lines]
        safe = "\n".join(lines)
        print(coloured(text, sys.stdout) if safe == text else safe)
    print(end="", flush=True)


def complain(line: str) -> None:
    """Print a line to standard error, if that can be written to; what it is, such as an error, has a colour."""
    name, colon, rest = line.removeprefix(PROGRAM).partition(":")
    if line.startswith(PROGRAM) and name in STYLES and rest.replace("\n", "").isprintable():
        line = coloured(Styled.joined("", [PROGRAM, styled(name + colon, STYLES[name]), rest]), sys.stderr)
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def is_of_output(error: OSError) -> bool:
    """Return whether unbuffered standard output (PYTHONUNBUFFERED) has no space left: errors of files have a name."""
    return error.errno in NO_SPACE and error.filename is None


def flush(status: int) -> int:
    """Flush standard output; return `status`, or report a failure and return its status."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        failure = BROKEN_PIPE
    except OSError as error:
        complain(f"{UNWRITABLE}: {error.strerror}")
        failure = FAILED
    discard(sys.stdout)
    return failure


def discard(stream: Any) -> None:
    """Send what is still buffered to /dev/null, or Python would complain again as it exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
