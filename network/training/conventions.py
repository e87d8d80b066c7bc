"""What scikit-learn computes otherwise than hotloop: for `hotloop.estimators`, whose fits are to be its fits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Conventions:
    """The fields of `hotloop.kernels.tables.SETTINGS` that only an estimator sets; hotloop's own by default.

    Parameters
    ----------
    l2_per_weight : float
        Of the penalty l2_per_weight sum w^2 / W, where W is the weight of the batch.
    mean_by_rows : bool
        Whether an epoch's loss is the mean over rows, not over weights, of its batches' losses.
    epsilon_hat : bool
        Whether Adam's epsilon is added to the root of v before its bias is corrected: "epsilon hat" in Kingma and Ba
        (2015), section 2.
    """

    l2_per_weight: float = 0.0
    mean_by_rows: bool = False
    epsilon_hat: bool = False


HOTLOOP = Conventions()
