"""Sums in one order, whatever the compiler and the CPU: the parameters depend on them, and have the same bits."""

from typing import Any

from hotloop.kernels.jit import Array, inline

# A row is summed as 16 sums, each of every sixteenth number: whole vectors on every CPU, and always in this order.
SUMS = 16


@inline
def ordered_sum(values: Array) -> Any:
    """Return the sum, taken from the first to the last."""
    total = values.dtype.type(0)
    for j in range(values.size):
        total += values[j]
    return total


@inline
def row_sum(values: Array, sums: Array) -> Any:
    """Return the sum of a row, in the order that `SUMS` says."""
    whole = values.size // SUMS * SUMS
    for k in range(SUMS):
        sums[k] = 0
    for j in range(0, whole, SUMS):
        for k in range(SUMS):
            sums[k] += values[j + k]
    for j in range(whole, values.size):
        sums[j - whole] += values[j]
    return total_of(sums)


@inline
def sum_of_products(left: Array, right: Array, sums: Array) -> Any:
    """Return the sum over a row of left times right, in the order of `row_sum`."""
    whole = left.size // SUMS * SUMS
    for k in range(SUMS):
        sums[k] = 0
    for j in range(0, whole, SUMS):
        for k in range(SUMS):
            sums[k] += left[j + k] * right[j + k]
    for j in range(whole, left.size):
        sums[j - whole] += left[j] * right[j]
    return total_of(sums)


@inline
def total_of(sums: Array) -> Any:
    """Return the sum of `SUMS` numbers, from the first to the last."""
    total = sums[0]
    for k in range(1, SUMS):
        total += sums[k]
    return total
