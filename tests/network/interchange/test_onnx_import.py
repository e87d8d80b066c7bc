"""Networks from ONNX graphs."""

import io
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from interchange_networks import N_NETWORKS, assert_same, assert_same_network, library, random_network
from onnx_models import model_of, onnx, run, session

from hotloop import Network
from hotloop.activations import LeakyReLU
from hotloop.datasets import load_digits
from hotloop.interchange import InterchangeWarning, from_onnx, to_onnx

W, B = np.arange(8, dtype="f4").reshape(4, 2) / 8, np.array([0.5, -1], "f4")
X = np.random.default_rng(0).normal(size=(9, 4)).astype("f4")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_there_and_back(seed, dtype):
    net, inputs = random_network(seed, dtype, dropout=False)
    again = from_onnx(to_onnx(net), loss=net.loss)
    assert_same_network(again, net)
    np.testing.assert_array_equal(again.predict(inputs), net.predict(inputs))


def test_a_file_with_metadata(tmp_path):
    net = Network([3, 4, 2], LeakyReLU(0.3), loss="cross_entropy", layer_norm=True, layer_norm_epsilon=2e-4, seed=0)
    net.metadata = {"made by": "a test"}
    to_onnx(net, tmp_path / "net.onnx")
    again = from_onnx(str(tmp_path / "net.onnx"))
    assert_same_network(again, net)
    assert again.metadata == net.metadata


def test_parameters_in_a_file_beside(tmp_path):
    net = Network([40, 40, 2], seed=0)
    model = to_onnx(net)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    assert (tmp_path / "net.bin").exists()
    assert_same_network(from_onnx(tmp_path / "net.onnx"), net)


