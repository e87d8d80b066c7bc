"""Kill a training run, go on from its checkpoint, and compare the result with a run that was never stopped.

Run it with

    python examples/resume_after_kill.py

The script trains in a second process, which it kills without warning (SIGKILL on Linux and macOS), as a power cut or a
system short of memory would. Then it makes the same call again, with other threads. Parameters and losses are the same
to the bit.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hotloop import Adam, History, Network
from hotloop.datasets import load_digits


def train(checkpoint: Path | None, n_threads: int) -> tuple[Network, History]:
    """Train on the digits; with a checkpoint, go on from it if it exists."""
    digits = load_digits()
    net = Network([64, 64, 10], loss="cross_entropy", dropout=0.2, seed=0)
    options = {} if checkpoint is None else {"checkpoint": checkpoint, "every": "500 steps", "resume": True}
    data = digits.x_train, digits.y_train
    history = net.fit(*data, epochs=200, optimizer=Adam(0.002), n_threads=n_threads, progress=False, **options)
    return net, history


def kill_a_run(checkpoint: Path) -> None:
    """Start this script in another process, wait for a checkpoint, and kill it a little later."""
    with subprocess.Popen([sys.executable, __file__, "--child", checkpoint]) as process:
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.05)
        process.kill()


def main() -> None:
    """Kill a run, go on, and compare."""
    parser = argparse.ArgumentParser(description="Kill a training run, and go on from its checkpoint.")
    parser.add_argument("--child", metavar="CHECKPOINT", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        train(arguments.child, n_threads=1)
        return

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "run.safetensors"
        kill_a_run(checkpoint)
        reached = Network.load(checkpoint)  # a checkpoint is a model file, too
        print(f"killed; its last checkpoint is of step {reached.steps}, in epoch {reached.epochs_trained + 1}")
        resumed, history = train(checkpoint, n_threads=2)
    print(f"went on to step {resumed.steps}: {len(history.epochs)} epochs, last loss {history['loss'][-1]:.6f}")

    whole, expected = train(None, n_threads=1)
    same = np.array_equal(resumed.parameters, whole.parameters) and history["loss"] == expected["loss"]
    print("the same bits as a run that was never stopped" if same else "not the same bits")


if __name__ == "__main__":
    main()
