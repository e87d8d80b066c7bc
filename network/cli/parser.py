"""The parser of the command line: the commands, their help, and the options that only one of them has."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from hotloop import __version__
from hotloop.network.cli import options
from hotloop.network.cli.exit_status import FAILED
from hotloop.network.cli.streams import complain
from hotloop.network.display.terminal import Styled, coloured
from hotloop.network.losses import LOSSES
from hotloop.network.validation.arguments import DTYPES
from hotloop.network.validation.printable import printable

RATES = "\n  ".join(
    f"{rate:<6g} {name}" + f" (with momentum {options.SGD_MOMENTUM:g})" * (name == "sgd")
    for name, rate in options.LEARNING_RATES.items()
)
LOSSES_OF_VALUES = ", ".join(name for name, row in LOSSES.items() if not row.from_logits)

# Of help texts, by what the group matches.
STYLES = {
    r"^(usage:|[a-z][a-z ]*:)": "bold",
    r"^  (-\S+(?: --\S+)?)": "cyan",
    r"^    (train|predict|export|profile|warmup|doctor)  ": "cyan",
}
# Wrapped at 79 characters, as the terminal of a newcomer may be 80 wide.
DESCRIPTION = """\
Train dense neural networks by backpropagation in compiled loops, and predict
with them. Begin with: hotloop train"""
EPILOG = """\
exit status:
  0    success
  1    warmup or doctor found something wrong
  2    a fault in the arguments, the data or the output
  70   an error that hotloop did not foresee
  130  Ctrl-C (143 SIGTERM, 129 SIGHUP)
  141  the reader of the pipe left

Ctrl-C, SIGTERM and SIGHUP end training early: the network so far is tested and
saved. A second signal kills hotloop. HOTLOOP_TRACEBACK=1 in the environment
shows where an error comes from."""
TRAIN = """\
Train a network; print its loss and accuracy over the epochs, and how well it
does on data that it has not seen.

Without options: the handwritten digits that hotloop carries, tested on digits
by other writers. A tenth of the training rows is held out for validation. When
the loss on them has not got better for 10 epochs, training stops; the
parameters of the best epoch are kept."""
TRAIN_EPILOG = f"""\
data:
  digits     8 x 8 handwritten digits (UCI optdigits, CC BY 4.0), carried by
             hotloop; the test digits are by other writers than the training
             digits
  FOLDER     IDX files under the names of MNIST, plain or .gz; pixels are
             divided by 255
  FILE.csv   one row a sample, also .tsv and .gz, or - for standard input.
             Columns hold numbers, dates, True and False, or categories, which
             are text, or numbers named with --categorical. An empty cell, ?,
             NA, N/A, NaN and null are missing values, and what --missing
             says. What becomes of each column, as the training rows have it,
             is printed. The target is the last column, or --target. A target
             of text is classes, and so are up to 20 different whole numbers
             that occur twice or more on average; other numbers are values;
             --loss overrides. A first line with text above numbers is a
             header. Commas in numbers are decimal signs if another character
             separates the cells. Where a file can be read in two ways,
             hotloop says which it took, or asks: --header, --separator and
             --decimal decide
  FILE.parquet  the same in a Parquet file, also .arrow and .feather; needs
             pyarrow (hotloop[arrow])
  FILE.npz   arrays x_train, y_train, x_test, y_test, or x and y (--target
             names another y); unsigned bytes are divided by the largest,
             other inputs standardised

models for --from:
  a file that hotloop saved; .keras; .onnx; PyTorch's weights, a state_dict in
  .pt, .pth or .safetensors of dense layers only, whose activations
  --activation and --output (by default identity: logits) name.
  The network keeps its layers, parameters and the scaling of its inputs. If it
  has none, pixels are scaled as for a new network, and numbers are taken as
  they are; a table is prepared as the file says, if hotloop saved it

default learning rates:
  {RATES}

With a loss for values ({LOSSES_OF_VALUES})
and identity as the last activation, targets are standardised by the training
rows too, and losses are printed in that scale. The saved network takes inputs
and gives values in the scale of the data.

examples:
  hotloop train
  hotloop train --hidden 64,32 --activation tanh --save digits.safetensors
  hotloop train --data mnist --layers 784,30,10 --activation sigmoid \\
      --output sigmoid --loss mse --optimizer sgd --learning-rate 15 \\
      --momentum 0 --batch-size 10 --epochs 30
  hotloop train --data houses.csv --target price --loss huber
  hotloop train --data houses.csv --save houses.safetensors --report run.html
  hotloop train --data people.parquet --categorical zip,year --missing unknown
  zcat sales.csv.gz | hotloop train --data - --separator ';' --decimal ,
  hotloop train --data mnist --checkpoint run.safetensors --resume
  hotloop train --from model.onnx --data houses.csv --save houses.safetensors"""
PREDICT = "Write the predictions of a saved network as CSV, one line for each row of data."
PREDICT_EPILOG = """\
data:
  As for train: digits, FOLDER (the test part of both), FILE.npz (x_test, or
  else x), FILE.csv or FILE.parquet (all rows). Inputs are prepared as in
  training. Columns of a table are found by the names that they had in
  training, in any order, and other columns are ignored; without names they are
  found by position, with or without the target column. A missing number is
  taken as the median, and an unknown category as missing; hotloop says so. If
  two separators or decimal signs fit, those of the training data are taken;
  --header, --separator and --decimal override.

