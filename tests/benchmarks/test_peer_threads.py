"""The table over the number of threads in benchmarks/peers.py: what is measured, and what is concluded from it."""

import typing
from dataclasses import replace

import numba
import numpy as np
import pytest
from picture_checks import problems

from benchmarks import peers
from benchmarks.comparison import chart, measure, report, scaling
from benchmarks.comparison.measure import Session, Times, apart
from benchmarks.comparison.scaling import SPEED_UP, labelled
from benchmarks.comparison.tables import NotMeasured
from benchmarks.comparison.worker import PeerError
from hotloop.network.training import cores

COMPILED = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the networks' own shapes take minutes in plain Python")


def session(n_cores=16, **changes):
    return Session(
        **{"peers": ["hotloop", "torch", "jax"], "rounds": 2, "seconds": 0.001, "cores": range(n_cores)} | changes
    )


@pytest.fixture(autouse=True)
def many_cores(monkeypatch):
    monkeypatch.setattr(cores, "available_cores", lambda: 64)


@pytest.mark.parametrize(("n_cores", "asked", "quick", "wanted"), [
    (16, None, False, [1, 2, 4, 8, 16]), (12, None, False, [1, 2, 4, 8, 12]), (2, None, False, [1, 2]),
    (16, None, True, [1, 4, 16]), (12, None, True, [1, 4, 12]), (3, None, True, [1, 3]),
    (16, [8, 1, 8], True, [1, 8]), (1, [1], False, [1]),
])  # fmt: skip
def test_the_numbers_of_threads(n_cores, asked, quick, wanted):
    found = session(n_cores, threads=asked, quick=quick)
    assert scaling.numbers_of_threads(found) == wanted
    assert found.absent == {}


def test_numbers_above_the_cores_are_left_out_and_named(monkeypatch):
    found = session(4, threads=[1, 2, 4, 8, 16])
    assert scaling.numbers_of_threads(found) == [1, 2, 4]
    assert found.absent == {"threads: 8, 16": "this process may use 4 cores"}
    with pytest.raises(NotMeasured, match="this process may use 4 cores"):
        scaling.numbers_of_threads(session(4, threads=[8]))
    with pytest.raises(NotMeasured, match=r"this process may use 1 core$"):
        scaling.numbers_of_threads(session(1))
    monkeypatch.setattr(cores, "available_cores", lambda: 3)  # a quota
    assert scaling.numbers_of_threads(session(16)) == [1, 2, 3]


def test_threads_are_for_their_table(capsys):
    assert peers.options_of(["--threads", "1", "4"]).threads == [1, 4]
    assert peers.options_of(["--threads", "2", "--only", "threads", "kernels"]).threads == [2]
    for given, message in (
        (["--threads", "2", "--only", "kernels"], "--threads is for the table threads, which --only leaves out"),
        (["--threads", "0"], "must be 1 or more"),
    ):
        with pytest.raises(SystemExit, match="2"):
            peers.options_of(given)
        assert message in capsys.readouterr().err


def test_physical_cores_come_before_their_second_threads(tmp_path):
    for core in range(8):
        folder = tmp_path / f"cpu{core}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{core // 2 * 2}-{core // 2 * 2 + 1}\n")
    assert apart(range(8), tmp_path) == [0, 2, 4, 6, 1, 3, 5, 7]
    assert apart([0, 1, 2], tmp_path) == [0, 1, 2]
    assert apart([5, 3, 9], tmp_path / "none") == [3, 5, 9]


def test_what_is_concluded():
    medians = {
        "hotloop, 1 thread": 10.0, "hotloop, 4 threads": 4.0, "hotloop, 16 threads": 2.0, "hotloop, auto": 2.08,
        "PyTorch eager, 1 thread": 12.0, "PyTorch eager, 4 threads": 3.9, "PyTorch eager, 16 threads": 3.0,
        "JAX, 16 threads": 2.5,
    }  # fmt: skip
    counts = [1, 4, 16]
    found = scaling.judged(medians, counts, {16: 5})
    assert found == {
        "speed_up": {"hotloop": 5.0, "PyTorch eager": 4.0}, "speed_up_wanted": 5, "auto_over_best": 1.04,
        "slower_at": {"PyTorch eager": [4]}, "loses": True, "too_slow": False,
    }  # fmt: skip
    assert scaling.judged(medians, counts, {16: 5.1})["too_slow"]
    assert not scaling.judged(medians, counts, {8: 9})["too_slow"]
    assert scaling.judged(medians | {"hotloop, auto": 2.2}, counts, {})["too_slow"]
    assert scaling.judged(medians | {"JAX, 16 threads": 1.9}, counts, {})["slower_at"]["JAX"] == [16]
    assert not scaling.judged(medians | {"PyTorch eager, 4 threads": 4.1}, counts, {})["loses"]


