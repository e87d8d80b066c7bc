"""Where everything lives: the flat parameter vector, the layer table, the workspace."""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.tables import LAYER
from hotloop.network.activations import Activation
from hotloop.network.validation.memory import total_memory

ALIGNMENT = 64  # bytes: a cache line, and a vector of the kernels
PAGE = 4096
LARGEST_ARRAY = 2**63 - 1  # bytes
LARGEST_MICRO_BATCH = 256  # rows: enough to share the cost of packing, few enough for the second-level cache
SMALLEST_MICRO_BATCH = 32
# Parameters times rows in a micro-batch, about 0.1 s: Ctrl-C takes effect between two micro-batches.
MICRO_BATCH_WORK = 2**30


def padded(columns: int, itemsize: int) -> int:
    """Return the length of a row of `columns` values in memory: a multiple of a vector, but not of a page.

    Rows a page apart share one set of the cache, which holds eight or twelve of them.
    """
    lanes = ALIGNMENT // itemsize
    stride = -(-columns // lanes) * lanes
    return stride + lanes if stride * itemsize % PAGE == 0 else stride


def aligned_zeros(size: int, dtype: np.dtype[np.floating]) -> Array:
    """Return `size` zeros that start on a cache line."""
    lanes = ALIGNMENT // dtype.itemsize
    memory = np.zeros(size + lanes, dtype)
    first = -memory.ctypes.data % ALIGNMENT // dtype.itemsize
    return memory[first : first + size]


@dataclass(frozen=True)
class Layout:
    """The layout of a network's vectors: layer by layer the rows of W, padded, then b, padded.

    Parameters
    ----------
    sizes : tuple of int
        Inputs, hidden units a layer, outputs.
    dtype : numpy.dtype
        float32 or float64.
    """

    sizes: tuple[int, ...]
    dtype: np.dtype[np.floating]

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Length in memory of a row of each layer's activations, the inputs first."""
        return tuple(padded(size, self.dtype.itemsize) for size in self.sizes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each layer starts in the flat vector, then the vector's length."""
        return (0, *accumulate((fan_in + 1) * s for fan_in, s in zip(self.sizes, self.strides[1:], strict=False)))

    @property
    def size(self) -> int:
        """Length of the flat vector, padding included."""
        return self.offsets[-1]

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(self.sizes))

    def parameters(self) -> Array:
        """Return a new flat vector of zeros.

        Raises
        ------
        MemoryError
            If it would be larger than the machine's memory. The operating system might still grant it, and kill the
            process when it is filled.
        """
        if self.size * self.dtype.itemsize > min(total_memory(), LARGEST_ARRAY):
            raise MemoryError(self._too_large)
        try:
            return aligned_zeros(self.size, self.dtype)
        except MemoryError:
            raise MemoryError(self._too_large) from None

    @property
    def _too_large(self) -> str:
        gigabytes = self.size * self.dtype.itemsize / 1e9
        return f"a network of these sizes has {self.n_parameters:.3g} parameters: {gigabytes:.3g} GB, more than memory"

    def split(self, vector: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return the weights (fan_in, fan_out) and biases (fan_out,) in a flat vector, as views."""
        weights, biases = [], []
        for layer, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            block = vector[self.offsets[layer] : self.offsets[layer + 1]].reshape(fan_in + 1, -1)
            weights.append(block[:fan_in, :fan_out])
            biases.append(block[fan_in, :fan_out])
        return tuple(weights), tuple(biases)

    def micro_batch(self, batch_size: int) -> int:
        """Return how many rows of a batch are processed at a time."""
        return min(batch_size, max(SMALLEST_MICRO_BATCH, min(LARGEST_MICRO_BATCH, MICRO_BATCH_WORK // self.size)))

    def table(
        self, micro_batch: int, activations: list[Activation], keeps_z: list[bool], dropout: list[float]
    ) -> tuple[Array, int]:
        """Return the layer table for a workspace of `micro_batch` rows, and the workspace's size.

        The workspace holds the inputs, then for each layer z, the activation (over z unless `keeps_z`) and delta.
        """
        rows = []
        place, unit, penalty, layer_input = micro_batch * self.strides[0], 0, 0, 0
        for index, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            stride, weights = self.strides[index + 1], self.offsets[index]
            block = micro_batch * stride
            output = place + block if keeps_z[index] else place
            kind = activations[index]
            (above, below), (function, derivative) = kind.slopes, kind.addresses(self.dtype)
            layer = {
                "fan_in": fan_in, "fan_out": fan_out, "input_stride": self.strides[index], "stride": stride,
                "weights": weights, "bias": weights + fan_in * stride, "input": layer_input, "z": place,
                "output": output, "delta": output + block, "activation": kind.code, "first_unit": unit,
                "penalty": penalty, "dropout": dropout[index], "slope_above": above, "slope_below": below,
                "activation_address": function, "derivative_address": derivative,
            }  # fmt: skip
            rows.append(tuple(layer[name] for name in LAYER.names or ()))
            place, unit, penalty, layer_input = output + 2 * block, unit + fan_out, penalty + fan_in, output
        return np.array(rows, LAYER), place
