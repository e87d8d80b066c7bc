"""Model files: everything comes back, and only an intact file of hotloop's is accepted."""

import base64
import json
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from conftest import same_bits
from model_files import X, Y, crafted, refused, rewritten, state, trained, write_small

from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop

OPTIMIZERS = [
    None,
    SGD(0.1),
    SGD(0.03, momentum=0.9),
    SGD(1, momentum=0.5, nesterov=True),
    RMSprop(0.01, rho=1 / 3),
    Adagrad(),
    Adam(0.02),
    AdamW(weight_decay=0.1),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small model file."""
    return write_small(tmp_path_factory.mktemp("saved") / "model.safetensors")


# There and back.


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_round_trip(optimizer, dtype, tmp_path):
    net = trained(optimizer, dtype=dtype)
    net.save(tmp_path / "model")
    twin = Network.load(str(tmp_path / "model"))
    assert state(twin) == state(net)
    assert twin.parameters.ctypes.data % 64 == 0
    assert same_bits(twin.predict(X), net.predict(X))
    for each in (net, twin):  # it continues as if nothing had happened
        each.fit(X, Y, epochs=2, optimizer=optimizer or "adam")
    assert state(twin) == state(net)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("loss", "output"), [("cross_entropy", None), ("binary_cross_entropy", "identity")])
def test_round_trip_of_one_layer(loss, output, tmp_path):
    net = Network([3, 2], loss=loss, output=output, seed=1)
    net.save(tmp_path / "model")
    assert state(Network.load(tmp_path / "model")) == state(net)


def test_an_optimizer_of_numpy_numbers_is_saved(tmp_path):
    net = trained(Adam(np.float64(0.5), epsilon=np.float32(0.25)))
    net.save(tmp_path / "model")
    assert Network.load(tmp_path / "model").optimizer == Adam(0.5, epsilon=0.25)


def test_metadata(tmp_path, saved):
    net = Network.load(saved)
    assert net.metadata == {"trained on": "noise", "ключ": "значение ☃ \n"}
    net.save(tmp_path / "again")  # by default the network's own
    assert Network.load(tmp_path / "again").metadata == net.metadata
    net.save(tmp_path / "other", {})
    assert Network.load(tmp_path / "other").metadata == {}
    assert net.metadata != {}


@pytest.mark.parametrize(("metadata", "exception", "match"), [
    ({"epoch": 3}, TypeError, "metadata must be a dict of str to str"),
    ({3: "epoch"}, TypeError, "metadata must be a dict of str to str"),
    ([("a", "b")], TypeError, "metadata must be a dict of str to str"),
    ("note", TypeError, "metadata must be a dict of str to str"),
    ({"hotloop": "x"}, ValueError, "must not use the key 'hotloop'"),
    ({"note": "a\ud800b"}, ValueError, r"metadata must be Unicode text: found the lone surrogate '\\ud800' in 'note'"),
    ({"\udfff": "x"}, ValueError, r"found the lone surrogate '\\udfff' in '\\udfff'"),
])  # fmt: skip
def test_bad_metadata(metadata, exception, match, tmp_path):
    with pytest.raises(exception, match=match):
        trained(None).save(tmp_path / "model", metadata)
    assert not [*tmp_path.iterdir()]


def test_other_readers_find_the_arrays(saved):
    from safetensors import safe_open

    net = Network.load(saved)
    with safe_open(saved, "numpy") as file:
        assert file.metadata()["trained on"] == "noise"
        assert same_bits(file.get_tensor("layers.0.weights"), np.ascontiguousarray(net.weights[0]))
        assert same_bits(file.get_tensor("layers.1.bias"), np.ascontiguousarray(net.biases[1]))
        moment = net.split(net._training.moments[0])[0][1]
        assert same_bits(file.get_tensor("optimizer.0.layers.1.weights"), np.ascontiguousarray(moment))


# A file that hotloop wrote in format 2, after 3 steps of Adam and 2 of SGD(0.1, momentum=0.5): compressed, in base64.
FORMAT_2 = """
eNqdUr9rFEEYDSLaGq3UJg4pLIZkZ39l7wq3Ef8BweY2LLO7M3eDuzvrzlzMGU5QGxsbSW8XIY2VhY2nTcQikNKAhSIWmkIIChaizuwcIZLEwE333jze
++Z98/DkVHNWQBwXROIMSxzHoL0CkgFoA4sk1MIUQNDjMue8UtxKBCivCywj0J6x4UwEBLtDhEYdBDWDFjWLU8mWsGS8NHcRkLjsRUDfsYyUkslBBBpp
zkWjiUAhiFFkNa94v8noWHOWkSENFWqAvQ+wsurLmFMqiDxAixTnRLPIsJkcVMTE0Zxj6bsmUhCSaXpBA1LxtCdiWWNWGtprNJJUYg9RVgvlrzhNOZri
lWSF6qPWjKqqxMU4S3Qzk5MTXJes7MY1lsRMizRf8EK10i8M1QSURJnXfElTFOeCDBvheFHjiGRgAsbLikAjSnskvSmMWwRcmjgBoUHiBzhI0ow4xPaT
NKAexVZmWT4mqUtTz8kQQYntpIFjUWS7WauVUuqpyYfKFuR4QGoxZ80lDAv9S5ou1ae45rvqk4ge1qhjL0LQ/CSzEaXsWBD5i/sdbhPW7cn/mCB4iA3y
oWPv80HHTIIOWjg2dK1/LI4dxYaH+LgW9Jon7a1cvWrygjwfLthH2k3W1oINg+AIzwmaCwLY8o+0m6zFlg8RUu8ezjRn+83j6btrL8JV79SnnQfPwq8b
9zbPyq3RNL3/hJ3+PrJ3L1z5PXwXXty5/m33/UZ4ns1WdH07DC5lT2+c+zDamk0erf/cGq3+ml868frjqLv2/OVbsD2K+z/at4qpV4Mz2ebVzuewuvxl
uZ7/E/4FvW2kSA==
"""


def test_a_file_of_format_2(tmp_path):
    """Whatever is renamed in the source, a file of this format is read, and its training goes on."""
    path = tmp_path / "model"
    path.write_bytes(zlib.decompress(base64.b64decode(FORMAT_2)))
    net = Network.load(path)
    assert repr(net) == "Network([1, 2, 1], activation=['tanh'], output='identity', loss='mse', dtype='float64')"
    assert (net.optimizer, net.steps, net.epochs_trained, net.metadata) == (SGD(0.1, 0.5), 5, 5, {"by": "0ebf0af"})
    assert net.predict([[0.5]]) == pytest.approx(np.array([[0.17262459038110173]]), rel=1e-12)
    net.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, optimizer=SGD(0.1, 0.5))
    assert net.predict([[0.5]]) == pytest.approx(np.array([[float.fromhex("0x1.31ecd6b4a82b2p-1")]]), rel=1e-12)


# In format 3, with layer normalisation, after 4 steps of Adam(0.125).
FORMAT_3 = """
eNqllE2IHEUUx7OLBEO8LOyyIBrGFlGhMnbV9PR0r5pahSwqIp48uL1pqqertzv2x9hVEzOuCTGCLHjwJAYjgYiHBKJEQSIr2Q74RQTFgwcFhSxGkhD8xEWD
rrG6erKZTdKGGftSvPeKX/3f+z/68RvXyW9Ose2IcuISTmxbmZhTnI4yoXgGNBoqVIDiJzxMkpbIzVmKl6QR4ZYyUamBiqWw4FnK8mgaggoCFTiTZ0mTBzsI
D5K4qFkKJ7FvKXktcGnMA96xFHk1TJi8YykRo8UNN01aSVu+Ma1W1eIazEMRyQD1BEHcanM78TxG+VVp1iQhzbOwyLq806LFc16YEK5rxZOMUjdPNySedGhq
x6JRKYGnbVpooCSN7cu9yapHQtZbvuJdWb6sp6e1S70Qh4Y2i5KE+0E821OJyM5VEXE7DPMcbSVNn9k8JUFcKEZSPqctthp5QcqEBJGTtDyVtHgQCavSPCNc
jEnUHYOwPSpmIPULCXZKOC10QFTPK47Yju78zUtx1wLTNAtdLAiLiUC6WTV2yQa6S9V90+l0B18slqXIS02fNp9i7ahbq0ONItNwXYIodBxk1JBW05ymgVzk
qG6NuI7p6maj4ah1R0PQqHvI1N0GVT3iNesCKrCFg6yqVp2AsHyjpe9igad0TSw080keTaMZoMitL7ZH3JxWAdRnegmzYtJ9EaAOamgNgvmBx/ti1BDQjDWM
Z2gw6/P/6AWCa3A0A+haDwdeZyDwaoSugQZag7iuFASuwWkgYMiWVldRdDW4T4YBoKqV8vp3TdUARGopsH8PBQ3Aml5KHMxRQQSwjkqoA/grYGLl1VLgYG4L
IoCNK5qH/8NvAQPQRKXA/g03EUCqUQrs33BBAwhppcTBDBdEgDS1hDqA4QImgEYpcDDDBRGg/F+zq4Lf+P69+fc/yyaLEw9VW+Of/nkGr1R//nWf/zc2zk7N
H9nzHYbW+bHFF89n+4eZ/vDI8eyfvadvmNIvZIsjF79d98Pn+NCGv44d/GYJjz9w4IvZkVN4efTO2kK0cfL34jyx9aPjY7/d/U6292L749e0l/HBD59+8O1H
38zuHbrlNvbJ9mz0pucPP/fk0cXhQ3vyc8uxX+7YtnHsy2z4lVcnFg6fzFa2ff3E+qWvcPLQfeO70R846p77ho5ufeslFdfPLd88/8jylgOnRifjW+/CO3zt
BbBpPb5wZuyx3Sc33++8PirPnzaM//juSoqXFm6/Z7/l4KETm4IjH+zE/wJ+Qxoa
"""


def test_a_file_of_format_3(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(zlib.decompress(base64.b64decode(FORMAT_3)))
    net = Network.load(path)
    assert (net.layer_norm, net.layer_norm_epsilon, net.optimizer) == ((True,), (1e-5,), Adam(0.125))
    assert net.predict([[0.5]]) == pytest.approx(np.array([[float.fromhex("0x1.a049e0fdf129cp-3")]]), rel=1e-12)
    net.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, optimizer=Adam(0.125), progress=False)
    assert net.predict([[0.5]]) == pytest.approx(np.array([[float.fromhex("0x1.bd916d7c2cd6ep-1")]]), rel=1e-12)


def test_a_format_is_read_and_written_under_the_same_names(tmp_path):
    """A name that changes in the header, or is new, needs a new format, and a reader of the old one."""
    from safetensors import safe_open

    headers, path = [], tmp_path / "model"
    path.write_bytes(zlib.decompress(base64.b64decode(FORMAT_2)))
    for _ in range(3):
        with safe_open(path, "numpy") as file:
            headers.append(json.loads(file.metadata()["hotloop"]))
        Network.load(path).save(path)
    added = {
        "layer_norm": [False], "learn_activation": [False], "learn_input_scale": False, "input_dropout": 0.0,
        "label_smoothing": 0.0, "max_norm": None, "layer_norm_epsilon": [1e-5],
    }  # fmt: skip
    assert headers[1] == headers[0] | added | {"format": 4, "checksum": headers[1]["checksum"]}
    assert headers[2] == headers[1]  # with the checksum of the arrays


# Files that are damaged.


def test_truncated_at_any_length(saved, tmp_path):
    whole, path = saved.read_bytes(), tmp_path / "model"
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    assert 100 < header < len(whole) - 100
    for length in [*range(20), *range(20, len(whole), 5), header - 1, header, header + 1, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path, "not a safetensors file, or is truncated or altered")


def test_longer_than_it_should_be(saved, tmp_path):
    path = tmp_path / "model"
    for extra in (b"\0", b"\n", saved.read_bytes()):
        path.write_bytes(saved.read_bytes() + extra)
        refused(path, "not a safetensors file, or is truncated or altered")


def test_altered_at_any_byte(saved, tmp_path):
    """It is refused, or only its spelling has changed and the network is the same."""
    whole, path, expected, taken = saved.read_bytes(), tmp_path / "model", state(Network.load(saved)), []
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for place, byte in enumerate(whole):
        changed = byte ^ (0x01, 0x20, 0xFF)[place % 3]
        path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
        try:
            net = Network.load(path)
        except ValueError as error:
            problem = type(error) is not ValueError or str(path) not in str(error)
        else:
            problem = state(net) != expected
            taken.append(place)
        assert not problem, place
    assert all(place < header for place in taken), "an altered number was taken"
    assert len(taken) < 0.05 * header


def test_a_rewritten_file_is_sound(saved, tmp_path):
    """So those below are refused for the change that each makes."""
    assert state(Network.load(rewritten(saved, tmp_path / "model"))) == state(Network.load(saved))


@pytest.mark.parametrize(("changes", "match"), [
    ({"format": 5}, "has format 5; this version of hotloop reads formats 2 to 4"),
    ({"format": 1}, "has format 1"),
    ({"format": 0}, "has format 0"),
    ({"format": "1"}, "has format '1'"),
    ({"format": None}, "has format None"),
    ({"sizes": [2, 4, 1]}, r"damaged.*layers.0.weights has shape \(2, 3\); wanted \(2, 4\)"),
    ({"sizes": [2, 3, 1, 1], "activations": ["relu", "relu", "identity"]}, "damaged"),
    ({"sizes": 5}, "damaged"),
    ({"sizes": [10**9, 10**9]}, "damaged"),
    ({"activations": ["bogus", "identity"]}, "damaged.*'bogus' is not known"),
    ({"activations": []}, "damaged"),
    ({"activations": None}, "damaged"),
    ({"loss": {}}, "damaged"),
    ({"dtype": "float64"}, "damaged.*layers.0.weights"),
    ({"dtype": "float16"}, "damaged"),
    ({"seed": -1}, "damaged.*seed"),
    ({"optimizer": {"name": "sgd", "learning_rate": -1}}, "damaged.*learning_rate"),
    ({"optimizer": {"name": "lbfgs"}}, "damaged"),
    ({"optimizer": {"name": "sgd", "speed": 1}}, "damaged"),
    ({"optimizer": "sgd"}, "damaged"),
    ({"optimizer": {"name": "adam"}}, "damaged.*optimizer.1"),
    ({"metadata": 3}, "damaged"),
    ({"steps": "many"}, "damaged"),
    ({"epochs_trained": -3}, "damaged"),
    ({"epochs_trained": None}, "damaged"),
    ({"first_step": 1.5}, "damaged"),
    ({"first_step": 13}, "damaged.*first_step 13 is beyond the 1 steps"),
    ({"steps": 2**63}, r"damaged.*steps must be below 2\*\*62, got 9223372036854775808"),
    ({"epochs_trained": 2**62}, "damaged.*epochs_trained must be below"),
    ({"epochs_trained": True}, "damaged.*epochs_trained must be a whole number"),
    ({"seed": 10**400}, "damaged.*seed"),
    ({"l1": 10**400}, "damaged.*l1"),
    ({"dropout": [0.5, 0.5]}, "damaged.*dropout"),
    ({"dtype": "(2,"}, "damaged.*dtype"),
    ({"dtype": ["float32"]}, "damaged.*dtype"),
    ({"sizes": [2, 2**70, 1]}, r"damaged.*sizes\[1\] must be below"),
    ({"sizes": [2, 2**40, 1]}, "damaged.*layers.0.weights has shape"),
    ({"metadata": ["ab"]}, "damaged.*metadata must be a dict of str to str"),
    ({"metadata": {"a": 1}}, "damaged.*metadata must be a dict of str to str"),
    ({"input_offset": 10**400}, "damaged.*input_offset must be finite"),
    ({"input_offset": [0, 10**400]}, "damaged.*input_offset has dtype object"),
    ({"input_offset": [0]}, r"damaged.*input_offset has shape \(1,\)"),
    ({"input_offset": float("nan")}, "damaged.*input_offset must be finite"),
    ({"input_scale": 0}, "damaged.*input_scale must be above 0"),
    ({"input_scale": [1, float("inf")]}, "damaged.*input_scale must be finite"),
    ({"input_scale": None}, "damaged.*input_scale must be a number"),
], ids=str)  # fmt: skip
def test_parts_that_do_not_fit(changes, match, saved, tmp_path):
    refused(rewritten(saved, tmp_path / "model", **changes), match)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["layers.0.weights", "layers.1.bias", "optimizer.0.layers.0.weights"])
def test_numbers_that_are_not_finite(name, value, saved, tmp_path):
    def spoil(arrays):
        arrays[name].flat[-1] = value

    refused(rewritten(saved, tmp_path / "model", spoil), f"damaged.*{name} holds NaN or infinity")


@pytest.mark.parametrize("name", ["net.parameters", "the optimizer's moments"])
def test_a_network_that_could_not_be_loaded_is_not_saved(name, saved, tmp_path):
    net = Network.load(saved)
    (net.parameters if name == "net.parameters" else net._training.moments).flat[0] = np.nan
    with pytest.raises(ValueError, match=f"{name} must be finite to be saved"):
        net.save(tmp_path / "model")
    assert not [*tmp_path.iterdir()]


def test_sizes_are_compared_with_the_arrays_before_memory_is_taken(saved, tmp_path):
    path = rewritten(saved, tmp_path / "model", sizes=[2, 10**7, 1])
    tracemalloc.start()
    try:
        refused(path, "damaged.*layers.0.weights has shape")
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [struct.pack("<Q", 2**35) + b"{}", struct.pack("<Q", 2) + b"{}"], ids=range(2))
def test_a_file_longer_than_memory(content, tmp_path):
    """The end of such a file is a hole, which takes no space on the disk."""
    path = tmp_path / "model"
    path.write_bytes(content)
    os.truncate(path, 2**36)
    tracemalloc.start()
    try:
        refused(path, "not a safetensors file, or is truncated or altered")
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


def test_a_file_that_is_rewritten_while_it_is_read(tmp_path, monkeypatch):
    """A mapped file would end the process (SIGBUS). The arrays are longer than what is read ahead."""
    path, net, loads = tmp_path / "model", Network([200, 400, 10], seed=0), json.loads
    net.save(path)

    def rewrite(text):
        monkeypatch.setattr(json, "loads", loads)
        os.truncate(path, 200_000)
        return loads(text)

    monkeypatch.setattr(json, "loads", rewrite)
    refused(path, "is truncated or altered")
    net.save(path)
    twin = Network.load(path)
    os.truncate(path, 0)
    assert same_bits(twin.parameters, net.parameters)


def test_a_part_that_is_missing(saved, tmp_path):
    for name in ("sizes", "loss", "l1", "optimizer", "metadata", "steps", "input_offset", "input_scale"):
        path = tmp_path / name
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json, "dumps", lambda about, dumps=json.dumps, name=name, **options: dumps(
                {key: value for key, value in about.items() if key != name}, **options
            ))  # fmt: skip
            rewritten(saved, path)
        refused(path, f"damaged.*'{name}'")


@pytest.mark.parametrize("text", ["", "x", "[]", "null", '"text"', "{}", '{"format": 1}', "[" * 100_000, "9" * 5000])
def test_a_header_that_cannot_be_read(text, tmp_path):
    refused(crafted(tmp_path / "model", metadata={"hotloop": text}), "damaged: its header cannot be read")
