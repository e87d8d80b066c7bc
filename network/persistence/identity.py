"""Which fit a checkpoint is of: what a fit that resumes it must have in common, and differences in words."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.custom.pieces import Custom
from hotloop.network.metrics.named import Metric
from hotloop.network.persistence.described import CLASS, CODE, NAME, VALUES, checksum, described
from hotloop.network.persistence.persistent import configuration
from hotloop.network.persistence.pieces import CUSTOM
from hotloop.network.persistence.plain_optimizer import NAME as SCHEDULE
from hotloop.network.persistence.plain_optimizer import OwnFunctionError, plain, plain_value
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.loop_arguments import INPUT_KINDS, LoopArguments
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.schedule_values import evaluate
from hotloop.network.validation.printable import shown

FROM_FILE = ("epochs_trained", "steps", "first_step", "optimizer", "seed")  # of the configuration: taken from the file
SAMPLED_ROWS = 256  # of inputs that are larger than this many bytes
SMALL = 2**20
FIRST_STEPS, SAMPLED_STEPS = 64, 256  # of a user's own schedule
CALLBACK = "callback class"
EQUAL = "equal"  # weights that are not given
# Keys that name a thing, and what it is called.
KINDS = {CALLBACK: "", CUSTOM: "", NAME: "the function ", CLASS: "the class ", SCHEDULE: ""}
MISSING = object()
# What users call that which is compared, where it has another name here.
SAID = {"weights": "sample_weight or class_weight", "loss parameters": "positive_weight"}


def with_state(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks that have a state, in their order."""
    return [callback for callback in callbacks if type(callback).state_dict is not Callback.state_dict]


