"""``hotloop train --from``: going on with a network of hotloop or of another program."""

import numpy as np
import pytest
from command_line import run, train_tiny, write_flowers, write_houses
from safetensors.numpy import save_file

from hotloop import Network, PreparedNetwork

STILL = ["--learning-rate", "1e-30", "--epochs", "1", "--optimizer", "sgd", "--momentum", "0"]


def go_on(model, data, saved, *options):
    """Go on with a network at a learning rate that changes nothing; return the output."""
    status, out, err = run("train", "--from", model, "--data", data, "--save", saved, *STILL, *options)
    assert (status, err) == (0, "")
    return out


def save_as_pytorch(net, path):
    """Write a network as PyTorch's weights."""
    state = {}
    for index, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        state |= {f"{2 * index}.weight": np.ascontiguousarray(weights.T), f"{2 * index}.bias": bias.copy()}
    save_file(state, path)


def test_a_network_of_a_table_goes_on(tmp_path):
    """With the preparation and the classes of its file, also on other rows; what it has learnt stays."""
    flowers, first, second = write_flowers(tmp_path), tmp_path / "first", tmp_path / "second"
    train_tiny(flowers, "--epochs", "5", "--save", first)
    lines = flowers.read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join([lines[0], *lines[5:]]))
    assert "2 columns as 2 inputs" in go_on(first, tmp_path / "fewer.csv", second, "--batch-size", "4")
    before, after = PreparedNetwork.load(first), PreparedNetwork.load(second)
    rows = np.random.default_rng(1).uniform(0, 3, (9, 2))
    np.testing.assert_array_equal(after.predict(rows), before.predict(rows))
    assert after.classes == before.classes == ("rose", "tulip")


def test_a_network_of_images_goes_on(tmp_path):
    """Bytes are scaled as its file says, and its parameters go on from where they were."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 6), dtype=np.uint8), rng.integers(0, 3, 40)
    np.savez(tmp_path / "images.npz", x=images, y=labels)
    train_tiny(tmp_path / "images.npz", "--epochs", "3", "--save", tmp_path / "first")
    go_on(tmp_path / "first", tmp_path / "images.npz", tmp_path / "second")
    before, after = Network.load(tmp_path / "first"), Network.load(tmp_path / "second")
    np.testing.assert_allclose(after.predict(images), before.predict(images), rtol=1e-6)
    assert after.input_scale == before.input_scale
    assert (after.optimizer, after.metadata) != (None, {})


@pytest.mark.parametrize("kind", ["values", "classes"])
def test_weights_of_pytorch_go_on(kind, tmp_path):
    """Numbers are taken as they are; a network that predicts values still does so in their own scale."""
    values = kind == "values"
    data = write_houses(tmp_path) if values else write_flowers(tmp_path)
    net = Network([2, 5, 1 if values else 2], "tanh", loss="mse" if values else "cross_entropy", seed=3)
    if not values:
        net = Network([2, 5, 2], "tanh", output="identity", loss="cross_entropy", seed=3)
    net.biases[0][:] = [0.1, 0.2, 0.3, -0.1, -0.2]
    save_as_pytorch(net, tmp_path / "net.safetensors")
    target = ["--target", "price"] if values else []
    out = go_on(tmp_path / "net.safetensors", data, tmp_path / "after", "--activation", "tanh", *target)
    assert "2 inputs, not scaled" in out
    after = Network.load(tmp_path / "after")
    X = np.random.default_rng(1).uniform(0, 2, (9, 2)).astype("f4")
    np.testing.assert_allclose(after.predict(X), net.predict(X), rtol=1e-5, atol=1e-6)
    assert (after.loss, after.activations) == (net.loss, ("tanh", "identity"))


@pytest.mark.parametrize("output", ["relu", "identity"])
def test_values_stay_in_their_own_scale(output, tmp_path):
    """Of a network that is right about its data all scores are those of one that is right."""
    X = np.random.default_rng(1).normal(size=(80, 2)).round(3)
    net = Network([2, 1], output=output, seed=0)
    net.weights[0][:], net.biases[0][:] = [[10], [20]], 50
    rows = [[*x, y] for x, y in zip(X.tolist(), net.predict(X)[:, 0].tolist(), strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,y", *(",".join(map(str, row)) for row in rows)]))
    net.save(tmp_path / "net.safetensors")
    out = go_on(tmp_path / "net.safetensors", tmp_path / "data.csv", tmp_path / "after", "--target", "y")
    assert "test r2 1.0000" in out
    np.testing.assert_allclose(Network.load(tmp_path / "after").predict(X), net.predict(X), rtol=1e-4, atol=1e-4)


def test_it_learns(tmp_path):
    """From good weights the first epoch's loss is lower than from new ones."""
    flowers, first = write_flowers(tmp_path), tmp_path / "first"
    train_tiny(flowers, "--epochs", "60", "--save", first)
    report = tmp_path / "second"
    status, out, _ = run("train", "--from", first, "--data", flowers, "--epochs", "1", "--save", report)
    new = train_tiny(flowers, "--epochs", "1")

    def first_loss(text):
        _, rows = text.split("validation accuracy\n")
        return float(rows.replace("*", "").split()[1])

    assert status == 0
    assert first_loss(out) < first_loss(new) / 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--hidden", "5"], "--hidden and --from: the network is that of the file"),
        (["--dtype", "float64"], "--dtype and --from"),
        (["--layer-norm"], "--layer-norm and --from"),
        (["--activation", "tanh"], "has its own activations: --activation and --output are for PyTorch's weights"),
        (["--categorical", "length"], "--categorical"),
    ],
)
def test_what_the_file_says_is_not_asked_for(options, error, tmp_path):
    flowers = write_flowers(tmp_path)
    net = Network([2, 3, 2], loss="cross_entropy", seed=0)
    net.save(tmp_path / "net.safetensors")
    status, _, err = run("train", "--from", tmp_path / "net.safetensors", "--data", flowers, *options)
    assert status == 2
    assert error in err


