"""Where a fit shows its progress: in a terminal, in a notebook, or nowhere."""

import sys


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return getattr(shell, "kernel", None) is not None


def is_shown() -> bool:
    """Whether somebody sees the progress: standard error is a terminal, or this is a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())
