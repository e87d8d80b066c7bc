"""Run the command line: ``hotloop``, or ``python -m hotloop``."""

import sys


def main() -> int:
    """Run the command line as a process; return its exit status.

    It is imported here, so that Ctrl-C is one line from the first moment that is hotloop's.
    """
    try:
        from hotloop.network.cli import main

        return main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("hotloop: interrupted\n")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
