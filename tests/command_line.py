"""Calls of the command line in this process, and small tables to train on."""

import contextlib
import io

import numpy as np

from hotloop import PreparedNetwork
from hotloop.network.cli import main as cli

TINY = ["--hidden", "4", "--dropout", "0", "--batch-size", "4"]  # a network that also trains as plain Python


def run(*arguments):
    """Run ``hotloop`` with the arguments; return exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code
    return status, out.getvalue(), err.getvalue()


def train_tiny(data, *options):
    """Train a tiny network, which must succeed, and return the output."""
    status, out, err = run("train", "--data", data, *TINY, *options)
    assert (status, err) == (0, "")
    return out


def saved_network(path):
    """Return the network in a file that ``hotloop train --save`` wrote for a table."""
    return PreparedNetwork.load(path).network


def write_flowers(folder):
    """Write a CSV file of two classes that a line separates, and return its path."""
    generator = np.random.default_rng(0)
    lines = ["length,width,kind"]
    for row in range(24):
        length, width = generator.uniform(0, 1, 2) + 2 * (row % 2)
        lines.append(f"{length:.3f},{10 * width:.3f},{('rose', 'tulip')[row % 2]}")
    path = folder / "flowers.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_houses(folder):
    """Write a CSV file of values, price = 2 size - age + 3, and return its path."""
    generator = np.random.default_rng(0)
    size, age = generator.uniform(0, 1, (2, 40))
    lines = ["price,size,age", *(f"{2 * s - a + 3:.4f},{s:.4f},{a:.4f}" for s, a in zip(size, age, strict=True))]
    path = folder / "houses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
