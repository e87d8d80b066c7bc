"""`predict_one` in a user's compiled code: the bits of `predict`, in any thread, for every kind of network."""

import json
import subprocess
import sys

import numba
import numpy as np
import pytest
from conftest import COMPILED, needs_compiler, same_bits
from numba.core.runtime import _nrt_python, rtsys
from programs import ENVIRONMENT

from hotloop import Network
from hotloop.kernels import predict_one
from hotloop.kernels.prediction import ON_STACK

# Two ways to share arguments between threads. A process of its own, since one with OpenMP cannot fork.
SHARING = """
import json
import threading
import numba
import numpy as np
from hotloop import Network
from hotloop.kernels import predict_one

@numba.njit(parallel=True, cache=True)
def by_prange(model, X, out):
    for i in numba.prange(X.shape[0]):
        predict_one(*model, X[i], out[i])

@numba.njit(nogil=True, cache=True)
def in_a_thread(model, X, out):
    for i in range(X.shape[0]):
        predict_one(*model, X[i], out[i])

def by_threads(model, X, out):
    middle = len(X) // 2
    threads = [threading.Thread(target=in_a_thread, args=(model, X[rows], out[rows]))
               for rows in (slice(None, middle), slice(middle, None))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

net = Network([16, 64, 64, 4], "tanh", seed=0)
X = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
wanted, out, wrong = net.predict(X), np.empty((2000, 4), np.float32), {}
for share in by_prange, by_threads:
    wrong[share.__name__] = 0
    for _ in range(20):
        out[:] = np.nan
        share(net.compiled_arguments(), X, out)
        wrong[share.__name__] += int((out != wanted).any(axis=1).sum())
out[:] = 0
try:
    by_prange(net.compiled_arguments(), X[:, 1:].copy(), out)
except (SystemError, ValueError):  # as some threading layers of Numba pass it on, and others do not
    pass
print(json.dumps([wrong, bool(np.isnan(out).any())]))
"""


@pytest.fixture(scope="module")
def sharing(tmp_path_factory):
    """The program in a file, so that the second process loads what the first has compiled."""
    path = tmp_path_factory.mktemp("sharing") / "sharing.py"
    path.write_text(SHARING)
    return path


@needs_compiler
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_threads_may_share_the_arguments(layer, sharing):
    """By `prange` and by threads without the GIL; and an error that `prange` loses leaves NaN."""
    environment = ENVIRONMENT | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-W", "error", sharing], env=environment, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [{"by_prange": 0, "by_threads": 0}, True]


def one_by_one(net, X):
    """Return what `predict_one` computes of each row, all of which must be finite."""
    out = np.full((len(X), net.sizes[-1]), np.nan, net.dtype)
    for x, outputs in zip(X, out, strict=True):
        assert predict_one(*net.compiled_arguments(), x, outputs)
    return out


