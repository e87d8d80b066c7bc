"""Run ``hotloop`` with its arguments, and report an error in one line.

What a command does is in the module of its name, which is imported when the command runs: ``hotloop --help`` and errors
in the arguments wait for neither Numba nor NumPy.
"""

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from hotloop.network.cli.exit_status import BROKEN_PIPE, FAILED, INTERRUPTED, UNFORESEEN
from hotloop.network.cli.interrupts import Interrupts
from hotloop.network.cli.parser import parser
from hotloop.network.cli.streams import UNWRITABLE, complain, discard, flush, is_of_output, standard_streams
from hotloop.network.training.history import DivergenceError
from hotloop.network.validation.printable import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hotloop`` with the given arguments, by default the process's, and return the exit status.

    Set HOTLOOP_TRACEBACK in the environment to see the traceback of an error.
    """
    with standard_streams(), Interrupts() as interrupts:
        return interrupts.status(flush(_run(argv, interrupts)))


def _run(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    try:
        arguments = parser().parse_args(argv)
        arguments.argv = sys.argv[1:] if argv is None else list(argv)
        with _warnings_in_one_line():
            command: Callable[..., int] = importlib.import_module(f"{__package__}.{arguments.command}").command
            return command(arguments)
    except SystemExit as stop:  # of argparse, which has said why
        return int(stop.code or 0)
    except KeyboardInterrupt:
        complain("hotloop: interrupted")
        return INTERRUPTED
    except Exception as error:
        if interrupts.number and (_is_interrupt(error) or not _is_foreseen(error)):  # a library made this of it
            complain("hotloop: interrupted")
            return INTERRUPTED
        if os.environ.get("HOTLOOP_TRACEBACK"):
            import traceback  # its modules take longer to import than half of the command line

            complain("".join(traceback.format_exception(error)).rstrip())
        if isinstance(error, BrokenPipeError):  # the reader has what it wanted
            discard(sys.stdout)
            return BROKEN_PIPE
        if isinstance(error, OSError) and (status := flush(0)):
            return status  # the error was one of standard output, and has been reported
        if isinstance(error, OSError) and is_of_output(error):
            complain(f"{UNWRITABLE}: {error.strerror}")
            return FAILED
        complain(f"hotloop: error: {_message(error)}")
        return FAILED if _is_foreseen(error) else UNFORESEEN


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt led to the error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_foreseen(error: Exception) -> bool:
    """Whether the error has a message for the user, as hotloop's own have and the system's on files and memory."""
    if isinstance(error, RuntimeError):
        return not isinstance(error, (RecursionError, NotImplementedError))
    return isinstance(error, (ValueError, OSError, MemoryError, DivergenceError))


def _message(error: Exception) -> str:
    text = str(error).strip()
    if _is_foreseen(error):
        return printable(text) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)
    first = printable(text.splitlines()[0]) if text else ""
    return (
        f"unforeseen {type(error).__name__}{': ' if first else ''}{first} (a fault of hotloop: please report it; "
        "HOTLOOP_TRACEBACK=1 shows where)"
    )


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    from hotloop.network.datasets.data_warning import DataWarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        kind = "note" if issubclass(category, DataWarning) else "warning"
        complain(f"hotloop: {kind}: {printable(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("always", DataWarning)
        yield