def test_what_is_concluded_without_a_side():
    theirs = scaling.judged({"PyTorch eager, 1 thread": 4.0, "PyTorch eager, 2 threads": 2.0}, [1, 2], {2: 3})
    assert (theirs["speed_up"], theirs["auto_over_best"]) == ({"PyTorch eager": 2.0}, None)
    assert not theirs["loses"] | theirs["too_slow"]
    without_one = scaling.judged({"hotloop, 2 threads": 4.0, "hotloop, 4 threads": 2.0}, [2, 4], {4: 3})
    assert without_one["speed_up"] == {}
    assert not without_one["too_slow"]
    assert scaling.judged({"hotloop, 1 thread": 4.0}, [1], {})["speed_up"] == {}


class Process:
    """A worker in this process. PyTorch is not installed, and JAX fails at prediction."""

    made: typing.ClassVar = []

    def __init__(self, peer, subject, cores):
        self.peer, self.subject, self.cores, self.closed = peer, subject, list(cores), 0
        self.made.append(self)

    def close(self):
        self.closed += 1

    def run(self, function, subject):
        assert function == "worker:load"
        if subject.startswith("torch"):
            raise PeerError(self.peer, "torch is not installed")

    def make(self, case, n_threads=None):
        if self.subject == "jax_peer:Predictor":
            raise PeerError(self.peer, "out of memory")
        self.n_threads, self.case = n_threads, case

    def call(self, method, *arguments):
        return {"chosen": 8, "output": np.ones((2, 3))}.get(method)

    def seconds(self, method, times):
        steps = self.case.steps if method == "train" else 1
        return times * steps / len(self.cores) * (1.02 if self.n_threads == "auto" else 1.0)


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(scaling, "Worker", Process)
    monkeypatch.setattr(scaling, "same_loss", lambda case, ready: checked.append((case.name, list(ready))))
    monkeypatch.setattr(Process, "made", [])
    checked = []
    return checked


def test_each_number_of_threads_has_a_process_with_its_cores(processes):
    found = session(16, quick=True, rounds=9)
    rows = scaling.threads(found)
    assert found.absent == {
        "PyTorch eager (threads)": "torch is not installed",
        "JAX, 16 threads (784-512-512-10, predict 60000 rows, threads)": "out of memory",
    }
    assert [worker.closed for worker in Process.made] == [1] * 8
    given = {worker.peer: worker for worker in Process.made}
    assert given["hotloop, 4 threads"].cores == [12, 13, 14, 15]
    assert given["hotloop, auto"].cores == given["JAX, 16 threads"].cores == list(range(16))
    choices = {label: worker.n_threads for label, worker in given.items() if label.startswith("hotloop,")}
    assert choices == {labelled("hotloop", n): n for n in (1, 4, 16, "auto")}
    assert len(rows) == len(SPEED_UP) == len(processes) + 1  # a prediction has no loss
    labels = ["hotloop, 1 thread", "hotloop, 4 threads", "hotloop, 16 threads", "hotloop, auto", "JAX, 16 threads"]
    assert all(ready == labels for _, ready in processes)
    row = rows[0]
    assert (row["threads"], row["chosen"], row["speed_up"]) == ([1, 4, 16], 8, {"hotloop": pytest.approx(16)})
    assert row["auto_over_best"] == pytest.approx(1.02)
    assert len(row["microseconds"]["hotloop, auto"]["rounds"]) == scaling.MOST_ROUNDS
    assert rows[-1]["network"] == "784-512-512-10, predict 60000 rows"
    assert rows[-1]["chosen"] is None
    assert list(rows[-1]["microseconds"]) == labels[:-1]


def test_without_a_peer_there_is_no_table(processes):
    with pytest.raises(NotMeasured, match="none of its peers"):
        scaling.threads(session(2, peers=["torch", "numpy"]))


