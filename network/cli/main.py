"""The command line: ``hotloop train``, ``predict``, ``profile``, ``warmup`` and ``doctor``.

This module only reads the arguments and reports errors. What a command does is in the module of its name, which is
imported when it is called, so that ``hotloop --help`` does not wait for the compiler to be imported.
"""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO

from hotloop.network.cli.interrupts import Interrupts
from hotloop.network.cli.options import (
    add_csv_options,
    add_data_options,
    add_network_options,
    add_profile_options,
    add_training_options,
)
from hotloop.network.cli.output import BROKEN_PIPE, FAILED, UNWRITABLE, complain, drop, flush, is_of_output, streams
from hotloop.network.datasets.data_warning import DataWarning
from hotloop.network.training.history import DivergenceError
from hotloop.network.validation.printable import printable

UNFORESEEN, INTERRUPTED = 70, 130

DESCRIPTION = "Train dense neural networks by backpropagation in compiled loops, and predict with them."
EPILOG = """\
exit status:
  0 success; 1 warmup or doctor found something wrong; 2 a fault in the arguments, the data or the output;
  70 an error that hotloop did not foresee; 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP; 141 the reader of the pipe left

Ctrl-C, SIGTERM or SIGHUP end a training early: what was learnt is tested and saved. A second one ends hotloop at once.
HOTLOOP_TRACEBACK=1 in the environment shows where an error comes from."""
TRAIN = """\
Train a network, print how its loss and accuracy went and what it reaches on data it has not seen.

Without options: the handwritten digits that hotloop carries, tested on the digits of other writers."""
TRAIN_EPILOG = """\
data:
  digits      8 x 8 handwritten digits (UCI optdigits, CC BY 4.0), carried by hotloop; the test digits were
              written by other people than the training digits
  FOLDER      IDX files under the names of MNIST, plain or .gz; pixels are divided by 255
  FILE.csv    one row a sample, also .tsv and .gz, or - for standard input; inputs are standardised by the
              training rows, True and False are 1 and 0. The target is the last column or --target: text is
              classes, and so are up to 20 different whole numbers that occur twice or more on average; other
              numbers are values. --loss decides otherwise. A first line with text above numbers is a header.
              Commas in numbers are decimal signs if cells are separated by another character. What can be read
              in two ways is said or asked: --header, --separator and --decimal decide
  FILE.npz    arrays x_train, y_train, x_test, y_test, or x and y (--target stands for y); unsigned bytes are
              divided by the largest, other inputs standardised

learning rates by default:
  0.002 for adam, 0.05 for sgd (with momentum 0.9), 0.01 for adagrad, 0.001 for rmsprop and adamw

With a loss for values (mse, mae, huber) and identity as the last activation, targets are standardised by the
training rows too, and losses are printed in that scale. The saved network takes inputs and gives values in the scale
of the data.

examples:
  hotloop train
  hotloop train --hidden 64,32 --activation tanh --epochs 30 --save digits.safetensors
  hotloop train --data mnist --layers 784,30,10 --activation sigmoid --output sigmoid --loss mse \\
      --optimizer sgd --learning-rate 15 --momentum 0 --batch-size 10 --epochs 30
  hotloop train --data houses.csv --target price --loss huber
  zcat sales.csv.gz | hotloop train --data - --separator ';' --decimal ,"""
PREDICT = "Write the predictions of a saved network as CSV: one line a row of the data."
PREDICT_EPILOG = """\
data:
  As for train: digits, FOLDER (the test part of both), FILE.npz (x_test, or else x) or FILE.csv (all rows).
  Inputs are scaled as in training. Columns of a CSV file go by the names that they had in training, in any
  order, and other columns are left out; without names they go by place, with or without the target at its
  place. Of two separators or decimal signs that fit, those of the training are taken; --header,
  --separator and --decimal decide otherwise.

columns:
  classes     prediction, then the probability of each class: probability_0, probability_1, ...
  values      prediction, or prediction_0, prediction_1, ... where the network has several outputs

examples:
  hotloop predict digits.safetensors digits | head
  hotloop predict houses.safetensors new_houses.csv --output prices.csv"""
