"""A training run as the options describe it, for train and profile: checks, network, optimizer, kernels, fit."""

import argparse
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba

from hotloop.network.cli import reports
from hotloop.network.cli.options import DROPOUT, LEARNING_RATES, SGD_MOMENTUM
from hotloop.network.cli.prepared_data import PreparedData
from hotloop.network.losses import LOSSES
from hotloop.network.network import Network
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.history import ConvergenceWarning, History
from hotloop.network.training.optimizers import OPTIMIZERS, Optimizer
from hotloop.network.warmup import cache_folder


def check_options(arguments: argparse.Namespace) -> None:
    """Raise if an option that was given would have no effect."""
    if arguments.patience is not None and arguments.tolerance is None:
        raise ValueError("--patience needs --tolerance, which says what counts as an improvement; 0 for any")
    if arguments.layers is not None and len(arguments.layers) == 2:
        for option in ("activation", "dropout"):
            if getattr(arguments, option):
                raise ValueError(f"--{option} is for hidden layers, and --layers has none")


def build_network(arguments: argparse.Namespace, prepared: PreparedData) -> Network:
    """Return the untrained network, its sizes checked against the data."""
    n_inputs, n_outputs = int(prepared.train.x.shape[1]), prepared.n_outputs
    sizes = arguments.layers or [n_inputs, *arguments.hidden, n_outputs]
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        found = ",".join(str(size) for size in sizes)
        outputs = f"{n_outputs} output" + ("s" if n_outputs > 1 else "")
        if prepared.data.classes is not None:
            outputs += f" for its {len(prepared.data.classes)} classes with {prepared.loss}"
        wanted = f"{n_inputs},...,{n_outputs} ({n_inputs} inputs and {outputs})"
        raise ValueError(f"--layers {found} does not fit {prepared.data.name}: wanted {wanted}")
    n_hidden = len(sizes) - 2
    names = arguments.activation or ["relu"]
    activation = names[0] if len(names) == 1 else names
    if len(names) not in (1, n_hidden):
        raise ValueError(f"--activation names {len(names)} activations for {n_hidden} hidden layers")
    dropout = arguments.dropout
    if dropout is None:
        dropout = DROPOUT if LOSSES[prepared.loss].classifies and n_hidden else 0.0
    return Network(
        sizes,
        activation,
        output=arguments.output,
        loss=prepared.loss,
        initializer=arguments.initializer,
        dropout=dropout,
        l2=arguments.l2,
        dtype=arguments.dtype,
        seed=arguments.seed,
    )


def build_optimizer(arguments: argparse.Namespace) -> Optimizer:
    """Return the optimizer, with the command line's defaults for options that are not given."""
    name = arguments.optimizer
    rate = LEARNING_RATES[name] if arguments.learning_rate is None else arguments.learning_rate
    options: dict[str, Any] = {"learning_rate": rate}
    if name == "sgd":
        options["momentum"] = SGD_MOMENTUM if arguments.momentum is None else arguments.momentum
    elif arguments.momentum is not None:
        raise ValueError(f"--momentum belongs to --optimizer sgd; the optimizer is {name}")
    return OPTIMIZERS[name](**options)


def compile_kernels(
    net: Network, prepared: PreparedData, what: str, within: AbstractContextManager[object] | None = None
) -> str:
    """Compile the kernels, or load them from the cache, before the training is timed; return a line about it.

    `what` is compiled, for the notice in a terminal; `within` is the context in which the training will run.
    """
    x, y = prepared.train.x[:1], prepared.train.y[:1]
    visible = sys.stderr is not None and sys.stderr.isatty()
    with CompileNotice(what, visible=visible) as notice, within or nullcontext():
        net.gradient(x, y)
        net.evaluate(x, y)
    if numba.config.DISABLE_JIT:
        return "kernels run as plain Python (NUMBA_DISABLE_JIT)"
    folder = cache_folder()
    return reports.kernels(notice.seconds, notice.compiled, None if folder is None else str(folder))


def fit(
    arguments: argparse.Namespace, net: Network, prepared: PreparedData, optimizer: Optimizer, **checkpoints: Any
) -> History:
    """Train, and return the history; `checkpoints` are the arguments of `Network.fit` for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the command reports how the run ended
        return net.fit(
            prepared.train.x,
            prepared.train.y,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            optimizer=optimizer,
            validation_data=None if prepared.validation is None else (prepared.validation.x, prepared.validation.y),
            tolerance=arguments.tolerance,
            patience=arguments.patience,
            n_threads=arguments.threads,
            progress=not arguments.no_progress,
            **checkpoints,
        )
