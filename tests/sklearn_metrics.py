"""Cases for the metrics, and a script that records what scikit-learn makes of them.

python tests/sklearn_metrics.py, with scikit-learn installed, writes tests/network/metrics/sklearn_metrics.json.
"""

import json
import warnings
from pathlib import Path

import numpy as np

RECORDED = Path(__file__).parent / "network" / "metrics" / "sklearn_metrics.json"
KINDS = ("one output", "exclusive", "several labels", "values")
DECIDED = ("predicted classes", "predicted of two")  # instead of outputs
AVERAGED = dict.fromkeys((*KINDS[1:3], DECIDED[0]), ("macro", "micro", "weighted")) | dict.fromkeys(
    ("one output", DECIDED[1]), ("binary", "macro", "micro", "weighted")
)


def cases():
    """Yield the number, the kind, truth, outputs and weights of each: random, with ties, constant, of one class."""
    for number in range(32):
        rng = np.random.default_rng(number)
        kind, variant, rows, columns = KINDS[number % 4], number // 4, int(rng.integers(2, 40)), int(rng.integers(3, 7))
        weights = rng.uniform(0.1, 2, rows) if variant % 2 else None
        outputs = rng.uniform(size=(rows, columns))
        truth = rng.integers(0, 2, (rows, columns))
        if variant >= 6:
            outputs, truth = outputs * 0 + 0.375, truth * 0  # constant, and of one class
        elif variant >= 4:
            outputs = rng.integers(1, 4, (rows, columns)) / 4  # ties
        if kind == "one output":
            outputs, truth = outputs[:, 0], truth[:, 0]
        elif kind == "exclusive":
            outputs = outputs / outputs.sum(axis=1, keepdims=True)
            truth = rng.integers(0, columns, rows) if variant < 6 else truth[:, 0]
        elif kind == "values":
            truth = 2 * truth - rng.normal(size=truth.shape)
        yield number, kind, truth, outputs, weights
    for number in range(32, 44):
        rng = np.random.default_rng(number)
        kind = DECIDED[number % 2]
        classes, rows = 2 if kind == DECIDED[1] else int(rng.integers(3, 7)), int(rng.integers(2, 40))
        weights = rng.uniform(0.1, 2, rows) if number % 4 > 1 else None
        yield number, kind, *rng.integers(0, classes, (2, rows)), weights


def names(kind):
    """Return the metrics of a kind, by the names that `fit` takes."""
    averaged = [f"{name}_{how}" for name in ("precision", "recall", "f1") for how in AVERAGED.get(kind, ())]
    return {
        "one output": ["accuracy", "balanced_accuracy", *averaged, "roc_auc", "log_loss"],
        "exclusive": ["accuracy", "balanced_accuracy", *averaged, "roc_auc", "log_loss", "top_2_accuracy"],
        "several labels": [*averaged, "roc_auc"],
        "values": ["mae", "mse", "rmse", "r2", "pinball"],
    }.get(kind, ["accuracy", "balanced_accuracy", *averaged])


def by_sklearn(name, kind, truth, outputs, weights):
    """Return scikit-learn's value."""
    import sklearn.metrics as sk

    functions = {
        "accuracy": sk.accuracy_score, "balanced_accuracy": sk.balanced_accuracy_score, "mae": sk.mean_absolute_error,
        "mse": sk.mean_squared_error, "rmse": sk.root_mean_squared_error, "r2": sk.r2_score,
        "pinball": sk.mean_pinball_loss, "precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score,
    }  # fmt: skip
    decided = outputs.argmax(axis=1) if kind == "exclusive" else (outputs > 0.5).astype(int)
    decided = outputs if kind in DECIDED else decided
    labels = range(outputs.shape[1]) if kind == "exclusive" else None
    if kind == "values":
        return functions[name](truth, outputs, sample_weight=weights)
    if name == "roc_auc":
        options = {"multi_class": "ovr", "labels": labels} if kind == "exclusive" else {}
        return sk.roc_auc_score(truth, outputs, sample_weight=weights, **options)
    if name == "log_loss":
        shares = outputs if kind == "exclusive" else np.stack([1 - outputs, outputs], axis=1)
        return sk.log_loss(truth, shares, labels=labels or [0, 1], sample_weight=weights)
    if name == "top_2_accuracy":
        return sk.top_k_accuracy_score(truth, outputs, k=2, labels=labels, sample_weight=weights)
    if name in functions:
        return functions[name](truth, decided, sample_weight=weights)
    function, average = name.split("_")
    return functions[function](truth, decided, average=average, zero_division=0, sample_weight=weights)


def main():
    """Record all cases. Where outputs are tied, scikit-learn's top 2 are the last of the equal, and ours the first."""
    import sklearn
    from sklearn.metrics import confusion_matrix

    warnings.simplefilter("ignore")
    found = {
        number: {
            name: float(by_sklearn(name, kind, truth, outputs, weights))
            for name in names(kind)
            if not (name == "top_2_accuracy" and number >= 16)
        }
        for number, kind, truth, outputs, weights in cases()
    }
    confusion = {
        number: confusion_matrix(
            truth, outputs, labels=range(max(*truth, *outputs) + 1), sample_weight=weights
        ).tolist()
        for number, kind, truth, outputs, weights in cases()
        if kind in DECIDED
    }
    record = {"scikit-learn": sklearn.__version__, "values": found, "confusion": confusion}
    RECORDED.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
