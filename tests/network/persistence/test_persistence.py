"""Networks in pickles and copies: they own writable arrays of the one type that kernels are compiled for."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from conftest import same_bits

from hotloop import Adam, Network
from hotloop.kernels import predict_one
from hotloop.kernels.prediction import forward_slice
from hotloop.kernels.training import train_slice
from hotloop.network.persistence import model_file, persistent
from hotloop.network.training.kept import KEPT

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.random.default_rng(1).normal(size=(12, 2))


def trained(dtype="float32"):
    net = Network([3, 5, 2], dropout=0.2, dtype=dtype, seed=0, input_offset=[0.1, 0.2, 0.3], input_scale=0.5)
    net.metadata = {"note": "x"}
    net.fit(X, Y, epochs=2, batch_size=5, optimizer=Adam(), progress=False)
    net.predict(X[:1].astype(dtype))  # so that it keeps scratch memory
    return net


def out_of_band(net):
    """Return the network as a worker gets it that maps arrays: each buffer is read-only and oddly aligned."""
    buffers = []
    stream = pickle.dumps(net, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) >= 2  # parameters and moments: not within the stream
    odd = [memoryview(b"-" + bytes(buffer.raw()))[1:] for buffer in buffers]
    return pickle.loads(stream, buffers=odd)


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "out of band": out_of_band,
    **{f"protocol {version}": lambda net, version=version: pickle.loads(pickle.dumps(net, version))
       for version in range(pickle.HIGHEST_PROTOCOL + 1)},
}  # fmt: skip


@pytest.fixture(params=WAYS, ids=str)
def again(request):
    return WAYS[request.param]


def state(net):
    """Return what a network is, without scratch memory."""
    scratch = ("_layout", "_compiled", "_scaling", "_training", *KEPT)
    plain = {name: value for name, value in vars(net).items() if name not in scratch}
    plain |= {name: value for name, value in vars(net._training).items() if name != "gradient"}
    arrays = {name: value.tobytes() for name, value in plain.items() if isinstance(value, np.ndarray)}
    return plain | arrays | {"offset": net.input_offset.tolist(), "scale": net.input_scale}


def test_everything_comes_along(again, dtype):
    net = trained(dtype)
    twin = again(net)
    assert type(twin) is Network
    assert state(twin) == state(net)
    assert same_bits(twin.predict(X), net.predict(X))
    for each in (net, twin):
        each.fit(X, Y, epochs=2, batch_size=5, optimizer=Adam(), progress=False)
    assert state(twin) == state(net)


def test_nothing_is_compiled_again(again, dtype):
    """A kernel for read-only or badly aligned arrays would be another one, and take each worker 20 s to compile."""
    net = trained(dtype)
    kernels = (train_slice, forward_slice, predict_one)
    before = [list(getattr(kernel, "signatures", [])) for kernel in kernels]
    twin = again(net)
    twin.fit(X, Y, epochs=1, batch_size=5, optimizer=Adam(), progress=False)
    twin.predict(X)
    twin.predict(X[:1].astype(dtype))
    twin.gradient(X, Y)
    assert [list(getattr(kernel, "signatures", [])) for kernel in kernels] == before
    for array in (twin.parameters, twin._training.moments):
        assert type(array) is np.ndarray
        assert array.flags.carray
    assert twin.parameters.ctypes.data % 64 == 0


def test_nothing_is_shared(again):
    net = trained()
    before, twin = state(net), again(net)
    twin.fit(X, Y, epochs=1, progress=False)
    twin.parameters[:] = 3
    twin._training.moments[:] = 3
    twin.metadata["more"] = "y"
    twin.input_scale = 7
    assert state(net) == before | {"metadata": {"note": "x"}}


def test_scratch_memory_stays_here():
    """Gradient and workspaces are as long as the parameters, or longer."""
    net = Network([300, 200, 10], loss="cross_entropy", seed=0)
    net.fit(np.zeros((4, 300)), np.zeros(4), epochs=1, progress=False)
    net.predict(np.zeros((1, 300), np.float32))
    assert len(pickle.dumps(net)) < 1.1 * net.parameters.nbytes
    for twin in (copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert twin._compiled is None


def test_a_subclass_keeps_its_own(again):
    twin = again(Named("x"))
    assert (type(twin), twin.name) == (Named, "x")
    assert twin.predict(X).shape == (12, 1)


class Named(Network):
    """A subclass with another attribute."""

    def __init__(self, name):
        super().__init__([3, 1], seed=0, input_offset=[1, 2, 3])
        self.name = name
        self.table = np.zeros((1, 64), np.float32)  # a second buffer out of band


def test_a_pickle_of_another_byte_order():
    net = Network([3, 5, 2], seed=0)
    swapped = vars(net) | {"_parameters": net.parameters.astype(">f4")}
    net._training.moments = net._training.moments.astype(">f4")
    twin = Network.__new__(Network)
    twin.__setstate__(swapped | {"dtype": np.dtype(">f4")})
    assert twin.dtype == np.dtype("=f4")
    assert same_bits(twin.predict(X), net.predict(X))


def test_every_argument_of_a_network_is_kept():
    """Except those that the weights and the activations give."""
    wanted = {*inspect.signature(Network).parameters} - {"sizes", "activation", "output", "initializer"}
    assert wanted == {*persistent.ARGUMENTS}
    assert {*persistent.COUNTERS} == {*model_file.COUNTERS}