def identity(
    net: Any, data: LoopArguments, validation: LoopArguments | None, optimizer: Optimizer,
    callbacks: Sequence[Callback], epochs: int, arguments: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return what a fit must have in common with the one that it resumes, as JSON; the seed is the file's.

    `arguments` are those of `Network.fit` that decide the result.
    """
    steps, dropout = (epochs * data.batches, data.batches), arguments["dropout_schedule"]
    schedules = {name: _schedule(value, *steps) for name, value in optimizer.schedules.items()}
    about_network = {name: value for name, value in configuration(net).items() if name not in FROM_FILE}
    found = {
        **about_network,
        "activations": [_piece(*pair) for pair in zip(net.activations, about_network["activations"], strict=True)],
        "loss": _piece(net.loss, about_network["loss"]),
        "optimizer": plain(optimizer, dict.fromkeys(schedules, 0.0)) | schedules,
        **arguments,
        "dropout_schedule": None if dropout is None else _schedule(dropout, *steps),
        "metrics": [_metric(metric) for metric in arguments["metrics"]],
        **_about(data),
        "validation_data": None if validation is None else _about(validation),
        "callbacks with a state": [
            {CALLBACK: type(each).__name__, **each._compared_settings()} for each in with_state(callbacks)
        ],
    }
    if schedules or dropout is not None:
        found["epochs"] = epochs  # a schedule stretches over all of them
    as_json: dict[str, Any] = json.loads(json.dumps(found))
    return as_json


def _piece(piece: Any, as_json: Any) -> Any:
    """Return an activation or a loss, with the functions of the user's own."""
    return {CUSTOM: piece.name, "functions": described(piece._pieces)} if isinstance(piece, Custom) else as_json


def _metric(metric: Metric) -> Any:
    """Return a metric's name, or that and its function if the name does not say it all."""
    about = described(metric.function)
    return metric.name if about.keys() == {NAME} else {"name": metric.name, "function": about}


def _schedule(value: Any, steps: int, per_epoch: int) -> Any:
    """Return a schedule as JSON; one with a function of the user's own with its values, which tell most from others.

    They are rounded to float32: another machine may compute another last digit.
    """
    try:
        return plain_value(value)
    except OwnFunctionError:
        about = described(value)
    every = np.linspace(0, steps - 1, SAMPLED_STEPS).astype(np.int64)
    sample = np.unique(np.concatenate([np.arange(min(FIRST_STEPS, steps)), every]))
    with np.errstate(all="ignore"):
        return about | {VALUES: checksum(evaluate(value, sample, steps, per_epoch).astype(np.float32))}


def _about(data: LoopArguments) -> dict[str, Any]:
    """Return what tells these data from others: shapes, types, and checksums of some inputs and of all targets."""
    kind = next(str(dtype) for dtype, code in INPUT_KINDS.items() if code == int(data.settings["input_kind"][0]))
    targets = data.labels if data.labels.size else data.targets
    return {
        "X": {"rows": len(targets), "dtype": kind, VALUES: checksum(_sample(data.inputs))},
        "y": {"kind": "classes" if data.labels.size else "numbers", VALUES: checksum(targets)},
        "loss parameters": data.loss_parameters.tolist(),
        "weights": {VALUES: checksum(data.weights)} if data.weights.size else EQUAL,
    }


def _sample(rows: Array) -> Array:
    """Return the rows if they are small, else some, evenly spread: a file larger than memory is not read for this."""
    if rows.nbytes <= SMALL:
        return rows
    return rows[np.unique(np.arange(SAMPLED_ROWS) * (len(rows) - 1) // (SAMPLED_ROWS - 1))]


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return the differences of two identities, in words."""
    if there.get("validation_split") != here.get("validation_split"):  # which rows are held out follows from it
        there, here = ({**each, "validation_data": None} for each in (there, here))
    return [*_differences(there, here, "")]


def _differences(there: Any, here: Any, name: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict) and _kind(there) == _kind(here):
        found: list[str] = []
        for key in dict.fromkeys([*there, *here]):
            if key not in (VALUES, CODE):
                place = f"{name}.{SAID.get(key, key)}" if name else SAID.get(key, key)
                found += _differences(there.get(key, MISSING), here.get(key, MISSING), place)
        if not found:
            codes = there.get(CODE, {}), here.get(CODE, {})
            if any(codes[0][version] != codes[1][version] for version in codes[0].keys() & codes[1].keys()):
                found = [f"{name} had other code"]
            elif there.get(VALUES) != here.get(VALUES):
                found = [f"{name} had other values"]
        yield from found
    elif isinstance(there, list) and isinstance(here, list) and _can_be_paired(there, here):
        for index, pair in enumerate(zip(there, here, strict=True)):
            place = f"{name}[{index}]"
            if isinstance(pair[0], dict) and CALLBACK in pair[0]:
                place = pair[0][CALLBACK] if len(here) == 1 else f"{pair[0][CALLBACK]} {index + 1}"
            yield from _differences(*pair, place)
    elif there != here:
        yield f"{name} was {_seen(there)}, is {_seen(here)}"


def _kind(about: Mapping[str, Any]) -> list[Any]:
    """Return what a dict is about, if it is of one of those: others than those of the same have nothing in common."""
    return [name if isinstance(name := about.get(key), str) else None for key in KINDS] + ["partial" in about]


def _can_be_paired(there: Sequence[Any], here: Sequence[Any]) -> bool:
    """Return whether two lists are to be compared entry by entry: if there are dicts in them, of the same callbacks."""
    if len(there) != len(here) or not _has_dict([there, here]):
        return False
    pairs = [pair for pair in zip(there, here, strict=True) if all(isinstance(entry, dict) for entry in pair)]
    return all(first.get(CALLBACK) == second.get(CALLBACK) for first, second in pairs)


def _has_dict(value: Any) -> bool:
    return any(map(_has_dict, value)) if isinstance(value, list) else isinstance(value, dict)


def _seen(value: Any) -> str:
    """Return a value for a message: of what has a name only that."""
    if isinstance(value, list) and _has_dict(value):
        return f"[{', '.join(map(_seen, value))}]"
    if isinstance(value, dict):
        if "X" in value or value.keys() == {VALUES}:
            return "given"
        if "partial" in value:
            return f"a partial of {_seen(value['partial'])}"
        for key, what in KINDS.items():
            if isinstance(value.get(key), str):
                return f"{what}{value[key]}"
    return "absent" if value is MISSING else "not given" if value == EQUAL else shown(value)
