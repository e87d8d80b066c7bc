"""Warnings that name the user's line, beyond scikit-learn's own."""

from pathlib import Path

import sklearn

from hotloop.network.validation.caller import warn

SCIKIT_LEARN = str(Path(sklearn.__file__).parent)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called scikit-learn, or the estimator."""
    warn(message, category, (SCIKIT_LEARN,))
