"""Overfitting: see it in the history, and stop it.

A network with far more parameters than samples learns its training digits by heart: the training loss goes on falling
while the validation loss rises. Early stopping goes back to the best epoch; dropout puts off the turn. Run it with

    python examples/overfitting.py [--epochs NUMBER] [--plot FOLDER]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hotloop import AdamW, Callback, EarlyStopping, History, Network
from hotloop.datasets import load_digits

FEW = 200  # digits to learn from


def train(epochs: int, callbacks: Sequence[Callback] = (), **network: float) -> tuple[History, dict[str, float]]:
    """Train on few digits, and return the history, and loss and accuracy on the test digits."""
    data = load_digits()
    net = Network([64, 256, 256, 10], loss="cross_entropy", seed=0, **network)
    history = net.fit(
        data.x_train[:FEW],
        data.y_train[:FEW],
        epochs=epochs,
        optimizer=AdamW(0.003),
        validation_data=(data.x_train[FEW:], data.y_train[FEW:]),
        callbacks=callbacks,
        progress=False,
    )
    return history, net.evaluate(data.x_test, data.y_test)


def main() -> None:
    """Train as long as asked, then with early stopping, then with dropout as well."""
    parser = argparse.ArgumentParser(description="Overfitting, seen and stopped.")
    parser.add_argument("--epochs", type=int, default=200, help="at most (default: %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw the losses (needs hotloop[plot])")
    arguments = parser.parse_args()

    epochs = arguments.epochs
    runs = {
        f"{epochs} epochs": train(epochs),
        "early stopping": train(epochs, [EarlyStopping(patience=10)]),
        "early stopping and dropout": train(epochs, [EarlyStopping(patience=10)], dropout=0.5),
    }
    print("                            epochs  training loss  least and last validation loss  test loss  accuracy")
    for name, (history, test) in runs.items():
        losses = history["val_loss"]
        print(
            f"{name:26s}  {len(losses):6d}  {history['loss'][-1]:13.4f}  {min(losses):20.4f} {losses[-1]:9.4f}"
            f"  {test['loss']:9.4f}  {test['accuracy']:8.2%}"
        )
        if arguments.plot is not None:
            figure = history.plot()[0].figure
            figure.savefig(arguments.plot / f"{name.replace(' ', '_')}.png")


if __name__ == "__main__":
    main()
