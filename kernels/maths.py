"""Elementary functions of one number for compiled loops, written as polynomials so that the loops vectorise.

Numba ships no vector maths library: `math.exp` in a loop is one call an element. exp and expm1 reduce the argument by
x = n ln 2 + r, |r| <= ln(2) / 2, and put n into the exponent bits (Cody and Waite, Software Manual for the Elementary
Functions, 1980, chapter 6). Errors are a few units in the last place; NaN in is NaN out. Call them from compiled code:
the type of the argument, float32 or float64, chooses the polynomial.
"""

import math
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from hotloop.kernels.jit import constants, inline

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def power_of_two(shifted: Any) -> Any:
        """Return 2**n, given n + 1.5 * 2**23 (float32) or n + 1.5 * 2**52 (float64), whose low bits are those of n."""
        magic = SHIFT32 if shifted.dtype == np.float32 else SHIFT64
        n = shifted - magic
        return n if np.isnan(n) else np.ldexp(shifted.dtype.type(1), int(n))

else:
    from hotloop.kernels.llvm import power_of_two

# ln 2 in two parts, the first with so few bits that its product with n is exact; the coefficients of
# (expm1(r) - r) / r**2: float32 from Cephes' expf (S. Moshier), float64 1/2!, 1/3!, ... (error below 2**-58 of the
# sum).
LOG2_E32, LN2_HIGH32, LN2_LOW32 = constants("f4", 1.4426950408889634, 0.693359375, -2.12194440e-4)
LOG2_E64, LN2_HIGH64, LN2_LOW64 = constants(
    "f8", 1.4426950408889634, 6.93147180369123816490e-1, 1.90821492927058770002e-10
)
SHIFT32, SHIFT64 = np.float32(1.5 * 2**23), np.float64(1.5 * 2**52)
HALF32, HALF64 = np.float32(0.5), np.float64(0.5)
ONE32, ONE64 = np.float32(1), np.float64(1)
# From here on e**x - 1 is e**x in this precision.
BIG32, BIG64 = np.float32(30), np.float64(60)
# Below the first bound e**x is zero, above the second infinite.
LOWEST32, HIGHEST32 = constants("f4", -104, 89)
LOWEST64, HIGHEST64 = constants("f8", -746, 710)
P0, P1, P2, P3, P4, P5 = constants(
    "f4", 5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4
)
Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q9, Q10, Q11 = constants("f8", *(1 / math.factorial(n) for n in range(2, 14)))


@inline
def reduce32(x: Any) -> tuple[Any, Any, Any]:
    """Return 2**(n // 2), 2**(n - n // 2) and expm1(r). Two factors reach every exponent, denormal results included."""
    n = (x * LOG2_E32 + SHIFT32) - SHIFT32
    r = (x - n * LN2_HIGH32) - n * LN2_LOW32
    half = (n * HALF32 + SHIFT32) - SHIFT32
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    return power_of_two(half + SHIFT32), power_of_two((n - half) + SHIFT32), p * (r * r) + r


@inline
def reduce64(x: Any) -> tuple[Any, Any, Any]:
    """Do as `reduce32`, in float64."""
    n = (x * LOG2_E64 + SHIFT64) - SHIFT64
    r = (x - n * LN2_HIGH64) - n * LN2_LOW64
    half = (n * HALF64 + SHIFT64) - SHIFT64
    p = (((((Q11 * r + Q10) * r + Q9) * r + Q8) * r + Q7) * r + Q6) * r + Q5
    p = ((((p * r + Q4) * r + Q3) * r + Q2) * r + Q1) * r + Q0
    return power_of_two(half + SHIFT64), power_of_two((n - half) + SHIFT64), p * (r * r) + r


@inline
def exp32(x: Any) -> Any:
    """Return e**x in float32."""
    x = LOWEST32 if x < LOWEST32 else x
    x = HIGHEST32 if x > HIGHEST32 else x
    s, t, p = reduce32(x)
    return (p * s + s) * t


@inline
def exp64(x: Any) -> Any:
    """Return e**x in float64."""
    x = LOWEST64 if x < LOWEST64 else x
    x = HIGHEST64 if x > HIGHEST64 else x
    s, t, p = reduce64(x)
    return (p * s + s) * t


@inline
def expm1_32(x: Any) -> Any:
    """Return e**x - 1 in float32, exact near zero, where the subtraction would cancel."""
    x = LOWEST32 if x < LOWEST32 else x
    x = HIGHEST32 if x > HIGHEST32 else x
    s, t, p = reduce32(x)
    power = (p * s + s) * t
    return power if x > BIG32 else (p * s) * t + (s * t - ONE32)


@inline
def expm1_64(x: Any) -> Any:
    """Return e**x - 1 in float64."""
    x = LOWEST64 if x < LOWEST64 else x
    x = HIGHEST64 if x > HIGHEST64 else x
    s, t, p = reduce64(x)
    power = (p * s + s) * t
    return power if x > BIG64 else (p * s) * t + (s * t - ONE64)


def exp(x: Any) -> Any:
    """Return e**x."""
    return exp32(x) if x.dtype == np.float32 else exp64(x)


def expm1(x: Any) -> Any:
    """Return e**x - 1, accurate for small x."""
    return expm1_32(x) if x.dtype == np.float32 else expm1_64(x)


@overload(exp, strict=False)  # type: ignore[untyped-decorator]
def _exp_by_type(x: Any) -> Any:
    if x == types.float32:
        return lambda x: exp32(x)
    return lambda x: exp64(x)


@overload(expm1, strict=False)  # type: ignore[untyped-decorator]
def _expm1_by_type(x: Any) -> Any:
    if x == types.float32:
        return lambda x: expm1_32(x)
    return lambda x: expm1_64(x)


@inline
def logistic(x: Any) -> Any:
    """Return 1 / (1 + e**-x)."""
    one = type(x)(1)
    return one / (one + exp(-x))


@inline
def tanh(x: Any) -> Any:
    """Return (e**2x - 1) / (e**2x + 1), with expm1, so that it is accurate near zero."""
    two, bound = type(x)(2), type(x)(22)  # beyond 22 it is 1 in float64 too, and infinity / infinity is avoided
    x = bound if x > bound else (-bound if x < -bound else x)
    e = expm1(two * x)
    return e / (e + two)


@inline
def softplus(x: Any) -> Any:
    """Return log(1 + e**x) = max(x, 0) + log1p(e**-|x|), log1p(e) as 2 artanh(e / (2 + e))."""
    zero, one, two = type(x)(0), type(x)(1), type(x)(2)
    e = exp(x if x < zero else -x)
    s = e / (two + e)
    q = s * s
    total = zero
    for k in range(16, 0, -1):  # s <= 1/3: the first term left out is below 2e-17 of the sum
        total = (total + one / type(x)(2 * k + 1)) * q
    return (zero if x < zero else x) + two * s * (one + total)
