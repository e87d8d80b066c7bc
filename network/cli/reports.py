"""The text that the commands print. Names from the data are made printable."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.cli.prepared_data import PreparedData
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.display.terminal import Styled, styled
from hotloop.network.display.text_table import table
from hotloop.network.metrics.classification import pair_counts
from hotloop.network.metrics.regression import mae, rmse
from hotloop.network.tables.preparation import ColumnReport, Preparation
from hotloop.network.training.early_stopping import EarlyStopping
from hotloop.network.training.history import (
    EARLY_STOPPING,
    TIME,
    History,
    best_epoch,
    legend,
    place_of,
    spread,
    table_of,
)
from hotloop.network.validation.printable import counted, cut, printable

MOST_ROWS = 12  # of the table of epochs
MOST_NAMES = 10  # of classes in a line
MOST_COLUMNS, LONGEST_NAME = 40, 24  # of a table of columns; of more, those that are treated alike share a row
LONGEST_TARGET = 60
MOST_CLASSES, LONGEST_CLASS = 10, 12  # of a confusion matrix


def data(prepared: PreparedData) -> str:
    """Return what the network learns from: rows of each part, inputs, target, and the source."""
    return "\n".join(f"{name}: {text}" for name, text in data_facts(prepared))


def data_facts(prepared: PreparedData) -> list[tuple[str, str]]:
    """Return the same by name."""
    data, n_validation = prepared.data, len(prepared.validation.x) if prepared.validation else 0
    parts = [f"{len(prepared.train.x)} training rows", f"{n_validation} validation", f"{len(data.x_test)} test"]
    if n_validation == 0:
        del parts[1]
    scaling = _scaling(data) if prepared.scaled_by is None else f"scaled as {printable(prepared.scaled_by)} says"
    inputs = f"{data.x_train.shape[1]} inputs, {scaling}"
    if prepared.preparation is not None:
        n_columns, n_inputs = len(prepared.preparation.columns), prepared.preparation.n_inputs
        inputs = f"{n_columns} column{'s' * (n_columns > 1)} as {n_inputs} input{'s' * (n_inputs > 1)}"
    facts = [("data", f"{printable(data.name)}: {', '.join(parts)}; {inputs}")]
    target = "target" if data.target is None else f"target {cut(printable(data.target), LONGEST_TARGET)}"
    if data.classes is None:
        outputs = data.y_train.shape[1] if data.y_train.ndim == 2 else 1
        kind = f"{outputs} values a row" if outputs > 1 else "a value"
    else:
        names = [cut(printable(name), LONGEST_NAME) for name in data.classes[:MOST_NAMES]]
        names += ["..."] * (len(data.classes) > MOST_NAMES)
        kind = f"{len(data.classes)} classes: {', '.join(names)}"
    facts.append((target, f"{kind} ({prepared.loss_name})"))
    return [*facts, ("source", data.attribution)] if data.attribution else facts


def _scaling(data: Dataset) -> str:
    scale = data.scaling.scale
    if np.ndim(scale):
        return "standardised by the training rows"
    return "not scaled" if scale == 1 else f"divided by {1 / scale:g}"


def columns(preparation: Preparation) -> list[str]:
    """Return a table of what each column was taken for, and what was done with it."""
    columns = preparation.columns
    groups = [[column] for column in columns]
    if len(columns) > MOST_COLUMNS:
        alike: dict[tuple[str, str], list[ColumnReport]] = {}
        for column in columns:
            alike.setdefault((column.kind, column.note), []).append(column)
        groups = list(alike.values())
    left_out = sum(map(len, groups[MOST_COLUMNS:]))
    groups = groups[:MOST_COLUMNS]
    heads = ["column", "kind", "inputs", "missing", "what was done"]
    rows = []
    for group in groups:
        name = cut(printable(group[0].name), LONGEST_NAME)
        if len(group) > 1:
            name += f" and {len(group) - 1} more"
        inputs, missing = sum(column.n_inputs for column in group), sum(column.n_missing for column in group)
        rows.append([name, group[0].kind, str(inputs), str(missing), printable(group[0].note)])
    if not any(column.n_missing for column in columns):
        heads, rows = [*heads[:3], heads[4]], [[*row[:3], row[4]] for row in rows]
    lines = table(
        heads, rows, left=("column", "kind", "what was done"), wrapped=True, first_to_go=("missing", "inputs", "kind")
    )
    return [*lines, f"and {counted(left_out, 'more column')}"] if left_out else lines


def confusion(predicted: Array, labels: Array, classes: Sequence[str]) -> list[str]:
    """Return the rows of each class by the class that they were put into; nothing of more than ten classes."""
    if len(classes) > MOST_CLASSES:
        return []
    counts = pair_counts(labels, predicted, len(classes))
    names = [cut(printable(name), LONGEST_CLASS) for name in classes]
    rows = [
        [name, *(styled(str(n), "green" if at == row else "red" if n else "dim") for at, n in enumerate(counts[row]))]
        for row, name in enumerate(names)
    ]
    return [
        "",
        "test rows by true class (down) and predicted class (across):",
        *table(["", *names], rows, left=("",)),
        "",
    ]


def errors(targets: Array, values: Array) -> str:
    """Return the errors of predicted values in the unit of the target."""
    rms, absolute = (four_digits(error(targets, values)) for error in (rmse, mae))
    return f"test rmse {rms}, mae {absolute}, in the unit of the target"


def four_digits(value: float) -> str:
    """Return a number rounded to four digits, without an exponent where that can be read.

    >>> four_digits(-123_456), four_digits(-1.5e12)
    ('-123500', '-1.5e+12')
    """
    text = f"{value:.4g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e9 else text


def kernels(seconds: float, compiled: bool, folder: str | None) -> str:
    """Return whether the kernels were compiled or loaded, how long that took, and where they are kept."""
    if folder is None:
        return f"kernels compiled in {seconds:.1f} s, and not kept: no folder for them is writable"
    if compiled:
        return f"kernels compiled in {seconds:.1f} s, the first time on this machine; kept in {folder}"
    return f"kernels loaded in {seconds:.2f} s from {folder}"


def epochs(history: History) -> str:
    """Return a table of losses and metrics, of at most a dozen epochs: the first, the last and the best among them.

    The learning rate is shown if it changed.
    """
    left_out = {"seconds", *["learning_rate"] * (len({*history.get("learning_rate", ())}) < 2)}
    names = [name for name in history if name not in left_out]
    best = best_epoch(history)
    chosen = [history.epochs[place] for place in spread(len(history.epochs), MOST_ROWS, place_of(history, best))]
    lines = table(*table_of(chosen, names, _head, _cell, best), first_to_go=["learning rate"])
    return Styled.joined("\n", [*lines, *legend(history, best)])


def _head(name: str) -> str:
    return "training loss" if name == "loss" else name.replace("val_", "validation ").replace("_", " ")


def _cell(name: str, value: float) -> str:
    return percent(value) if name.endswith("accuracy") else f"{value:#.4g}"


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{100 * share:.2f} %"


def resumed(checkpoint: str) -> str:
    """Return where training starts that was asked to go on from a checkpoint."""
    if os.path.lexists(checkpoint):
        return f"going on from the checkpoint {printable(checkpoint)}"
    return f"no checkpoint {printable(checkpoint)} yet: training from the beginning"


def ending(history: History, epochs: int, stopper: EarlyStopping | None) -> str:
    """Return why training ended, and in a line of its own which epoch's parameters are kept, if not the last ones."""
    done = len(history.epochs)
    text = f"trained {counted(epochs, 'epoch')}"
    if history.interrupted:
        text = f"interrupted in epoch {done + 1} of {epochs}: the network so far is kept"
    elif history.stop_reason == TIME:
        text = f"trained {done} of {counted(epochs, 'epoch')}, until the time was up"
    if stopper is None:
        return text
    loss = "validation loss" if stopper.monitor == "val_loss" else "training loss"
    if history.stop_reason == EARLY_STOPPING:
        better = "better" if stopper.min_delta == 0 else f"better by more than {stopper.min_delta:g}"
        waited = counted(stopper.patience, "epoch")
        text = f"stopped early after {counted(done, 'epoch')}: {loss} no {better} for {waited}"
    if stopper.restore_best and history.best_epoch is not None:
        text = text.removesuffix(": the network so far is kept")
        text += (
            f"\nkept: the parameters of epoch {history.best_epoch}, which had the lowest {loss} ({stopper.best:.4g})"
        )
    return text


def test(scores: Mapping[str, float], right: int, rows: int, loss: str) -> str:
    """Return how the network does on the test part."""
    measured = f"test loss {scores['loss']:.4g} ({loss})"
    if rows:
        return f"test accuracy {percent(right / rows)} ({right} of {rows} right), {measured}"
    if "accuracy" in scores:
        return f"test accuracy {percent(scores['accuracy'])}, {measured}"
    return f"test r2 {scores['r2']:.4f}, {measured}"


def speed(n_epochs: int, n_rows: int, seconds: float) -> str:
    """Return the time of training after compiling, and the samples a second."""
    rate = n_epochs * n_rows / max(seconds, 1e-9)
    return f"training took {seconds:.2f} s after compiling, {rate:,.0f} samples a second"