columns:
  classes    prediction, then the probability of each class: probability_0,
             probability_1, ...
  values     prediction, or prediction_0, prediction_1, ... if the network has
             several outputs

examples:
  hotloop predict digits.safetensors digits | head
  hotloop predict houses.safetensors new_houses.csv --output prices.csv"""
EXPORT = """\
Write a network for other programs: as C, Python or ONNX, or for PyTorch,
Keras and TensorFlow. Its outputs there are those of Network.predict here:
logits, if its output is the identity."""
EXPORT_EPILOG = """\
models:
  a file that hotloop train --save or a network's save wrote; .keras; .onnx of
  a network that takes numbers;
  PyTorch's weights, a state_dict in .pt, .pth or .safetensors, whose
  activations --activation and --output name

extras:
  --c and --python need nothing else; --onnx needs hotloop[onnx], --torch
  hotloop[torch], --keras hotloop[keras], --saved-model and --litert
  hotloop[tensorflow]

examples:
  hotloop export digits.safetensors --c digits.c --onnx digits.onnx
  hotloop export digits.safetensors --c digits.c --name digits --dtype float64
  hotloop export model.keras --c model.c --logits
  hotloop export weights.pt --activation tanh --output softmax --python net.py"""
PROFILE = """\
Train a network and print where the time went: a row for each layer and phase,
how close each comes to the limit of this machine, and what bounds it. Then
what is wrong with the training itself, with evidence and a remedy that was
tried.

Without options: the network and the digits of hotloop train. With --layers but
no --data: made-up data of that shape, for about a second."""
PROFILE_EPILOG = """\
files:
  --trace       JSON for https://ui.perfetto.dev and chrome://tracing; at most
                20 MB, however long the run
  --json        all numbers of the table and of the diagnosis
  --html        one self-contained page with pictures, table and diagnosis;
                needs matplotlib (hotloop[plot])
  --flamegraph  collapsed stacks, or JSON for speedscope if the name ends in
                .json

examples:
  hotloop profile
  hotloop profile --layers 784,512,512,10 --batch-size 128 --html report.html
  hotloop profile --data houses.csv --hidden 64,64 --trace trace.json"""
WARMUP = """\
Compile ahead of need, and keep the machine code: all that hotloop train,
hotloop predict and the methods fit, predict, evaluate and gradient of Network
run, for every network, loss and optimizer. Kernels of hotloop.kernels that a
program calls itself are compiled at their first call.

