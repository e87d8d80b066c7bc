"""The exponential and the logarithm of arrays; `activations` has tanh and the sigmoid."""

from hotloop.kernels import elementary_functions as elementary
from hotloop.kernels.elementwise import prepare
from hotloop.kernels.jit import Array, kernel


@kernel
def exp(x: Array, out: Array) -> None:
    """out = e^x, within 2 ulp, from zero (also for a denormal result) to infinity.

    Parameters
    ----------
    x : array, contiguous, of any number of dimensions
    out : array of as many elements
        Overwritten. May be x.

    Notes
    -----
    Source: Cody and Waite, Software Manual for the Elementary Functions (1980), chapter 6.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import exp
    >>> out = np.empty(2, np.float32)
    >>> exp(np.array([0, 1], np.float32), out)
    >>> print(out.round(3))
    [1.    2.718]
    """
    out = prepare(x, out)
    for i in range(out.size):
        out[i] = elementary.exp(out[i])


@kernel
def log(x: Array, out: Array) -> None:
    """out = ln x, within 2 ulp: -inf for zero and denormal numbers, NaN for negative ones.

    Parameters
    ----------
    x : array, contiguous, of any number of dimensions
    out : array of as many elements
        Overwritten. May be x.

    Notes
    -----
    Source: Cody and Waite, Software Manual for the Elementary Functions (1980), chapter 5, with a series in artanh.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.kernels import log
    >>> out = np.empty(3, np.float32)
    >>> log(np.array([0, 1, 10], np.float32), out)
    >>> print(out.round(3))
    [ -inf 0.    2.303]
    """
    out = prepare(x, out)
    for i in range(out.size):
        out[i] = elementary.log(out[i])
