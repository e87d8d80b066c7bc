"""A cell of the tabular benchmark, in a process of its own: one estimator on one split of one table.

    python -m benchmarks.tabular_cell QUESTION CORES ANSWER   (JSON; core numbers, separated by commas; a file's path)

The threads of all libraries are set by the environment and the cores by affinity before any of them is imported.
"""

import importlib.metadata
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison.worker import peak_memory
from benchmarks.tabular_peers import PEERS, TabularPeer
from benchmarks.tabular_sets import CLASSES, DataSet, load, split

WARM_ROWS = 300  # of an untimed first fit
LEAST = 1e-15  # of a probability whose logarithm is taken


def measure(peer: TabularPeer, data: DataSet, number: int, threads: int) -> dict[str, Any]:
    """Return error and seconds of an estimator on a split.

    An untimed, short fit on a few rows comes first, for every peer: what is loaded, compiled or started with the first
    fit of a process is no part of the times.
    """
    train, test = split(data, number)
    warm = warm_rows(data, train)
    peer.make_short(data.task, data.X, threads, number).fit(data.X.iloc[warm].reset_index(drop=True), data.y[warm])
    X, y = data.X.iloc[train].reset_index(drop=True), data.y[train]
    X_test, y_test = data.X.iloc[test].reset_index(drop=True), data.y[test]
    model = peer.make(data.task, data.X, threads, number)
    wall, processor = time.perf_counter(), time.process_time()
    model.fit(X, y)
    found: dict[str, Any] = {
        "fit_seconds": time.perf_counter() - wall, "fit_processor_seconds": time.process_time() - processor,
    }  # fmt: skip
    wall = time.perf_counter()
    predicted = np.asarray(model.predict(X_test)).reshape(-1)
    found["predict_seconds"] = time.perf_counter() - wall
    if data.task == CLASSES:
        found["error"] = float(np.mean(predicted.astype(y_test.dtype) != y_test))
        found["log_loss"] = log_loss(model.predict_proba(X_test), y_test)
    else:
        found["error"] = float(np.sqrt(np.mean((predicted - y_test) ** 2)))
    if not np.isfinite(predicted.astype(float)).all():
        raise FloatingPointError("predictions are not finite")
    return found | {
        "train_rows": len(train),
        "test_rows": len(test),
        "peak_memory": peak_memory(),
        "table": data.facts(),
    }


def warm_rows(data: DataSet, train: Any) -> Any:
    """Return some rows of training with every class among them, since some peers want to see all."""
    if data.task != CLASSES:
        return train[:WARM_ROWS]
    each = max(WARM_ROWS // data.classes, 8)
    return np.sort(np.concatenate([train[data.y[train] == code][:each] for code in range(data.classes)]))


def log_loss(probabilities: Any, y: Any) -> float:
    """Return the mean of -log p of the true class, with p at least `LEAST`."""
    p = np.asarray(probabilities, np.float64)[np.arange(len(y)), y]
    return float(-np.log(np.clip(p, LEAST, 1)).mean())


def version(package: str) -> str:
    """Return the version of a package, or what is known of it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "this checkout"


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return what a cell measured, or why it could not be."""
    peer = PEERS[question["peer"]]
    folder = Path(question["arrays"]) if question["arrays"] else None
    try:
        found = measure(peer, load(question["set"], folder), question["split"], question["threads"])
    except Exception as error:
        traceback.print_exc()
        text = str(error).strip().splitlines()
        return {"failed": f"{type(error).__name__}: {text[0] if text else ''}"}
    return found | {"version": version(peer.package)}


if __name__ == "__main__":
    os.sched_setaffinity(0, [int(core) for core in sys.argv[2].split(",")])
    Path(sys.argv[3]).write_text(json.dumps(answer(json.loads(sys.argv[1]))))
