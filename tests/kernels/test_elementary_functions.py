"""The elementary functions against longer arithmetic, in units in the last place (ulp) of the true value.

float32 against NumPy in float64, over a stride of all bit patterns; float64 against NumPy in long double, where that is
longer, and against arithmetic of 45 digits. Below the normal numbers the unit is the smallest number.
"""

from decimal import Decimal, localcontext

import numba
import numpy as np
import oracle
import pytest
from conftest import COMPILED, llvm_code, needs_compiler, poison, same_bits

from hotloop import kernels
from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.jit import FASTMATH

# Bounds in ulp. The largest errors found, in float32 over 10**7 arguments and in float64 over as many, are 1.04, 1.04,
# 1.12, 0.87, 1.65, 1.44 and 1.77; of the last two, products of an exponential and a quotient of polynomials, 5.4 and
# 5.5, and 6.1 without fused multiply-adds. Half an ulp is the least that any function can have.
BOUNDS = {
    "exp": 1.2, "exp_negative": 1.2, "expm1_negative": 1.25, "log": 1, "logistic": 1.75, "tanh": 1.5, "softplus": 1.9,
    "normal": 8, "gelu": 8,
}  # fmt: skip
PATTERNS = {np.float32: 1_000_000, np.float64: 50_000} if COMPILED else dict.fromkeys((np.float32, np.float64), 2_000)
DECIMALS = 500 if COMPILED else 100
TINY = Decimal("1e-20")  # below it the quadratic term is beyond every digit of float64
LONGER = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps / 1000


def logistic(x):
    e = np.exp(-abs(x))
    return np.where(x < 0, e, np.where(np.isnan(x), x, 1)) / (1 + e)


WIDE = {
    "exp": np.exp,
    "exp_negative": np.exp,
    "expm1_negative": np.expm1,
    "log": np.log,
    "logistic": logistic,
    "tanh": np.tanh,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
}


def expm1(x):
    return x.exp() - 1 if abs(x) > TINY else x


def log1p(x):
    return (1 + x).ln() if x > TINY else x


def normal(x):
    """Return Phi(x): half less the series of phi(x) x**(2k+1) / (1 3 5 ..), or in the tail its continued fraction."""
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
    t, density = abs(x), (-x * x / 2).exp() / (2 * pi).sqrt()
    if t < 6:
        with localcontext(prec=70):
            total = term = t
            k = 1
            while term > total * Decimal("1e-66"):
                k += 2
                term = term * t * t / k
                total += term
            tail = Decimal("0.5") - (-x * x / 2).exp() / (2 * pi).sqrt() * total
    else:
        fraction = t
        for k in range(220, 0, -1):
            fraction = t + k / fraction
        tail = density / fraction
    return tail if x < 0 else 1 - tail


EXACT = {
    "exp": Decimal.exp,
    "exp_negative": Decimal.exp,
    "expm1_negative": expm1,
    "log": Decimal.ln,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: expm1(2 * x) / (expm1(2 * x) + 2),
    "softplus": lambda x: max(x, Decimal(0)) + log1p((-abs(x)).exp()),
    "normal": normal,
    "gelu": lambda x: x * normal(x),
}


def loop_of(function):
    @numba.njit(error_model="numpy", fastmath=FASTMATH)
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


LOOPS = {name: loop_of(getattr(elementary, name)) for name in BOUNDS}


def evaluate(name, x, dtype):
    x = np.asarray(x, dtype)
    out = np.empty_like(x)
    poison(lambda: LOOPS[name](x, out), out)
    return out


def domain(name, x):
    """Return the arguments that the function is for."""
    return -abs(x) if name.endswith("negative") else abs(x) if name == "log" else x


def steps(dtype):
    """Return the odd multiples of ln(2) / 2, where the exponent changes, and the numbers beside them."""
    x = ((np.arange(-1100, 1100) + 0.5) * np.log(2)).astype(dtype)
    x = x[(x > np.log(np.finfo(dtype).smallest_subnormal)) & (x < np.log(np.finfo(dtype).max))]
    return np.concatenate([np.nextafter(x, dtype(-np.inf)), x, np.nextafter(x, dtype(np.inf))])


