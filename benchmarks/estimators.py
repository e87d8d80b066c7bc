"""hotloop.estimators beside scikit-learn's MLPs on one core: the same fits, in turn, and their accuracy.

    python benchmarks/estimators.py            some minutes
    python benchmarks/estimators.py --quick    a rough run, under a minute

It needs the extra [sklearn], and measures its own checkout. Both train the same number of epochs in float64, with the
same initial weights and orders of rows, so that they reach the same accuracy; ten seeds show how far it spreads.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:1] = [str(ROOT / "src"), str(ROOT)]
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is imported

LAYERS = [(10,), (50,), (100,), (100, 100)]
EPOCHS = {"digits": 30, "breast_cancer": 100, "20 000 x 16": 5}
Pair = dict[str, Callable[..., Any]]


def parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    found = argparse.ArgumentParser(prog="python benchmarks/estimators.py", description=__doc__.splitlines()[0])
    found.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds in turn (default 7)")
    found.add_argument("--seeds", type=int, default=10, metavar="N", help="of the accuracies (default 10)")
    found.add_argument("--quick", action="store_true", help="two rounds, two seeds")
    return found


def data_sets() -> dict[str, tuple[Any, ...]]:
    """Return (X, test X, y, test y) by name, scaled."""
    from sklearn.datasets import load_breast_cancer, load_digits, make_classification
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    made = make_classification(20_000, 16, n_informative=10, n_classes=4, random_state=0)
    given = {
        "digits": load_digits(return_X_y=True), "breast_cancer": load_breast_cancer(return_X_y=True),
        "20 000 x 16": made,
    }  # fmt: skip
    return {
        name: train_test_split(StandardScaler().fit_transform(X), y, test_size=0.2, random_state=0)
        for name, (X, y) in given.items()
    }


def in_turn(calls: Pair, rounds: int) -> dict[str, float]:
    """Return the median seconds of each call, made in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def milliseconds(seconds: float) -> str:
    """Return a time with three digits."""
    return f"{seconds * 1e3:.3g} ms"


def spread(accuracies: list[float]) -> str:
    """Return mean and standard deviation."""
    return f"{statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies):.4f}"


def fits(kinds: Pair, rounds: int, seeds: int) -> None:
    """Print a row for each data set and network."""
    print("| data | hidden layers | epochs | scikit-learn | hotloop | times | accuracy, scikit-learn | hotloop |")
    print("| --- | --- | ---: | ---: | ---: | ---: | --- | --- |")
    for name, (X, test_X, y, test_y) in data_sets().items():
        for layers in LAYERS:
            options = {"hidden_layer_sizes": layers, "max_iter": EPOCHS[name], "n_iter_no_change": 10**6}

            def fitted(kind: str, seed: int) -> Any:
                return kinds[kind](**options, random_state=seed).fit(X, y)  # noqa: B023 - called at once

            accuracy = {kind: [fitted(kind, seed).score(test_X, test_y) for seed in range(seeds)] for kind in kinds}
            found = in_turn({kind: lambda kind=kind: fitted(kind, 0) for kind in kinds}, rounds)
            theirs, ours = found["scikit-learn"], found["hotloop"]
            print(
                f"| {name} | {'-'.join(map(str, layers))} | {EPOCHS[name]} | {milliseconds(theirs)} | "
                f"{milliseconds(ours)} | {theirs / ours:.1f} | {spread(accuracy['scikit-learn'])} | "
                f"{spread(accuracy['hotloop'])} |",
                flush=True,
            )


def small_calls(kinds: Pair, rounds: int) -> None:
    """Print a row for each call that takes microseconds."""
    X, _, y, _ = data_sets()["breast_cancer"]
    mlps = {name: kind(random_state=0, max_iter=5).fit(X, y) for name, kind in kinds.items()}
    print("\n| call, breast_cancer, 100 units | scikit-learn | hotloop | times |\n| --- | ---: | ---: | ---: |")
    for call in ("partial_fit(X[:32], y[:32])", "predict(X[:1])", "predict(X[:32])", "predict_proba(X)"):
        calls = {name: eval(f"lambda: mlp.{call}", {"mlp": mlp, "X": X, "y": y}) for name, mlp in mlps.items()}
        found = in_turn(calls, rounds * 100)
        theirs, ours = found["scikit-learn"], found["hotloop"]
        print(f"| `{call}` | {theirs * 1e6:.0f} µs | {ours * 1e6:.0f} µs | {theirs / ours:.1f} |")


def main() -> None:
    """Measure, and print the tables."""
    options = parser().parse_args()
    if options.quick:
        options.rounds = options.seeds = 2
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")

    import sklearn
    from sklearn.neural_network import MLPClassifier

    import hotloop
    from hotloop import estimators

    kinds: Pair = {"scikit-learn": MLPClassifier, "hotloop": estimators.MLPClassifier}
    print(f"scikit-learn {sklearn.__version__}, hotloop {hotloop.__version__}, one core, float64, medians in turn\n")
    fits(kinds, options.rounds, options.seeds)
    small_calls(kinds, options.rounds)


if __name__ == "__main__":
    main()
