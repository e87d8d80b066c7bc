"""The warning that data can be read in two ways, which says which was taken."""

from hotloop.network.validation.caller import warn


class DataWarning(UserWarning):
    """Data could be read in two ways; the text says which was taken, and what decides otherwise.

    Examples
    --------
    >>> import warnings
    >>> from hotloop.datasets import DataWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", DataWarning)  # a file that can be read in two ways is then an error
    """


def note(message: str) -> None:
    """Warn with a `DataWarning`; the command line prints "hotloop: note: ..."."""
    warn(message, DataWarning)
