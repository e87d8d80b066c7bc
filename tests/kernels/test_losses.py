"""Each loss and its gradient against the oracle, against central differences, and where logits are large."""

import numpy as np
import oracle
import pytest
from conftest import ODD_SIZES, fenced, llvm_code, needs_compiler, poison, same_bits, walled

from hotloop import kernels
from hotloop.network.losses import LOSSES

# Those called by address have a file of their own.
KERNELS = {
    name: getattr(kernels, function.__name__) for name, function in oracle.LOSSES.items() if LOSSES[name].kernel is None
}
SHAPES = [*((6, size) for size in ODD_SIZES), (1, 5), (127, 3), (1, 1)]


def outputs_and_targets(name, shape, dtype, rng):
    """Return outputs (or logits), and targets such as the loss wants: distributions, probabilities, or any numbers."""
    outputs, targets = rng.normal(scale=2, size=(2, *shape))
    if name == "cross_entropy":
        targets = oracle.softmax(targets)
    if name == "binary_cross_entropy":
        targets = rng.integers(0, 2, shape)
    return outputs.astype(dtype), targets.astype(dtype)


def evaluate(kernel, outputs, targets, padding=0):
    """Return loss and gradient, inputs (and their rows, if padded) between NaNs, the gradient between canaries."""
    targets = walled(targets, padding if targets.ndim == 2 else 0)[0]
    with fenced(outputs.shape, outputs.dtype, padding) as gradient:
        loss = poison(lambda: kernel(walled(outputs, padding)[0], targets, gradient), gradient)
        return loss, gradient.copy()


def check(actual, expected, outputs, targets, eps):
    """To the roundings of terms as large as the largest output or target (squared, for the squared error)."""
    largest = 1 + np.abs(outputs).max() + np.abs(targets).max()
    columns = outputs.shape[1]  # a row is summed in its dtype
    np.testing.assert_allclose(actual[0], expected[0], rtol=(8 + columns / 2) * eps, atol=4 * eps * largest)
    share = np.abs(expected[1]).max()
    np.testing.assert_allclose(actual[1], expected[1], rtol=0, atol=(8 + columns / 2) * eps * largest * share)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", KERNELS)
def test_loss(name, shape, padding, dtype, eps, rng):
    """Padding columns are neither read nor written."""
    outputs, targets = outputs_and_targets(name, shape, dtype, rng)
    actual = evaluate(KERNELS[name], outputs, targets, padding)
    check(actual, oracle.LOSSES[name](outputs, targets), outputs, targets, eps)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy_of_labels(shape, padding, dtype, eps, rng):
    logits = rng.normal(scale=2, size=shape).astype(dtype)
    labels = rng.integers(0, shape[1], shape[0])
    actual = evaluate(kernels.cross_entropy, logits, labels, padding)
    check(actual, oracle.cross_entropy(logits, labels), logits, np.ones(1), eps)


@pytest.mark.parametrize("name", KERNELS)
def test_gradient_is_that_of_the_loss(name, rng):
    """Central differences of the kernel itself, in float64: h**2 and eps / h are both about 1e-11."""
    outputs, targets = outputs_and_targets(name, (3, 4), np.float64, rng)
    gradient, unused, h = np.empty_like(outputs), np.empty_like(outputs), 5e-6
    KERNELS[name](outputs, targets, gradient)
    for index in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[index] = h
        above, below = (KERNELS[name](moved, targets, unused) for moved in (outputs + step, outputs - step))
        assert gradient[index] == pytest.approx((above - below) / (2 * h), rel=0, abs=2e-10)


def test_kinks(dtype):
    """|d| has gradient 0 at 0; Huber's loss turns from d**2 / 2 to |d| - 1/2 at 1, where both agree."""
    outputs, targets = np.array([[0, 2, 1, -3]], dtype), np.array([[0, 2, 0, 0]], dtype)
    loss, gradient = evaluate(kernels.mean_absolute_error, outputs, targets)
    assert loss == 1
    np.testing.assert_array_equal(gradient, [[0, 0, 0.25, -0.25]])
    loss, gradient = evaluate(kernels.huber, np.array([[1, -1, 0.5, -3]], dtype), np.zeros((1, 4), dtype))
    assert loss == (0.5 + 0.5 + 0.125 + 2.5) / 4
    np.testing.assert_array_equal(gradient, [[0.25, -0.25, 0.125, -0.25]])


def test_binary_cross_entropy_of_large_logits(dtype):
    logits, targets = np.array([[1e4, 1e4, -1e4, -1e4]], dtype), np.array([[1, 0, 1, 0]], dtype)
    loss, delta = evaluate(kernels.binary_cross_entropy, logits, targets)
    assert loss == 5e3
    np.testing.assert_array_equal(delta, [[0, 0.25, -0.25, 0]])


def test_cross_entropy_of_large_logits(dtype):
    logits = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]], dtype)
    labels = np.array([0, 1, 0, 2])
    expected, third = (0 + 2e4 + np.log(2) + np.log(3)) / 4, dtype(1) / dtype(12)
    for kernel, targets in (
        (kernels.cross_entropy, labels),
        (kernels.soft_cross_entropy, np.eye(3, dtype=dtype)[labels]),
    ):
        loss, delta = evaluate(kernel, logits, targets)
        assert loss == pytest.approx(expected, rel=1e-7)
        np.testing.assert_allclose(delta[:3], [[0, 0, 0], [0.25, -0.25, 0], [-0.125, 0.125, 0]], rtol=1e-6, atol=0)
        np.testing.assert_allclose(delta[3], [third, third, -2 * third], rtol=1e-6)


