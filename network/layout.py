"""Where everything lives: the flat parameter vector, the layer table, the workspace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from hotloop.kernels.by_address import address_of
from hotloop.kernels.choices import LARGEST_MICRO_BATCH
from hotloop.kernels.column_sums import column_sums
from hotloop.kernels.input_scale import prepare_inputs, prepare_inputs_backward
from hotloop.kernels.jit import Array
from hotloop.kernels.layer_norm import normalise, normalise_backward
from hotloop.kernels.learnt_activation import mix, mix_backward
from hotloop.kernels.matmul import KC, MOST_COLUMNS, NR, product
from hotloop.kernels.records import Matrix
from hotloop.kernels.tables import LAYER, N_FACTORS
from hotloop.network.activations import Activation
from hotloop.network.validation.memory import total_memory

ALIGNMENT = 64  # bytes: a cache line, and a vector of the kernels
# Not derived from the CPU: a flat vector of parameters has the same length on each.
PAGE = 4096
LARGEST_ARRAY = 2**63 - 1  # bytes
SMALLEST_MICRO_BATCH = 32
# Parameters times rows in a micro-batch, about 0.5 s on one core: Ctrl-C takes effect between two micro-batches.
MICRO_BATCH_WORK = 2**33
UNUSED = {"rates": (1.0,) * N_FACTORS, "decays": (1.0,) * N_FACTORS, "max_norm": np.inf}


def padded(columns: int, itemsize: int) -> int:
    """Return the length of a row of `columns` values in memory: a multiple of a vector, but not of a page.

    Rows a page apart share one set of the cache, which holds eight or twelve of them.
    """
    lanes = ALIGNMENT // itemsize
    stride = -(-columns // lanes) * lanes
    return stride + lanes if stride * itemsize % PAGE == 0 else stride


def aligned_zeros(size: int, dtype: np.dtype[np.floating]) -> Array:
    """Return `size` zeros that start on a cache line."""
    return _aligned(np.zeros(size + ALIGNMENT // dtype.itemsize, dtype), size)


def _aligned(memory: Array, size: int) -> Array:
    first = -memory.__array_interface__["data"][0] % ALIGNMENT // memory.itemsize
    return memory[first : first + size]


# The kernels that loops call by their addresses, by their fields in the layer table, with the kinds of their arguments.
# All networks need the product, the others few.
KERNELS: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
    "product": (product, (Matrix, Matrix, -1, 0, Matrix, Matrix, -1, -1, -1, 1, -1)),
    "normalise": (normalise, (1, 1, *[-1] * 7, 0, -1, -1)),
    "normalise_backward": (normalise_backward, (1, 1, *[-1] * 9)),
    "mix": (mix, (1, 1, *[-1] * 7)),
    "mix_backward": (mix_backward, (1, 1, *[-1] * 8)),
    "prepare_inputs": (prepare_inputs, (1, 1, *[-1] * 7, 0, *[-1] * 3)),
    "prepare_inputs_backward": (prepare_inputs_backward, (1, *[-1] * 5)),
    "column_sums": (column_sums, (1, 1, -1, -1, 0, 0, *[-1] * 4)),
}


def addresses(dtype: np.dtype[np.floating], *names: str) -> dict[str, int]:
    """Return the addresses of kernels by their fields in the layer table."""
    return {name: address_of(KERNELS[name][0], dtype, *KERNELS[name][1]) for name in names}


@dataclass(frozen=True)
class Layout:
    """The layout of a network's vectors: layer by layer the rows of W, then b, and what else a layer has, all padded.

    Parameters
    ----------
    sizes : tuple of int
        Inputs, hidden units a layer, outputs.
    dtype : numpy.dtype
        float32 or float64.
    layer_norm, learn_activation : tuple of bool
        Whether each hidden layer has a gain and a shift, and an a of its activation; () for none.
    learn_input_scale : bool
        Whether a scale of the inputs comes after all layers.
    layer_norm_epsilon : tuple of float
        Of each hidden layer's normalisation; () if none has one.
    """

    sizes: tuple[int, ...]
    dtype: np.dtype[np.floating]
    layer_norm: tuple[bool, ...] = ()
    learn_activation: tuple[bool, ...] = ()
    learn_input_scale: bool = False
    layer_norm_epsilon: tuple[float, ...] = ()

    @property
    def n_layers(self) -> int:
        """Number of layers, the inputs not counted."""
        return len(self.sizes) - 1

    def normalises(self, layer: int) -> bool:
        """Return whether a layer (from 0) has layer normalisation."""
        return layer < len(self.layer_norm) and self.layer_norm[layer]

    def mixes(self, layer: int) -> bool:
        """Return whether a layer (from 0) learns its activation."""
        return layer < len(self.learn_activation) and self.learn_activation[layer]

    @cached_property
    def vectors(self) -> tuple[tuple[str, ...], ...]:
        """The names of what comes after the weights of each layer, a row each, in their order."""
        return tuple(
            ("bias", *(("gain", "shift") if self.normalises(layer) else ()), *(("mix",) if self.mixes(layer) else ()))
            for layer in range(self.n_layers)
        )

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """Length in memory of a row of each layer's activations, the inputs first."""
        return tuple(padded(size, self.dtype.itemsize) for size in self.sizes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each layer starts in the flat vector, then where they end."""
        rows = (fan_in + len(vectors) for fan_in, vectors in zip(self.sizes, self.vectors, strict=False))
        return (0, *accumulate(n * stride for n, stride in zip(rows, self.strides[1:], strict=True)))

    @property
    def size(self) -> int:
        """Length of the flat vector, padding included."""
        return self.offsets[-1] + self.learn_input_scale * self.strides[0]

    @cached_property
    def n_parameters(self) -> int:
        """Number of weights, biases and other parameters."""
        rows = (fan_in + len(vectors) for fan_in, vectors in zip(self.sizes, self.vectors, strict=False))
        layers = sum(n * fan_out for n, fan_out in zip(rows, self.sizes[1:], strict=True))
        return layers + self.learn_input_scale * self.sizes[0]

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
        layers = [self._layer(vector, layer) for layer in range(self.n_layers)]
        return tuple(parts["weights"] for parts in layers), tuple(parts["bias"] for parts in layers)

    def of_layers(self, name: str, vector: Array) -> tuple[Array | None, ...]:
        """Return each layer's view of this name, such as its "gain", or None where it has none."""
        return tuple(self._layer(vector, layer).get(name) for layer in range(self.n_layers))

    def input_scale(self, vector: Array) -> Array | None:
        """Return the view of the learnt scale of the inputs, or None."""
        return vector[self.offsets[-1] :][: self.sizes[0]] if self.learn_input_scale else None

    def parts(self, vector: Array) -> dict[str, Array]:
        """Return all parts of a flat vector as views, by names: layers.0.weights, layers.0.bias, and so on."""
        found = {
            f"layers.{layer}.{name}": view
            for layer in range(self.n_layers)
            for name, view in self._layer(vector, layer).items()
        }
        scale = self.input_scale(vector)
        return found if scale is None else found | {"input_scale": scale}

    def _layer(self, vector: Array, layer: int) -> dict[str, Array]:
        fan_in, fan_out = self.sizes[layer : layer + 2]
        block = vector[self.offsets[layer] : self.offsets[layer + 1]].reshape(-1, self.strides[layer + 1])
        rows = {name: block[fan_in + k, :fan_out] for k, name in enumerate(self.vectors[layer])}
        return {"weights": block[:fan_in, :fan_out], **rows}

    def set_neutral(self, vector: Array) -> None:
        """Set what is learnt beside weights and biases so that it changes nothing: gains, mixes and scales to 1."""
        for name, view in self.parts(vector).items():
            if name.rpartition(".")[2] in ("gain", "mix", "input_scale"):
                view[:] = 1

    def micro_batch(self, batch_size: int, most: int | None = None) -> int:
        """Return how many rows of a batch are processed at a time, at most `most`."""
        most = LARGEST_MICRO_BATCH if most is None else most
        return min(batch_size, max(SMALLEST_MICRO_BATCH, min(most, MICRO_BATCH_WORK // self.size)))

    def rooms(self, n_threads: int) -> Array:
        """Return scratch for packed panels, a row for each thread: for all columns of each layer's products."""
        widest = max(self.strides[0 if self.learn_input_scale else 1 :])
        columns = min(widest, int(MOST_COLUMNS)) + NR * (ALIGNMENT // self.dtype.itemsize)
        size = n_threads * KC * columns  # no zeros, which would take as long as a small step
        memory = np.empty(size + ALIGNMENT // self.dtype.itemsize, self.dtype)
        return _aligned(memory, size).reshape(n_threads, -1)

    def table(
        self,
        micro_batch: int,
        activations: Sequence[Activation],
        keeps_z: Sequence[bool],
        dropout: Sequence[float],
        input_dropout: float = 0.0,
    ) -> tuple[Array, int]:
        """Return the layer table for a workspace of `micro_batch` rows, and the workspace's size.

        The workspace holds the inputs, then for each layer z, the activation (over z unless `keeps_z`) and delta. A
        learnt scale of the inputs has a record after those of the layers.
        """
        # Beside what an activation is: two of a user's that are alike now may have been compiled when they were not.
        functions = tuple([activation.addresses(self.dtype) for activation in activations])
        table, size = self._table(
            micro_batch, tuple(activations), functions, tuple(keeps_z), tuple(dropout), input_dropout
        )
        return table.copy().view(LAYER), size  # of a structured array a copy takes ten times as long

    @lru_cache(maxsize=64)  # noqa: B019 (a layout holds no arrays); a fit of one batch would spend a sixth of its time here
    def _table(
        self,
        micro_batch: int,
        activations: tuple[Activation, ...],
        functions: tuple[tuple[int, int], ...],
        keeps_z: tuple[bool, ...],
        dropout: tuple[float, ...],
        input_dropout: float,
    ) -> tuple[Array, int]:
        rows: list[dict[str, Any]] = []
        inputs = micro_batch * self.strides[0]
        place, unit, penalty = inputs * (1 + 2 * self.learn_input_scale), 0, 0
        below = {"input": 0, "input_delta": -1}
        for index, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            stride, weights = self.strides[index + 1], self.offsets[index]
            buffers, place = self._buffers(index, place, micro_batch, keeps_z[index])
            bias, kind = weights + fan_in * stride, activations[index]
            (slope_above, slope_below), (function, derivative) = kind.slopes, functions[index]
            vectors = {name: bias + k * stride for k, name in enumerate(self.vectors[index])}
            vectors["a"] = vectors.pop("mix", 0)
            layer = {
                "fan_in": fan_in, "fan_out": fan_out, "input_stride": self.strides[index], "stride": stride,
                "weights": weights, "activation": kind.code, "first_unit": unit, "penalty": penalty,
                "dropout": dropout[index], "gathered": below["input"], "vectors": len(self.vectors[index]),
                "block": micro_batch * stride, "slope_above": slope_above, "slope_below": slope_below,
                "activation_address": function, "derivative_address": derivative,
            }  # fmt: skip
            rows.append(layer | vectors | buffers | below)
            if self.normalises(index):
                rows[-1] |= addresses(self.dtype, "normalise", "normalise_backward", "column_sums")
                rows[-1]["epsilon"] = self.layer_norm_epsilon[index]
            if self.mixes(index):
                rows[-1] |= addresses(self.dtype, "mix", "mix_backward", "column_sums")
            below = {"input": buffers["output"], "input_delta": buffers["delta"]}
            unit, penalty = unit + fan_out, penalty + fan_in
        rows[0]["input_dropout"] = input_dropout
        if self.learn_input_scale or input_dropout > 0:
            rows[0] |= addresses(self.dtype, "prepare_inputs", "prepare_inputs_backward")
        if self.learn_input_scale:
            rows[0] |= {"input_scale": self.offsets[-1], "gathered": inputs, "input_delta": 2 * inputs}
            rows.append({
                "fan_out": self.sizes[0], "stride": self.strides[0], "vectors": 1, "weights": self.offsets[-1],
                "bias": self.offsets[-1], "delta": 2 * inputs,
            })  # fmt: skip
        names = LAYER.names or ()
        table = np.array([tuple(row.get(name, UNUSED.get(name, 0)) for name in names) for row in rows], LAYER)
        return table.view(np.uint8), place

    def _buffers(self, layer: int, place: int, micro_batch: int, keeps_z: bool) -> tuple[dict[str, int], int]:
        """Return where in the workspace a layer's buffers are, from `place` on, and where they end.

        Of layer normalisation and a learnt activation those come first, block by block, whose column sums are the
        gradients of bias, gain, shift and a; z and the normalised values become such when they have served.
        """
        block = micro_batch * self.strides[layer + 1]
        normalises, mixes = self.normalises(layer), self.mixes(layer)
        if not normalises and not mixes:
            output = place + block if keeps_z else place
            found = {"linear": place, "z": place, "activated": output, "output": output, "delta": output + block}
            return found, output + 2 * block
        order = ["delta", *(["linear", "z"] if normalises else []), *(["mix_delta", "activated"] if mixes else [])]
        order += ["output"] if normalises else ["z", "output"]
        found = {name: place + k * block for k, name in enumerate(order)}
        place += len(order) * block
        found = {"linear": found["z"], "activated": found["output"], "deviations": place} | found
        return found, place + normalises * padded(micro_batch, self.dtype.itemsize)
