"""A fuzzer of the public API: programs drawn from a seed, each run in a separate process with a time limit.

    python tests/fuzz_programs.py --programs 27000 --seed 1 --jobs 2     # the long run, by hand
    python tests/fuzz_programs.py --seed 1 --only 137                    # one program again

A program is a few lines of Python, drawn by fuzz_writer.py, with the names of fuzz_checks.py, where the invariants are.
A program that fails, crashes or runs too long is shrunk, by lines, arguments and numbers, and printed as a script.
tests/project/test_fuzz.py has a short run, and the bugs that the fuzzer must find.
"""

import argparse
import ast
import faulthandler
import gc
import os
import re
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]

import fuzz_checks
import numba
from fuzz_names import OWN_LOSS, SOFTSIGN
from fuzz_writer import Writer

from hotloop import Network, warmup

LIMIT = 30.0  # seconds for a program; most take some hundredths
SHRINKS = 150  # most programs tried to make one smaller
SHOWN = 3  # most programs with one failure that are shrunk and printed


@dataclass
class Outcome:
    """How a program ended: its kind is "passed", "failed", "crashed" or "hung"."""

    kind: str
    text: str = ""

    @property
    def signature(self):
        """What two runs of the same failure have in common."""
        last = next((line for line in reversed(self.text.splitlines()) if line.strip()), "")
        return f"{self.kind}: {re.sub(r'[0-9.e+-]+', '#', last)[:60] if self.kind == 'failed' else ''}"


def prepare():
    """Compile or load what programs run, which all run in forks of this process."""
    if numba.config.DISABLE_JIT:
        return
    warmup(profiles=True)
    features = dict.fromkeys(("layer_norm", "learn_activation", "learn_input_scale"), True)
    for dtype in ("float32", "float64"):
        options = features | {"loss": OWN_LOSS, "input_dropout": 0.5, "max_norm": 1.0, "dtype": dtype}
        net = Network([1, 1, 1], SOFTSIGN, seed=0, **options)
        net.fit([[0.0]], [0.0], epochs=1, gradient_norm=True, progress=False)


def run(lines, limit=LIMIT, plant=None):
    """Run a program in a forked process, which calls `plant` first."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(lines, write, plant)
    os.close(write)
    text, until, hung = b"", time.monotonic() + limit, False
    while not hung:
        hung = not select.select([read], [], [], max(0.0, until - time.monotonic()))[0]
        part = b"" if hung else os.read(read, 65536)
        text += part
        if not part:
            break
    if hung:
        os.kill(pid, signal.SIGKILL)
    os.close(read)
    status, text = os.waitpid(pid, 0)[1], text.decode(errors="replace")
    if hung:
        return Outcome("hung", f"after {limit:g} s\n{text}")
    if os.WIFSIGNALED(status):
        return Outcome("crashed", f"signal {os.WTERMSIG(status)}\n{text}")
    return Outcome("failed" if status else "passed", text)


def _child(lines, write, plant):
    """Run a program with output and errors going into a pipe, and exit."""
    status = 1
    gc.freeze()  # collecting the parent's objects would copy its memory
    try:
        os.dup2(write, 1)
        os.dup2(write, 2)
        os.close(write)
        sys.stdout = sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        faulthandler.enable(sys.stderr)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        fuzz_checks.be_strict()
        if plant is not None:
            plant()
        exec(compile("\n".join(lines), "program", "exec"), {n: getattr(fuzz_checks, n) for n in fuzz_checks.__all__})
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


# Smaller programs.


def shrink(lines, outcome, limit=LIMIT, plant=None):
    """Return a smaller program with the same failure: fewer lines, arguments, smaller numbers."""
    tries = SHRINKS

    def fails(candidate):
        nonlocal tries
        tries -= 1
        return tries >= 0 and run(candidate, limit, plant).signature == outcome.signature

    smaller = True
    while smaller and tries > 0:
        smaller = False
        for candidate in candidates(lines):
            if fails(candidate):
                lines, smaller = candidate, True
                break
    return lines


def candidates(lines):
    """Yield programs that are a little smaller."""
    for index in reversed(range(len(lines))):
        yield lines[:index] + lines[index + 1 :]
    for index in reversed(range(len(lines))):
        for line in simpler(lines[index]) if not lines[index].startswith("refused") else ():  # else no longer wrong
            yield [*lines[:index], line, *lines[index + 1 :]]


def simpler(line):
    """Yield the line with one keyword argument or entry removed, or with a smaller number."""
    for at, node in enumerate(ast.walk(ast.parse(line))):
        calm = isinstance(node, ast.Call) and any(keyword.arg == "calm" for keyword in node.keywords)
        cuts = len(node.keywords) - calm if isinstance(node, ast.Call) else 0  # `calm` is written last
        cuts = len(node.elts) if isinstance(node, (ast.List, ast.Tuple)) and isinstance(node.ctx, ast.Load) else cuts
        whole = isinstance(node, ast.Constant) and type(node.value) is int and node.value > 1
        for cut in range(cuts + whole):
            tree = ast.parse(line)
            twin = list(ast.walk(tree))[at]
            if isinstance(twin, ast.Call):
                del twin.keywords[cut]
            elif isinstance(twin, ast.Constant):
                twin.value //= 2
            else:
                del twin.elts[cut]
            yield ast.unparse(tree)


def script(lines):
    """Return a program as a script."""
    return "\n".join(["# PYTHONPATH=tests:src python", "from fuzz_checks import *", *lines])


def hunt(programs, seed, *, first=0, stride=1, limit=LIMIT, plant=None, most_shrunk=SHOWN, report=print):
    """Run programs and yield (index, outcome, smallest program) for each that fails."""
    seen = {}
    for index in range(first, programs, stride):
        lines = Writer(seed, index).program()
        outcome = run(lines, limit, plant)
        if outcome.kind != "passed":
            seen[outcome.signature] = seen.get(outcome.signature, 0) + 1
            if seen[outcome.signature] <= most_shrunk:
                lines = shrink(lines, outcome, limit, plant)
            report(
                f"\n--- seed {seed}, program {index}: {outcome.kind}\n{outcome.text[-1500:]}\n{script(lines)}",
                flush=True,
            )
            yield index, outcome, lines
        if index % 1000 < stride and index >= stride:
            report(f"{index} programs", flush=True)


def main():
    """Run programs, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes at the same time")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that a program may take")
    parser.add_argument("--only", type=int, metavar="N", help="run program N of this seed and print it")
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--stride", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.jobs > 1:
        same = [f"--programs={given.programs}", f"--seed={given.seed}", f"--limit={given.limit}"]
        command = [sys.executable, __file__, *same]
        jobs = [subprocess.Popen([*command, f"--first={k}", f"--stride={given.jobs}"]) for k in range(given.jobs)]
        return max([job.wait() for job in jobs])
    prepare()
    if given.only is not None:
        lines = Writer(given.seed, given.only).program()
        print(script(lines))
        outcome = run(lines, given.limit)
        print(f"\n{outcome.kind}\n{outcome.text}")
        return int(outcome.kind != "passed")
    found = list(hunt(given.programs, given.seed, first=given.first, stride=given.stride, limit=given.limit))
    print(f"{len(found)} of {len(range(given.first, given.programs, given.stride))} programs failed")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