@pytest.mark.parametrize("logit", [-40, -12, 12, 40])
def test_a_small_binary_cross_entropy_keeps_its_digits(logit, dtype, eps):
    """log(1 + e**-|z|) is all that is left where the target is met; z - z t must not drown it."""
    logits, targets = np.full((1, 1), logit, dtype), np.full((1, 1), logit > 0, dtype)
    loss, _ = evaluate(kernels.binary_cross_entropy, logits, targets)
    assert loss == pytest.approx(np.log1p(np.exp(-abs(float(logit)))), rel=8 * eps)


@pytest.mark.parametrize("position", [(0, 0), (2, 3), (4, 16)])
@pytest.mark.parametrize("name", [*KERNELS, "labels"])
def test_nan_in_gives_nan_loss(name, position, dtype, rng):
    kernel = KERNELS.get(name, kernels.cross_entropy)
    outputs, targets = outputs_and_targets(name, (5, 17), dtype, rng)
    if name == "labels":
        targets = rng.integers(0, 17, 5)
    outputs[position] = np.nan
    loss, gradient = evaluate(kernel, outputs, targets)
    assert np.isnan(loss)
    assert np.isnan(gradient[position])
    assert np.isfinite(np.delete(gradient, position[0], axis=0)).all()


@pytest.mark.parametrize("name", KERNELS)
def test_read_only_inputs(name, rng):
    outputs, targets = outputs_and_targets(name, (5, 7), np.float32, rng)
    expected = evaluate(KERNELS[name], outputs, targets)
    outputs.setflags(write=False)
    targets.setflags(write=False)
    gradient = np.empty_like(outputs)
    assert KERNELS[name](outputs, targets, gradient) == expected[0]
    assert same_bits(gradient, expected[1])


@pytest.mark.parametrize("name", KERNELS)
def test_nothing_costs_nothing(name, dtype):
    """An empty batch, and no outputs: the mean of no numbers is taken as 0."""
    for shape in ((0, 3), (3, 0)):
        assert KERNELS[name](*(np.empty(shape, dtype) for _ in range(3))) == 0


@pytest.mark.parametrize("name", KERNELS)
def test_shapes_and_layouts_that_do_not_fit(name):
    """The valid arguments have padded rows too, so that all cases run the same compiled code."""
    good, strided = np.ones((3, 8))[:, :4], np.ones((3, 8))[:, ::2]
    for wrong in (np.ones((3, 8))[:, :5], np.ones((4, 8))[:, :4], np.ones((4, 8))[:, :3]):
        for arguments in ((wrong, good, good), (good, wrong, good), (good, good, wrong)):
            with pytest.raises(ValueError, match="outputs, targets and gradient of a loss must have the same shape"):
                KERNELS[name](*arguments)
    for arguments in ((strided, good, good), (good, strided, good), (good, good, strided)):
        with pytest.raises(ValueError, match="rows must be contiguous"):
            KERNELS[name](*arguments)


def test_labels_that_do_not_fit():
    logits, strided, labels = np.ones((3, 8))[:, :4], np.ones((3, 8))[:, ::2], np.zeros(3, np.int64)
    for arguments in (
        (logits, labels[:2], logits),
        (logits, labels, np.ones((3, 8))[:, :5]),
        (logits, labels, np.ones((2, 8))[:, :4]),
    ):
        with pytest.raises(ValueError, match="cross_entropy: delta must have the shape of the logits"):
            kernels.cross_entropy(*arguments)
    for arguments in ((strided, labels, logits), (logits, labels, strided)):
        with pytest.raises(ValueError, match="rows must be contiguous"):
            kernels.cross_entropy(*arguments)
    for label in (-1, 4):
        with pytest.raises(ValueError, match="cross_entropy: a label is not a column of the logits"):
            kernels.cross_entropy(logits, np.array([0, label, 0]), np.ones((3, 8))[:, :4])


@needs_compiler
@pytest.mark.parametrize("name", [*KERNELS, "labels"])
def test_float32_stays_float32(name):
    """The total over the batch is float64, one number; no vector is."""
    outputs = np.ones((3, 4), np.float32)
    targets = np.zeros(3, np.int64) if name == "labels" else outputs
    assert "x double>" not in llvm_code(KERNELS.get(name, kernels.cross_entropy), outputs, targets, outputs.copy())


@pytest.mark.parametrize("scale", [1, 100, 1e4])
@pytest.mark.parametrize("size", [2, 17, 40])
def test_small_losses_keep_their_digits_beside_large_logits(size, scale, dtype, eps):
    """A reduction may be summed in any order, but its terms must not be taken apart: z - max first, max - z y first."""
    logits = np.full((1, size), -scale, dtype)
    logits[0, :2] = scale, scale - 8 if scale > 8 else 0
    delta, onehot = np.empty_like(logits), np.eye(1, size, dtype=dtype)
    exact = np.log(np.exp(logits.astype(float) - scale).sum())
    labels = np.zeros(1, np.int64)
    assert kernels.cross_entropy(logits, labels, delta) == pytest.approx(exact, rel=4 * eps / exact + 8 * eps)
    assert kernels.soft_cross_entropy(logits, onehot, delta) == pytest.approx(exact, rel=4 * eps / exact + 8 * eps)
    met = np.full((1, size), 12, dtype)
    met[0, 1] = -scale
    targets = (met > 0).astype(dtype)
    exact = np.log1p(np.exp(-np.abs(met.astype(float)))).mean()
    assert kernels.binary_cross_entropy(met, targets, delta) == pytest.approx(exact, rel=16 * eps)