@pytest.mark.parametrize("kind", ["classifier of two", "classifier", "classifier of text", "regressor"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pipelines_of_scikit_learn(kind, dtype):
    library("sklearn")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    data = load_digits()
    inputs, digits = data.x_train.astype(dtype)[:400], data.y_train[:400]
    settings = {"hidden_layer_sizes": (16,), "max_iter": 300, "tol": 1e-1, "random_state": 0}
    options = None if kind == "regressor" else {"zipmap": False}
    targets = {"classifier of two": digits % 2, "classifier of text": digits.astype(str)}.get(kind, digits)
    mlp = MLPRegressor(activation="tanh", **settings) if kind == "regressor" else MLPClassifier(**settings)
    scaler = MinMaxScaler() if kind == "classifier" else StandardScaler()
    pipeline = make_pipeline(scaler, mlp).fit(inputs, targets)
    to = library("skl2onnx").to_onnx
    converted = to(pipeline, inputs[:1], options=options)
    if kind == "classifier of two":
        with pytest.warns(InterchangeWarning, match=r"returns p, .*instead of \(1 - p, p\)"):
            net = from_onnx(converted)
    else:
        net = from_onnx(converted)
    wanted = session(converted).run(None, {"X": inputs})[-1][:, -net.sizes[-1] :]
    assert (
        np.abs(net.predict(inputs) - wanted).max() < {"float32": 1e-5, "float64": 1e-12}[dtype] * np.abs(wanted).max()
    )
    if kind == "classifier of text":
        assert_same_network(from_onnx(to(pipeline, inputs[:1])), net)  # with a dict for each row, its default
    if kind == "classifier" and dtype == "float32":
        before = net.evaluate(inputs, digits)["loss"]
        net.fit(inputs, digits, epochs=3, progress=False)
        assert net.evaluate(inputs, digits)["loss"] < before


def from_torch_export(module, inputs, opset):
    """Return the ONNX model of PyTorch's exporter that needs no other package."""
    torch = library("torch")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of this exporter's own age
        torch.onnx.export(
            module.eval(), (torch.tensor(inputs),), file, dynamo=False, opset_version=opset, input_names=["x"],
            dynamic_axes={"x": {0: "batch"}},
        )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


@pytest.mark.parametrize("opset", [9, 13, 17, 20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exports_of_pytorch(opset, dtype):
    torch = library("torch")
    nn = torch.nn
    torch.manual_seed(0)

    class Viewed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 7), nn.Linear(7, 3)

        def forward(self, x):
            return torch.sigmoid(self.last(torch.relu(self.first(x.view(x.size(0), -1)))))

    inputs = np.random.default_rng(0).normal(size=(8, 2, 3)).astype(dtype)
    layers = [nn.Flatten()]
    hidden = (
        nn.GELU(), nn.SiLU(), nn.Mish(), nn.ELU(0.7), nn.SELU(), nn.LeakyReLU(0.3), nn.Softplus(), nn.Tanh(),
        nn.Sigmoid(),
    )  # fmt: skip
    width = 6
    for number, activation in enumerate(hidden):
        layers += [nn.Linear(width, 5 + number), nn.LayerNorm(5 + number, eps=1e-3), activation, nn.Dropout(0.2)]
        width = 5 + number
    every = nn.Sequential(*layers, nn.Linear(width, 3), nn.Softmax(dim=1))
    for module in (every, Viewed()):
        module = module.to(getattr(torch, dtype))
        net = from_onnx(from_torch_export(module, inputs, opset))
        with torch.no_grad():
            wanted = module(torch.tensor(inputs)).numpy()
        assert_same(net.predict(inputs.reshape(8, 6)), wanted)
    assert net.loss == "binary_cross_entropy"


KERAS = """
import keras, numpy as np
kinds = ("gelu", "silu", "mish", "elu", "selu", "softplus", "leaky_relu", "tanh", "relu")
layers = [keras.layers.Dense(5, kind) for kind in kinds]
model = keras.Sequential([
    keras.Input((2, 3)), keras.layers.Rescaling(1 / 255, offset=-0.5), keras.layers.Flatten(), *layers,
    keras.layers.Dropout(0.2), keras.layers.Dense(3, "softmax"),
])
inputs = np.random.default_rng(0).uniform(0, 255, (8, 2, 3)).astype("f4")
np.savez("keras.npz", inputs=inputs, outputs=model.predict(inputs, verbose=0))
model.export("keras.onnx", format="onnx", verbose=False)
"""


def test_an_export_of_keras(tmp_path):
    library("keras")
    library("torch")  # the backend that exports without another package
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    subprocess.run([sys.executable, "-c", KERAS], cwd=tmp_path, env=environment, check=True, capture_output=True)
    with np.load(tmp_path / "keras.npz") as data:
        inputs, outputs = data["inputs"], data["outputs"]
    net = from_onnx(tmp_path / "keras.onnx")
    assert len(net.sizes) == 11
    assert_same(net.predict(inputs.reshape(8, 6)), outputs)


def test_a_bias_that_is_not_there():
    torch = library("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3, bias=False), torch.nn.PReLU(init=0.3), torch.nn.Linear(3, 2))
    model = from_torch_export(module, X, 17)
    with pytest.warns(InterchangeWarning) as caught:
        net = from_onnx(model)
    assert [str(one.message).partition(": ")[2][:24] for one in caught] == [
        "its slope stays as it is",
        "has no bias: it gets one",
    ]
    assert net.activations[0] == LeakyReLU(0.3)
    assert_same(net.predict(X), run(model, X))


@pytest.mark.parametrize(
    ("text", "constants"),
    [
        ("z = MatMul(x, c0) y = Add(z, c1)", (W, B)),
        ("z = MatMul(x, c0) y = Add(c1, z)", (W, B.reshape(1, 2))),
        ("z = MatMul(x, c0) y = Sub(z, c1)", (W, B)),
        ("y = Gemm <transB = 1, alpha = 0.5, beta = 2.0> (x, c0, c1)", (W.T.copy(), B)),
        ("y = Gemm (x, c0, c1)", (W, np.float32(2))),
        ("w = Transpose <perm = [1, 0]> (c0) y = Gemm (x, w, c1)", (W.T.copy(), B)),
        ("z = Gemm (x, c0, c1) s = Mul (z, c2) e = Erf (s) o = Add (c3, e) h = Mul (c4, o) y = Mul (z, h)",
         (W, B, np.float32(0.70710677), np.float32(1), np.float32(0.5))),
        ("z = Gemm (x, c0, c1) t = Constant <value_float = 1.0> () e = Exp(z) o = Add(t, e) y = Log(o)", (W, B)),
        ("a = Sub(x, c2) b = Div(a, c3) c = Mul(b, c4) d = Add(c, c5) y = Gemm (d, c0, c1)",
         (W, B, X[0], np.full(4, 2, "f4"), np.float32(0.5), X[1])),
        ("a = ai.onnx.ml.Scaler <offset = [1.0, 2.0, 3.0, 4.0], scale = [0.5, 0.5, 2.0, 1.0]> (x) "
         "y = Gemm (a, c0, c1)", (W, B)),
        ("a = ai.onnx.ml.Scaler <offset = [1.0], scale = [0.5]> (x) y = Gemm (a, c0, c1)", (W, B)),
        ("a = Dropout (x) b = Identity (a) z = Gemm (b, c0, c1) y = Cast <to = 1> (z)", (W, B)),
        ("a = Reshape (x, c2) z = Gemm (a, c0, c1) y = Reshape(z, c3)", (W, B, np.array([-1, 4]), np.array([0, -1]))),
        ("z = Gemm (x, c0, c1) s = Softplus (z) u = Cast <to = 1> (s) t = Tanh (u) w = Identity (z) y = Mul (w, t)",
         (W, B)),
        ("z = Gemm (x, c0, c1) s = Selu(z) y = Gemm(s, c2)", (W, B, np.eye(2, dtype="f4"))),
        ("z = Gemm (x, c0, c1) m = ReduceMean <axes = [-1]> (z) d = Sub (z, m) q = Mul (d, d) "
         "v = ReduceMean <axes = [-1]> (q) w = Add (c2, v) e = Sqrt (w) n = Div (d, e) g = Mul (c3, n) t = Add (g, c4) "
         "y = Gemm (t, c5)", (W, B, np.float32(0.01), B, B, np.eye(2, dtype="f4"))),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*has no bias")
def test_graphs_by_hand(text, constants):
    model = model_of(text, *constants)
    assert_same(from_onnx(model).predict(X), run(model, X))


@pytest.mark.parametrize("opset", [10, 17])
def test_dropout_is_trained_with(opset):
    ratio = "d = Dropout <ratio = 0.3> (r)" if opset < 12 else "d = Dropout (r, c2)"
    text = f"z = Gemm (x, c0, c1) r = Relu (z) {ratio} y = Gemm (d, c3, c1)"
    net = from_onnx(model_of(text, W, B, np.float32(0.3), np.eye(2, dtype="f4"), opset=opset))
    assert net.dropout == (0.3,)


@pytest.mark.parametrize(("training", "rate"), [(True, 0.3), (False, 0.3), (True, 0.0)])
def test_dropout_while_the_graph_predicts(training, rate):
    text = "z = Gemm (x, c0, c1) r = Relu (z) d = Dropout (r, c2, c3) y = Gemm (d, c4, c1)"
    model = model_of(text, W, B, np.float32(rate), np.array(training), np.eye(2, dtype="f4"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert from_onnx(model).dropout == (rate,)
    told = "node 2 (Dropout): drops whenever the graph is run (training_mode is true)"
    assert [str(one.message).startswith(told) for one in caught] == [True] * (training and rate > 0)


DENSE = "z = Gemm (x, c0, c1) "


@pytest.mark.parametrize(
    ("text", "constants", "error"),
    [
        (DENSE + "y = HardSigmoid (z)", (W, B), "node 1 (HardSigmoid): hotloop has no layer for it"),
        (DENSE + "[clip] y = Clip (z)", (W, B), "node 'clip' (Clip): hotloop has no layer for it"),
        (DENSE + "y = LogSoftmax (z)", (W, B), "node 1 (LogSoftmax): hotloop has no layer for it: export the network"),
        (DENSE + "y = Softmax <axis = 0> (z)", (W, B), "node 1 (Softmax): hotloop does not have it with axis=0"),
        (DENSE + "y = Selu <gamma = 2.0> (z)", (W, B), "node 1 (Selu): hotloop does not have it with gamma=2.0"),
        (DENSE + "y = Selu <alpha = 2.0> (z)", (W, B), "node 1 (Selu): hotloop does not have it with alpha=2.0"),
        (DENSE + "r = Relu (z) p = Mul (c2, z) q = Mul (c3, r) y = Add (p, q)", (W, B, B, B), "node 4 (Add): combines"),
        (DENSE + "v = Gemm (x, c0, c2) s = Sigmoid (v) y = Mul (z, s)", (W, B, B), "node 3 (Mul): combines two values"),
        (DENSE + "s = Mul (z, c2) e = Erf (s) o = Add (c3, e) h = Mul (c4, o) y = Mul (z, h)",
         (W, B, np.float32(0.7), np.float32(1), np.float32(0.5)), "node 5 (Mul): combines two values"),
        (DENSE + "s = Mul (z, c2) e = Erf (s) o = Add (c3, e) h = Mul (c4, o) y = Mul (z, h)",
         (W, B, np.float32(0.70710677), np.float32(1), np.float32(0.6)), "node 5 (Mul): combines two values"),
        (DENSE + "p = Sigmoid (z) q = Sub (c2, p) y = Concat <axis = 1> (q, p)", (W[:, :1], B[:1], np.float32(2)),
         "node 3 (Concat): hotloop does not put values side by side"),
        (DENSE + "p = Sigmoid (z) q = Sub (c2, p) y = Concat <axis = 1> (q, p)", (W, B, np.float32(1)),
         "node 3 (Concat): puts 1 - p and p side by side, which hotloop reads only at the end, of one column p"),
        (DENSE + "p = Sigmoid (z) q = Sub (c2, p) r = Concat <axis = 1> (q, p) y = Softmax (r)",
         (W[:, :1], B[:1], np.float32(1)), "node 3 (Concat): puts 1 - p and p side by side"),
        ("q = Sub (c2, x) r = Concat <axis = 1> (q, x) y = Gemm (r, c0, c1)", (W, B, np.float32(1)),
         "node 1 (Concat): puts 1 - p and p side by side"),
        (DENSE + "d, m = Dropout (z) f = Cast <to = 1> (m) y = MatMul (f, c2)", (W, B, np.eye(2, dtype="f4")),
         "node 1 (Dropout): hotloop has its first output only, not 'm'"),
        (DENSE + "n, m = LayerNormalization (z, c1) y = MatMul (m, c2)", (W, B, np.ones((1, 3), "f4")),
         "node 1 (LayerNormalization): hotloop has its first output only, not 'm'"),
        (DENSE + "t = Greater (z, c1) y = Dropout (z, c2, t)", (W, B, np.float32(0.5)),
         "node 2 (Dropout): its training_mode is not one constant number"),
        (DENSE + "a = Mul (c1, z) r = Relu (z) b = Mul (c2, r) y = Add (a, b)", (W, B, np.ones(3, "f4")),
         "node 4 (Add): combines two values"),
        (DENSE + "s = ai.onnx.ml.Scaler (z) a = Mul (c1, s) b = Mul (c2, z) y = Add (a, b)", (W, B, B),
         "node 4 (Add): combines two values"),
        ("y = Gemm (x, c0, c1)", (W, X[0]), "node 0 (Gemm): its bias has 4 numbers; its weights have 2 columns"),
        (DENSE + "r = Reshape (z, c2) y = Relu (r)", (W, B, np.array([1, -1])), "node 1 (Reshape): reshapes to (1,"),
        (DENSE + "m = ReduceMean <axes = [0]> (z) d = Sub (z, m) q = Mul (d, d) v = ReduceMean <axes = [0]> (q) "
         "w = Add (c2, v) e = Sqrt (w) n = Div (d, e) y = Relu (n)", (W, B, np.float32(1)), "node 7 (Div): combines"),
        (DENSE + "m = ReduceMean <axes = [1]> (z) d = Sub (z, m) q = Mul (d, d) v = ReduceMean <axes = [1]> (q) "
         "w = Add (c1, v) e = Sqrt (w) n = Div (d, e) y = Relu (n)", (W, B), "node 7 (Div): combines two values"),
        (DENSE + "r = Relu (z) y = Add (r, z)", (W, B), "node 2 (Add): combines two values"),
        (DENSE + "y = Mul (z, c1)", (W, B), "node 1 (Mul): multiplies by a constant after node 0 (Gemm)"),
        (DENSE + "y = Add (z, c1)", (W, B), "node 1 (Add): adds a constant after node 0 (Gemm)"),
        (DENSE + "y = Sub (c1, z)", (W, B), "node 1 (Sub): hotloop does not subtract from a constant"),
        (DENSE + "r = Reshape (z, c2) y = Relu (r)", (W, B, np.array([-1, 1])),
         "node 1 (Reshape): takes 1 columns; there are 2"),
        (DENSE + "r = Reshape (z, c2) y = Relu (r)", (W, B, np.array([-1])), "node 1 (Reshape): reshapes to (-1,)"),
        (DENSE + "s = Shape <start = 1> (z) g = Gather (s, c2) u = Unsqueeze (g, c3) n = Concat <axis = 0> (u, c4) "
         "y = Reshape (z, n)", (W, B, np.array(0), np.array([0]), np.array([-1])),
         "node 5 (Reshape): reshapes to a shape that is computed"),
        (DENSE + "y = Cast <to = 10> (z)", (W, B), "node 1 (Cast): hotloop has no layer for it, which computes"),
        (DENSE + "y = Concat <axis = 1> (z, z)", (W, B), "node 1 (Concat): hotloop does not put values side by side"),
        (DENSE + "y = Flatten <axis = 0> (z)", (W, B), "node 1 (Flatten): hotloop takes a row for each sample"),
        (DENSE + "y = PRelu (z, c1)", (W, B), "node 1 (PRelu): its slope 'c1' is not one constant number"),
        (DENSE + "a = Div (c1, z) y = Relu (a)", (W, B), "node 1 (Div): hotloop does not subtract from"),
        (DENSE + "l = LayerNormalization <axis = 0> (z, c1) y = Relu (l)", (W, B), "hotloop normalises each row, not"),
        ("y = Gemm <transA = 1> (x, c0, c1)", (W, B), "node 0 (Gemm): hotloop does not transpose the inputs"),
        ("y = Gemm (x, c0, c1)", (W, W), "node 0 (Gemm): its bias has shape (4, 2); wanted a number or a row"),
        ("y = Gemm (x, c0, c1)", (W[:3], B), "node 0 (Gemm): takes 3 columns; there are 4"),
        ("y = Gemm (x, c0, c1)", (W.astype("f2"), B), "node 0 (Gemm): weights has dtype float16"),
        ("y = Gemm (x, c0, c1)", (W * np.float32("nan"), B), "node 0 (Gemm): weights holds NaN"),
        ("t = Transpose (x) w = MatMul (x, t) y = MatMul (w, c0)", (W, B), "node 1 (MatMul): its weights 't' are not"),
        ("a = Mul (x, c2) y = Gemm (a, c0, c1)", (W, B, np.float32(-1)), "node 0 (Mul): the scale of an input is"),
        ("a = Div (x, c2) y = Gemm (a, c0, c1)", (W, B, np.float32(0)), "node 0 (Div): divides by 0"),
        ("a = Sub (x, c2) y = Gemm (a, c0, c1)", (W, B, X[0, :3]), "node 0 (Sub): takes 3 columns; there are 4"),
        ("z = MatMul (x, c0) y = Add (z, c1)", (W, X[0]), "node 1 (Add): takes 4 columns; there are 2"),
        ("a = Flatten (x) b = Gemm (a, c0, c1) y = Mul (b, b)", (W, B), "node 2 (Mul): combines two values"),
        ("y = Gemm (c0, x)", (W,), "node 0 (Gemm): its weights 'x' are not a constant"),
        ("y = Gemm (x, c0, x)", (W,), "node 0 (Gemm): its bias is not a constant"),
        ("a = Relu (x) b = Add (a, c1) y = Gemm (b, c0)", (W, X[0]), "hotloop scales the inputs only before"),
        ("a = Mul (x, c2) b = Add (a, c2) y = Gemm (b, c0, c1)", (W, B, np.float32(0)), "that is multiplied by 0"),
        ("a = Div (x, c2) y = Identity (a)", (W, B, np.float32(2)), "the model has no dense layer"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*has no bias")
def test_others_are_refused_by_their_node(text, constants, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_onnx(model_of(text, *constants))


def test_gelu_by_tanh_is_refused():
    torch = library("torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.GELU("tanh"), torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"node '/1/Mul_\d' \(Mul\)"):
        from_onnx(from_torch_export(module, X, 17))
    with pytest.raises(ValueError, match=r"node '/1/Gelu' \(Gelu\): hotloop does not have it with approximate='tanh'"):
        from_onnx(from_torch_export(module, X, 20))


def test_images_must_be_flattened():
    torch = library("torch")
    model = from_torch_export(torch.nn.Linear(3, 2), np.zeros((1, 2, 3), "f4"), 17)
    with pytest.raises(ValueError, match="its input has 3 axes: flatten them before it"):
        from_onnx(model)


def graph_of(inputs, outputs):
    """Return a model with these inputs and outputs, in ONNX's language."""
    graph = onnx.parser.parse_graph(f"hand ({inputs}) => ({outputs}) {{ y = Relu (x) }}")
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (graph_of("float[N, 2] x, float[N, 2] z", "float[N, 2] y"), "the model has 2 inputs ('x', 'z')"),
        (
            graph_of("float[N, 2] x", "float[N, 2] y, float[N, 2] x"),
            "the model has outputs 'y', 'x', 2 of them of FLOAT",
        ),
        (graph_of("float16[N, 2] x", "float[N, 2] y"), "input 'x': is of type FLOAT16; wanted FLOAT or DOUBLE"),
        (model_of("y = Relu (x)", opset=6), "the model is of ONNX opset 6; hotloop reads opset 7 and later"),
        (model_of("z = Relu (x)"), "the model is not a valid ONNX model"),
    ],
)
def test_graphs_of_another_form_are_refused(model, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_onnx(model)


def test_functions_that_are_not_hotloops_own_are_refused():
    model = to_onnx(Network([3, 4, 2], "softplus", dtype="float64", seed=0))
    model.functions[0].node[-1].op_type = "Sub"
    with pytest.raises(ValueError, match=r"function hotloop\.Softplus: is not the one that this hotloop writes"):
        from_onnx(model)
    model.functions[0].domain, model.functions[0].name = "", "Gemm"
    with pytest.raises(ValueError, match=r"function \.Gemm: hotloop reads no functions in the place of operators"):
        from_onnx(model)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(FileNotFoundError):
        from_onnx(path)
    for content in (b"", b"no model", b"\x08"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.onnx is not an? .*ONNX"):
            from_onnx(path)
    with pytest.raises(TypeError, match=r"model must be a path or an onnx\.ModelProto, got bytes"):
        from_onnx(b"")
