"""Kills fits at random moments, goes on from their checkpoints, and compares the bits with fits never stopped.

    python tests/kill_and_resume.py --kills 50

The fits are those of `resumable_fits`, each in a process that SIGKILL ends: one in five while it starts, the others
while they train, which with a checkpoint after each step is mostly while they write. Some are killed twice or three
times. Each goes on with another number of threads than before. Prints a line for each; fails at the first difference.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from programs import ENVIRONMENT
from resumable_fits import FITS, build, outcome, train

from hotloop import Callback, ConvergenceWarning, Network

ROWS, HIDDEN, EPOCHS = 20_000, (32, 16), 20  # of 2500, 2858 and 34 steps
INTERVALS = ("1 step", "0.02 s", "100 steps")
BEGUN = "begun\n"
CHILD = "import sys; from kill_and_resume import child; child(*sys.argv[1:])"


class Says(Callback):
    """Prints a line as the training begins."""

    def on_fit_begin(self, fit):
        self.said = False

    def on_call_begin(self, fit):
        if not self.said:
            print(BEGUN, end="", flush=True)
            self.said = True


def whole(name, **options):
    """Train, by default without a checkpoint, and return what must be the same."""
    net = build(name, HIDDEN)
    return outcome(net, train(net, name, ROWS, epochs=EPOCHS, **options))


def child(name, path, every, n_threads):
    """Train until killed."""
    whole(name, checkpoint=path, every=every, resume=True, n_threads=int(n_threads), callbacks=[Says()])


def kill(moment, *arguments):
    """Start a fit, kill it, and return after how many seconds; None if it was too late.

    `moment` is from -0.25 to 1: below 0 while it starts, else a share of a second from the first step.
    """
    command = [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)]
    began = time.perf_counter()
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        if moment >= 0 and process.stdout.readline() != BEGUN:
            if process.wait() == 0:
                return None  # it had ended when it was killed before
            raise RuntimeError("the fit did not begin")
        time.sleep(moment if moment >= 0 else -2 * moment)
        process.send_signal(signal.SIGKILL)
    return time.perf_counter() - began if process.returncode == -signal.SIGKILL else None


def trial(number, kills, expected, folder):
    """Kill one fit so many times, go on to its end, and return a line about it and whether the bits are the same."""
    chance = random.Random(number)
    name, every, path = list(FITS)[number % 3], INTERVALS[number // 3 % 3], Path(folder) / f"run-{number}"
    threads, places = [chance.randint(1, 3)], []
    for _ in range(kills):
        moment = chance.uniform(-0.25, 1.0)
        while (seconds := kill(moment, name, path, every, threads[-1])) is None:
            path.unlink(missing_ok=True)  # it had ended: once more, and sooner
            moment /= 2
        places.append(f"{seconds:.2f} s: " + (f"step {Network.load(path).steps}" if path.exists() else "no checkpoint"))
        threads.append(chance.choice([n for n in (1, 2, 3) if n != threads[-1]]))
    same = whole(name, checkpoint=path, every="30 s", resume=True, n_threads=threads[-1]) == expected[name]
    left = [file.name for file in Path(folder).iterdir() if file.name.startswith(".")]
    line = f"{name:9}{every:8} threads {' then '.join(map(str, threads)):17} {', '.join(places)}"
    return f"{line}: {'the same bits' if same else 'OTHER BITS'}", same and not left


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the first fit; the next has the next")
    arguments = parser.parse_args()
    expected = {name: whole(name) for name in FITS}
    done, number = 0, arguments.seed
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        while done < arguments.kills:
            kills = min(1 + (number % 4 == 3) + (number % 8 == 7), arguments.kills - done)
            line, same = trial(number, kills, expected, folder)
            done, number = done + kills, number + 1
            print(f"{done:3} {line}", flush=True)
            if not same:
                return 1
    print(f"{done} kills of {number - arguments.seed} fits: all ended with the same bits")
    return 0


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore", ConvergenceWarning)
    sys.exit(main())
