"""Calls of compiled functions by their address: the training loop can use one that it was not compiled with.

So a user's activation or loss, and whatever few networks need, is compiled by itself, in a second, and no loop is
compiled again. An address of 0 means none. All arrays are contiguous vectors of one dtype.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numba

_keep_alive: dict[int, Any] = {}

if TYPE_CHECKING or numba.config.DISABLE_JIT:

    def address_of(function: Callable[..., Any], dtype: Any, *arguments: Any, returns: Any = None) -> int:
        """Return the address of a kernel, compiled for arguments of these kinds.

        Parameters
        ----------
        function : callable
            Made by `hotloop.kernels.jit.kernel`, for `call`, or by `apart`, for `call_apart`; it raises no error. It
            and its code are kept for ever, and its address is found once.
        dtype : dtype
            Of all arrays.
        arguments : int or type
            What each is: 1 or 2 for a contiguous array of so many dimensions, 0 for a float64, -1 for an int64, or
            `Matrix`.
        returns : dtype, optional
            Of what it returns; nothing by default.
        """
        _keep_alive[id(function)] = function
        return id(function)

    def call(address: int, *arguments: Any) -> None:
        """Call the function at this address."""
        _keep_alive[address](*arguments)

    def call_apart(address: int, *arguments: Any) -> None:
        """Call the function at this address, made by `hotloop.kernels.jit.apart`: in a tenth of the time."""
        _keep_alive[address](*arguments)

    def call_for_float(address: int, *arguments: Any) -> float:
        """Call the function at this address, which returns a float64."""
        return float(_keep_alive[address](*arguments))

else:
    from hotloop.kernels.lowering.by_address import address_of as address_of
    from hotloop.kernels.lowering.by_address import call as call
    from hotloop.kernels.lowering.by_address import call_apart as call_apart
    from hotloop.kernels.lowering.by_address import call_for_float as call_for_float