def test_faults(tmp_path):
    flowers, path = write_flowers(tmp_path), tmp_path / "net.safetensors"

    def fails(error, model=path, *options):
        status, out, err = run("train", "--from", model, "--data", flowers, *options)
        assert (status, out) == (2, "")
        assert error in err
        assert err.count("\n") == 1

    fails("there is no model file")
    fails("is a pickle, which can run any code", _touched(tmp_path / "net.pkl"))
    fails("unknown kind of model; wanted a file that hotloop saved, .keras", _touched(tmp_path / "net.txt"))
    fails("is not a safetensors file, or is truncated", _touched(path))
    Network([3, 2], loss="cross_entropy", seed=0).save(path)
    fails("it has 3 inputs and 2 outputs, for the data it needs 2 and 2 with cross_entropy")
    save_as_pytorch(Network([2, 3, 2], seed=0), path)
    fails("has no activations: name those of its hidden layers (1) with --activation")
    save_file({"0.weight": np.ones((2, 2), "f4"), "1.weight": np.ones(2, "f4")}, path)
    fails("1: is a normalisation or a PReLU, and weights do not say what it computes", path, "--activation", "relu")
    save_file({"0.weight": np.ones((2, 2), "f4"), "0.scale": np.ones(2, "f4")}, path)
    fails("0: is not a dense layer, and weights do not say what it computes")
    save_file({"0.weight": np.ones((2, 2), "f4"), "0.bias": np.ones(3, "f4")}, path)
    fails("0: its bias has shape (3,); wanted (2,)")
    save_as_pytorch(Network([2, 2], seed=0), path)
    fails("2 activations for 0 hidden layers", path, "--activation", "relu,tanh")
    train_tiny(flowers, "--epochs", "1", "--save", path)
    flowers.write_text(flowers.read_text().replace("rose", "dahlia"))
    fails("has the classes ('dahlia', 'tulip'); those of")


def _touched(path):
    path.write_bytes(b"not a network")
    return path