def dense(dtype, rng):
    """Return a stride of all bit patterns (NaNs and infinities among them), and a grid where the functions change."""
    bits = np.uint32 if dtype == np.float32 else np.uint64
    span = 2 ** (8 * bits().itemsize)
    points = PATTERNS[dtype]
    patterns = (np.arange(points, dtype=np.uint64) * np.uint64(span // points)).astype(bits)
    low, high = np.log(np.finfo(dtype).smallest_subnormal) - 2, np.log(np.finfo(dtype).max) + 2
    inside = [rng.uniform(*ends, points // 3) for ends in ((low, high), (-20, 20), (0, 2))]
    pieces = *inside, steps(dtype), np.sqrt(2) ** np.arange(-9, 9)
    return np.concatenate([patterns.view(dtype), *(piece.astype(dtype) for piece in pieces)])


def worst(computed, exact, x):
    """Return the largest error in ulp, and its argument; infinite where one is NaN or infinite and the other not."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(x.dtype)
        special = ~np.isfinite(rounded) | ~np.isfinite(computed)
        errors = np.abs(computed.astype(exact.dtype) - exact) / np.spacing(np.abs(rounded))
    same = (computed == rounded) | (np.isnan(computed) & np.isnan(rounded))
    errors = np.where(special, np.where(same, 0, np.inf), errors)
    at = errors.argmax()
    return errors[at], x[at]


@pytest.mark.parametrize("name", WIDE)
def test_error_over_the_whole_range(name, dtype, rng):
    if dtype == np.float64 and not LONGER:
        pytest.skip("NumPy has no type longer than float64 on this platform")
    x = domain(name, dense(dtype, rng))
    with np.errstate(all="ignore"):
        exact = WIDE[name](x.astype(np.float64 if dtype == np.float32 else np.longdouble))
    error, at = worst(evaluate(name, x, dtype), exact, x)
    assert error <= BOUNDS[name], f"{name}({at!r})"


@pytest.mark.parametrize("name", BOUNDS)
def test_error_to_45_digits(name, dtype, rng):
    limits = np.finfo(dtype)
    low, high = np.log(limits.smallest_subnormal) * 0.999, np.log(limits.max) * 0.999
    if name in ("normal", "gelu"):
        low, high = -np.sqrt(-2 * low), 9
    tiny = np.geomspace(limits.tiny * 4, 1, DECIMALS)
    x = np.concatenate([np.linspace(low, high, DECIMALS), rng.uniform(-4, 4, DECIMALS), tiny, -tiny])
    x = domain(name, np.concatenate([x, steps(dtype)]) if name.startswith("exp") else x).astype(dtype)
    with localcontext(prec=45):
        exact = [EXACT[name](Decimal(float(value))) for value in x]
        ulp = np.spacing(np.abs(np.array(exact, dtype)))
        out = evaluate(name, x, dtype)
        assert np.isfinite(out).all()
        errors = [abs(Decimal(float(o)) - e) / Decimal(float(u)) for o, e, u in zip(out, exact, ulp, strict=True)]
    error, at = max(zip(errors, x, strict=True))
    assert error <= BOUNDS[name], f"{name}({at!r})"


LIMITS = {  # f(-inf), f(0), f(inf); None where the function is not for them
    "exp": (0, 1, np.inf),
    "exp_negative": (0, 1, None),
    "expm1_negative": (-1, 0, None),
    "log": (np.nan, -np.inf, np.inf),
    "logistic": (0, 0.5, 1),
    "tanh": (-1, 0, 1),
    "softplus": (0, np.log(2), np.inf),
    "normal": (0, 0.5, 1),
    "gelu": (0, 0, np.inf),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_limits(name, dtype, eps):
    below, middle, above = LIMITS[name]
    largest = np.finfo(dtype).max
    np.testing.assert_array_equal(evaluate(name, [-np.inf, -largest], dtype), [below, below])
    np.testing.assert_allclose(evaluate(name, [-0.0, 0.0], dtype), [middle, middle], rtol=eps)
    if above is not None:
        last = largest if name in ("softplus", "gelu") else np.log(largest) if name == "log" else above
        np.testing.assert_allclose(evaluate(name, [largest, np.inf], dtype), np.array([last, above], dtype), rtol=eps)


def test_the_sign_of_zero(dtype):
    zeros = np.array([0.0, -0.0], dtype)
    assert same_bits(evaluate("tanh", zeros, dtype), zeros)


@pytest.mark.parametrize("name", BOUNDS)
def test_nan_stays_nan(name, dtype):
    assert np.isnan(evaluate(name, [np.nan, -np.nan] * 20, dtype)).all()


@pytest.mark.parametrize("name", ["expm1_negative", "tanh"])
def test_denormal_arguments_are_returned(name, dtype):
    x = domain(name, np.finfo(dtype).smallest_subnormal * np.array([1, -1, 5, -77, 1000], dtype))
    np.testing.assert_array_equal(evaluate(name, x, dtype), x)


def test_gelu_slope(dtype, eps):
    """Absolutely: the derivative has a zero."""
    x = np.concatenate([np.linspace(-45, 45, 4001), np.linspace(-1, 1, 401)]).astype(dtype)
    out = np.empty_like(x)
    kernels.gelu_derivative(x, out)
    np.testing.assert_allclose(out, oracle.gelu_derivative(x), rtol=0, atol=2 * eps)


@pytest.mark.parametrize("name", ["exp", "log"])
def test_public_kernels(name, dtype, rng):
    x = rng.uniform(0.1, 9, (3, 11)).astype(dtype)
    expected = evaluate(name, x.ravel(), dtype).reshape(x.shape)
    out = np.empty_like(x)
    kernel = getattr(kernels, name)
    poison(lambda: kernel(x, out), out)
    assert same_bits(out, expected)
    kernel(x, x)
    assert same_bits(x, expected)
    with pytest.raises(ValueError, match="input and output must have the same size"):
        kernel(x, np.empty(4, dtype))


@needs_compiler
@pytest.mark.parametrize("name", BOUNDS)
def test_loops_become_vectors_of_float32(name):
    """Eight or sixteen lanes, as the CPU has them, and nothing in float64."""
    x = np.zeros(1, np.float32)
    code = llvm_code(LOOPS[name], x, x)
    assert "double" not in code
    assert any(f"<{lanes} x float>" in code for lanes in (4, 8, 16))
    assert "call float @" not in code.replace("call float @llvm.", "")
