"""Networks to and from PyTorch."""

import io
import pickle
import re
import subprocess
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
from interchange_networks import (
    N_NETWORKS,
    assert_same,
    assert_same_network,
    library,
    random_network,
    tolerance_of,
)

torch = library("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch_networks import Calls, Quickstart, loss_of  # noqa: E402

from hotloop import Adam, Network  # noqa: E402
from hotloop.activations import CustomActivation  # noqa: E402
from hotloop.interchange import InterchangeWarning, from_torch, to_state_dict, to_torch  # noqa: E402
from hotloop.network.interchange.layers import LOSS_OF_OUTPUT  # noqa: E402


def outputs(module, X):
    module.eval()
    with torch.no_grad():
        return module(torch.as_tensor(X)).numpy()


@pytest.mark.parametrize("seed", range(N_NETWORKS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_there_and_back(seed, dtype):
    net, X = random_network(seed, dtype)
    module = to_torch(net)
    assert module.training
    again = from_torch(module, loss=net.loss)
    assert_same_network(again, net)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert_same(outputs(module, X), net.predict(X), tolerance_of(net, X))


@pytest.mark.parametrize("seed", range(N_NETWORKS))
def test_gradients_are_those_of_autograd(seed):
    net, X = random_network(seed, "float64", dropout=False)
    rng, n = np.random.default_rng(seed), net.sizes[-1]
    y = rng.integers(0, n, len(X)) if net.loss == "cross_entropy" else rng.uniform(0, 1, (len(X), n))
    module = to_torch(net, logits=net.loss in LOSS_OF_OUTPUT.values())
    loss = loss_of(module, net, X, y)
    loss.backward()
    mine, gradient = net.gradient(X, y)
    assert_same(loss.detach().numpy()[None], np.array([mine]))
    found = [tensor.grad.numpy().T for tensor in module.parameters()]
    wanted = net.parts(gradient)
    if "input_scale" in wanted:  # PyTorch's comes first, as its module does
        wanted = {"input_scale": wanted.pop("input_scale")} | wanted
    assert len(found) == len(wanted)
    largest = max(np.abs(part).max() for part in wanted.values())
    for one, part in zip(found, wanted.values(), strict=True):
        np.testing.assert_allclose(one, part, rtol=1e-10, atol=1e-10 * largest)


def test_a_module_is_pickled_saved_traced_and_exported(tmp_path):
    net = Network(
        [4, 8, 6, 3], ["softplus", "gelu"], loss="poisson", layer_norm=[True, False], learn_activation=True,
        learn_input_scale=True, input_offset=2000.1, input_scale=[1.0, 0.5, 0.25, 2.0], dropout=0.2, seed=0,
    )  # fmt: skip
    X = np.random.default_rng(0).normal(2000, 1, (9, 4)).astype("f4")
    module = to_torch(net).eval()
    wanted = outputs(module, X)
    torch.save(module, tmp_path / "module.pt")
    loaded = torch.load(tmp_path / "module.pt", weights_only=False)
    for again in (pickle.loads(pickle.dumps(module)), loaded, module.train().eval()):
        np.testing.assert_array_equal(outputs(again, X), wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit is deprecated from 2.9 on
        traced, file = torch.jit.trace(module, torch.as_tensor(X)), io.BytesIO()
        torch.jit.save(traced, file)
        file.seek(0)
        np.testing.assert_allclose(torch.jit.load(file)(torch.as_tensor(X)).detach(), wanted, rtol=1e-6)
    rows = torch.export.Dim("rows", min=2)
    exported = torch.export.export(module, (torch.as_tensor(X),), dynamic_shapes=({0: rows},)).module()
    np.testing.assert_allclose(exported(torch.as_tensor(X[:5])).detach(), wanted[:5], rtol=1e-6)


def test_inputs_are_scaled_in_float64_whatever_the_module_becomes():
    net = Network([1, 1], input_offset=2000.1, input_scale=3.0, seed=0)
    X = np.array([[2000.0], [2026.0]])
    module = to_torch(net)
    assert_same(outputs(module, X), net.predict(X))
    assert_same(outputs(module.double().float(), X), net.predict(X))
    assert outputs(module.double(), X).dtype == np.float64
    assert_same(outputs(to_torch(net), X.astype("i4")), net.predict(X))


def test_softplus_is_that_of_float64_above_pytorchs_threshold():
    net = Network([1, 1], "softplus", output="softplus", dtype="float64", seed=0)
    net.weights[0][:] = 1
    X = np.array([[-40.0], [19.5], [20.5], [25.0], [39.5], [40.5], [800.0]])
    np.testing.assert_allclose(outputs(to_torch(net), X), net.predict(X), rtol=1e-14)


def test_random_numbers_of_pytorch_are_as_before():
    before = torch.random.get_rng_state()
    to_torch(Network([4, 8, 3], layer_norm=True, seed=0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_parameters_are_copies():
    net = Network([4, 8, 3], seed=0)
    module = to_torch(net)
    assert all(tensor.is_contiguous() for tensor in module.parameters())
    with torch.no_grad():
        module[0].weight.fill_(7)
    again = from_torch(module)
    assert (net.weights[0] != 7).all()
    again.weights[0][:] = 5
    assert (module[0].weight == 7).all()


def test_names_of_the_state():
    net = Network([4, 8, 3], layer_norm=True, seed=0)
    state = to_state_dict(net)
    assert [*state] == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]
    np.testing.assert_array_equal(state["0.weight"].numpy(), net.weights[0].T)


def test_what_does_not_go_to_pytorch():
    square = CustomActivation(lambda z: z * z, lambda z: 2 * z, name="square")
    with pytest.raises(ValueError, match=r"activation of layer 0: .* cannot go to PyTorch"):
        to_torch(Network([3, 4, 2], square, seed=0))
    with pytest.raises(TypeError, match=r"net must be a hotloop\.Network, got 3"):
        to_torch(3)


def test_the_quickstart_network_runs_and_trains_on():
    torch.manual_seed(0)
    module = Quickstart()
    net = from_torch(module, loss="cross_entropy", seed=0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 200)
    images = (rng.uniform(size=(10, 28, 28))[y] + rng.uniform(size=(200, 28, 28))).astype("f4") / 2
    rows = images.reshape(200, -1)
    assert net.sizes == (784, 512, 512, 10)
    assert_same(outputs(module, images), net.predict(rows))
    net.fit(rows, y, epochs=5, optimizer=Adam(1e-3), progress=False)
    assert net.evaluate(rows, y)["accuracy"] == 1
    module.load_state_dict(dict(zip(module.state_dict(), to_state_dict(net).values(), strict=True)))
    assert_same(outputs(module, images), net.predict(rows))


@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision: pip install 'hotloop[interchange]'")
def test_the_mlp_of_torchvision():
    # torchvision registers a fake kernel for each of its operators, and cannot be imported beside a build of PyTorch
    # for which its own library does not load, unless they exist.
    operators = torch.library.Library("torchvision", "FRAGMENT")
    tensors = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for _ in range(40):
        try:
            from torchvision.ops import MLP

            break
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            operators.define(missing[1] + tensors)
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
    torch.manual_seed(0)
    X = np.random.default_rng(0).normal(size=(9, 20)).astype("f4")
    module = MLP(20, [16, 8, 3], norm_layer=nn.LayerNorm, activation_layer=nn.Tanh, dropout=0.2)
    with pytest.warns(InterchangeWarning, match=r"^9: Dropout\(p=0\.2.*left out, since hotloop drops no outputs"):
        net = from_torch(module)
    assert (net.sizes, net.layer_norm, net.dropout) == ((20, 16, 8, 3), (True, True), (0.2, 0.2))
    assert_same(outputs(module, X), net.predict(X))


class Own(nn.Module):
    """A module whose part is another's."""

    def __init__(self, part):
        super().__init__()
        self.part, self.softmax = part, nn.Softmax(-1)

    def forward(self, x):
        return self.softmax(self.part(x))


@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x: m.fc2(F.relu(m.fc1(x))),
        lambda m, x: m.fc2(m.act(m.fc1(x.view(x.size(0), -1)))),
        lambda m, x: m.fc2(torch.relu(m.fc1(x.view(x.shape[0], -1)))),
        lambda m, x: m.fc2(m.fc1(x.view(-1, 6)).relu()),
        lambda m, x: m.fc2(m.fc1(torch.flatten(x, 1)).tanh()),
        lambda m, x: m.fc2(torch.tanh(m.fc1(x.flatten(1)))),
        lambda m, x: m.fc2(F.leaky_relu(m.fc1(x.reshape((x.shape[0], -1))), 0.2)),
        lambda m, x: F.softmax(m.fc2(F.gelu(m.norm(m.fc1(x)))), dim=1),
        lambda m, x: torch.softmax(m.fc2(F.elu(m.fc1(x), alpha=0.5)), 1),
        lambda m, x: torch.sigmoid(m.fc2(F.selu(m.fc1(x)))),
        lambda m, x: m.fc2(F.silu(m.fc1(x))).sigmoid(),
        lambda m, x: torch.exp(m.fc2(F.mish(m.fc1(x)))),
        lambda m, x: m.fc2(F.softplus(m.fc1(x))),
        lambda m, x: m.fc2(m.act(m.square(m.act(m.fc1(x))))),
        lambda m, x: m.fc2(F.dropout(F.relu(input=m.fc1(x)), 0.25, training=m.training)),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_forward_is_followed(forward, training):
    torch.manual_seed(1)
    module, X = Calls(forward), np.random.default_rng(0).normal(size=(7, 6)).astype("f4")
    module.train(training)
    net = from_torch(module)
    assert all(part.training is training for part in module.modules())
    assert_same(outputs(module, X), net.predict(X))
    if "dropout" in forward.__code__.co_names:
        assert net.dropout == (0.25,)


def test_modules_within_modules():
    torch.manual_seed(0)
    part = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.Dropout(0.5))), nn.Linear(5, 3))
    module, X = Own(part), np.random.default_rng(0).normal(size=(7, 2, 3)).astype("f4")
    net = from_torch(module)
    assert (net.loss, net.dropout) == ("cross_entropy", (0.5,))
    assert_same(outputs(module, X), net.predict(X.reshape(7, 6)))
    assert from_torch(nn.Linear(3, 2)).sizes == (3, 2)
    assert from_torch(torch.compile(nn.Linear(3, 2), backend="eager")).sizes == (3, 2)


def test_an_output_may_be_put_in_place_of_the_modules():
    module = nn.Sequential(nn.Linear(4, 3))
    net = from_torch(module, loss="cross_entropy", output="softmax", dtype="float64", label_smoothing=0.1)
    assert (net.activations, net.dtype, net.label_smoothing) == (("softmax",), np.float64, 0.1)


def lazy():
    return nn.Sequential(nn.LazyLinear(3))


def half(dtype):
    return nn.Sequential(nn.Linear(4, 3)).to(dtype)


def hooked():
    module = nn.Sequential(nn.Linear(4, 3))
    module[0].register_forward_hook(lambda *_: None)
    return module


class Double(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def layers(*after):
    return nn.Sequential(nn.Linear(4, 3), *after, nn.Linear(3, 2))


def tied():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    module[1].weight = module[0].weight
    return module


def unused():
    module = Calls(lambda m, x: m.fc2(m.fc1(x)))
    module.spare = nn.Linear(3, 3)
    return module


def quantised():
    return type("Linear", (nn.Module,), {"__module__": "torch.nn.quantized"})()


def negative_slope():
    return layers(nn.LeakyReLU(-0.5))


REFUSED = [
    (lambda: 3, "module must be a torch.nn.Module, got int"),
    (lambda: layers(nn.BatchNorm1d(3)), "1: BatchNorm1d(3,", "hotloop has no BatchNorm1d; fold it into the linear"),
    (lambda: layers(nn.PReLU()), "1: PReLU(num_parameters=1): hotloop has no PReLU"),
    (lambda: nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)), "1: LogSoftmax(dim=1): ", "cross_entropy is computed"),
    (lambda: layers(nn.GELU(approximate="tanh")), "1: GELU(approximate='tanh'): hotloop's gelu is the exact one"),
    (lambda: layers(nn.Softplus(beta=2)), "1: Softplus(beta=2", "wanted beta=1"),
    (lambda: layers(nn.Softplus(threshold=5)), "1: Softplus(", "a threshold of 20 or more"),
    (lambda: nn.Sequential(nn.Linear(4, 3), nn.Softmax(0)), "1: Softmax(dim=0): ", "wanted dim=1"),
    (lambda: layers(nn.LayerNorm((3, 4))), "1: LayerNorm((3, 4)", "over the units of a layer"),
    (lambda: layers(nn.LayerNorm(1)), "1: LayerNorm((1,)", "the layer before has 3 outputs"),
    (lambda: layers(nn.Dropout(1.0)), "1: Dropout(p=1.0", "from 0 to below 1"),
    (lambda: layers(nn.AlphaDropout()), "1: AlphaDropout(", "nn.Dropout is hotloop's"),
    (lambda: layers(nn.Hardtanh()), "1: Hardtanh(", "hotloop has no Hardtanh"),
    (negative_slope, "1: LeakyReLU(negative_slope=-0.5): slope must"),
    (lambda: layers(nn.Flatten(0)), "1: Flatten(start_dim=0", "keep the rows apart"),
    (lambda: nn.Sequential(Double(4, 3)), "0: Double(", "a subclass of Linear, which may compute otherwise"),
    (lazy, "0: LazyLinear: has no weights before"),
    (lambda: half(torch.float16), "0: Linear(", "weight is torch.float16; wanted torch.float32 or torch.float64"),
    (lambda: half(torch.bfloat16), "0: Linear(", "weight is torch.bfloat16"),
    (lambda: nn.Sequential(nn.Linear(4, 3, device="meta")), "0: Linear(", "weight has no numbers yet"),
    (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))), "0: Parametrized", "are computed"),
    (hooked, "0: Linear: has hooks"),
    (lambda: nn.Sequential(quantised()), "0: Linear(): hotloop has no torch.nn.quantized.Linear"),
    (lambda: nn.Sequential(nn.TransformerEncoderLayer(4, 2)), "0: TransformerEncoderLayer(...: hotloop has no Trans"),
    (tied, "1: Linear(", "its weight is used twice"),
    (lambda: nn.DataParallel(nn.Linear(4, 3)), "DataParallel", "give its .module"),
    (lambda: nn.Sequential(nn.Flatten()), "the module has no dense layer"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x)) + 1), "add after fc2: hotloop has no such function"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x) + m.square(m.fc1(x)))), "fc1: hotloop has one chain of layers"),
    (lambda: Calls(lambda m, x: (m.fc1(x), m.fc2(m.fc1(x)))), "fc1: hotloop has one chain of layers"),
    (lambda: Calls(lambda m, x: (m.fc1(x), x)), "the output: hotloop has one chain"),
    (lambda: Calls(lambda m, x: m.fc2(m.square(m.square(m.fc1(x))))), "square: Linear(", "used twice"),
    (unused, "spare.weight: is not used by any layer"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x.view(-1, 3)))), "view after the inputs", "takes 6 inputs"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x)).view(-1, 1)), "view after fc2", "the layer before has 3 outputs"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x)).view(-1)), "view after fc2", "wanted a view of whole rows"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(torch.flatten(x)))), "flatten after the inputs", "keep the rows apart"),
    (lambda: Calls(lambda m, x: m.fc2(F.dropout(m.fc1(x), 0.5))), "dropout after fc1", "training=self.training"),
    (lambda: Calls(lambda m, x: m.fc2(m.fc1(x)) if m.training else m.fc1(x)), "otherwise in training"),
    (lambda: Calls(lambda m, x: m.fc1(x) if x.sum() > 0 else x), "the forward of Calls cannot be followed"),
    (lambda: Calls(lambda m, x: F.linear(x, m.fc1.weight, m.fc1.bias)), "fc1.weight after the inputs"),
    (lambda: torch.jit.script(nn.Linear(3, 2)), "module is a TorchScript module"),
]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("make", "error", "reason"), [(*row, "")[:3] for row in REFUSED])
def test_what_hotloop_does_not_have_is_refused_by_its_name_and_place(make, error, reason):
    with pytest.raises((TypeError, ValueError), match=re.escape(error)) as raised:
        from_torch(make())
    assert reason in str(raised.value)


def test_what_is_trained_otherwise_is_said():
    module = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    module[0].bias.requires_grad_(False)
    with pytest.warns(InterchangeWarning, match=r"^0: Linear\(.*: its bias is frozen") as caught:
        from_torch(module)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not module[0].bias.requires_grad
    with pytest.warns(InterchangeWarning, match=r"^0: Linear\(.*has no bias"):
        from_torch(nn.Sequential(nn.Linear(4, 3, bias=False)))
    with pytest.warns(InterchangeWarning, match=r"^1: LayerNorm\(.*has no learnt gain or shift"):
        from_torch(layers(nn.LayerNorm(3, elementwise_affine=False)))


def test_pytorch_is_imported_when_it_is_used():
    program = "import sys, hotloop.interchange as i; i.to_torch, i.load_state_dict; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
