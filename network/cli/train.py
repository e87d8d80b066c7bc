"""What ``hotloop train`` does: data, network, training, what came of it, and the saved model."""

import argparse
import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hotloop.kernels.prediction import forward_slice
from hotloop.kernels.training import train_slice
from hotloop.network.cli import reports
from hotloop.network.cli.prepared_data import Part, PreparedData, load_prepared
from hotloop.network.losses import LOSSES
from hotloop.network.metrics import predicted_classes
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import check_is_another, check_replaceable, path_of
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.history import ConvergenceWarning, History
from hotloop.network.training.optimizers import OPTIMIZERS, Optimizer
from hotloop.network.validation.printable import printable

Array: TypeAlias = npt.NDArray[Any]

UNSAVED, INTERRUPTED = 2, 130
MEMORY = "/dev/shm"  # a folder that no full disk holds
LEARNING_RATES = {"sgd": 0.05, "adam": 0.002}  # other methods: their own default
SGD_MOMENTUM = 0.9
DROPOUT = 0.3  # of classifiers


def train(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop train`` and return its exit status."""
    if arguments.save is not None:
        check_replaceable(path_of("--save", arguments.save))
        check_is_another(arguments.save, arguments.data)
    check_options(arguments)
    job = load_prepared(arguments)
    net = build(arguments, job)
    optimizer = optimizer_of(arguments)
    say(reports.data(job.data, job.loss_name, len(job.train.x), len(job.validation.x) if job.validation else 0))
    say("", net.summary(), "")
    say(compile_kernels(net, job), "")
    history = fit(arguments, net, job, optimizer)
    saved = None
    if arguments.save is not None:  # before anything is said: the reader of a pipe may have left
        try:
            saved = save(job.whole(net), Path(arguments.save))
        except KeyboardInterrupt:  # it asks for an end, not for the loss; a second one ends the process
            saved = save(job.whole(net), Path(arguments.save))
    scores, right = net.evaluate(job.test.x, job.test.y, n_threads=arguments.threads), right_rows(net, job.test)
    if history.epochs:
        say(reports.epochs(history.epochs), "")
    say(reports.ending(history, arguments.epochs, arguments.tolerance, arguments.patience))
    say(reports.test(scores, *right, job.loss_name))
    if history.epochs:
        say(reports.speed(len(history.epochs), len(job.train.x), history.seconds))
    if saved is not None:
        say(f"saved in {saved}; to predict: hotloop predict {saved} DATA")
    if arguments.save is not None and saved != Path(arguments.save):
        return UNSAVED
    return INTERRUPTED if history.interrupted else 0


def save(net: Network, path: Path) -> Path | None:
    """Save the network at `path`, or else in another place, and say so; return where it is."""
    try:
        net.save(path)
        return path
    except (OSError, ValueError, MemoryError) as error:
        failure = error
    other = next(filter(None, (_saved_in(folder, net, path.name) for folder in _refuges())), None)
    where = "the network could not be kept in another place" if other is None else f"the network is kept in {other}"
    print(f"hotloop: error: {failure}; {where}", file=sys.stderr)
    return other


def _refuges() -> Iterator[str]:
    """Return folders for a network that cannot be saved where it should be."""
    with contextlib.suppress(OSError):
        yield tempfile.gettempdir()
    with contextlib.suppress(OSError):
        yield os.getcwd()
    yield MEMORY


def _saved_in(folder: str, net: Network, name: str) -> Path | None:
    """Save the network in a new folder within `folder`; return where, or None if that cannot be."""
    with contextlib.suppress(OSError, ValueError, MemoryError):
        new = Path(tempfile.mkdtemp(prefix="hotloop-", dir=folder))
        try:
            net.save(new / name)
        except BaseException:
            new.rmdir()
            raise
        return new / name
    return None


def say(*texts: str) -> None:
    """Print lines at once, so that a pipe shows them when they are true; control characters in them are escaped."""
    print(*(printable(line) for text in texts for line in text.split("\n")), sep="\n", flush=True)


def check_options(arguments: argparse.Namespace) -> None:
    """Raise if an option that was given would have no effect."""
    if arguments.patience is not None and arguments.tolerance is None:
        raise ValueError("--patience needs --tolerance, which says what counts as an improvement; 0 for any at all")
    if arguments.layers is not None and len(arguments.layers) == 2:
        for option in ("activation", "dropout"):
            if getattr(arguments, option):
                raise ValueError(f"--{option} is for hidden layers, of which --layers names none")


def build(arguments: argparse.Namespace, job: PreparedData) -> Network:
    """Return the untrained network, its sizes checked against the data."""
    n_inputs, n_outputs = int(job.train.x.shape[1]), job.n_outputs
    sizes = arguments.layers or [n_inputs, *arguments.hidden, n_outputs]
    if len(sizes) < 2 or sizes[0] != n_inputs or sizes[-1] != n_outputs:
        found = ",".join(str(size) for size in sizes)
        what = f"{n_outputs} output" + ("s" if n_outputs > 1 else "")
        if job.data.classes is not None:
            what += f" for its {len(job.data.classes)} classes with {job.loss}"
        wanted = f"{n_inputs},...,{n_outputs} ({n_inputs} inputs and {what})"
        raise ValueError(f"--layers {found} does not fit {job.data.name}: wanted {wanted}")
    hidden = len(sizes) - 2
    names = arguments.activation or ["relu"]
    activation = names[0] if len(names) == 1 else names
    if len(names) not in (1, hidden):
        named = len(names)
        raise ValueError(f"--activation names {named} activations for {hidden} hidden layers")
    dropout = arguments.dropout
    if dropout is None:
        dropout = DROPOUT if LOSSES[job.loss].classifies and hidden else 0.0
    return Network(
        sizes,
        activation,
        output=arguments.output,
        loss=job.loss,
        initializer=arguments.initializer,
        dropout=dropout,
        l2=arguments.l2,
        dtype=arguments.dtype,
        seed=arguments.seed,
    )


def optimizer_of(arguments: argparse.Namespace) -> Optimizer:
    """Return the optimizer, with the command line's defaults where an option is not given."""
    name = arguments.optimizer
    options: dict[str, Any] = {}
    if arguments.learning_rate is not None:
        options["learning_rate"] = arguments.learning_rate
    elif name in LEARNING_RATES:
        options["learning_rate"] = LEARNING_RATES[name]
    if name == "sgd":
        options["momentum"] = SGD_MOMENTUM if arguments.momentum is None else arguments.momentum
    elif arguments.momentum is not None:
        raise ValueError(f"--momentum belongs to --optimizer sgd; the optimizer is {name}")
    return OPTIMIZERS[name](**options)


def compile_kernels(net: Network, job: PreparedData) -> str:
    """Have the kernels compiled, or loaded from the cache, before the training is timed; return a line about it."""
    kernels: list[Any] = [train_slice, forward_slice]
    statistics = [kernel.stats for kernel in kernels if hasattr(kernel, "stats")]
    with CompileNotice(str(net.dtype), visible=sys.stderr is not None and sys.stderr.isatty()) as notice:
        net.gradient(job.train.x[:1], job.train.y[:1])
        net.evaluate(job.train.x[:1], job.train.y[:1])
    if not statistics:
        return "kernels run as plain Python (NUMBA_DISABLE_JIT)"
    return reports.kernels(notice.seconds, notice.compiled, statistics[0].cache_path)


def fit(arguments: argparse.Namespace, net: Network, job: PreparedData, optimizer: Optimizer) -> History:
    """Train, and return the history."""
    with warnings.catch_warnings():
        # How the run ended is said in a line of its own.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return net.fit(
            job.train.x,
            job.train.y,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            optimizer=optimizer,
            validation=None if job.validation is None else (job.validation.x, job.validation.y),
            tolerance=arguments.tolerance,
            patience=arguments.patience,
            n_threads=arguments.threads,
            progress=not arguments.no_progress,
        )


def right_rows(net: Network, part: Part) -> tuple[int, int]:
    """Return how many rows are put into the right class, and how many there are; (0, 0) without classes."""
    if part.labels is None:
        return 0, 0
    classes = predicted_classes(net.activations[-1], net.predict(part.x))
    return int(np.sum(classes == part.labels)), len(part.labels)
