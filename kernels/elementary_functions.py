"""Elementary functions of one number for compiled loops, written so that the loops vectorise.

Numba ships no vector maths library: `math.exp` in a loop is a call for each element. e**x reduces its argument to
x = n ln 2 + r, |r| <= ln(2) / 2, and puts n into the exponent bits; log takes it out again (Cody and Waite, Software
Manual for the Elementary Functions, 1980, chapters 5 and 6). The rest is built from these two: sigmoid, tanh, softplus
and the normal distribution need e**x only for x <= 0, which is cheaper. Coefficients are minimax (Remez), a set for
each dtype.

Errors are at most 2 units in the last place over the whole range (8 for `normal` and `gelu`), denormal numbers
included, unless the caller flushes them to zero, as every kernel does. NaN in is NaN out. Call these from compiled
code: the type of the argument, float32 or float64, chooses the coefficients.
"""

import math
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from hotloop.kernels.jit import constants, inline, inlined

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def choose(x: Any, for32: Any, for64: Any) -> Any:
        """Return `for32` if x is a float32, else `for64`."""
        return for32 if x.dtype == np.float32 else for64

    def polynomial(x: Any, coefficients: Any) -> Any:
        """Return the polynomial with these coefficients, the constant first, at x."""
        total = coefficients[-1]
        for coefficient in coefficients[-2::-1]:
            total = total * x + coefficient
        return total

    def power_of_two(shifted: Any) -> Any:
        """Return 2**n, given n + 1.5 * 2**23 (float32) or n + 1.5 * 2**52 (float64), whose low bits are those of n."""
        n = shifted - choose(shifted, SHIFT32, SHIFT64)
        return n if np.isnan(n) else np.ldexp(shifted.dtype.type(1), int(n))

    def split(x: Any) -> tuple[Any, Any]:
        """Return m and n, x = m 2**n, sqrt(1/2) <= m < sqrt(2), for normal x > 0; else two meaningless numbers."""
        m, n = np.frexp(x)
        return (2 * m, x.dtype.type(n - 1)) if m < SQRT_HALF else (m, x.dtype.type(n))

else:
    from hotloop.kernels.lowering.elementary_functions import choose, polynomial, power_of_two, split

SQRT_HALF = np.float64(0.5**0.5)
LOG2_E = 1.4426950408889634
INVERSE_SQRT_2_PI = 0.3989422804014327
# Adding this rounds a number to an integer, in the low bits of the mantissa. The second also raises n, so that 2**n is
# normal for every e**x below 1; `FACTOR` takes that back.
SHIFT32, SHIFT64 = np.float32(1.5 * 2**23), np.float64(1.5 * 2**52)
RAISED32, RAISED64 = np.float32(1.5 * 2**23 + 24), np.float64(1.5 * 2**52 + 54)
FACTOR32, FACTOR64 = np.float32(2.0**-24), np.float64(2.0**-54)
# ln 2 in two parts, the first short enough that its product with n is exact.
LN2_HIGH32, LN2_LOW32 = constants("f4", 0.693359375, -2.12194440e-4)
LN2_HIGH64, LN2_LOW64 = constants("f8", 6.93147180369123816490e-1, 1.90821492927058770002e-10)
# Below the first bound e**x is zero, above the second infinite; below the third e**x - 1 is -1; above the fourth tanh
# is 1; below minus the fifth the normal distribution is zero.
LOWEST32, HIGHEST32, MINUS_ONE32, ONE32, NORMAL32 = constants("f4", -104, 89, -20, 10, 14.42)
LOWEST64, HIGHEST64, MINUS_ONE64, ONE64, NORMAL64 = constants("f8", -746, 710, -40, 20, 38.6)
# The smallest normal number, a power of two that makes every denormal number normal, and its exponent.
TINY32, UP32, STEPS32 = constants("f4", 2.0**-126, 2.0**25, 25)
TINY64, UP64, STEPS64 = constants("f8", 2.0**-1022, 2.0**54, 54)
# Added and then subtracted, these leave the upper half of a number's digits, whose square is exact.
HALVE32, HALVE64 = np.float32(1.5 * 2**15), np.float64(1.5 * 2**32)
# (e**r - 1 - r) / r**2 for |r| <= ln(2) / 2; relative to e**r - 1 within 2**-26 and 2**-61.
EXP32 = constants(
    "f4", 0.5000000062056766, 0.16666542558142323, 0.041666281176407853, 0.0083666428823758781, 0.0013946524042601318
)
EXP64 = constants(
    "f8", 0.5, 0.16666666666666676684, 0.041666666666666701697, 0.0083333333333215344604, 0.0013888888888866678029,
    0.00019841269886394155484, 0.000024801587360869740508, 2.7557243918046045977e-6, 2.7557242490515283475e-7,
    2.5109145330695399959e-8, 2.0924527148524239324e-9,
)  # fmt: skip
# (log((1 + s) / (1 - s)) - 2 s) / s**3 as a polynomial in s**2 <= 1/9; the logarithm within 2**-27 and 2**-59.
LOG32 = constants("f4", 0.66666413045491788, 0.40021705082519369, 0.27999027563476695, 0.28025082910171839)
LOG64 = constants(
    "f8", 0.6666666666666630352, 0.40000000000157363682, 0.285714285478367718, 0.22222223970892938224,
    0.18181743880973022793, 0.15386560916076969238, 0.1330095988492740339, 0.12106199381485654165,
    0.083395882315618713555, 0.17019559221096719052,
)  # fmt: skip


