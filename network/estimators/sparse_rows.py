"""Sparse matrices as dense rows: whole where that is small, else a few rows at a time."""

from collections.abc import Iterator
from typing import Any

from scipy import sparse

from hotloop.kernels.jit import Array

DENSE_BYTES = 2**28  # of a sparse matrix that is made dense as a whole: 256 MiB


def dense_if_small(X: Any) -> Any:
    """Return X as an array, unless it is a sparse matrix that would be too large; that comes as CSR."""
    if not sparse.issparse(X):
        return X
    return X.toarray(order="C") if X.shape[0] * X.shape[1] * X.dtype.itemsize <= DENSE_BYTES else X.tocsr()


def blocks(X: Any) -> Iterator[tuple[slice, Array]]:
    """Yield which rows of a CSR matrix, and these rows as an array."""
    rows = max(1, DENSE_BYTES // (8 * max(X.shape[1] * X.dtype.itemsize, 1)))
    for start in range(0, X.shape[0], rows):
        here = slice(start, min(start + rows, X.shape[0]))
        yield here, dense(X, here)


def dense(X: Any, rows: slice | Array) -> Array:
    """Return some rows of an array, or of a CSR matrix, as an array."""
    found: Array = X[rows].toarray(order="C") if sparse.issparse(X) else X[rows]
    return found


def is_large(X: Any) -> bool:
    """Return whether `dense_if_small` left it sparse."""
    return bool(sparse.issparse(X))
