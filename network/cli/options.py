"""The options that commands share, and the converters of their arguments, each of which says what it wanted.

The modules that know the names of losses, optimizers and the like import neither Numba nor NumPy.
"""

import argparse
import csv
from collections.abc import Callable, Mapping
from typing import Any

from hotloop.network.activations import ACTIVATIONS, HIDDEN_ACTIVATIONS
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import LOSSES
from hotloop.network.persistence.interval import DEFAULT as EVERY
from hotloop.network.persistence.interval import Interval
from hotloop.network.profiling.sort_orders import SORTS
from hotloop.network.training.optimizers import OPTIMIZERS
from hotloop.network.validation.arguments import (
    DTYPES,
    MOST_THREADS,
    Range,
    name_of,
    real_number,
    threads,
    whole_number,
)

# The command line's defaults, where they are not the library's: of some optimizers, and of the dropout of classifiers.
LEARNING_RATES: dict[str, float] = {
    **{name: rate for name, kind in OPTIMIZERS.items() if not callable(rate := kind.learning_rate)},
    "sgd": 0.05,
    "adam": 0.002,
}
SGD_MOMENTUM = 0.9
HIDDEN = 192
DROPOUT = 0.3
PATIENCE = 10  # epochs without a better validation loss


def _converter(convert: Callable[[str], Any], wanted: str) -> Callable[[str], Any]:
    """Return a converter of one argument that says what it wanted if `convert` raises a ValueError."""

    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"found {text!r}; wanted {wanted}") from None

    return converted


def _whole_from(minimum: int, wanted: str) -> Callable[[str], Any]:
    return _converter(lambda text: whole_number("it", int(text), minimum), wanted)


def _number_in(numbers: Range, wanted: str) -> Callable[[str], Any]:
    return _converter(lambda text: real_number("it", float(text), *numbers[:2], open=numbers.open), wanted)


def _whole_numbers(fewest: int, wanted: str) -> Callable[[str], Any]:
    def convert(text: str) -> list[int]:
        found = [whole_number("it", int(number), 1) for number in text.split(",")]
        if len(found) < fewest:
            raise ValueError
        return found

    return _converter(convert, f"whole numbers above 0, separated by commas{wanted}")


_whole = _whole_from(0, "a whole number, 0 or above")
_positive_whole = _whole_from(1, "a whole number above 0")
_threads = _converter(
    lambda text: threads(text if text == "auto" else int(text)), f"a whole number from 1 to {MOST_THREADS}, or auto"
)
_positive_number = _number_in(Range(0, open=True), "a number above 0")
_number_from_zero = _number_in(Range(0), "a number, 0 or above")
_fraction = _number_in(Range(0, 1, open=True), "a number between 0 and 1")
_fraction_or_zero = _number_in(Range(0, 1), "a number from 0 to below 1")
_hidden_sizes = _whole_numbers(1, "")
_sizes = _whole_numbers(2, ", from the inputs to the outputs")


def _interval(text: str) -> str:
    """Return the text if it says how often checkpoints are written."""
    try:
        Interval.of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"found {text!r}; wanted a time, steps or epochs, such as '30 s' or '1 epoch'"
        ) from None
    return text


def _columns(text: str) -> list[str]:
    """Split names of columns as a CSV file has them: one with a comma stands in quotes."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def output_file(text: str) -> str:
    """Return the text if it names a file to write: - does not, where standard output has what the command prints."""
    if text in ("", "-"):
        raise argparse.ArgumentTypeError(f"found {text!r}; wanted the name of a file")
    return text


def _header(text: str) -> bool:
    """Convert yes or no."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"found {text!r}; wanted yes or no")
    return text == "yes"


def _name(argument: str, known: Mapping[str, Any]) -> Callable[[str], str]:
    """Return a converter of a name or an alias to the name that `known` has for it."""

    def converted(text: str) -> str:
        try:
            return name_of(argument, text, known)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def _names(argument: str, known: Mapping[str, Any]) -> Callable[[str], list[str]]:
    """Return a converter of names separated by commas."""
    single = _name(argument, known)
    return lambda text: [single(name.strip()) for name in text.split(",")]


def add_data_options(group: Any, default: str = "digits") -> None:
    """Add the options for the data; `default` is the default source, for the help."""
    group.add_argument(
        "--data",
        metavar="SOURCE",
        default="digits",
        help="digits, FOLDER, FILE.csv, FILE.parquet, FILE.npz, or - for a CSV file on standard input "
        f"(default: {default})",
    )
    group.add_argument(
        "--target",
        metavar="COLUMN",
        help="target column of a CSV or Parquet file, by name or by index from 0 (default: the last); in an NPZ file "
        "the name of the array y",
    )
    add_csv_options(group)
    group.add_argument(
        "--categorical",
        metavar="COLUMN[,...]",
        type=_columns,
        action="extend",
        help="columns of a table that hold categories, though they hold numbers, by name or by index from 0; may be "
        "given several times",
    )
    group.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        help="what stands for a missing value in a table, besides an empty cell, ?, NA, N/A, NaN and null; may be "
        "given several times",
    )
    group.add_argument(
        "--test-fraction",
        metavar="F",
        type=_fraction,
        help="share of the rows put aside for the test, if the data has no test set (default: 0.2)",
    )
    group.add_argument(
        "--validation-fraction",
        metavar="F",
        type=_fraction_or_zero,
        default=0.1,
        help="share of the training rows held out for validation; 0 for none (default: 0.1)",
    )


