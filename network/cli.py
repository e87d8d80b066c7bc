"""The command line: ``hotloop train``, ``predict``, ``warmup`` and ``doctor``.

This module only reads the arguments and reports errors. What a command does is in `train_command`,
`predict_command`, `warmup` and `doctor`, which are imported when they are called, so that ``hotloop --help``
does not wait for the compiler to be imported.
"""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from hotloop.network.history import DivergenceError

# The names that Network knows, repeated so that --help need not import it; tests/test_cli.py compares them.
ACTIVATIONS = (
    "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "identity", "softmax"
)  # fmt: skip
LOSSES = ("mse", "mae", "huber", "binary_cross_entropy", "cross_entropy")
OPTIMIZERS = ("sgd", "rmsprop", "adagrad", "adam", "adamw")
INITIALIZERS = (
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "orthogonal", "zeros", "normal",
)  # fmt: skip

FAILED, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

DESCRIPTION = "Train dense neural networks by backpropagation in compiled loops, and predict with them."
TRAIN = """\
Train a network, print how its loss and accuracy went and what it reaches on data it has not seen.

Without options: the handwritten digits that hotloop carries, tested on the digits of other writers."""
TRAIN_EPILOG = """\
data:
  digits      8 x 8 handwritten digits (UCI optdigits, CC BY 4.0), carried by hotloop; the test digits were
              written by other people than the training digits
  FOLDER      IDX files under the names of MNIST, plain or .gz; pixels are divided by 255
  FILE.csv    one row a sample, with or without a header; inputs are standardised by the training rows. The
              target is the last column or --target: text is classes, and so are up to 20 different whole
              numbers that occur twice or more on average; other numbers are values. --loss decides otherwise.
  FILE.npz    arrays x_train, y_train, x_test, y_test, or x and y (--target stands for y); unsigned bytes are
              divided by the largest, other inputs standardised

learning rates by default:
  0.002 for adam, 0.05 for sgd (with momentum 0.9), 0.01 for adagrad, 0.001 for rmsprop and adamw

With a loss for values (mse, mae, huber) and identity as the last activation, targets are standardised by the
training rows too, and losses are printed in that scale. The saved network gives values in the scale of the data.

examples:
  hotloop train
  hotloop train --hidden 64,32 --activation tanh --epochs 30 --save digits.safetensors
  hotloop train --data mnist --layers 784,30,10 --activation sigmoid --output sigmoid --loss mse \\
      --optimizer sgd --learning-rate 15 --momentum 0 --batch-size 10 --epochs 30
  hotloop train --data houses.csv --target price --loss huber"""
PREDICT = "Write the predictions of a saved network as CSV: one line a row of the data."
PREDICT_EPILOG = """\
data:
  As for train: digits, FOLDER (the test part of both), FILE.npz (x_test, or else x) or FILE.csv (all rows).
  Inputs are scaled as in training. Columns of a CSV file go by the names that they had in training, in any
  order, and other columns are left out; without names they go by place, with or without the target at its
  place.

columns:
  classes     prediction, then the probability of each class: probability_0, probability_1, ...
  values      prediction, or prediction_0, prediction_1, ... where the network has several outputs

examples:
  hotloop predict digits.safetensors digits | head
  hotloop predict houses.safetensors new_houses.csv --output prices.csv"""
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
    arguments or the data, 130 an interrupt (Ctrl-C), 141 a reader that closed the pipe.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return _run(argv)
            finally:
                if sys.stdout is not None:  # closed by the caller: >&-
                    sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered goes nowhere, or Python would complain once more as it exits.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return BROKEN_PIPE