def rows(counts, n_networks=None):
    """Return rows in which hotloop gains less than PyTorch."""
    found = []
    for number, (name, wanted) in enumerate(SPEED_UP.items()):
        medians = {labelled("hotloop", n): 1e-3 / n**0.6 for n in counts} | {"hotloop, auto": 4e-4}
        medians |= {labelled("PyTorch eager", n): (7 - number) / 2 * 1e-3 / n**0.8 for n in counts}
        medians[labelled("JAX", counts[-1])] = 5e-4
        found.append({
            "network": f"{name}, batch 128", "threads": counts, "chosen": counts[-1],
            "microseconds": {label: Times([value]).record() for label, value in medians.items()},
            **scaling.judged(medians, counts, wanted),
        })  # fmt: skip
    return found[:n_networks]


ABOUT = {"cpu": "Intel(R) Xeon(R) Platinum 8581C CPU (family 6, model 207)", "date": "today", "commit": "0" * 10}


@pytest.mark.parametrize(("counts", "n_networks"), [([1, 2, 4, 8, 16], 6), ([1, 2], 6), ([1, 12], 3), ([1, 2], 1)])
def test_the_chart_is_legible(counts, n_networks):
    pytest.importorskip("matplotlib")
    assert problems(chart.over_threads(rows(counts, n_networks), ABOUT)) == []


def test_the_chart_shows_multiples_of_one_thread():
    pytest.importorskip("matplotlib")
    axes = chart.over_threads(rows([1, 4]), ABOUT).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["ideal"].get_ydata()) == [1, 4]
    assert list(lines["hotloop"].get_ydata()) == pytest.approx([1, 4**0.6])
    assert list(lines["PyTorch eager"].get_ydata()) == pytest.approx([2 / 7, 2 / 7 * 4**0.8])
    assert list(lines["JAX"].get_xdata()) == list(lines["hotloop, auto"].get_xdata()) == [4]


def test_the_charts_are_files(tmp_path):
    pytest.importorskip("matplotlib")
    widths = [{"width": n, "microseconds": {"JAX": Times([n * 1e-6]).record()}, "floor": None} for n in (16, 64)]
    found = {"about": ABOUT | {"peak_gflops": None}, "tables": {"threads": rows([1, 2]), "widths": widths}}
    assert chart.draw(found, tmp_path / "peers-x.y") == [tmp_path / "peers-x.y.png", tmp_path / "peers-x.y-threads.png"]
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("peers-x.y.png", "peers-x.y-threads.png"))
    assert chart.draw({"about": ABOUT, "tables": {"threads": rows([2, 4])}}, tmp_path / "none") == []


def test_times_at_which_we_lose_are_bold():
    text = report.thread_lines(rows([1, 16])[4:5])
    assert text[0] == "| network |  | 1 | 16 | auto | it chose | 1 / 16 threads (target) |  |"
    assert text[2:] == [
        "| 2048-2048-2048-10, batch 128 | hotloop | 1000 | **189** | 400 | 16 | 5.28 (10) | **we lose** to PyTorch "
        "eager at 16; speed-up below target; auto takes 2.11 times the best (target: 1.05) |",
        "|  | PyTorch eager | 1500 | 163 | - | - | 9.19 |  |",
        "|  | JAX | - | 500 | - | - | - |  |",
    ]


@COMPILED
def test_two_threads_measured(monkeypatch):
    """hotloop's own processes, from end to end."""
    available = apart(measure.os.sched_getaffinity(0))
    if len(available) < 2:
        pytest.skip("one core")
    small = replace(scaling.NETWORKS["784-128-10"], sizes=(64, 32, 10), rows=128)
    monkeypatch.setattr(scaling, "NETWORKS", {"784-128-10": small})
    monkeypatch.setattr(scaling, "PREDICTED", replace(small, rows=4096, batch=4096))
    monkeypatch.setattr(scaling, "SPEED_UP", {"784-128-10": {2: 1.4}, scaling.PREDICT: {16: 10}})
    found = session(peers=["hotloop"], cores=available, threads=[2])
    trained, predicted = scaling.threads(found)
    assert found.absent == {}
    assert list(trained["microseconds"]) == ["hotloop, 2 threads", "hotloop, auto"]
    assert trained["chosen"] in (1, 2)
    assert predicted["network"] == "64-32-10, predict 4096 rows"
    assert all(record["median"] > 0 for record in predicted["microseconds"].values())
