"""``hotloop profile``: train under a profile; print its table and diagnosis, and write the files asked for."""

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hotloop.network import flops
from hotloop.network.cli import reports
from hotloop.network.cli.exit_status import FAILED, INTERRUPTED
from hotloop.network.cli.prepared_data import load_data, prepare
from hotloop.network.cli.run_report import need_pictures
from hotloop.network.cli.streams import complain, say
from hotloop.network.cli.training_run import (
    build_network,
    build_optimizer,
    check_options,
    compile_kernels,
    early_stopping,
    fit,
)
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.synthetic import synthetic
from hotloop.network.losses import LOSSES
from hotloop.network.persistence.atomic_write import check_is_another, check_writable
from hotloop.network.profiling.profiler import Profile, profile
from hotloop.network.tables.preparation import Preparation
from hotloop.network.training.history import DivergenceError
from hotloop.network.validation.arguments import DTYPES

EPOCHS = 40
# Of made-up data: floating-point operations that take about a second, and the bounds of the number of epochs.
SYNTHETIC_WORK, FEWEST_EPOCHS, MOST_EPOCHS = 5e10, 3, 100
SYNTHETIC_BATCHES, FEWEST_ROWS, MOST_NUMBERS = 100, 4096, 2**26


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop profile`` and return its exit status."""
    files = {name: getattr(arguments, name) for name in ("trace", "json", "html", "flamegraph")}
    named = [file for file in files.values() if file is not None]
    for file in named:
        check_writable(Path(file))
        check_is_another(file, *[arguments.data] * (arguments.data is not None))
    if len({*map(os.path.realpath, named)}) < len(named):
        raise ValueError("--trace, --json, --html and --flamegraph name one file twice")
    if files["html"] is not None:
        need_pictures()
    check_options(arguments)
    prepared = prepare(arguments, *_data(arguments))
    net, optimizer = build_network(arguments, prepared), build_optimizer(arguments)
    say(reports.data(prepared), "")
    if prepared.preparation is not None:
        say(*reports.columns(prepared.preparation), "")
    say(net.summary(), "")
    if not arguments.include_compile:
        say(compile_kernels(net, prepared, f"{net.dtype} with a clock", Profile(snapshots=False)), "")
    error, status = None, 0
    with profile(snapshots=not arguments.no_diagnosis) as prof:
        try:
            history = fit(arguments, net, prepared, optimizer, early_stopping(arguments, prepared))
            status = INTERRUPTED if history.interrupted else 0
        except DivergenceError as raised:
            error, status = raised, FAILED
    diagnosis = None if arguments.no_diagnosis else prof.diagnose(try_remedies=not arguments.no_trials)
    written = _write(prof, files)  # before anything is printed: the reader of a pipe may have left
    say(prof.table(arguments.sort_by, arguments.row_limit))
    if diagnosis is not None:
        say("", str(diagnosis))
    if written:
        say("", *written)
    if error is not None:
        complain(f"hotloop: error: {error}")
    return status


def _data(arguments: argparse.Namespace) -> tuple[Dataset, Preparation | None]:
    """Return the data, synthetic if there is --layers without --data, and the preparation of a table."""
    made_up = arguments.data == "synthetic" or (arguments.data is None and arguments.layers is not None)
    if not made_up:
        arguments.epochs = arguments.epochs or EPOCHS
        arguments.data = arguments.data or "digits"
        return load_data(arguments)
    sizes = arguments.layers
    if sizes is None:
        raise ValueError("--data synthetic needs --layers for the numbers of inputs and outputs")
    if len(sizes) < 2:
        raise ValueError(f"--layers {sizes[0]} does not fit synthetic data: wanted inputs,...,outputs")
    for name in ("target", "test_fraction", "categorical", "missing"):
        if getattr(arguments, name) is not None:
            raise ValueError(f"synthetic data has no --{name.replace('_', '-')}")
    rows = max(FEWEST_ROWS, min(SYNTHETIC_BATCHES * arguments.batch_size, MOST_NUMBERS // sizes[0]))
    if arguments.epochs is None:
        work = flops.training_of_a_row(sizes) * rows
        arguments.epochs = int(min(MOST_EPOCHS, max(FEWEST_EPOCHS, SYNTHETIC_WORK / max(work, 1))))
    classes = LOSSES[arguments.loss].classifies if arguments.loss is not None else sizes[-1] > 1
    data = synthetic(sizes, rows, classes=classes, dtype=arguments.dtype or DTYPES[0], seed=arguments.seed)
    if arguments.loss is not None and LOSSES[arguments.loss].lowest_target == 0:
        data = replace(data, y_train=np.abs(data.y_train), y_test=np.abs(data.y_test))
    return data, None


def _write(prof: Profile, files: dict[str, Any]) -> list[str]:
    """Write the files asked for, and return a line about each."""
    writers: dict[str, Callable[[str], Any]] = {
        "trace": prof.chrome_trace, "json": prof.to_json, "html": prof.html, "flamegraph": prof.flamegraph
    }  # fmt: skip
    hints = {
        "trace": "open it in https://ui.perfetto.dev or chrome://tracing", "json": "all numbers",
        "html": "open it in a browser", "flamegraph": "stacks for speedscope or flamegraph.pl",
    }  # fmt: skip
    lines = []
    for name, file in files.items():
        if file is not None:
            writers[name](file)
            lines.append(f"{name}: {file} ({Path(file).stat().st_size / 1e3:.0f} kB; {hints[name]})")
    return lines