def _run(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        print("hotloop: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, MemoryError, DivergenceError) as error:
        print(f"hotloop: error: {error}", file=sys.stderr)
        return FAILED


def _train(arguments: argparse.Namespace) -> int:
    from hotloop.network.train_command import train

    return train(arguments)


def _predict(arguments: argparse.Namespace) -> int:
    from hotloop.network.predict_command import predict

    return predict(arguments)


def _warmup(arguments: argparse.Namespace) -> int:
    from hotloop.network.warmup import command

    return command(arguments)


def _doctor(arguments: argparse.Namespace) -> int:
    from hotloop.network.doctor import command

    return command(arguments)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = _Parser(prog="hotloop", description=DESCRIPTION)
    whole.add_argument("--version", action=_Version)
    commands = whole.add_subparsers(title="commands", required=True, metavar="{train,predict,warmup,doctor}")
    form = argparse.RawDescriptionHelpFormatter
    train = commands.add_parser(
        "train", help="train a network", description=TRAIN, epilog=TRAIN_EPILOG, formatter_class=form
    )
    train.set_defaults(command=_train)
    _add_data_options(train.add_argument_group("data"))
    _add_network_options(train.add_argument_group("network"))
    _add_training_options(train.add_argument_group("training"))
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
    predict.add_argument("data", metavar="DATA", help="digits, FOLDER, FILE.csv or FILE.npz")
    predict.add_argument("--output", metavar="FILE", help="where to write; the standard output by default")
    warmup = commands.add_parser("warmup", help="compile ahead of need", description=WARMUP, formatter_class=form)
    warmup.set_defaults(command=_warmup)
    warmup.add_argument(
        "--dtype",
        nargs="+",
        choices=("float32", "float64"),
        default=["float32", "float64"],
        help="of the networks to come (default: both)",
    )
    doctor = commands.add_parser("doctor", help="examine this machine", description=DOCTOR, formatter_class=form)
    doctor.set_defaults(command=_doctor)
    doctor.add_argument("--json", action="store_true", help="print what was seen as JSON")
    return whole


def _add_data_options(group: Any) -> None:
    group.add_argument(
        "--data",
        metavar="SOURCE",
        default="digits",
        help="digits, FOLDER, FILE.csv or FILE.npz (default: digits)",
    )
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help="target column of a CSV file, by name or by index from 0 (default: the last); of an NPZ file the "
        "name that stands for y",
    )
    group.add_argument(
        "--test-fraction",
        metavar="F",
        type=_fraction,
        help="share of the rows put aside for the test, where the data brings no test part (default: 0.2)",
    )
    group.add_argument(
        "--validation-fraction",
        metavar="F",
        type=_fraction_or_zero,
        default=0.1,
        help="share of the training rows that only watches the training; 0 for none (default: 0.1)",
    )


def _add_network_options(group: Any) -> None:
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument(
        "--layers",
        metavar="N,N,...",
        type=_sizes,
        help="units of every layer, from the inputs to the outputs, for example 64,32,10; must fit the data",
    )
    sizes.add_argument(
        "--hidden",
        metavar="N,...",
        type=_sizes,
        default=[192],
        help="units of the hidden layers only; the data gives the rest (default: 192)",
    )
    group.add_argument(
        "--activation",
        metavar="NAME[,NAME...]",
        type=_names("activation", ACTIVATIONS[:-1]),
        default=["relu"],
        help=f"of the hidden layers, one for all or one for each: {', '.join(ACTIVATIONS[:-1])} (default: relu)",
    )
    group.add_argument(
        "--output",
        metavar="NAME",
        type=_name("activation", ACTIVATIONS),
        help="activation of the last layer (default: softmax for cross_entropy, sigmoid for "
        "binary_cross_entropy, else identity)",
    )
    group.add_argument(
        "--loss",
        metavar="NAME",
        type=_name("loss", LOSSES),
        help=f"{', '.join(LOSSES)} (default: cross_entropy for classes, mse for values)",
    )
    group.add_argument(
        "--initializer",
        metavar="NAME",
        type=_name("initializer", INITIALIZERS),
        help=f"{', '.join(INITIALIZERS)} (default: follows the activation)",
    )
    group.add_argument(
        "--dropout",
        metavar="RATE",
        type=_fraction_or_zero,
        help="of the hidden layers (default: 0.3 for classes, else 0)",
    )
    group.add_argument(
        "--l2",
        metavar="C",
        type=_number_from_zero,
        default=0.0,
        help="adds C sum of w^2 to the loss (default: 0)",
    )
    group.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="(default: %(default)s)")


def _add_training_options(group: Any) -> None:
    group.add_argument(
        "--optimizer",
        metavar="NAME",
        type=_name("optimizer", OPTIMIZERS),
        default="adam",
        help=f"{', '.join(OPTIMIZERS)} (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        metavar="A",
        type=_positive_number,
        help="(default: 0.002 for adam; others below)",
    )
    group.add_argument("--momentum", metavar="M", type=_fraction_or_zero, help="of sgd (default: 0.9)")
    group.add_argument("--batch-size", metavar="N", type=_positive_whole, default=32, help="(default: %(default)s)")
    group.add_argument("--epochs", metavar="N", type=_positive_whole, default=40, help="(default: %(default)s)")
    group.add_argument(
        "--tolerance",
        metavar="T",
        type=_number_from_zero,
        help="stop when the validation loss (without one: the training loss) has not improved by more than T "
        "for --patience epochs (default: run all epochs)",
    )
    group.add_argument("--patience", metavar="N", type=_positive_whole, default=5, help="(default: %(default)s)")
    group.add_argument(
        "--seed",
        metavar="N",
        type=_whole,
        default=0,
        help="of the weights, the shuffles, the dropout and the split of the data (default: %(default)s)",
    )
    group.add_argument(
        "--threads",
        metavar="N",
        type=_threads,
        default="auto",
        help="that share each step; the result is the same (default: as many as are fastest, tried as it goes)",
    )


class _Parser(argparse.ArgumentParser):
    """A parser that reports a fault in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"hotloop: error: {message}\nSee: {self.prog} --help\n")


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
    print(f"hotloop: warning: {message}", file=sys.stderr)


def _checked(convert: Callable[[str], Any], wanted: str, fits: Callable[[Any], bool]) -> Callable[[str], Any]:
    """Return a converter of one argument that says what it wanted."""

    def converted(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"found {text!r}; wanted {wanted}")
        return value

    return converted


_whole = _checked(int, "a whole number, 0 or above", lambda value: value >= 0)
_positive_whole = _checked(int, "a whole number above 0", lambda value: value > 0)
_threads = _checked(
    lambda text: text if text == "auto" else int(text),
    "a whole number from 1 to 1024, or auto",
    lambda value: value == "auto" or 0 < value <= 1024,
)
_positive_number = _checked(float, "a number above 0", lambda value: 0 < value < math.inf)
_number_from_zero = _checked(float, "a number, 0 or above", lambda value: 0 <= value < math.inf)
_fraction = _checked(float, "a number between 0 and 1", lambda value: 0 < value < 1)
_fraction_or_zero = _checked(float, "a number from 0 to below 1", lambda value: 0 <= value < 1)
_sizes = _checked(
    lambda text: [int(size) for size in text.split(",")],
    "whole numbers above 0, separated by commas",
    lambda sizes: min(sizes) > 0,
)


def _name(what: str, known: Sequence[str]) -> Callable[[str], str]:
    """Return a converter of a name that must be known."""

    def converted(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"unknown {what} {text!r}; known: {', '.join(known)}")
        return text

    return converted


def _names(what: str, known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a converter of a list of names, separated by commas, all of them known."""
    single = _name(what, known)
    return lambda text: [single(name.strip()) for name in text.split(",")]
