"""Run the command line: ``python -m hotloop``."""

from hotloop.network.cli import main

raise SystemExit(main())
