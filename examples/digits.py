"""Handwritten digits: train, stop early, keep the best parameters, test on other writers, save.

The data comes with hotloop. Run it with

    python examples/digits.py
"""

import argparse
import tempfile
from pathlib import Path

from hotloop import SGD, EarlyStopping, Network
from hotloop.datasets import load_digits


def main() -> None:
    """Train the network and print how good it is."""
    parser = argparse.ArgumentParser(description="Train on the handwritten digits that hotloop carries.")
    parser.add_argument("--epochs", type=int, default=100, help="at most (default: %(default)s)")
    arguments = parser.parse_args()

    data = load_digits()
    net = Network([64, 192, 10], "relu", loss="cross_entropy", dropout=0.3, seed=0)
    print(net.summary())
    history = net.fit(
        data.x_train,
        data.y_train,
        epochs=arguments.epochs,
        optimizer=SGD(0.05, momentum=0.9),
        validation_split=0.1,
        callbacks=[EarlyStopping(patience=20)],
    )
    print(f"{history.stop_reason} after {len(history.epochs)} epochs in {history.seconds:.2f} s")
    print(f"lowest validation loss {min(history['val_loss']):.4f}, in epoch {history.best_epoch}, which is kept")
    print(f"test accuracy {net.evaluate(data.x_test, data.y_test)['accuracy']:.2%}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        net.save(path)
        same = Network.load(path)
        print(f"saved in {path.stat().st_size} bytes and loaded: the first test digits are ", end="")
        print(*same.predict(data.x_test[:10]).argmax(axis=1))


if __name__ == "__main__":
    main()
