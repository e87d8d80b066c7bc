"""Run the command line: ``hotloop``, or ``python -m hotloop``."""

import _signal  # type: ignore[import-not-found]  # signal builds enumerations as it is imported, and Ctrl-C within is a traceback
import os
import sys


def main() -> int:
    """Run the command line as a process; return its exit status.

    Ctrl-C raises nothing while the modules of the command line are imported, nor after the command is done.
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
