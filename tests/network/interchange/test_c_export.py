"""Networks as C files."""

import re
import subprocess

import numpy as np
import pytest
from exported_c import COMPILER, STRICT, compile_files, compiled, difference, needs_compiler, outputs_of, unit_of
from interchange_networks import HIDDEN, N_NETWORKS, assert_same, random_network

from hotloop import Adam, Network
from hotloop.activations import CustomActivation
from hotloop.datasets import load_digits
from hotloop.interchange import export_c
from hotloop.network.persistence.schema import Schema


@pytest.fixture(scope="module")
def random_networks():
    """Return the random networks of each dtype by their names in C: each with inputs, outputs and the latter's unit."""
    drawn = {f"{dtype}_{seed}": random_network(seed, dtype) for dtype in ("float32", "float64")
             for seed in range(N_NETWORKS)}  # fmt: skip
    return {name: (net, X, net.predict(X), unit_of(net, X)) for name, (net, X) in drawn.items()}


@needs_compiler
@pytest.mark.parametrize("flags", [(), ("-ffast-math",)], ids=["strict", "fast"])
def test_c_computes_the_same(tmp_path, random_networks, flags):
    library = compiled(tmp_path, {name: net for name, (net, *_) in random_networks.items()}, *flags)
    for name, (_, X, wanted, unit) in random_networks.items():
        found = outputs_of(getattr(library, name), X, wanted.shape[1])
        assert difference(found, wanted) <= 4 * unit, name


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_activation_where_it_is_far_from_zero(tmp_path, dtype):
    layer = (np.ones((1, 1)), np.zeros(1))
    networks = {
        f"net_{at}": Network([1, 1, 1], activation, initializer=[layer] * 2, dtype=dtype)
        for at, activation in enumerate(HIDDEN)
    }
    library = compiled(tmp_path, networks)
    X = np.linspace(-60, 60, 4801).reshape(-1, 1).astype(dtype)
    for name, net in networks.items():
        assert_same(
            outputs_of(getattr(library, name), X, 1), net.predict(X), {"float32": 5e-7, "float64": 1e-15}[dtype]
        )


@needs_compiler
def test_digits_are_classified_the_same(tmp_path):
    data = load_digits()
    net = Network([64, 32, 10], loss="cross_entropy", input_scale=1 / 16, seed=0)
    net.fit(data.x_train, data.y_train, epochs=5, optimizer=Adam(0.005))
    library = compiled(tmp_path, {"digits": net})
    X = np.asarray(data.x_test, np.float32)
    found, wanted = outputs_of(library.digits, X, 10), net.predict(X)
    assert len(X) == 1797
    assert np.mean(wanted.argmax(axis=1) == data.y_test) > 0.9
    np.testing.assert_array_equal(found.argmax(axis=1), wanted.argmax(axis=1))
    assert difference(found, wanted) <= 4 * unit_of(net, X)


@needs_compiler
def test_years_keep_their_digits(tmp_path):
    layer = (np.ones((1, 1)), np.zeros(1))
    several = {"input_offset": [2000.1], "input_scale": [1000.0]}
    networks = {
        "years": Network([1, 1], initializer=[layer], input_offset=2000.1, input_scale=1000),
        "columns": Network([1, 1], initializer=[layer], **several),
    }
    library = compiled(tmp_path, networks)
    X = np.array([[2000.0], [2001.0]], np.float32)
    for name, net in networks.items():
        np.testing.assert_array_equal(outputs_of(getattr(library, name), X, 1), net.predict(X))


@needs_compiler
def test_double_of_a_float32_network(tmp_path):
    net, X = random_network(2, "float32")
    twin = Network(
        net.sizes, net.activations[:-1], output=net.activations[-1], loss=net.loss, layer_norm=net.layer_norm,
        layer_norm_epsilon=net.layer_norm_epsilon, learn_activation=net.learn_activation,
        learn_input_scale=net.learn_input_scale, input_offset=net.input_offset, input_scale=net.input_scale,
        dtype="float64",
    )  # fmt: skip
    for name, part in twin.parts(twin.parameters).items():
        part[:] = net.parts(net.parameters)[name]
    library = compiled(tmp_path, {"net": net}, dtype="float64")
    assert_same(outputs_of(library.net, X.astype("f8"), net.sizes[-1]), twin.predict(X.astype("f8")))


@needs_compiler
def test_nan_stays_visible(tmp_path):
    networks = {
        f"net_{at}": Network([2, 3, 3], activation, output=output, loss=loss, layer_norm=norm, seed=0)
        for at, (activation, output, loss, norm) in enumerate(
            [(activation, None, "cross_entropy", False) for activation in HIDDEN] + [("relu", "relu", "mse", True)]
        )
    }
    library = compiled(tmp_path, networks)
    for name in networks:
        assert np.isnan(outputs_of(getattr(library, name), np.array([[np.nan, 1]], "f4"), 3)).all(), name


@needs_compiler
@pytest.mark.parametrize("flags", [("-O0",), ("-O3",)])
def test_two_networks_link_into_one_program(tmp_path, flags):
    first, second = Network([3, 4, 2], seed=0), Network([3, 2], seed=1)
    export_c(first, tmp_path / "first.c", name="first")
    export_c(second, tmp_path / "second.c", name="second")
    compile_files(tmp_path, [tmp_path / "first.c", tmp_path / "second.c"], *flags)