# Sizes and options. What the last needs of scratch memory the stack does not hold.
KINDS = {
    "plain": ([5, 7, 3], {}),
    "softmax": ([5, 3], {"loss": "cross_entropy"}),
    "learnt": ([5, 7, 9, 3], {"layer_norm": True, "learn_activation": True, "learn_input_scale": True}),
    "dropout": ([5, 7, 3], {"dropout": 0.5, "input_dropout": 0.2}),
    "scaled": ([5, 7, 3], {"input_scale": 1 / 255}),
    "standardised": ([5, 7, 3], {"input_offset": np.arange(5) * 0.1 + 2019, "input_scale": np.arange(5) / 3}),
    "wide": ([5, 4500 if COMPILED else 4100, 3], {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_of_predict(kind, dtype):
    """Also where scratch memory is full of NaN, which a network of NaN has left there; x may be in float64."""
    sizes, options = KINDS[kind]
    net, spoilt = Network(sizes, dtype=dtype, seed=0, **options), Network([300, 300, 300], dtype=dtype, seed=0)
    spoilt.parameters[:] = np.nan
    for given in {np.float64, dtype}:
        X = (np.random.default_rng(0).normal(size=(4, 5)) + 2019).astype(given)
        wanted = net.predict(X)
        assert not predict_one(*spoilt.compiled_arguments(), np.full(300, np.nan, dtype), np.empty(300, dtype))
        assert same_bits(one_by_one(net, X), wanted)
        assert same_bits(net.predict(X[:1]), wanted[:1])


@needs_compiler
def test_memory_from_the_heap_is_given_back(dtype, request):
    if not _nrt_python.memsys_stats_enabled():
        _nrt_python.memsys_enable_stats()
        request.addfinalizer(_nrt_python.memsys_disable_stats)
    for hidden, taken in ((100, 0), (ON_STACK // 2, 1)):
        net = Network([1, hidden, 1], dtype=dtype, seed=0)
        given = (*net.compiled_arguments(), np.ones(1, dtype), np.empty(1, dtype))
        predict_one(*given)
        before = rtsys.get_allocation_stats()
        predict_one(*given)
        after = rtsys.get_allocation_stats()
        made, freed = after.alloc - before.alloc, after.free - before.free
        assert made == freed == taken


@needs_compiler
def test_too_little_memory_is_an_error():
    parameters, layers, scaling = Network([1, 1], seed=0).compiled_arguments()
    layers["output"] = 2**59  # numbers of scratch memory: more than any address
    with pytest.raises(MemoryError, match="scratch"):
        predict_one(parameters, layers, scaling, np.ones(1), np.empty(1, np.float32))


# Inputs that are scaled.


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_denormal_inputs_are_scaled_like_others(kind):
    """In float64, as `predict` does it: constants of physics in SI units are small, their scales large."""
    net = Network([2, 3], seed=0, input_offset=[1e-38, 0], input_scale=[1e38, 1e37])
    X = np.array([[2e-39, 3e-40], [-1e-39, 0]], kind)
    wanted = net.predict(X)
    assert same_bits(one_by_one(net, X), wanted)
    assert abs(wanted[0] - net.predict(np.zeros((1, 2)))[0]).max() > 1e-3


def test_inputs_that_are_not_finite():
    """As they are, in the network's dtype, or once they are scaled."""
    out, rows = np.empty(3, np.float32), [np.full(2, value) for value in (np.nan, np.inf, 1e300, 1e20)]
    scales = {1.0: [False, False, False, True], 1e30: [False] * 4}
    for scale, finite in scales.items():
        for given in (scale, [scale, 0.0]):
            given = Network([2, 3], seed=0, input_scale=given).compiled_arguments()
            assert [predict_one(*given, x, out) for x in rows] == finite


def test_a_scaling_set_later_is_for_new_arguments():
    net, x, out = Network([2, 3], seed=0), np.ones(2), np.empty(3, np.float32)
    before, old = net.compiled_arguments(), net.predict([x])
    net.input_offset = [0.5, 0.25]
    predict_one(*before, x, out)
    assert same_bits(out, old[0])
    predict_one(*net.compiled_arguments(), x, out)
    assert same_bits(out, net.predict([x])[0])


# Misuse.


@needs_compiler
def test_a_global_network_is_refused_in_words():
    """Its numbers would be copied into the code, and addresses of this process with them."""
    model = Network([2, 3], seed=0).compiled_arguments()

    @numba.njit
    def control(x, out):
        return predict_one(*model, x, out)

    with pytest.raises(numba.core.errors.TypingError, match=r"are read-only, .* pass net.compiled_arguments\(\)") as e:
        control(np.ones(2), np.empty(3, np.float32))
    assert str(e.value).splitlines()[1].startswith("predict_one: ")


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 3), (3, 3), (2, 2), (2, 4)])
def test_wrong_sizes_leave_nan(inputs, outputs):
    out = np.zeros(outputs, np.float32)
    with pytest.raises(ValueError, match=r"^predict_one: x must have as many entries as the network has inputs"):
        predict_one(*Network([2, 3], seed=0).compiled_arguments(), np.ones(inputs), out)
    assert np.isnan(out).all()


def test_a_read_only_output():
    """Not written to: it may be a file mapped for reading, and then the process would end."""
    out = np.frombuffer(bytes(8), np.float32)
    with pytest.raises((TypeError, ValueError), match="read-only"):
        predict_one(*Network([3, 5, 2], seed=0).compiled_arguments(), np.ones(3, np.float32), out)
    assert not out.any()
