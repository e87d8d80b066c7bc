"""Run the command line: ``hotloop``, or ``python -m hotloop``."""

import _signal  # type: ignore[import-not-found]  # the module signal makes enumerations first, in which Ctrl-C is a traceback
import os
import sys


def main() -> int:
    """Run the command line as a process; return its exit status.

    While the modules of the command line are imported, and once it has done what was asked, Ctrl-C raises nothing.
    """
    listens = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if listens:
        _signal.signal(_signal.SIGINT, _leave)
    from hotloop.network.cli.main import main

    if listens:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    status = main()
    if listens:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    return status


def _leave(number: int, frame: object) -> None:
    if sys.stderr is not None:
        os.write(2, b"hotloop: interrupted\n")
    os._exit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
