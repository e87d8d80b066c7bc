"""Model files: of small networks, made by hand, and changed."""

import json
import struct

import numpy as np
import pytest

from hotloop import SGD, Network
from hotloop.network.persistence import model_file

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.random.default_rng(1).normal(size=(12, 2))


def write_small(path):
    """Write the file of a small network that was trained, and return its path."""
    net = Network([2, 3, 1], seed=0)
    net.fit(X[:, :2], Y[:, 0], epochs=1, optimizer=SGD(0.1, momentum=0.9))
    net.save(path, {"trained on": "noise", "ключ": "значение ☃ \n"})
    return path


def trained(optimizer="adam", **options):
    options = {"loss": "huber", "dropout": [0.25, 0.5], "l1": 1e-4, "l2": 1 / 3, "seed": 2**63 - 1} | options
    net = Network([3, 5, 4, 2], ["gelu", "tanh"], **options)
    if optimizer is not None:
        net.fit(X, Y, epochs=1, optimizer=SGD(0.02))  # so that the optimizer did not make the first step
        net.fit(X, Y, epochs=2, batch_size=5, optimizer=optimizer)
    return net


def state(net):
    """Return all that a network is."""
    plain = ["sizes", "activations", "loss", "dropout", "l1", "l2", "dtype", "seed", "epochs_trained", "metadata"]
    training = net._training
    own = {name: getattr(net, name) for name in plain} | {
        name: getattr(training, name) for name in ("steps", "step_offset", "optimizer")
    }
    arrays = [array.tobytes() for array in (net.parameters, training.moments)]
    return own | {"arrays": arrays, "moments": training.moments.shape}


def refused(path, match):
    """Demand a ValueError that names the file."""
    with pytest.raises(ValueError, match=match) as caught:
        Network.load(path)
    assert caught.type is ValueError
    assert str(path) in str(caught.value)


def crafted(path, kind="F32", data=bytes(8), metadata=None, name="a", shape=(2,)):
    """Write a sound safetensors file by hand."""
    entry = {"dtype": kind, "shape": [*shape], "data_offsets": [0, len(data)]}
    header = json.dumps({name: entry} | ({} if metadata is None else {"__metadata__": metadata})).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def rewritten(saved, path, change=lambda arrays: None, **changes):
    """Write the file again with changes to what its header says of the network, and a checksum that holds."""
    from safetensors import safe_open
    from safetensors.numpy import save

    with safe_open(saved, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        about = json.loads(file.metadata()["hotloop"]) | changes
    change(arrays)
    about.pop("checksum")
    about["checksum"] = model_file._checksum(about, arrays)
    path.write_bytes(save(arrays, {"hotloop": json.dumps(about)}))
    return path
