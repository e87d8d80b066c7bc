r"""MNIST to 98.5 % in ten epochs: a learning rate that rises and falls once, and dropout.

    python examples/one_cycle.py FOLDER

FOLDER has the four files of MNIST; see examples/mnist.py. `find_learning_rate` suggests learning rates; 0.003, between
two of them, was chosen by hand. `fit_one_cycle` rises to it and falls again, while beta1 falls and rises. A tenth of
the training images is held out to follow the training; the test images are used once, at the end.

The last line on 2026-11-27, at commit eb62cc6, on an AMD EPYC with AVX-512:

    test accuracy 98.65%

Source: L. Smith and N. Topin, Super-Convergence (2018).
"""

import argparse
import os
import sys

from hotloop import AdamW, Network
from hotloop.datasets import load_idx


def main() -> None:
    """Look for a learning rate, train, and print the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("HOTLOOP_DATA"))
    parser.add_argument("--epochs", type=int, default=10, help="(default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.folder is None:
        sys.exit("Name the folder of the MNIST files, or set HOTLOOP_DATA. See python examples/mnist.py --help")

    data = load_idx(arguments.folder, "uint8")
    net = Network(
        [784, 512, 512, 10], loss="cross_entropy", dropout=0.3, input_dropout=0.1, input_scale=1 / 255, seed=0
    )
    optimizer = AdamW(weight_decay=0.01)
    found = net.find_learning_rate(data.x_train, data.y_train, batch_size=128, optimizer=optimizer)
    print(f"suggested learning rates: valley {found.valley:.1e}, steep {found.steep:.1e}, slide {found.slide:.1e}")
    history = net.fit_one_cycle(
        data.x_train,
        data.y_train,
        arguments.epochs,
        max_learning_rate=0.003,
        optimizer=optimizer,
        batch_size=128,
        validation_split=0.1,
    )
    print(history)
    print(f"test accuracy {net.evaluate(data.x_test, data.y_test)['accuracy']:.2%}")


if __name__ == "__main__":
    main()