PROFILE = """\
Train a network and print where the time went: a row for each layer and phase, how near each is to the limit of this
machine, and what bounds it. Then what is wrong with the training itself, with evidence and a remedy that was tried.

Without options: the network and the digits of hotloop train. With --layers alone: made-up data of that shape, for
about a second."""
PROFILE_EPILOG = """\
files:
  --trace       JSON for https://ui.perfetto.dev and chrome://tracing; at most 20 MB, however long the run
  --json        all numbers of the table, and what was seen of the gradients
  --html        one page with pictures, table and diagnosis, which loads nothing; needs matplotlib (hotloop[plot])
  --flamegraph  collapsed stacks, or JSON for speedscope if the name ends in .json

examples:
  hotloop profile
  hotloop profile --layers 784,512,512,10 --batch-size 128 --html report.html
  hotloop profile --data houses.csv --hidden 64,64 --activation sigmoid --trace trace.json"""
WARMUP = """\
Compile ahead of need, and keep the machine code: all that hotloop train, hotloop predict and the methods fit, predict,
evaluate and gradient of Network run, for every network, loss and optimizer. A kernel of hotloop.kernels that a program
calls itself is compiled at its first call.

For an image build set NUMBA_CACHE_DIR in the image, and build on a CPU like the one that it will run on. Exit status 1
if nothing can be kept."""
DOCTOR = """\
Print what this machine is, what its limits are, measured, and what keeps hotloop from them, each with its remedy. Takes
some seconds. Exit status 0 if nothing is wrong, else 1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hotloop`` with the given arguments, those of the process by default, and return the exit status.

    0 is success, 1 that ``warmup`` or ``doctor`` found something wrong with the machine, 2 a fault in the
    arguments, the data or the output, 70 an error that hotloop did not foresee, 130 an interrupt (Ctrl-C; 143 SIGTERM,
    129 SIGHUP), 141 a reader that closed the pipe. Set HOTLOOP_TRACEBACK to see the traceback of an error.
    """
    with streams(), Interrupts() as interrupts, warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", DataWarning)
        return interrupts.status(flush(_run(argv, interrupts)))


def _run(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    try:
        arguments = parser().parse_args(argv)
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except SystemExit as stop:  # of argparse, which has said why
        return int(stop.code or 0)
    except KeyboardInterrupt:
        complain("hotloop: interrupted")
        return INTERRUPTED
    except Exception as error:
        if interrupts.number and (_is_interrupt(error) or not _is_foreseen(error)):  # a library made this of it
            complain("hotloop: interrupted")
            return INTERRUPTED
        if os.environ.get("HOTLOOP_TRACEBACK"):
            complain("".join(traceback.format_exception(error)).rstrip())
        if isinstance(error, BrokenPipeError):  # the reader has what it wanted
            drop(sys.stdout)
            return BROKEN_PIPE
        if isinstance(error, OSError) and (status := flush(0)):
            return status  # the error was one of standard output, and has been said
        if isinstance(error, OSError) and is_of_output(error):
            complain(f"{UNWRITABLE}: {error.strerror}")
            return FAILED
        complain(f"hotloop: error: {_message(error)}")
        return FAILED if _is_foreseen(error) else UNFORESEEN


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether a KeyboardInterrupt led to the error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_foreseen(error: Exception) -> bool:
    """Whether the error has a message for the user: ours has, and what the system says of files, memory and threads."""
    if isinstance(error, RuntimeError):
        return not isinstance(error, (RecursionError, NotImplementedError))
    return isinstance(error, (ValueError, OSError, MemoryError, DivergenceError))


def _message(error: Exception) -> str:
    text = str(error).strip()
    if _is_foreseen(error):
        return printable(text) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)
    first = printable(text.splitlines()[0]) if text else ""
    return (
        f"unforeseen {type(error).__name__}{': ' if first else ''}{first} (a fault of hotloop: please report it; "
        "HOTLOOP_TRACEBACK=1 shows where)"
    )