def add_csv_options(group: Any) -> None:
    """Add the options for the format of a CSV file."""
    group.add_argument(
        "--header",
        metavar="yes|no",
        type=_header,
        help="whether the first line of a CSV file names the columns (default: if it has text above numbers)",
    )
    group.add_argument(
        "--separator",
        metavar="CHARACTER",
        help="what separates the cells of a CSV file: a character, tab or space (default: detected)",
    )
    group.add_argument(
        "--decimal",
        metavar="SIGN",
        choices=(".", ","),
        help="decimal sign of the numbers in a CSV file, . or , (default: detected)",
    )


def csv_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options for the format of a CSV file."""
    return {name: getattr(arguments, name) for name in ("header", "separator", "decimal")}


def add_network_options(group: Any) -> None:
    """Add the options for the network."""
    outputs = ", ".join(f"{row.output} for {name}" for name, row in LOSSES.items() if row.output != "identity")
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument(
        "--layers",
        metavar="N,N,...",
        type=_sizes,
        help="units of every layer, inputs and outputs included, for example 64,32,10; must fit the data",
    )
    sizes.add_argument(
        "--hidden",
        metavar="N,...",
        type=_hidden_sizes,
        help=f"units of the hidden layers only; the rest follows from the data (default: {HIDDEN})",
    )
    add_activation_options(group, output=f"{outputs}, else identity")
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
        help=f"of the hidden layers (default: {DROPOUT:g} for classes, else 0)",
    )
    group.add_argument("--input-dropout", metavar="RATE", type=_fraction_or_zero, help="(default: 0)")
    group.add_argument("--layer-norm", action="store_true", help="normalise each hidden layer before its activation")
    group.add_argument(
        "--l2",
        metavar="C",
        type=_number_from_zero,
        help="adds C sum of w^2 to the loss (default: 0)",
    )
    group.add_argument("--dtype", choices=DTYPES, help=f"(default: {DTYPES[0]})")


def add_activation_options(group: Any, hidden: str = "relu", output: str = "identity") -> None:
    """Add the options for activations; `hidden` and `output` are the defaults, for the help."""
    group.add_argument(
        "--activation",
        metavar="NAME[,NAME...]",
        type=_names("activation", HIDDEN_ACTIVATIONS),
        help=f"of the hidden layers, one for all or one each: {', '.join(HIDDEN_ACTIVATIONS)} (default: {hidden})",
    )
    group.add_argument(
        "--output",
        metavar="NAME",
        type=_name("output", ACTIVATIONS),
        help=f"activation of the last layer (default: {output})",
    )


def add_training_options(group: Any, epochs: str = "40", patience: str = f"default: {PATIENCE}") -> None:
    """Add the options for the training; `epochs` and `patience` are their defaults, for the help."""
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
        help=f"(default: {LEARNING_RATES['adam']:g} for adam; others below)",
    )
    group.add_argument("--momentum", metavar="M", type=_fraction_or_zero, help=f"of sgd (default: {SGD_MOMENTUM:g})")
    group.add_argument(
        "--clip-norm",
        metavar="C",
        type=_positive_number,
        help="shrink a gradient whose norm over all parameters is above C to C (default: no limit)",
    )
    group.add_argument("--batch-size", metavar="N", type=_positive_whole, default=32, help="(default: %(default)s)")
    group.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="weight each row by rows / (classes * rows of its class), so that all classes count alike (default: none)",
    )
    group.add_argument("--epochs", metavar="N", type=_positive_whole, default=40, help=f"(default: {epochs})")
    group.add_argument(
        "--patience",
        metavar="N",
        type=_positive_whole,
        help="stop when the validation loss (without one: the training loss) has not got better for N epochs "
        f"({patience})",
    )
    group.add_argument(
        "--tolerance",
        metavar="T",
        type=_number_from_zero,
        help="how much lower than the best a loss must be to count as better (default: 0)",
    )
    group.add_argument(
        "--max-seconds", metavar="S", type=_positive_number, help="stop after S seconds of training (default: no limit)"
    )
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
        help="that share each step; the result is the same for any number (default: the fastest, by trial)",
    )


def add_checkpoint_options(group: Any) -> None:
    """Add the options for checkpoints."""
    group.add_argument(
        "--checkpoint",
        metavar="FILE",
        type=output_file,
        help="write here, now and then, all that is needed to go on after a kill; the last one stays",
    )
    group.add_argument(
        "--every",
        metavar="TIME",
        type=_interval,
        help=f"how often: '30 s', '5 min', '100 steps', '1 epoch' (default: {EVERY})",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from --checkpoint, with the same other options; without the file, from the beginning",
    )


def add_profile_options(group: Any) -> None:
    """Add the options for what of a profile is shown and written."""
    group.add_argument(
        "--sort-by",
        metavar="NAME",
        type=_name("order", SORTS),
        default="self_cpu_time_total",
        help=f"of the table: {', '.join(SORTS)} (default: %(default)s)",
    )
    group.add_argument("--row-limit", metavar="N", type=_positive_whole, default=30, help="(default: %(default)s)")
    group.add_argument("--trace", metavar="FILE", type=output_file, help="where to write a trace")
    group.add_argument("--json", metavar="FILE", type=output_file, help="where to write the numbers")
    group.add_argument("--html", metavar="FILE", type=output_file, help="where to write a page")
    group.add_argument("--flamegraph", metavar="FILE", type=output_file, help="where to write stacks")
    group.add_argument("--no-trials", action="store_true", help="do not try the remedies of the diagnosis")
    group.add_argument("--no-diagnosis", action="store_true", help="no diagnosis: do not look at the gradients")
    group.add_argument(
        "--include-compile",
        action="store_true",
        help="also profile compiling the kernels, or loading them from the cache",
    )


def add_progress_option(group: Any) -> None:
    """Add the option for the progress bar."""
    group.add_argument("--no-progress", action="store_true", help="no progress bar (a pipe never gets one)")