To build an image, set NUMBA_CACHE_DIR in it, and build on a CPU like the one
that it will run on. Exit status 1 if nothing can be kept."""
DOCTOR = """\
Print what this machine is, what its limits are, measured, and what keeps
hotloop from them, each with its remedy. Takes a few seconds. Exit status 0 if
nothing is wrong, else 1."""


def parser() -> argparse.ArgumentParser:
    """Return the parser; `command` of what it parses is the name of the command's module."""
    whole = _Parser(
        prog="hotloop", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whole.add_argument("--version", action=_Version)
    commands = whole.add_subparsers(
        title="commands", dest="command", required=True, metavar="{train,predict,export,profile,warmup,doctor}"
    )

    def add(name: str, summary: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
        form = argparse.RawDescriptionHelpFormatter
        return commands.add_parser(
            name, help=summary, description=description, epilog=epilog, formatter_class=form
        )  # fmt: skip

    _train_options(add("train", "train a network", TRAIN, TRAIN_EPILOG))
    _predict_options(add("predict", "predict with a saved network", PREDICT, PREDICT_EPILOG))
    _export_options(add("export", "write a network for other programs", EXPORT, EXPORT_EPILOG))
    _profile_options(add("profile", "train, and show where the time went", PROFILE, PROFILE_EPILOG))
    _warmup_options(add("warmup", "compile ahead of need", WARMUP))
    doctor = add("doctor", "examine this machine", DOCTOR)
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    return whole


def _train_options(train: argparse.ArgumentParser) -> None:
    options.add_data_options(train.add_argument_group("data"))
    network = train.add_argument_group("network")
    network.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="go on with a network from a file: of hotloop, .keras, .onnx, or PyTorch's weights (.pt, .safetensors), "
        "whose --activation and --output are those of the options",
    )
    options.add_network_options(network)
    training = train.add_argument_group("training")
    options.add_training_options(training, patience=f"default: {options.PATIENCE} if there are validation rows")
    training.add_argument(
        "--no-early-stopping",
        action="store_true",
        help="run all epochs and keep the last parameters (default: keep those with the lowest validation loss)",
    )
    output = train.add_argument_group("output")
    output.add_argument(
        "--save",
        metavar="FILE",
        type=options.output_file,
        help="where to save the trained network, with all that predict needs",
    )
    output.add_argument(
        "--report",
        metavar="FILE",
        type=options.output_file,
        help="where to write a page about the run: data, network, curves, results, the worst rows, diagnosis, profile; "
        "needs matplotlib",
    )
    options.add_progress_option(output)
    options.add_checkpoint_options(train.add_argument_group("checkpoints"))


def _predict_options(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "model", metavar="MODEL", help="a file that hotloop train --save, or save of a network or an estimator wrote"
    )
    predict.add_argument(
        "data", metavar="DATA", help="digits, FOLDER, FILE.csv, FILE.parquet, FILE.npz, or - for standard input"
    )
    options.add_csv_options(predict)
    predict.add_argument(
        "--output", metavar="FILE", type=options.output_file, help="where to write (default: standard output)"
    )


def _export_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("model", metavar="MODEL", help="a file with a network, see below")
    options.add_activation_options(export.add_argument_group("PyTorch's weights"), "none, so say it")
    files = export.add_argument_group("files to write, one or several")
    for option, metavar, words in (
        ("--hotloop", "FILE", "a model file of hotloop, for hotloop predict and Network.load"),
        ("--c", "FILE", "C99 without dependencies: void predict(const float *x, float *out)"),
        ("--python", "FILE", "a Python file that needs NumPy only: predict(X)"),
        ("--onnx", "FILE", "an ONNX model, of a table with its preparation"),
        ("--torch", "FILE.safetensors", "parameters by PyTorch's names, for load_state_dict"),
        ("--keras", "FILE.keras", "a Keras model"),
        ("--saved-model", "FOLDER", "a SavedModel of TensorFlow"),
        ("--litert", "FILE", "a LiteRT model (TensorFlow Lite)"),
    ):
        files.add_argument(option, metavar=metavar, type=options.output_file, help=words)
    how = export.add_argument_group("how to write them")
    how.add_argument("--logits", action="store_true", help="without the output activation, if the loss takes logits")
    how.add_argument("--name", help="of the function in C (default: predict)")
    how.add_argument("--dtype", choices=DTYPES, help="of the arithmetic in C (default: the network's)")


def _profile_options(profile: argparse.ArgumentParser) -> None:
    options.add_data_options(profile.add_argument_group("data"), "digits; with --layers synthetic, which is made up")
    options.add_network_options(profile.add_argument_group("network"))
    training = profile.add_argument_group("training")
    options.add_training_options(training, "40; of made-up data for about a second", "default: run all epochs")
    profile.set_defaults(data=None, epochs=None, no_early_stopping=True)
    output = profile.add_argument_group("output")
    options.add_profile_options(output)
    options.add_progress_option(output)


def _warmup_options(warmup: argparse.ArgumentParser) -> None:
    warmup.add_argument("--dtype", nargs="+", choices=DTYPES, default=DTYPES, help="of the networks (default: both)")
    warmup.add_argument("--profiles", action="store_true", help="also compile the training loop of hotloop profile")


class _Parser(argparse.ArgumentParser):
    """A parser that reports a fault in one line."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let the parser of the command refuse what it does not know: argparse leaves it to that of hotloop."""
        arguments, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return arguments, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print a help text; in a terminal its headings are bold, and the options and commands that it lists coloured.

        Python 3.14 colours what argparse itself has written, but no description.
        """
        if "\x1b" not in message:
            message = coloured(with_styles(message), sys.stdout if file is None else file)
        super()._print_message(message, file)

    def error(self, message: str) -> NoReturn:
        # Not argparse's exit, which leaves what a full standard error refuses for Python to fail with as it ends.
        complain(f"hotloop: error: {printable(message)}\nSee: {self.prog} --help")
        raise SystemExit(FAILED)


def with_styles(text: str) -> Styled:
    """Return a help text with styles for its headings and for what its lists explain."""
    found = Styled(text)
    found.spans = tuple(
        (match.start(1), match.end(1), style)
        for pattern, style in STYLES.items()
        for match in re.finditer(pattern, text, re.M)
    )
    return found


class _Version(argparse.Action):
    """Print the version. The action of argparse would print it to standard error if standard output is closed."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"hotloop {__version__}")
        parser.exit()