def _train(arguments: argparse.Namespace) -> int:
    from hotloop.network.cli.train import train

    return train(arguments)


def _predict(arguments: argparse.Namespace) -> int:
    from hotloop.network.cli.predict import predict

    return predict(arguments)


def _profile(arguments: argparse.Namespace) -> int:
    from hotloop.network.cli.profile import command

    return command(arguments)


def _warmup(arguments: argparse.Namespace) -> int:
    from hotloop.network.cli.warmup import command

    return command(arguments)


def _doctor(arguments: argparse.Namespace) -> int:
    from hotloop.network.cli.doctor import command

    return command(arguments)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    form = argparse.RawDescriptionHelpFormatter
    whole = _Parser(prog="hotloop", description=DESCRIPTION, epilog=EPILOG, formatter_class=form)
    whole.add_argument("--version", action=_Version)
    commands = whole.add_subparsers(title="commands", required=True, metavar="{train,predict,profile,warmup,doctor}")
    train = commands.add_parser(
        "train", help="train a network", description=TRAIN, epilog=TRAIN_EPILOG, formatter_class=form
    )
    train.set_defaults(command=_train)
    add_data_options(train.add_argument_group("data"))
    add_network_options(train.add_argument_group("network"))
    add_training_options(train.add_argument_group("training"))
    output = train.add_argument_group("output")
    output.add_argument("--save", metavar="FILE", help="where to save the trained network, with what predict needs")
    output.add_argument("--no-progress", action="store_true", help="no progress bar (there is none in a pipe anyway)")
    predict = commands.add_parser(
        "predict",
        help="predict with a saved network",
        description=PREDICT,
        epilog=PREDICT_EPILOG,
        formatter_class=form,
    )
    predict.set_defaults(command=_predict)
    predict.add_argument("model", metavar="MODEL", help="a file that hotloop train --save wrote")
    predict.add_argument("data", metavar="DATA", help="digits, FOLDER, FILE.csv, FILE.npz, or - for standard input")
    add_csv_options(predict)
    predict.add_argument("--output", metavar="FILE", help="where to write; the standard output by default")
    profiled = commands.add_parser(
        "profile", help="train, and say where the time went", description=PROFILE, epilog=PROFILE_EPILOG,
        formatter_class=form,
    )  # fmt: skip
    profiled.set_defaults(command=_profile)
    add_data_options(profiled.add_argument_group("data"), "digits; with --layers synthetic, which is made up")
    add_network_options(profiled.add_argument_group("network"))
    add_training_options(profiled.add_argument_group("training"), "40; of made-up data for about a second")
    profiled.set_defaults(data=None, epochs=None)
    add_profile_options(profiled.add_argument_group("output"))
    warmup = commands.add_parser("warmup", help="compile ahead of need", description=WARMUP, formatter_class=form)
    warmup.set_defaults(command=_warmup)
    warmup.add_argument(
        "--dtype",
        nargs="+",
        choices=("float32", "float64"),
        default=["float32", "float64"],
        help="of the networks to come (default: both)",
    )
    warmup.add_argument("--profiles", action="store_true", help="and the training loop that hotloop profile runs")
    doctor = commands.add_parser("doctor", help="examine this machine", description=DOCTOR, formatter_class=form)
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--json", action="store_true", help="print what was seen as JSON")
    return whole


class _Parser(argparse.ArgumentParser):
    """A parser that reports a fault in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"hotloop: error: {printable(message)}\nSee: {self.prog} --help\n")


class _Version(argparse.Action):
    """Print the version, which is read only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from hotloop import __version__

        print(f"hotloop {__version__}")
        parser.exit()


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    kind = "note" if issubclass(category, DataWarning) else "warning"
    complain(f"hotloop: {kind}: {printable(str(message))}")