# (tanh(x) - x) / x**3 as a polynomial in x**2, |x| <= 0.55; tanh within 2**-29 and 2**-60.
TANH32 = constants(
    "f4", -0.33333318025641380, 0.13332600857179030, -0.053853758368300828, 0.021077303407432534, -0.0062817730944694815
)
TANH64 = constants(
    "f8", -0.33333333333333299665, 0.13333333333326817728, -0.053968253963868455184, 0.021869488388785626009,
    -0.0088632326472147963935, 0.0035920924729552865797, -0.0014555455811130030725, 0.00058845531709518066419,
    -0.0002334081432512882508, 0.00008335325273319502373, -0.000019516674054820190467,
)  # fmt: skip
# e**(t**2 / 2) Phi(-t) as a quotient of polynomials in t, 0 <= t <= 38.6, within 2**-27 and 2**-59. All coefficients
# are positive, so nothing cancels.
TAIL_P32 = constants(
    "f4", 0.5, 0.43815071753894538, 0.18312715164878024, 0.040596503488375610, 0.0041107705748059660,
)  # fmt: skip
TAIL_Q32 = constants(
    "f4", 1, 1.6741864111251892, 1.2020570536369861, 0.46918529557532639, 0.10176683473088775, 0.010304052948570246,
)  # fmt: skip
TAIL_P64 = constants(
    "f8", 0.5, 0.82765202678249795272, 0.67918437268931081743, 0.35701791087518263623, 0.13188618905185034204,
    0.035613488375151302063, 0.0071096559558460923285, 0.001037407647409650748, 0.00010629300583202526807,
    6.9544397546562609996e-6, 2.2336848094898390236e-7,
)  # fmt: skip
TAIL_Q64 = constants(
    "f8", 1, 2.4531886143678614674, 2.8157300655201049259, 2.0000305815011005306, 0.97915464083659170994,
    0.34788363271230356005, 0.091835308168210486158, 0.018086581882893914993, 0.0026178275368485165722,
    0.00026699695556081561984, 0.000017432195323270185597, 5.5990175000796532696e-7,
)  # fmt: skip


@inline
def reduce(x: Any, low: Any, shift: Any) -> tuple[Any, Any]:
    """Return 2**(n + k) and e**r - 1, where x + low = n ln 2 + r, and `shift` is the dtype's SHIFT plus k."""
    shifted = (x + low) * type(x)(LOG2_E) + shift
    n = shifted - shift
    r = ((x - n * choose(x, LN2_HIGH32, LN2_HIGH64)) - n * choose(x, LN2_LOW32, LN2_LOW64)) + low
    return power_of_two(shifted), polynomial(r, choose(x, EXP32, EXP64)) * (r * r) + r


@inline
def exp(x: Any) -> Any:
    """Return e**x."""
    lowest, highest = choose(x, LOWEST32, LOWEST64), choose(x, HIGHEST32, HIGHEST64)
    x = lowest if x < lowest else x
    x = highest if x > highest else x
    # 2**n as two factors: one does not reach every exponent.
    shift = choose(x, SHIFT32, SHIFT64)
    n = (x * type(x)(LOG2_E) + shift) - shift
    half = n * type(x)(0.5) + shift
    r = (x - n * choose(x, LN2_HIGH32, LN2_HIGH64)) - n * choose(x, LN2_LOW32, LN2_LOW64)
    p = polynomial(r, choose(x, EXP32, EXP64)) * (r * r) + r
    s = power_of_two(half)
    return (p * s + s) * power_of_two((n - (half - shift)) + shift)


@inline
def exp_negative(x: Any) -> Any:
    """Return e**x for x <= 0."""
    lowest = choose(x, LOWEST32, LOWEST64)
    power, p = reduce(lowest if x < lowest else x, type(x)(0), choose(x, RAISED32, RAISED64))
    return (p * power + power) * choose(x, FACTOR32, FACTOR64)


@inline
def expm1_negative(x: Any) -> Any:
    """Return e**x - 1 for x <= 0, accurate near zero, where the subtraction would cancel."""
    lowest = choose(x, MINUS_ONE32, MINUS_ONE64)
    power, p = reduce(lowest if x < lowest else x, type(x)(0), choose(x, SHIFT32, SHIFT64))
    return p * power + (power - type(x)(1))


