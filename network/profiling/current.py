"""`profile`, which opens a profile.

All else of this folder is imported when a profile is opened: ``import hotloop`` does not wait for it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hotloop.network.profiling.profiler import Profile


def profile(*, health: bool = True) -> "Profile":
    """Return a new profile, to be used in a ``with`` statement: what this thread does in it is measured.

    Parameters
    ----------
    health : bool, default True
        Whether `fit` is to look at its gradients now and then, for `Profile.diagnose`.

    Returns
    -------
    Profile

    Examples
    --------
    >>> from hotloop import Network, profile
    >>> net = Network([2, 8, 1], seed=0)
    >>> with profile() as prof:
    ...     history = net.fit([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0], epochs=3)
    >>> print(prof.table(row_limit=5))  # doctest: +SKIP
    """
    from hotloop.network.profiling.profiler import Profile

    if not isinstance(health, bool):
        raise TypeError(f"health must be True or False, got {health!r}")
    return Profile(health=health)
