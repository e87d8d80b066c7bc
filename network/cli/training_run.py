"""A training run as the options describe it, for train and profile: checks, network, optimizer, kernels, fit."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba

from hotloop.network.cli import reports
from hotloop.network.cli.options import DROPOUT, HIDDEN, LEARNING_RATES, PATIENCE, SGD_MOMENTUM
from hotloop.network.cli.prepared_data import PreparedData
from hotloop.network.display.terminal import is_shown
from hotloop.network.losses import LOSSES
from hotloop.network.network import Network
from hotloop.network.training.callbacks import Callback
from hotloop.network.training.compilation import CompileNotice
from hotloop.network.training.early_stopping import EarlyStopping
from hotloop.network.training.history import History
from hotloop.network.training.optimizers import OPTIMIZERS, Optimizer
from hotloop.network.validation.arguments import DTYPES
from hotloop.network.warmup import cache_folder


def check_options(arguments: argparse.Namespace) -> None:
    """Raise if an option that was given would have no effect."""
    if arguments.layers is not None and len(arguments.layers) == 2:
        for option in ("activation", "dropout", "layer-norm"):
            if getattr(arguments, option.replace("-", "_")):
                raise ValueError(f"--{option} is for hidden layers, and --layers has none")


def build_network(arguments: argparse.Namespace, prepared: PreparedData) -> Network:
    """Return the untrained network, its sizes checked against the data."""
    n_inputs, n_outputs = int(prepared.train.x.shape[1]), prepared.n_outputs
    sizes = arguments.layers or [n_inputs, *(arguments.hidden or [HIDDEN]), n_outputs]
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        found = ",".join(str(size) for size in sizes)
        outputs = f"{n_outputs} output" + ("s" if n_outputs > 1 else "")
        if prepared.data.classes is not None:
            outputs += f" for its {len(prepared.data.classes)} classes with {prepared.loss}"
        wanted = f"{n_inputs},...,{n_outputs} ({n_inputs} inputs and {outputs})"
        raise ValueError(f"--layers {found} does not fit {prepared.data.name}: wanted {wanted}")
    if arguments.class_weight is not None and not LOSSES[prepared.loss].classifies:
        raise ValueError(f"--class-weight is for losses of classes; the loss is {prepared.loss}")
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
        layer_norm=arguments.layer_norm,
        dropout=dropout,
        input_dropout=arguments.input_dropout or 0.0,
        l2=arguments.l2 or 0.0,
        dtype=arguments.dtype or DTYPES[0],
        seed=arguments.seed,
    )


def build_optimizer(arguments: argparse.Namespace) -> Optimizer:
    """Return the optimizer, with the command line's defaults for options that are not given."""
    name = arguments.optimizer
    rate = LEARNING_RATES[name] if arguments.learning_rate is None else arguments.learning_rate
    options: dict[str, Any] = {"learning_rate": rate, "clip_norm": arguments.clip_norm}
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
    with CompileNotice(what, is_shown(), closing=False) as notice, within or nullcontext():
        net.gradient(x, y)
        net.evaluate(x, y)
    if numba.config.DISABLE_JIT:
        return "kernels run as plain Python (NUMBA_DISABLE_JIT)"
    folder = cache_folder()
    return reports.kernels(notice.seconds, notice.compiled, None if folder is None else str(folder))


def early_stopping(arguments: argparse.Namespace, prepared: PreparedData) -> EarlyStopping | None:
    """Return what stops the fit early: on the validation loss it also keeps the best parameters; None for nothing."""
    asked = arguments.patience is not None or arguments.tolerance is not None
    if not asked and (arguments.no_early_stopping or prepared.validation is None):
        return None
    validates = prepared.validation is not None
    return EarlyStopping(
        "val_loss" if validates else "loss",
        min_delta=arguments.tolerance or 0.0,
        patience=arguments.patience or PATIENCE,
        restore_best=validates,
    )


def fit(
    arguments: argparse.Namespace,
    net: Network,
    prepared: PreparedData,
    optimizer: Optimizer,
    stopper: EarlyStopping | None,
    callbacks: Sequence[Callback] = (),
    **checkpoints: Any,
) -> History:
    """Train, and return the history; `checkpoints` are the arguments of `Network.fit` for them."""
    return net.fit(
        prepared.train.x,
        prepared.train.y,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        optimizer=optimizer,
        class_weight=arguments.class_weight,
        validation_data=None if prepared.validation is None else (prepared.validation.x, prepared.validation.y),
        max_seconds=arguments.max_seconds,
        n_threads=arguments.threads,
        progress=not arguments.no_progress,
        callbacks=[*([] if stopper is None else [stopper]), *callbacks],
        **checkpoints,
    )
