"""Kills fits at random moments, goes on from their checkpoints, and compares the bits with fits never stopped.

    python tests/kill_and_resume.py --kills 50

The fits are those of `resumable_fits`, each in a fork of this process that SIGKILL ends within its first second: while
it starts or trains, which with a checkpoint after each step is mostly while it writes. Some are killed twice or three
times. Each goes on with another number of threads than before. Prints a line for each; fails at the first difference.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from pathlib import Path

from resumable_fits import FITS, build, outcome, train

from hotloop import ConvergenceWarning, Network

ROWS, HIDDEN, EPOCHS = 20_000, (32, 16), 20  # of 2500, 2858 and 34 steps
INTERVALS = ("1 step", "0.02 s", "100 steps")


def whole(name, **options):
    """Train, by default without a checkpoint, and return what must be the same."""
    net = build(name, HIDDEN)
    return outcome(net, train(net, name, ROWS, epochs=EPOCHS, **options))


def kill(seconds, name, **options):
    """Start a fit, kill it so many seconds later, and return whether it was still running."""
    process = multiprocessing.get_context("fork").Process(target=whole, args=(name,), kwargs=options)
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError("the fit failed")
    return process.exitcode != 0


def trial(number, kills, expected, folder):
    """Kill one fit so many times, go on to its end, and return a line about it and whether the bits are the same."""
    chance = random.Random(number)
    name, every, path = list(FITS)[number % 3], INTERVALS[number // 3 % 3], Path(folder) / f"run-{number}"
    threads, places = [chance.randint(1, 3)], []
    for _ in range(kills):
        seconds = chance.uniform(0.0, 1.0)
        while not kill(seconds, name, checkpoint=path, every=every, resume=True, n_threads=threads[-1]):
            path.unlink(missing_ok=True)  # it had ended: once more, and sooner
            seconds /= 2
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
