"""``hotloop train``: train a network on data, print how it went, and save it."""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hotloop.network.cli import reports
from hotloop.network.cli.exit_status import FAILED, INTERRUPTED
from hotloop.network.cli.prepared_data import load_prepared
from hotloop.network.cli.report_results import Tested
from hotloop.network.cli.run_report import Run, RunReport
from hotloop.network.cli.streams import complain, say
from hotloop.network.cli.training_run import (
    build_network,
    build_optimizer,
    check_options,
    compile_kernels,
    early_stopping,
    fit,
)
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import check_is_another, check_replaceable, path_of
from hotloop.network.persistence.checkpoint import Checkpoint
from hotloop.network.persistence.schema import CHECKPOINT
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.profiling.profiler import Profile
from hotloop.network.training.history import DivergenceError
from hotloop.network.training.lambda_callback import LambdaCallback

MEMORY = "/dev/shm"  # a folder that no full disk holds


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop train`` and return its exit status."""
    if arguments.save is not None:
        check_replaceable(path_of("--save", arguments.save))
        check_is_another(arguments.save, arguments.data)
    check_checkpoint_options(arguments)
    check_options(arguments)
    check_seed(arguments)
    report = None if arguments.report is None else RunReport(arguments)
    for option in ("patience", "tolerance"):
        if arguments.no_early_stopping and getattr(arguments, option) is not None:
            raise ValueError(f"--{option} is for early stopping, which --no-early-stopping turns off")
    if arguments.start is None:
        prepared = load_prepared(arguments)
        net = build_network(arguments, prepared)
    else:
        from hotloop.network.cli.starting_network import StartingNetwork  # with all that reads other programs' files

        start = StartingNetwork.read(arguments)
        prepared = start.load_prepared(arguments)
        net = start.network_for(prepared)
    optimizer = build_optimizer(arguments)
    say(reports.data(prepared), "")
    if prepared.preparation is not None:
        say(*reports.columns(prepared.preparation), "")
    say(net.summary(), "")
    clocked = None if report is None else Profile(snapshots=False)  # the loop that the report's profile needs
    say(compile_kernels(net, prepared, str(net.dtype), clocked), "")
    stopper = early_stopping(arguments, prepared)
    net.metadata = dict(CHECKPOINT)
    callbacks = []
    if arguments.resume:
        where = reports.resumed(arguments.checkpoint)
        callbacks.append(LambdaCallback(on_fit_begin=lambda _: say(where, "")))  # the checkpoint has been checked then
    try:
        with contextlib.nullcontext() if report is None else report.profile:
            history = fit(
                arguments, net, prepared, optimizer, stopper, callbacks, checkpoint=arguments.checkpoint,
                every=arguments.every, resume=arguments.resume,
            )  # fmt: skip
    except DivergenceError as error:
        if report is not None:
            report.write(Run(prepared, net, optimizer, stopper, error.history, failure=str(error)))
            say(*report.where)
        raise
    saved = None
    if arguments.save is not None:  # before anything is printed: the reader of a pipe may have left
        try:
            saved = save(prepared.for_raw_data(net), Path(arguments.save))
        except KeyboardInterrupt:  # it asks for an end, not to lose the network; a second one ends the process
            saved = save(prepared.for_raw_data(net), Path(arguments.save))
    tested = Tested.of(net, prepared, arguments.threads)
    if report is not None:
        report.write(Run(prepared, net, optimizer, stopper, history, tested))
    if history.epochs:
        say(reports.epochs(history), "")
    say(reports.ending(history, arguments.epochs, stopper))
    if history.interrupted and arguments.checkpoint is not None:
        say("to go on where it stopped: the same command with --resume")
    say(*tested.headline())
    if prepared.test.labels is not None:
        say(*reports.confusion(tested.predicted, prepared.test.labels, prepared.data.classes or ()))
    if history.epochs:
        say(reports.speed(len(history.epochs), len(prepared.train.x), history.seconds))
    if saved is not None:
        say(f"saved in {saved}; to predict: hotloop predict {saved} DATA")
    if report is not None:
        say(*report.where)
    if (arguments.save is not None and saved != Path(arguments.save)) or (report is not None and report.failed):
        return FAILED
    return INTERRUPTED if history.interrupted else 0


def check_checkpoint_options(arguments: argparse.Namespace) -> None:
    """Raise if checkpoints could not be written, would replace another file, or are not asked for."""
    if arguments.checkpoint is None:
        for option in ("every", "resume"):
            if getattr(arguments, option):
                raise ValueError(f"--{option} needs --checkpoint, which names the file")
        return
    path = path_of("--checkpoint", arguments.checkpoint)
    check_replaceable(path)
    check_is_another(arguments.checkpoint, arguments.data)
    if arguments.save is not None and os.path.realpath(arguments.save) == os.path.realpath(path):
        raise ValueError("--save and --checkpoint name one file: the network that is saved is not a checkpoint")


def check_seed(arguments: argparse.Namespace) -> None:
    """Raise if the checkpoint to go on from was trained with another seed: its data were split in another way."""
    if arguments.resume and os.path.lexists(arguments.checkpoint):
        there = Checkpoint.read(path_of("--checkpoint", arguments.checkpoint)).config.get("seed")
        if there != arguments.seed:
            raise ValueError(
                f"{arguments.checkpoint} was written by another fit: seed was {there}, is {arguments.seed}. Resume "
                f"with --seed {there}: the split of the data follows from it, too"
            )


def save(net: Network | PreparedNetwork, path: Path) -> Path | None:
    """Save the network at `path`, or somewhere else and say so; return where it is."""
    try:
        net.save(path)
        return path
    except (OSError, ValueError, MemoryError) as error:
        failure = error
    other = next(filter(None, (_saved_in(folder, net, path.name) for folder in _refuges())), None)
    where = "the network could not be kept in another place" if other is None else f"the network is kept in {other}"
    complain(f"hotloop: error: {failure}; {where}")
    return other


def _refuges() -> Iterator[str]:
    """Yield folders for a network that cannot be saved where the user wants it."""
    with contextlib.suppress(OSError):
        yield tempfile.gettempdir()
    with contextlib.suppress(OSError):
        yield os.getcwd()
    yield MEMORY


def _saved_in(folder: str, net: Network | PreparedNetwork, name: str) -> Path | None:
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
