"""Extras that are not installed, as a command reports them."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def missing_extras_as_faults() -> Iterator[None]:
    """Turn an ImportError, which names the extra to install, into a fault of the arguments."""
    try:
        yield
    except ImportError as error:
        raise ValueError(error) from None