@needs_compiler
def test_sanitizers_find_nothing(tmp_path):
    net, X = random_network(12, "float32")  # layer normalisation in two layers
    export_c(net, tmp_path / "net.c")
    rows = ", ".join(f"{number!r}f" for number in X[0].tolist())
    (tmp_path / "main.c").write_text(
        f'#include "net.c"\nint main(void)\n{{\n    const float x[PREDICT_INPUTS] = {{{rows}}};\n'
        "    float out[PREDICT_OUTPUTS];\n    predict(x, out);\n    return out[0] == out[0] ? 0 : 1;\n}\n"
    )
    command = [COMPILER, *STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "main.c", "-lm"]
    built = subprocess.run([*command, "-o", "main"], cwd=tmp_path, capture_output=True, text=True, check=False)
    if built.returncode and "cannot find" in built.stderr:
        pytest.skip("the C compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    subprocess.run([tmp_path / "main"], check=True, env={"ASAN_OPTIONS": "detect_leaks=0"})


def test_the_comment_says_what_it_is(tmp_path):
    net = Network([3, 4, 2], loss="cross_entropy", input_offset=[1.0, 0.0, 0.5], input_scale=[2.0, 1.0, 0.1], seed=0)
    net.metadata = Schema(("width", "*/ int x; /*", "°C ??/"), classes=("no\n", "yes\\")).to_metadata()
    export_c(net, tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text(encoding="ascii")
    comment = text[: text.index("*/")]
    for part in (
        "26 parameters of float32: 104 bytes", "0: 2.0 * (x - 1.0), width", "1: 1.0 * x, * / int x; / *",
        "2: 0.1 * (x - 0.5), \\xb0C ? ?/", "0: no\\n", "1: yes\\ .", "after softmax",
        "void predict(const float *x, float *out);",
    ):  # fmt: skip
        assert part in comment, part
    assert "#define PREDICT_SCRATCH_BYTES (7 * sizeof(float))" in text
    export_c(Network([3, 4, 2], layer_norm=True, seed=0), tmp_path / "norm.c", dtype="float64")
    assert "#define PREDICT_SCRATCH_BYTES (20 * sizeof(double))" in (tmp_path / "norm.c").read_text()
    assert "#define PREDICT_INPUTS 3\n#define PREDICT_OUTPUTS 2" in text


@needs_compiler
def test_any_text_in_the_metadata_compiles(tmp_path):
    net = Network([3, 4, 2], loss="cross_entropy", seed=0)
    net.metadata = Schema(("*/", "/*/*", "a\\"), classes=("??/", "\n#error\n")).to_metadata()
    compiled(tmp_path, {"net": net}, "-Wtrigraphs", "-Wcomment")


@needs_compiler
def test_logits(tmp_path):
    net, X = Network([3, 4, 2], loss="cross_entropy", seed=0), np.random.default_rng(0).normal(size=(5, 3)).astype("f4")
    library = compiled(tmp_path, {"net": net}, logits=True)
    same = Network([3, 4, 2], loss="cross_entropy", output="identity", seed=0)
    assert_same(outputs_of(library.net, X, 2), same.predict(X))


def test_numbers_keep_their_bits(tmp_path):
    for dtype in ("float32", "float64"):
        net = Network([3, 5], seed=0, dtype=dtype)
        net.weights[0][0, :4] = [1 / 3, 1e-30, -0.0, np.finfo(dtype).max]
        export_c(net, tmp_path / "net.c")
        (table,) = re.findall(r"predict_weights_0\[15\] = \{ /\* 3 x 5 \*/([^}]*)\}", (tmp_path / "net.c").read_text())
        found = np.array([number.rstrip("f") for number in re.findall(r"[^\s,]+", table)], dtype)
        assert found.tobytes() == net.weights[0].tobytes()


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    own = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    broken, large = Network([3, 4, 2], seed=0), Network([3, 4, 2], seed=0, dtype="float64")
    broken.weights[0][0, 0], large.weights[0][0, 0] = np.nan, 1e300
    for net, error, options in (
        (Network([3, 4, 2], own, seed=0), r"activation of layer 0: CustomActivation\('square'\).*cannot go to C", {}),
        (broken, "parameters that are not finite", {}),
        (large, "layer 0: has parameters that are not finite in float32", {"dtype": "float32"}),
    ):
        with pytest.raises(ValueError, match=error):
            export_c(net, tmp_path / "net.c", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": 3}, "name must be a name in C, got 3"),
        ({"name": "two words"}, "name must be a letter and up to 30 letters, digits and underscores"),
        ({"name": "_predict"}, "name must be a letter and up to 30"),
        ({"name": "p" * 32}, "name must be a letter and up to 30"),
        ({"name": "double"}, "name 'double' is taken in C or C++"),
        ({"name": "expf"}, "name 'expf' is taken"),
        ({"name": "gamma"}, "name 'gamma' is taken"),
        ({"name": "main"}, "name 'main' is taken"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64'"),
        ({"logits": True}, "logits=True is for a loss that is computed from logits"),
        ({"logits": 1}, "logits must be True or False"),
    ],
)
def test_arguments_are_checked(tmp_path, arguments, error):
    with pytest.raises((TypeError, ValueError), match=re.escape(error)):
        export_c(Network([3, 2], seed=0), tmp_path / "net.c", **arguments)
    assert list(tmp_path.iterdir()) == []
