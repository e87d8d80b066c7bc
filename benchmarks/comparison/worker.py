"""A process for each peer or commit, which waits at a pipe while another one is measured.

Thread counts, and the kernels that OpenBLAS chooses, are set once in a process, by its environment. So each peer has a
process, which lives as long as the comparison. What a library does to its process (threads, memory) stays there.

    python -m benchmarks.comparison.worker DESCRIPTOR CORES   (the pipe; core numbers, separated by commas)
"""

import importlib
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = "benchmarks.comparison"
TUNING = (
    "ATEN_", "BLIS_", "DNNL_", "GOMP_", "GOTO_", "HOTLOOP_BLOCK", "HOTLOOP_GROUP", "HOTLOOP_MICRO_", "HOTLOOP_PACKED_",
    "HOTLOOP_PITCH", "JAX_", "KMP_", "MKL_", "NUMBA_", "OMP_", "ONEDNN_", "OPENBLAS_", "TORCH", "XLA_",
)  # fmt: skip


class PeerError(RuntimeError):
    """A peer is not installed, or failed; the message says why.

    Parameters
    ----------
    peer : str
        Its label in the tables.
    reason : str
    """

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(reason)
        self.peer = peer


class Worker:
    """A peer's process, pinned to some cores, with a thread for each.

    Parameters
    ----------
    peer : str
        The peer's name, for reports.
    subject : str
        ``module:callable`` in `benchmarks.comparison`; `make` calls it in the process.
    cores : sequence of int
    package : path
        The folder that hotloop is imported from.
    settings : dict
        More environment variables of the process.
    timeout : float, optional
        Seconds without an answer after which the process is ended.
    """

    def __init__(
        self, peer: str, subject: str, cores: Sequence[int], package: Path = ROOT / "src",
        settings: dict[str, str] | None = None, timeout: float | None = None,
    ) -> None:  # fmt: skip
        self.peer, self.timeout = peer, timeout
        self.pipe, theirs = Pipe()
        command = [sys.executable, "-m", f"{HERE}.worker", str(theirs.fileno()), ",".join(map(str, cores))]
        environment = variables(len(cores), package) | (settings or {})
        self.process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], stdout=2, cwd=ROOT)
        theirs.close()
        self.subject = subject

    def make(self, *arguments: Any, **named: Any) -> Any:
        """Make a new subject in the process, in place of the old one."""
        return self._ask("make", self.subject, arguments, named)[1]

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what the subject's method returns."""
        return self._ask("call", method, arguments, {})[1]

    def seconds(self, method: str, *arguments: Any) -> float:
        """Call the subject's method, and return how long it took, by the process's own clock."""
        return float(self._ask("call", method, arguments, {})[0])

    def timed(self, method: str, *arguments: Any) -> tuple[float, Any]:
        """Call the subject's method, and return how long it took, by the process's own clock, and its result."""
        seconds, result = self._ask("call", method, arguments, {})
        return float(seconds), result

    def run(self, function: str, *arguments: Any) -> Any:
        """Return what ``module:function`` of `benchmarks.comparison` returns in the process."""
        return self._ask("run", function, arguments, {})[1]

    def _ask(self, *question: Any) -> Any:
        try:
            self.pipe.send(question)
            if not self.pipe.poll(self.timeout):
                self.process.kill()
                self.process.wait()
                raise PeerError(self.peer, f"no answer in {self.timeout:.0f} s")
            answer = self.pipe.recv()
        except (EOFError, OSError):
            raise PeerError(self.peer, f"its process ended, with status {self.process.wait()}") from None
        if isinstance(answer, str):
            raise PeerError(self.peer, answer)
        return answer

    def close(self) -> None:
        """End the process: it ends by itself once the pipe is closed."""
        self.pipe.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "Worker":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()


def variables(threads: int, package: Path = ROOT / "src") -> dict[str, str]:
    """Return the environment of a process whose libraries use `threads` threads.

    Variables that tune the libraries are not inherited: OPENBLAS_CORETYPE=Haswell, for example, halves the speed of
    NumPy's BLAS on a CPU with AVX-512, and NUMBA_DISABLE_JIT=1 compiles no kernel at all.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(TUNING) or name == "NUMBA_CACHE_DIR"
    }
    settings = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    path = os.pathsep.join([str(package), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return inherited | settings | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": path}


def serve(pipe: Connection) -> None:
    """Answer each question with (seconds, result), or with the error as text, until the pipe is closed."""
    subject: Any = None
    while True:
        try:
            kind, name, arguments, named = pipe.recv()
        except EOFError:
            return
        try:
            subject = None if kind == "make" else subject  # the one before is freed first
            function = getattr(subject, name) if kind == "call" else find(name)
            began = time.perf_counter()
            result = function(*arguments, **named)
            seconds = time.perf_counter() - began
            if kind == "make":
                subject, result = result, None
            pipe.send((seconds, result))
        except ModuleNotFoundError as error:
            pipe.send(f"{error.name} is not installed")
        except Exception as error:
            traceback.print_exc()
            pipe.send(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}")


def find(name: str) -> Any:
    """Return ``module:function`` of `benchmarks.comparison`."""
    module, function = name.split(":")
    return getattr(importlib.import_module(f"{HERE}.{module}"), function)


def load(subject: str) -> None:
    """Import the module of a subject: without what it needs, an error says what is not installed."""
    find(subject)


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    os.sched_setaffinity(0, [int(core) for core in sys.argv[2].split(",")])
    serve(Connection(int(sys.argv[1])))
