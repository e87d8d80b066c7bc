"""The elementary functions against arithmetic of 45 digits, in units in the last place (ulp) of the true value."""

from decimal import Decimal, localcontext

import numba
import numpy as np
import pytest
from conftest import COMPILED, llvm_code, needs_compiler

from hotloop.kernels import maths

POINTS = 4000 if COMPILED else 400
TINY = Decimal("1e-20")  # below it the quadratic term is beyond every digit of float64


def expm1(x):
    return x.exp() - 1 if abs(x) > TINY else x


def log1p(x):
    return (1 + x).ln() if x > TINY else x


EXACT = {
    "exp": lambda x: x.exp(),
    "expm1": expm1,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: expm1(2 * x) / (expm1(2 * x) + 2),
    "softplus": lambda x: max(x, Decimal(0)) + log1p((-abs(x)).exp()),
}
# Bounds in ulp, where the result is a normal number. The largest errors found among 10**8 float32 and 2 * 10**4 float64
# arguments are 1.01, 1.71, 2.49, 2.50 and 3.48; half an ulp is the least that any function can have.
BOUNDS = {"exp": 1.1, "expm1": 2, "logistic": 2.75, "tanh": 2.75, "softplus": 4}


def loop_of(function):
    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


LOOPS = {name: loop_of(getattr(maths, name)) for name in EXACT}


def evaluate(name, x, dtype):
    x = np.asarray(x, dtype)
    out = np.full_like(x, -7)
    LOOPS[name](x, out)
    return out


def worst(name, x):
    """Return the largest error in ulp (never less than that of the smallest normal number), and its argument."""
    out = evaluate(name, x, x.dtype)
    with localcontext(prec=45):
        exact = [EXACT[name](Decimal(float(value))) for value in x]
        ulp = np.spacing(np.abs(np.array(exact, x.dtype)))
        errors = [abs(Decimal(float(o)) - e) / Decimal(float(u)) for o, e, u in zip(out, exact, ulp, strict=True)]
    return max(zip(errors, x, strict=True)) if np.isfinite(out).all() else (np.inf, x[~np.isfinite(out)][0])


def normal_range(dtype):
    """Return the arguments between which e**x is a normal number."""
    limits = np.finfo(dtype)
    inward = 1 - 4 * limits.eps
    return np.log(limits.tiny) * dtype(inward), np.log(limits.max) * dtype(inward)


@pytest.mark.parametrize("name", EXACT)
def test_error_over_the_whole_range(name, dtype, rng):
    low, high = normal_range(dtype)
    x = np.concatenate([np.linspace(low, high, POINTS), rng.uniform(low, high, POINTS)]).astype(dtype)
    error, at = worst(name, x)
    assert error <= BOUNDS[name], f"{name}({at!r})"


@pytest.mark.parametrize("name", EXACT)
def test_error_near_zero(name, dtype):
    tiny = np.geomspace(np.finfo(dtype).tiny * 4, 1, POINTS)
    x = np.concatenate([np.linspace(-4, 4, POINTS), tiny, -tiny]).astype(dtype)
    error, at = worst(name, x)
    assert error <= BOUNDS[name], f"{name}({at!r})"


@pytest.mark.parametrize("name", EXACT)
def test_error_where_the_reduction_steps(name, dtype):
    """At odd multiples of ln(2) / 2 the exponent changes, and the polynomial's argument is at its largest."""
    low, high = normal_range(dtype)
    steps = (np.arange(-1100, 1100) + 0.5) * np.log(2)
    x = steps[(steps > low) & (steps < high)].astype(dtype)
    x = np.concatenate([np.nextafter(x, dtype(-np.inf)), x, np.nextafter(x, dtype(np.inf))])
    error, at = worst(name, x)
    assert error <= BOUNDS[name], f"{name}({at!r})"


@pytest.mark.parametrize("name", EXACT)
def test_results_that_are_denormal_or_zero(name, dtype):
    """Two roundings of a denormal number are its two last units; 1 / (1 + e**-x) goes to zero one step early."""
    limits = np.finfo(dtype)
    low, _ = normal_range(dtype)
    x = np.linspace(low, 1.3 * low, 300).astype(dtype)
    with localcontext(prec=45):
        exact = np.array([float(EXACT[name](Decimal(float(value)))) for value in x])
    allowed = {"exp": 2 * limits.smallest_subnormal, "softplus": 4 * limits.smallest_subnormal, "logistic": limits.tiny}
    np.testing.assert_allclose(evaluate(name, x, dtype), exact, rtol=0, atol=allowed.get(name, limits.eps))


LIMITS = {  # f(-inf), f(0), f(inf)
    "exp": (0, 1, np.inf),
    "expm1": (-1, 0, np.inf),
    "logistic": (0, 0.5, 1),
    "tanh": (-1, 0, 1),
    "softplus": (0, np.log(2), np.inf),
}


@pytest.mark.parametrize("name", EXACT)
def test_limits(name, dtype, eps):
    below, middle, above = LIMITS[name]
    largest = np.finfo(dtype).max
    np.testing.assert_array_equal(evaluate(name, [-np.inf, -largest], dtype), [below, below])
    np.testing.assert_allclose(evaluate(name, [-0.0, 0.0], dtype), [middle, middle], rtol=eps)
    last = largest if name == "softplus" else above
    np.testing.assert_array_equal(evaluate(name, [largest, np.inf], dtype), np.array([last, above], dtype))


@pytest.mark.parametrize("name", EXACT)
def test_nan_stays_nan(name, dtype):
    assert np.isnan(evaluate(name, [np.nan, -np.nan] * 20, dtype)).all()


@pytest.mark.parametrize("name", ["expm1", "tanh"])
def test_denormal_arguments_are_returned(name, dtype):
    x = np.finfo(dtype).smallest_subnormal * np.array([1, -1, 5, -77, 1000], dtype)
    np.testing.assert_array_equal(evaluate(name, x, dtype), x)


@needs_compiler
@pytest.mark.parametrize("name", EXACT)
def test_float32_stays_float32(name):
    x = np.zeros(1, np.float32)
    assert "double" not in llvm_code(LOOPS[name], x, x)
