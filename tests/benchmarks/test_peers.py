"""benchmarks/peers.py: what it concludes from its measurements. Peers other than NumPy need not be installed."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pytest

from benchmarks import peers
from benchmarks.comparison import cases, chart, hotloop_peer, measure, numpy_peer, report, scaling, tables
from benchmarks.comparison.cases import NETWORKS, Case
from benchmarks.comparison.measure import LossMismatch, Session, Times
from benchmarks.comparison.worker import PeerError, Worker, variables

# A step of the widest takes a second.
SMALL = {name: replace(case, rows=case.batch * (2 if max(case.sizes) < 2048 else 1)) for name, case in NETWORKS.items()}
TINY = Case((6, 5, 3), 4, rows=16)
COMPILED = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the networks' own shapes take minutes in plain Python")


class InProcess:
    """A peer without a process: does what `Worker` does, here."""

    def __init__(self, peer):
        self.peer = peer

    def call(self, method, *arguments):
        return getattr(self.peer, method)(*arguments)


def both(case):
    return {"NumPy": InProcess(numpy_peer.Peer(case)), "hotloop": InProcess(hotloop_peer.Peer(case))}


def session(**changes):
    return Session(**{"peers": ["hotloop", "numpy"], "rounds": 2, "seconds": 0.001} | changes)


@pytest.mark.parametrize("name", [pytest.param(name, marks=COMPILED) for name in NETWORKS])
def test_numpy_and_hotloop_train_the_same_network(name):
    case = SMALL[name]
    found = measure.same_loss(case, both(case))
    assert found["NumPy"]["reached"] == pytest.approx(found["hotloop"]["reached"], rel=1e-5)


@pytest.mark.parametrize(("loss", "activation"), [("mse", "tanh"), ("mse", "sigmoid"), ("cross_entropy", "relu")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_numpy_and_hotloop_train_the_same_small_network(loss, activation, optimizer):
    case = replace(TINY, loss=loss, activation=activation, optimizer=optimizer, learning_rate=0.01)
    measure.same_loss(case, both(case))


class Wrong(numpy_peer.Peer):
    """NumPy at a learning rate that is 1 % too high."""

    def __init__(self, case):
        super().__init__(replace(case, learning_rate=1.01 * case.learning_rate))


class Forgetful(numpy_peer.Peer):
    """NumPy that reports a loss other than the one it reaches."""

    def train(self, epochs):
        return super().train(epochs) + 0.01


class Nan(numpy_peer.Peer):
    """NumPy that diverges."""

    def train(self, epochs):
        return super().train(epochs) * math.nan


@pytest.mark.parametrize("kind", [Wrong, Forgetful, Nan])
def test_a_peer_that_trains_something_else_is_refused(kind):
    case = replace(SMALL["64-32-10"], rows=512)
    measure.same_loss(case, {"sound": InProcess(numpy_peer.Peer(case))})
    with pytest.raises(LossMismatch, match=r"^bad does not train the same network\. 64-32-10, batch 32, 2 epochs"):
        measure.same_loss(case, {"sound": InProcess(numpy_peer.Peer(case)), "bad": InProcess(kind(case))})


def test_the_oracle_of_the_loss_is_that_of_hotloop():
    for loss in ("mse", "cross_entropy"):
        case = replace(TINY, loss=loss, activation="tanh")
        peer = hotloop_peer.Peer(case)
        wanted = peer.network.evaluate(*cases.data(case))["loss"]
        assert cases.loss_of(case, peer.parameters()) == pytest.approx(wanted, rel=1e-6)


def test_a_round_starts_from_the_initial_weights():
    for kind in (numpy_peer.Peer, hotloop_peer.Peer):
        peer = kind(replace(TINY, optimizer="adam"))
        losses = []
        for _ in range(2):
            peer.reset()
            losses.append(peer.train(2))
        assert losses[0] == losses[1]


def test_an_order_fills_its_batches():
    drawn = list(cases.orders(replace(TINY, rows=18), 2))
    assert [len(order) for order in drawn] == [16, 16]
    assert not np.array_equal(*drawn)
    assert all(len(set(order)) == 16 for order in drawn)


def test_ratios():
    times = {"hotloop": 2.0, "NumPy": 5.0, "PyTorch eager": 30.0, "JAX": 3.0}
    found = measure.ratios(times, {"fastest": 1.4, "eager": 16})
    assert found == {"fastest_peer": "JAX", "fastest": 1.5, "eager": 15.0, "loses": False, "misses": ["eager"]}
    assert measure.ratios(times | {"JAX": 1.9}, {"fastest": 1.4, "eager": None})["loses"]


def test_ratios_without_a_side():
    nothing = {"fastest_peer": None, "fastest": None, "eager": None, "loses": False, "misses": []}
    assert measure.ratios({"NumPy": 1.0}, {"fastest": 2}) == nothing
    assert measure.ratios({"hotloop": 1.0}, {"fastest": 2}) == nothing
    assert measure.ratios({"hotloop": 1.0, "NumPy": 2.0}, {"eager": 3})["misses"] == []


def test_rounds_are_in_turn_and_every_other_one_backwards():
    calls = []
    clock = iter(range(1, 100))

    def measure_of(label):
        return lambda: (calls.append(label), float(next(clock)))[1]

    found = measure.in_turn(3, {label: measure_of(label) for label in "abc"})
    assert "".join(calls) == "abccbaabc"
    assert found["a"].rounds == [1.0, 6.0, 7.0]
    assert found["a"].median == 6.0
    assert found["a"].record(0.5) == {"median": 12.0, "least": 2.0, "rounds": [2.0, 12.0, 14.0]}


def test_a_long_call_is_not_repeated_to_time_it():
    class Clock:
        def call(self, method, times):
            calls.append(times)

        def seconds(self, method, times):
            calls.append(times)
            return self.once * times

    for once, wanted in ((0.5, [1, 1, 1]), (0.002, [1, 1, 3, 3, 3, 50])):
        calls, Clock.once = [], once
        assert measure.per_call(session(seconds=0.1), Clock(), "x")() == pytest.approx(once)
        assert calls == wanted


def test_steps_are_counted():
    case = replace(TINY, rows=16)  # 4 steps an epoch

    class Clock:
        def call(self, method):
            calls.append(method)

        def seconds(self, method, epochs):
            calls.append(method)
            return 0.008 * epochs

    calls = []
    found = measure.step_times(session(seconds=0.1), case, {"x": Clock()})
    assert found["x"].median == pytest.approx(0.002)
    assert calls == ["reset", "train"] * 4  # twice to find out how many epochs fill a round, and two rounds


def test_floating_point_operations():
    assert Case((784, 128, 10), 32).flops == 32 * (4 * 784 * 128 + 6 * 128 * 10)


def test_names_of_networks():
    assert NETWORKS["64-8x64-1"].name == "64-8 x 64-1, batch 64, tanh, mse"
    assert NETWORKS["784-128-10-adam"].name == "784-128-10, batch 32, adam"
    assert len({case.name for case in NETWORKS.values()}) == len(NETWORKS)


def test_other_outputs_are_refused():
    wanted = np.full((1, 10), 0.1)
    tables.same_outputs({"a": wanted, "b": wanted + 1e-7})
    with pytest.raises(LossMismatch, match=r"^b computes"):
        tables.same_outputs({"a": wanted, "b": wanted + 1e-3})


def test_a_process_is_pinned_and_told_its_threads(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("XLA_FLAGS", "--xla_nothing")
    found = variables(1)
    assert "OPENBLAS_CORETYPE" not in found
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "1"
    assert found["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    assert "XLA_FLAGS" not in variables(2)
    core = max(os.sched_getaffinity(0))
    with Worker("NumPy", "numpy_peer:Peer", [core]) as worker:
        worker.make(TINY)
        assert worker.call("train", 1) == numpy_peer.Peer(TINY).train(1)
        assert os.sched_getaffinity(worker.process.pid) == {core}
        assert worker.seconds("train", 1) > 0
        assert worker.run("worker:peak_memory") > 10e6
    assert worker.process.poll() == 0


def test_a_peer_that_is_absent_is_named(capfd):
    found = session()
    workers = {
        "NumPy": Worker("NumPy", "numpy_peer:Peer", found.core),
        "new": Worker("new", "new_peer:Peer", found.core),
        "failing": Worker("failing", "numpy_peer:Peer", found.core),
    }

    def make(ready):
        for label, worker in ready.items():
            worker.make(TINY, **({"dtype": "float31"} if label == "failing" else {}))
        return {label: worker.call("train", 1) for label, worker in ready.items()}

    try:
        assert list(found.without_failing("a row", workers, make)) == ["NumPy"]
    finally:
        tables.end(workers)
    assert found.absent["new (a row)"] == "benchmarks.comparison.new_peer is not installed"
    assert found.absent["failing (a row)"].startswith("TypeError: data type 'float31'")
    assert "new is left out of a row" in capfd.readouterr().err


def test_a_process_that_dies_is_an_error():
    with Worker("NumPy", "numpy_peer:Peer", session().core) as worker:
        worker.process.kill()
        with pytest.raises(PeerError, match="its process ended, with status -9"):
            worker.make(TINY)


def results():
    """Return possible results of a run, with every table."""
    times = {label: Times([value * 1e-6]).record() for label, value in
             {"hotloop": 10.0, "PyTorch eager": 200.0, "JAX": 9.0}.items()}  # fmt: skip
    networks = [{
        "network": "64-32-10, batch 32", "flops": 1000, "loss": {}, "notes": {"PyTorch eager": "fused optimizer"},
        "microseconds": times, "targets": {"fastest": 3.5, "eager": 50},
        **measure.ratios({k: v["median"] for k, v in times.items()}, {"fastest": 3.5, "eager": 50}),
        "share_of_peak": 0.25,
    }]  # fmt: skip
    medians = {"hotloop, 1 thread": 10.0, "hotloop, 2 threads": 8.0, "hotloop, auto": 9.0, "JAX, 2 threads": 7.0}
    threads = [{
        "network": "784-128-10, batch 32", "threads": [1, 2], "chosen": 2,
        "microseconds": {label: Times([value * 1e-6]).record() for label, value in medians.items()},
        **scaling.judged(medians, [1, 2], {2: 1.4}),
    }]  # fmt: skip
    product = tables.product_row((512, 512, 512), "forward", {"hotloop": 1e-3, "NumPy": 9e-4}, 256e9)
    found = session(peak=256e9)
    found.absent["scikit-learn"] = "sklearn is not installed"
    return {
        "format": report.FORMAT, "about": report.describe(found, ["python benchmarks/peers.py"]),
        "tables": {
            "networks": networks, "threads": threads,
            "kernels": [product | {"notes": {"NumPy": "openblas 0.3"}}],
            "one_row": [{"way": "NumPy", "microseconds": times["JAX"], "wanted": None, "misses": False}],
            "mnist": [{"peer": "hotloop", "seconds": Times([3.0]).record(1.0), "first_epoch_loss": 0.25,
                       "peak_memory": 300_000_000, "cores": 2, "wanted": 2.5,
                       "accuracy": {"epochs": 20, "test_accuracy": 0.984}}],
            "widths": [{"width": 64, "flops": 1, "microseconds": times, "floor": 1.0}],
        },
        "absent": found.absent,
    }  # fmt: skip


def test_the_report_says_it_all():
    text = report.markdown(results())
    for line in (
        "| 64-32-10, batch 32 | 10.0 | 200 | 9.00 | 0.90 (3.5), JAX | 20.0 (50) | 25% | **we lose** |",
        "| 784-128-10, batch 32 | hotloop | 10.0 | **8.00** | 9.00 | 2 | 1.25 (1.4) | **we lose** to JAX at 2; "
        "speed-up below target; auto takes 1.12 times the best (target: 1.05) |",
        "|  | JAX | - | 7.00 | - | - | - |  |",
        "| x W | 512, 512, 512 | 268 | 298 | 0.90 (1), NumPy | 1.05 (0.85) | **we lose** |",
        "NumPy: openblas 0.3.",
        "| NumPy | 9.00 |  |  |",
        "| hotloop | 3.00 | 300 | 0.250 | above 2.5 s |",
        "hotloop: 98.40% of the test images after 20 epochs.",
        "PyTorch eager: fused optimizer (64-32-10, batch 32).",
        "FMA peak of one core, float32, measured: 256 GF/s.",
        "- scikit-learn: sklearn is not installed",
    ):
        assert line in text.splitlines()
    for title in report.TITLES.values():
        assert f"## {title}" in text


def test_the_file_has_what_the_report_has(tmp_path):
    found = results()
    written, text = report.write(found, tmp_path)
    assert written.name == f"peers-{report.slug(report.cpu())}.json"
    assert json.loads(written.read_text()) == found
    assert text.read_text() == report.markdown(found)
    assert {"cpu", "cores", "versions", "commit", "date", "peak_gflops", "rounds", "command"} <= set(found["about"])
    assert {"numpy", "numba", "python"} <= set(found["about"]["versions"])


def test_the_report_is_written_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert [path.suffix for path in peers.written(results(), tmp_path)] == [".json", ".md"]
    assert "- the charts: pictures need matplotlib: python -m pip install" in next(tmp_path.glob("*.md")).read_text()


def test_a_reason_is_given_once():
    absent = {"JAX (a)": "none", "JAX (b)": "none", "NumPy (a)": "other", "the chart": "third"}
    assert report.absent_lines(absent) == ["- JAX (2 rows): none", "- NumPy (a): other", "- the chart: third"]


def test_columns_stand_in_the_order_of_the_peers():
    rows = [{"microseconds": {"JAX": 1, "other": 1, "hotloop, auto": 1}}, {"microseconds": {"NumPy": 1}}]
    assert report.columns(rows) == ["hotloop, auto", "NumPy", "JAX", "other"]


def test_a_file_name_of_a_cpu():
    assert report.slug("AMD EPYC (family 26, model 2)") == "amd-epyc-26-2"
    assert report.slug("Intel(R) Xeon(R) CPU @ 2.20GHz") == "intel-r-xeon-r-2-20ghz"


@pytest.mark.parametrize(("value", "text"), [
    (0.123456, "0.12"), (1.0, "1.00"), (9.876, "9.88"), (12.345, "12.3"), (123.4, "123"), (45678.9, "45679"),
    (None, "-"),
])  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert report.number(value) == text


def test_the_labels_of_the_chart_stand_apart():
    class Axes:
        def get_ylim(self):
            return 1.0, 1e4

        def text(self, x, y, label, **_):
            heights[label] = y

    heights = {}
    chart.label_lines(Axes(), [(16, 10.0, "a"), (16, 10.5, "b"), (16, 500.0, "c")])
    assert heights["b"] / heights["a"] > 1.3
    assert heights["c"] == 500.0


def test_what_is_measured_is_what_was_asked_for():
    everything = ["networks", "threads", "kernels", "one_row", "widths"]
    assert list(peers.measures(session(mnist=""), None)) == everything
    assert list(peers.measures(session(), ["one_row", "784-30-10"])) == ["networks", "one_row"]
    without = session(mnist="/nowhere/mnist")
    assert peers.measures(without, ["mnist"]) == {}
    assert without.absent["mnist"] == "no folder mnist: give --mnist FOLDER, or set HOTLOOP_DATA"


def test_a_quick_run_says_what_it_leaves_out():
    found = peers.session_of(peers.parser().parse_args(["--quick"]))
    assert (found.rounds, found.seconds, found.mnist_epochs) == (3, 0.03, 0)
    assert "torch-compile" not in found.peers
    assert found.absent["torch.compile"] == "takes too long to compile for --quick"
    trained = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "networks", lambda session, names: trained.append(names))
        for only in (["networks"], ["networks", "2048-2048-2048-10"]):
            peers.measures(found, only)["networks"]()
    assert trained[1] == [*NETWORKS][:4] + [*NETWORKS][5:]
    assert trained[0] == [name for name in trained[1] if not name.startswith("2048")]
    assert found.absent["784-512-512-10, batch 1024"] == "takes too long for --quick"


@COMPILED
def test_the_command_from_end_to_end(tmp_path):
    given = ["--only", "64-32-10", "one_row", "--peers", "hotloop", "numpy", "--quick", "--out", str(tmp_path)]
    command = [sys.executable, "-W", "error", "benchmarks/peers.py", *given]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert set(found["tables"]) == {"networks", "one_row"}
    row = found["tables"]["networks"][0]
    assert row["fastest_peer"] == "NumPy"
    theirs, ours = row["microseconds"]["NumPy"], row["microseconds"]["hotloop"]
    assert row["fastest"] == pytest.approx(theirs["median"] / ours["median"])
    assert len(ours["rounds"]) == 3
    assert done.stdout.strip() == next(tmp_path.glob("*.md")).read_text().strip()


def test_nothing_measured_is_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(peers, "calibrate", lambda session: None)
    assert peers.main(["--only", "mnist", "--mnist", str(tmp_path / "none"), "--out", str(tmp_path)]) == 1
    assert "error: nothing was measured\n  mnist: no folder none: give --mnist FOLDER, or" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given", ["--rounds 0", "--seconds 0", "--seconds nan", "--seconds inf", f"--out {__file__}", f"--out {__file__}/x"]
)
def test_a_mistake_in_the_command(given, monkeypatch, capsys):
    """Said at once, not when all is measured."""
    monkeypatch.setattr(peers, "calibrate", lambda session: pytest.fail("it began to measure"))
    with pytest.raises(SystemExit, match="2"):
        peers.main(given.split(" ", 1))
    assert f"argument {given.split()[0]}:" in capsys.readouterr().err
