"""Operations, counted: the formulas of training are computed naively with numbers that count what is done with them."""

import math
from itertools import pairwise

import pytest

from hotloop import SGD, Adagrad, Adam, AdamW, Network, RMSprop
from hotloop.kernels.codes import NO_UPDATE
from hotloop.network import flops
from hotloop.network.training.optimizers import METHODS


class Counting:
    """A number that counts each + - * / and root as one operation."""

    done = 0

    def __init__(self, value=1.0):
        self.value = value

    def _result(self, value):
        Counting.done += 1
        return Counting(value)

    def __add__(self, other):
        return self._result(self.value + other.value)

    def __sub__(self, other):
        return self._result(self.value - other.value)

    def __mul__(self, other):
        return self._result(self.value * other.value)

    def __truediv__(self, other):
        return self._result(self.value / other.value)

    def root(self):
        return self._result(math.sqrt(self.value))


@pytest.fixture(autouse=True)
def from_zero():
    Counting.done = 0


def numbers(*shape):
    """Return nested lists of numbers."""
    return [numbers(*shape[1:]) for _ in range(shape[0])] if shape else Counting()


def add_product(a, b, c):
    """Compute c := c + a @ b."""
    for i, row in enumerate(a):
        for j in range(len(c[0])):
            for k, value in enumerate(row):
                c[i][j] = c[i][j] + value * b[k][j]


B, I, O = SHAPE = 5, 3, 4  # noqa: E741


def test_a_product():
    add_product(numbers(B, I), numbers(I, O), numbers(B, O))
    assert Counting.done == flops.product(*SHAPE)


@pytest.mark.parametrize("activation", [False, True])
def test_forward(activation):
    """The sums begin with the bias."""
    z = numbers(B, O)
    add_product(numbers(B, I), numbers(I, O), z)
    elementwise = [value * Counting() for row in z for value in row if activation]
    assert len(elementwise) == B * O * activation
    assert Counting.done == flops.forward(*SHAPE, activation=activation)


@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_backward(first, activation):
    """A derivative counts as one operation, with the product that it is in."""
    delta = numbers(B, O)
    if activation:
        delta = [[value * Counting() for value in row] for row in delta]
    if not first:
        add_product(delta, numbers(O, I), numbers(B, I))
    assert Counting.done == flops.backward(*SHAPE, activation=activation, first=first)


def test_a_weight_gradient():
    delta, sums = numbers(B, O), numbers(O)
    add_product(numbers(I, B), delta, numbers(I, O))
    for row in delta:
        sums = [total + value for total, value in zip(sums, row, strict=True)]
    assert Counting.done == flops.weight_gradient(*SHAPE)


def test_elementwise_phases():
    assert (flops.gather(B, I), flops.loss(B, O)) == (B * I, B * O)


# The formulas in the docstrings of hotloop.kernels.updates; what all parameters share, such as 1 - beta,
# is computed before.


def adam(w, g, c, m, v):
    m = c * m + c * g
    v = c * v + c * g * g
    return w - c * m / (v.root() * c + c)


def momentum(w, g, c, v):
    v = c * v + g
    return w - c * v


def nesterov(w, g, c, v):
    v = c * v + g
    return w - c * (g + c * v)


def rmsprop(w, g, c, s):
    s = c * s + c * g * g
    return w - c * g / (s.root() + c)


def adagrad(w, g, c, s):
    s = s + g * g
    return w - c * g / (s.root() + c)


OPTIMIZERS = [
    (SGD(0.1), lambda w, g, c: w - c * g),
    (SGD(0.1, momentum=0.9), momentum),
    (SGD(0.1, momentum=0.9, nesterov=True), nesterov),
    (RMSprop(), rmsprop),
    (Adagrad(), adagrad),
    (Adam(), adam),
    (AdamW(), lambda w, g, c, m, v: adam(c * w, g, c, m, v)),
]


@pytest.mark.parametrize(("optimizer", "update"), OPTIMIZERS, ids=lambda each: "" if callable(each) else str(each))
def test_an_update(optimizer, update):
    """Of each weight and bias."""
    method = METHODS[optimizer.code]
    for _ in range((I + 1) * O):
        update(*numbers(3 + method.n_moments))
    assert Counting.done == flops.update(I, O, method.flops)
    assert method.n_moments == optimizer.n_moments


def test_every_method_is_counted():
    assert {optimizer.code for optimizer, _ in OPTIMIZERS} | {NO_UPDATE} == set(METHODS)
    assert (METHODS[NO_UPDATE].flops, METHODS[NO_UPDATE].n_moments) == (0, 0)


def test_a_penalty_is_of_weights_and_not_of_biases():
    with_it, without = flops.update(I, O, 2, penalised=True), flops.update(I, O, 2)
    assert with_it - without == flops.PENALTY * I * O


def test_a_row_is_the_sum_of_its_phases():
    sizes = (7, 5, 4, 2)
    products = 0
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        products += flops.forward(1, fan_in, fan_out) + flops.backward(1, fan_in, fan_out, first=layer == 0)
        products += flops.weight_gradient(1, fan_in, fan_out) - fan_out
    assert flops.training_of_a_row(sizes) == products
    assert flops.forward_of_a_row(sizes) == 2 * (35 + 20 + 8)
    assert flops.training_of_a_row(sizes[:1]) == 0


def test_the_estimate_of_a_row_is_no_less():
    net = Network((7, 5, 4, 2), seed=0)
    assert flops.training_of_a_row(net.sizes) < flops.estimate_of_a_row(net.n_parameters) == 6 * (40 + 24 + 10)


def test_the_summary_says_the_same():
    assert "126 FLOPs a sample forward, 308 forward and backward" in Network((7, 5, 4, 2), seed=0).summary()


def test_layer_normalisation():
    """The formulas of hotloop.kernels.layer_norm; the gradients' column sums belong to the weight gradient."""
    c = Counting()
    for _ in range(B):
        z, mean, square = numbers(O), Counting(), Counting()
        for value in z:
            mean = mean + value
        mean = mean * c
        z = [value - mean for value in z]
        for value in z:
            square = square + value * value
        scale = c / (square * c + c).root()
        xhat = [value * scale for value in z]
        assert len([c * value + c for value in xhat]) == O
    assert Counting.done == flops.forward(*SHAPE, layer_norm=True) - flops.forward(*SHAPE)
    Counting.done = 0
    for _ in range(B):
        g, mean, slope = [dy * c for dy in numbers(O)], Counting(), Counting()
        for value in g:
            mean, slope = mean + value, slope + value * c
        mean, slope = mean * c, slope * c
        assert len([((value - mean - c * slope) * c, c * c) for value in g]) == O
    assert Counting.done == flops.backward(*SHAPE, layer_norm=True) - flops.backward(*SHAPE)


def test_a_learnt_activation():
    a, one, x, f, g, slope = numbers(6)
    for _ in range(B * O):
        (one - a) * x + a * f
    assert Counting.done == flops.forward(*SHAPE, mix=True) - flops.forward(*SHAPE)
    for _ in range(B * O):
        (one - a) * g + a * slope, g * (f - x)
    assert Counting.done == flops.MIX * B * O + flops.backward(*SHAPE, mix=True) - flops.backward(*SHAPE)


def test_vectors_beside_the_bias():
    assert flops.weight_gradient(*SHAPE, 3) - flops.weight_gradient(*SHAPE) == 2 * B * O
    assert flops.update(I, O, 5, vectors=3) - flops.update(I, O, 5) == 5 * 2 * O
    assert flops.gather(B, I, 2) == 3 * flops.gather(B, I)