@inline
def log1p_rest(f: Any) -> Any:
    """Return f - log(1 + f) for sqrt(1/2) - 1 <= f <= 1, by log(1 + f) = 2 artanh(f / (2 + f))."""
    s = f / (type(f)(2) + f)
    q = s * s
    return s * (f - q * polynomial(q, choose(f, LOG32, LOG64)))


@inline
def log(x: Any) -> Any:
    """Return the natural logarithm of x: -inf for 0, NaN for x < 0."""
    zero, infinity = type(x)(0), type(x)(np.inf)
    denormal = x < choose(x, TINY32, TINY64)
    m, n = split(x * choose(x, UP32, UP64) if denormal else x)
    n = n - (choose(x, STEPS32, STEPS64) if denormal else zero)
    f = m - type(x)(1)
    low = n * choose(x, LN2_LOW32, LN2_LOW64) - log1p_rest(f)
    result = n * choose(x, LN2_HIGH32, LN2_HIGH64) + (f + low)
    result = result if x > zero else (-infinity if x == zero else type(x)(np.nan))
    return result if x < infinity else x


@inline
def logistic(x: Any) -> Any:
    """Return 1 / (1 + e**-x) as u - u e / (1 + e), e = e**-|x|, u = e below zero, else 1.

    That is u / (1 + e), with half an ulp less rounding.
    """
    e = exp_negative(-abs(x))
    u = e if x < type(x)(0) else type(x)(1)
    return u - u * (e / (type(x)(1) + e))


@inline
def tanh(x: Any) -> Any:
    """Return tanh x, a polynomial near zero, else sign(x) (1 - 2 t / (1 + t)) with t = e**-2|x|."""
    one, bound, size = type(x)(1), choose(x, ONE32, ONE64), abs(x)
    q = x * x
    near = (size * q) * polynomial(q, choose(x, TANH32, TANH64)) + size
    zero, shift = type(x)(0), choose(x, SHIFT32, SHIFT64)
    power, p = reduce(type(x)(-2) * (bound if size > bound else size), zero, shift)
    t = p * power + power
    far = one - (t + t) / (one + t)
    return type(x)(math.copysign(far if size > type(x)(0.55) else near, x))


@inline
def softplus(x: Any) -> Any:
    """Return log(1 + e**x) = max(x, 0) + log(1 + e**-|x|)."""
    e = exp_negative(-abs(x))
    return (type(x)(0) if x < type(x)(0) else x) + (e - log1p_rest(e))


# The rest is `inlined`: too long for LLVM to inline by itself, and a loop with a call does not vectorise.


@inlined
def normal_tail(x: Any) -> tuple[Any, Any, Any]:
    """Return t = |x| (at most `NORMAL32` or `NORMAL64`), e**(-t**2 / 2) / `FACTOR32` or 64, and Phi(-t) e**(t**2 / 2).

    As factors, so that a denormal product is rounded only once. Phi is the standard normal distribution.
    """
    t, bound = abs(x), choose(x, NORMAL32, NORMAL64)
    t = bound if t > bound else t
    halve = choose(x, HALVE32, HALVE64)
    high = (t + halve) - halve  # rounding t**2 would cost e**(-t**2 / 2) up to t**2 / 4 ulp
    minus_half = type(x)(-0.5)
    power, p = reduce(minus_half * (high * high), minus_half * ((t - high) * (t + high)), choose(x, RAISED32, RAISED64))
    ratio = polynomial(t, choose(x, TAIL_P32, TAIL_P64)) / polynomial(t, choose(x, TAIL_Q32, TAIL_Q64))
    return t, p * power + power, ratio


@inlined
def normal(x: Any) -> Any:
    """Return Phi(x), the standard normal distribution, relatively accurate in the left tail too."""
    _, density, ratio = normal_tail(x)
    tail = (density * ratio) * choose(x, FACTOR32, FACTOR64)
    return tail if x < type(x)(0) else type(x)(1) - tail


@inlined
def gelu(x: Any) -> Any:
    """Return x Phi(x) = max(x, 0) - |x| Phi(-|x|)."""
    t, density, ratio = normal_tail(x)
    return (type(x)(0) if x < type(x)(0) else x) - ((t * ratio) * density) * choose(x, FACTOR32, FACTOR64)


@inlined
def gelu_slope(x: Any) -> Any:
    """Return Phi(x) + x phi(x), phi(x) = e**(-x**2 / 2) / sqrt(2 pi)."""
    t, density, ratio = normal_tail(x)
    below = (density * (ratio - t * type(x)(INVERSE_SQRT_2_PI))) * choose(x, FACTOR32, FACTOR64)
    return below if x < type(x)(0) else type(x)(1) - below
