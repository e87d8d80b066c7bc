"""A new optimizer, activation and loss, planted in a copy of the tree in just the files that CONTRIBUTING.md lists.

The copy trains with them, lists them in the help and the hints, saves and loads them, and profiles them under their
label. Its own tests hold them against the oracle.
"""

import ast
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import oracle
import pytest

from hotloop import Network, schedules
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import LOSSES
from hotloop.network.metrics.named import METRICS
from hotloop.network.training.optimizers import METHODS, OPTIMIZERS
from hotloop.network.validation.arguments import aliases_of

ROOT = Path(__file__).parents[2]
COPIED = ("kernels", "network", "src", "tests", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md")

# Of each: the file, a text in it, and what takes the text's place ("{}").
OPTIMIZER = [
    ("kernels/codes.py", "ADAM, ADAMW = range(8)", "ADAM, ADAMW, SIGN = range(9)"),
    ("kernels/updates.py", "@inline\ndef update(", '''@kernel
def sign(gradient: Array, learning_rate: float, parameters: Array) -> None:
    """w := w - alpha sign(g); alpha is the learning_rate, g the gradient, w the parameters."""
    check_lengths(gradient, gradient, parameters)
    for i in range(parameters.size):
        parameters[i] -= parameters.dtype.type(learning_rate) * np.sign(gradient[i])


sign_loop = inlined(sign)


{}'''),
    ("kernels/updates.py", "    elif method == codes.MOMENTUM:", """    elif method == codes.SIGN:
        sign_loop(gradient, alpha, parameters)
{}"""),
    ("kernels/__init__.py", "nesterov, rmsprop, sgd\n", "nesterov, rmsprop, sgd, sign\n"),
    ("kernels/__init__.py", '    "sigmoid",\n', '{}    "sign",\n'),
    ("network/training/optimizers.py", "\n\ndef optimizer_of(", '''

@optimizer
class Sign(Optimizer):
    """w := w - alpha sign(g)."""

    learning_rate: ScheduledNumber = 0.01

    methods: ClassVar[tuple[Method, ...]] = (Method(codes.SIGN, "sign descent", flops=2, n_moments=0),)
{}'''),
    ("src/hotloop/__init__.py", "Adam, AdamW, RMSprop\n", "Adam, AdamW, RMSprop, Sign\n"),
    ("src/hotloop/__init__.py", '    "RMSprop",\n', '{}    "Sign",\n'),
    ("network/trainable.py", "Adagrad, Adam, AdamW, or a name", "Adagrad, Adam, AdamW, Sign, or a name"),
    ("docs/features.md", "Adagrad, Adam, AdamW: ", "Adagrad, Adam, AdamW, Sign: "),
    ("docs/optimizers.md", "\n\nThe formulas are", "\n| `Sign(learning_rate=0.01)` | w := w - alpha sign(g) | 0 |{}"),
    ("tests/oracle.py", '    "adam": (2,', '    "sign": (0, lambda t: (0.1,)),\n{}'),
    ("tests/oracle.py", "def sgd(", """def sign(gradient, learning_rate, parameters):
    return (parameters - learning_rate * np.sign(gradient),)


{}"""),
    ("tests/network/test_flops.py", "    (Adam(), adam),\n",
     "{}    (KINDS['sign'](), lambda w, g, c: w - c * g),\n"),
    ("tests/network/test_flops.py", "\n\nclass Counting:", """
from hotloop.network.training.optimizers import OPTIMIZERS as KINDS
{}"""),
]  # fmt: skip
ACTIVATION = [
    ("kernels/codes.py", "    ACTIVATION_BY_ADDRESS,\n) = range(14)",
     "    ACTIVATION_BY_ADDRESS, HALF,\n) = range(15)"),
    ("kernels/activation_formulas.py", "@inline\ndef activate(", '''@inline
def halved(z: Any) -> Any:
    """Return z / 2."""
    return z * type(z)(0.5)


@inline
def half_slope(a: Any) -> Any:
    """Return 1 / 2."""
    return a * type(a)(0) + type(a)(0.5)


{}'''),
    ("kernels/activation_formulas.py", "    elif code == codes.SOFTPLUS:\n        for i in range(out.size):",
     """    elif code == codes.HALF:
        for i in range(out.size):
            out[i] = halved(out[i])
{}"""),
    ("kernels/activation_formulas.py", "    elif code == codes.SOFTPLUS:\n        for i in range(delta.size):",
     """    elif code == codes.HALF:
        for i in range(delta.size):
            delta[i] *= half_slope(share * activation[i])
{}"""),
    ("kernels/activations.py", "    exponential_linear_slope,\n", "{}    half_slope,\n    halved,\n"),
    ("kernels/activations.py", "@kernel\ndef softplus(", '''@kernel
def half(z: Array, out: Array) -> None:
    """out = z / 2."""
    out = prepare(z, out)
    for i in range(out.size):
        out[i] = halved(out[i])


@kernel
def half_derivative(activation: Array, out: Array) -> None:
    """out = f'(z) = 1 / 2; a is the activation."""
    out = prepare(activation, out)
    for i in range(out.size):
        out[i] = half_slope(out[i])


{}'''),
    ("kernels/__init__.py", "        exponential_derivative,\n", "{}        half,\n        half_derivative,\n"),
    ("kernels/__init__.py", '    "gelu_derivative",\n', '{}    "half",\n    "half_derivative",\n'),
    ("network/activations.py", '        Activation("softmax"',
     """        Activation("half", codes.HALF, "glorot_uniform", aliases=("one_half",)),
{}"""),
    ("network/network.py", "swish.", "swish, half, one_half."),
    ("docs/features.md", "softplus, identity;", "softplus, half, identity;"),
    ("tests/oracle.py", "ACTIVATIONS = {", """def half(z):
    return double(z) / 2


def half_derivative(a):
    return np.full(np.shape(a), 0.5)


ACTIVATIONS = {
    "half": half,"""),
    ("tests/oracle.py", "DERIVATIVES = {", '{}\n    "half": half_derivative,'),
]  # fmt: skip
LOSS = [
    ("kernels/codes.py", "LOSS_BY_ADDRESS, ", "DOUBLE_ERROR, {}"),
    ("kernels/codes.py", ") = range(8)", ") = range(9)"),
    ("kernels/losses.py", "@inlined\ndef row_loss(", '''@reduction
def double_error_row(a: Array, y: Array, g: Array, weight: float) -> float:
    """Return 2 weight sum |a - y|; g = 2 weight sign(a - y)."""
    return absolute_error_row(a, y, g, 2 * weight)


{}'''),
    ("kernels/losses.py", "    if loss == codes.HUBER:", """    if loss == codes.DOUBLE_ERROR:
        return double_error_row(a, y, g, weight)
{}"""),
    ("kernels/losses.py", "@kernel\ndef huber(", '''@kernel
def double_error(outputs: Array, targets: Array, gradient: Array) -> float:
    """C = 2 sum |a - y| / (B O); dC/da = 2 sign(a - y) / (B O).

    Returns C; outputs a, targets y and gradient dC/da, which is overwritten, are (B, O).

    >>> import numpy as np
    >>> gradient = np.empty((1, 2), np.float32)
    >>> double_error(np.array([[2, 0]], np.float32), np.zeros((1, 2), np.float32), gradient)
    2.0
    """
    check_shapes(outputs, targets, gradient)
    total, weight = 0.0, mean_over(codes.DOUBLE_ERROR, targets.shape[0], targets.shape[1])
    for b in range(targets.shape[0]):
        total += double_error_row(row(outputs, b), row(targets, b), row(gradient, b), weight)
    return total


{}'''),
    ("kernels/__init__.py", "        huber,\n", "        double_error,\n{}"),
    ("kernels/__init__.py", '    "dropout",\n', '    "double_error",\n{}'),
    ("network/losses.py", '        Huber(),', """        Loss("double_error", codes.DOUBLE_ERROR, "identity"),
{}"""),
    ("network/network.py", "        mse, mae, huber, log_cosh", "        mse, mae, double_error, huber, log_cosh"),
    ("docs/features.md", "| losses | mse, mae, huber,", "| losses | mse, mae, double_error, huber,"),
    ("docs/losses.md", "| `huber`,", "| `double_error` | mean over outputs of 2 \\|a - y\\| | values | identity |\n{}"),
    ("tests/oracle.py", "LOSSES = {", """def double_error(outputs, targets):
    loss, gradient = mean_absolute_error(outputs, targets)
    return 2 * loss, 2 * gradient


LOSSES = {
    "double_error": double_error,"""),
]  # fmt: skip
PLANTED = {"An optimizer": OPTIMIZER, "An activation": ACTIVATION, "A loss": LOSS}

USE = """
import json
import numpy as np
from hotloop import Network, Sign, profile
from hotloop.schedules import Cosine

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
y = X[:, :2] / 2
net = Network([3, 4, 2], "half", loss="double_error", dtype="float64", seed=0)
first = net.evaluate(X, y)["loss"]
with profile(snapshots=False) as prof:
    history = net.fit(X, y, optimizer=Sign(Cosine(0.01)), epochs=20, batch_size=8, progress=False, n_threads=1)
    net.fit(X, y, optimizer="adam", epochs=1, progress=False, n_threads=1)
before, gradient = net.parameters.copy(), net.gradient(X, y)[1]
direction = rng.normal(size=gradient.size) * (before != 0)
losses = []
for step in (1e-6, -1e-6):
    net.parameters[:] = before + step * direction
    losses.append(net.evaluate(X, y)["loss"])
net.parameters[:] = before
net.fit(X, y, optimizer="sign", epochs=1, batch_size=40, progress=False)
moved = np.abs(before - 0.01 * np.sign(gradient) - net.parameters).max()
net.save("model")
loaded = Network.load("model")
errors = []
for options in ({"activation": "hlaf"}, {"loss": "doubleError"}, {"activation": "OneHalf"}):
    try:
        Network([3, 4, 2], **options)
    except ValueError as error:
        errors.append(str(error))
try:
    net.fit(X, y, optimizer="sing")
except ValueError as error:
    errors.append(str(error))
flops = sum(row["flops"] for row in prof.rows if row["name"] == "update" and "sign descent" in (row["network"] or ""))
print(json.dumps({
    "losses": [first, history["loss"][-1]], "moved": moved, "rates": history["learning_rate"],
    "slopes": [(losses[0] - losses[1]) / 2e-6, float(gradient @ direction)],
    "table": str(prof), "errors": errors, "flops": flops,
    "same": bool((loaded.parameters == net.parameters).all()) and loaded.optimizer == Sign(),
    "loaded": repr(loaded), "alias": Network([3, 4, 2], "one_half").activations[0],
}))
"""


def listed(kind):
    """Return the files of a numbered list in CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    steps = text.split(f"\n{kind}:\n\n")[1].split("\n\n")[0]
    return re.findall(r"^\d+\. `(.+?)`:", steps, flags=re.M)


@pytest.mark.parametrize("kind", PLANTED)
def test_the_files_are_those_that_contributing_lists(kind):
    files = listed(kind)
    assert len(files) == len(set(files)) == {"An optimizer": 10, "An activation": 8, "A loss": 8}[kind]
    assert files == [f for f in files if (ROOT / f).is_file()]
    assert set(files) == {file for file, _, _ in PLANTED[kind]}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A copy of the tree with one of each."""
    folder = tmp_path_factory.mktemp("planted")
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    for file, old, new in (edit for edits in PLANTED.values() for edit in edits):
        text = (folder / file).read_text()
        assert text.count(old) == 1, (file, old)
        (folder / file).write_text(text.replace(old, new.replace("{}", old)))
    return folder


def run(folder, *arguments):
    """Run Python in the copy, without the compiler."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def used(planted):
    return json.loads(run(planted, "-c", USE).splitlines()[-1])


def test_they_train(used):
    first, last = used["losses"]
    assert last < first / 4
    assert used["moved"] == 0
    assert used["slopes"][0] == pytest.approx(used["slopes"][1], rel=1e-6)
    assert used["rates"] == sorted(used["rates"], reverse=True)
    assert used["rates"][-1] < 1e-5 < 0.009 < used["rates"][0]


def test_a_profile_has_the_label_and_the_operations(used):
    assert "sign descent" in used["table"]
    assert used["flops"] == 2 * 26 * 20 * 5  # a parameter, parameters, epochs, batches


def test_they_are_saved_and_loaded(used):
    assert used["same"]
    assert "activation=['half']" in used["loaded"]
    assert "loss='double_error'" in used["loaded"]


def test_hints_and_aliases_know_them(used):
    assert used["alias"] == "half"
    for error, meant in zip(used["errors"], ("half", "double_error", "half", "sign"), strict=True):
        assert f"Did you mean {meant!r}?" in error


def test_the_command_line_lists_them(planted):
    out = " ".join(run(planted, "-m", "hotloop", "train", "--help").split())
    assert ", ".join(["adamw", "sign"]) in out
    assert "0.01 sign" in out
    assert "mish, softplus, half" in out
    assert "(mse, mae, double_error, huber, log_cosh, quantile)" in out


def test_the_tests_know_them(planted):
    """Against the oracle; in whole trainings, on any number of threads; in the documents; in the fuzzer's programs."""
    files = [
        "kernels/test_updates.py",
        "kernels/test_activations.py",
        "kernels/test_losses.py",
        "network/test_flops.py",
    ]
    files += ["network/training/test_same_bits.py", "project/test_new_methods.py"]
    names = "sign- or sign] or Sign or half or double_error or every_method or are_documented or has_an_oracle"
    names = f"({names}) and not float32 and not precision"
    paths = [f"tests/{file}" for file in files]
    out = run(planted, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "-k", names, *paths)
    passed = [line for line in out.splitlines() if line.startswith("PASSED")]
    for name in ("sign", "half", "half_derivative", "double_error", "Sign"):
        assert any(re.search(rf"[\[-]{name}[\]-]", line) for line in passed), name
    writer = "import fuzz_writer as w; print(w.HIDDEN, w.OPTIMIZERS, w.LOSSES)"
    drawn = run(planted, "-c", f"import sys; sys.path[:0] = ['tests']; {writer}")
    assert all(name in drawn for name in ("'half'", "Sign({})", "double_error"))


# What the tree itself must hold, and the copy too.


def test_each_has_an_oracle():
    assert set(oracle.ACTIVATIONS) | {"softmax"} == set(ACTIVATIONS)
    assert set(oracle.LOSSES) == set(LOSSES)
    assert set(oracle.METHODS) >= set(OPTIMIZERS)
    assert len(oracle.METHODS) == len(METHODS) - 1  # which also has NO_UPDATE


def test_codes_are_not_given_twice():
    in_the_loop = {name: row for name, row in LOSSES.items() if row.kernel is None}
    for table in (ACTIVATIONS, in_the_loop):
        assert len({row.code for row in table.values()}) == len(table)
    assert {code: method.code for code, method in METHODS.items()} == {code: code for code in METHODS}
    assert len({method.label for method in METHODS.values()}) == len(METHODS)
    assert sum(len(kind.methods) for kind in OPTIMIZERS.values()) == len(METHODS) - 1


def words(text):
    return set(re.findall(r"\w+", text))


def test_all_are_documented():
    features = (ROOT / "docs" / "features.md").read_text()
    row = {
        line.split("|")[1].split(",")[0].strip(): words(line) for line in features.splitlines() if line.count("|") == 3
    }
    classes = {kind.__name__ for kind in OPTIMIZERS.values()}
    assert set(ACTIVATIONS) <= row["activations"]
    assert set(LOSSES) <= row["losses"]
    assert classes <= row["optimizers"]
    assert classes <= words(Network.fit.__doc__)
    for table in (ACTIVATIONS, LOSSES, INITIALIZERS):
        assert {*table, *aliases_of(table)} <= words(Network.__doc__)


def names_in_tables(document):
    """Return what stands in backquotes in the first cells of a document's tables, without arguments."""
    cells = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / document).read_text(), re.M)
    return [name for cell in cells for name in re.findall(r"`([\w.]+)[^`]*`", cell)]


def test_the_tables_of_the_documents_are_documented():
    """Every loss, schedule, metric and optimizer has a row where it is explained."""
    assert [name for name in names_in_tables("losses.md") if name.islower()] == list(LOSSES)
    assert {*names_in_tables("schedules.md")} == {*schedules.__all__, "OneCycle.pytorch"}
    averages = re.compile("_(macro|micro|weighted|binary)$")
    assert {averages.sub("", name) for name in METRICS} <= {*names_in_tables("history.md")}
    assert names_in_tables("optimizers.md") == [kind.__name__ for kind in OPTIMIZERS.values()]


@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_the_defaults_of_an_optimizer_are_documented(kind):
    text = (ROOT / "docs" / "optimizers.md").read_text()
    (row,) = re.findall(rf"^\| `{kind.__name__}\((.*?)\)` \|.*\| (.*?) \|$", text, re.M)
    shown = {name: ast.literal_eval(value) for name, value in (pair.split("=") for pair in row[0].split(", "))}
    wanted = {f.name: f.default for f in dataclasses.fields(kind) if not f.kw_only}
    assert shown == wanted
    assert row[1] == " or ".join(str(n) for n in sorted({method.n_moments for method in kind.methods}))
