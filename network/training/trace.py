"""`Network.trace`: every number of backpropagation on one batch, layer by layer, as the compiled loops computed it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from hotloop.kernels.dense import dense_forward
from hotloop.kernels.jit import Array
from hotloop.kernels.prediction import forward_slice
from hotloop.kernels.team import new_team
from hotloop.kernels.training import train_slice
from hotloop.network.activations import Activation, row_of
from hotloop.network.display import text_table
from hotloop.network.display.terminal import Styled
from hotloop.network.html.elements import note, representation, table
from hotloop.network.layout import aligned_zeros
from hotloop.network.training.loop_arguments import LoopArguments

LEGEND = "Shapes, and the root mean square of all entries. trace[0].delta is the array itself."


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one layer computed for a batch of B rows: I are its inputs, O its units.

    Parameters
    ----------
    activation : str or Activation
        f.
    W, b : array (I, O) and (O,)
        Weights and biases, copied.
    x : array (B, I)
        The activations of the layer below, a(l-1); of the first layer the network's inputs.
    z : array (B, O)
        x W + b.
    normalised : array (B, O) or None
        With ``layer_norm``: gain xhat + shift, of which f is then the function; else None, and f takes z.
    a : array (B, O)
        f(z). With ``learn_activation``: (1 - mix) z + mix f(z).
    delta : array (B, O)
        dC/dz, where C is the loss, a mean over the batch.
    dW, db : array (I, O) and (O,)
        dC/dW = x.T delta, to which penalties add l1 sign(W) + 2 l2 W; and dC/db, the sum of delta over the batch.
    dgain, dshift, dmix : array (O,) or None
        Of what ``layer_norm`` and ``learn_activation`` learn besides.
    """

    activation: str | Activation
    W: Array
    b: Array
    x: Array
    z: Array
    normalised: Array | None
    a: Array
    delta: Array
    dW: Array
    db: Array
    dgain: Array | None = None
    dshift: Array | None = None
    dmix: Array | None = None

    def __repr__(self) -> str:
        """Return the shapes of its arrays."""
        arrays = ((name, value) for name, value in vars(self).items() if isinstance(value, np.ndarray))
        return f"LayerTrace({self.activation!r}, {', '.join(f'{name}: {array.shape}' for name, array in arrays)})"


@dataclass(frozen=True, eq=False)
class Trace(Sequence[LayerTrace]):
    """What `Network.trace` returns: a sequence of layers, ``trace[0]`` the first; ``print`` shows the shapes.

    Parameters
    ----------
    x : array (B, inputs)
        The network's inputs, a(0): after `input_offset` and `input_scale`, and times a learnt scale.
    loss : float
        C, penalties included, as `Network.gradient` returns it.
    layers : tuple of LayerTrace
        The same as the trace's own items.
    gradient : array (P,)
        The whole gradient in the layout of `Network.parameters`, of which dW and db are views: that of
        `Network.gradient`, to the bit.
    """

    x: Array = field(repr=False)
    loss: float
    layers: tuple[LayerTrace, ...]
    gradient: Array = field(repr=False)

    @overload
    def __getitem__(self, index: int) -> LayerTrace: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LayerTrace, ...]: ...
    def __getitem__(self, index: int | slice) -> LayerTrace | tuple[LayerTrace, ...]:
        """Return a layer, or several."""
        return self.layers[index]

    def __len__(self) -> int:
        """Return the number of layers, the inputs not counted."""
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerTrace]:
        """Iterate over the layers, from the first to the output."""
        return iter(self.layers)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the heads and the rows of a table: a row for each layer, with shapes and sizes."""
        heads = ["layer", "f", "W, dW", "b, db", "z, a, delta", "rms delta", "rms dW"]
        rows = []
        for index, layer in enumerate(self.layers):
            shapes = [str(array.shape) for array in (layer.W, layer.b, layer.z)]
            sizes = [f"{_rms(array):.3g}" for array in (layer.delta, layer.dW)]
            rows.append([str(index), str(layer.activation), *shapes, *sizes])
        return heads, rows

    def __str__(self) -> str:
        """Return a table of the layers: the shapes of their arrays, and the root mean square of delta and dW."""
        return Styled.joined("\n", [self._title(), *text_table.table(*self._table())])

    def _title(self) -> str:
        return f"{len(self.x)} {'row' if len(self.x) == 1 else 'rows'}, loss {self.loss:.6g}"

    def _repr_html_(self) -> str:
        """Return the same table for a notebook."""
        heads, rows = self._table()
        return representation(table(heads, rows, caption=f"Trace: {self._title()}", left=["f"]), note(LEGEND))

    __repr__ = __str__


def _rms(array: Array) -> float:
    """Return the root mean square of an array's entries; 0 if it has none."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def traced(data: LoopArguments, parameters: Array) -> Trace:
    """Run forward and backward over all rows, and return what the loops computed: see `Network.trace`."""
    layout, data = data.layout, _keeping_z(data)
    gradient = aligned_zeros(layout.size, layout.dtype)
    x, z, a, delta = _kept(data, parameters, gradient)
    own, slopes = ([part.copy() for part in parts] for parts in layout.split(parameters)), layout.split(gradient)
    gains, shifts, mixes = (layout.of_layers(name, gradient) for name in ("gain", "shift", "mix"))
    layers = []
    for index, (activation, W, b, dW, db) in enumerate(zip(data.activations, *own, *slopes, strict=True)):
        below, given, normalised = a[index - 1] if index else x, z[index], None
        if layout.normalises(index):  # what f was given is not x W + b, which xhat has overwritten
            normalised, given = given, np.empty_like(given)
            dense_forward(below, W, b, given)
        learnt = gains[index], shifts[index], mixes[index]
        values = W, b, below, given, normalised, a[index], delta[index], dW, db
        layers.append(LayerTrace(activation, *values, *learnt))
    return Trace(x, float(data.progress["batch_loss"][0]), tuple(layers), gradient)


def _kept(
    data: LoopArguments, parameters: Array, gradient: Array
) -> tuple[Array, list[Array], list[Array], list[Array]]:
    """Return the inputs, and z, a and delta of each layer; the gradient is overwritten.

    The forward pass is that of `predict`: it computes the last activation too, which the losses of logits do without,
    and in it a row of weight 0 has its own inputs. The deltas and the gradient are those of training.
    """
    layout, rows = data.layout, data.rows
    outputs, moments = np.empty((rows, layout.sizes[-1]), layout.dtype), np.zeros((0, 0), layout.dtype)
    forward = data.prediction(parameters, np.zeros(0), outputs)
    backward = data.training(parameters, gradient, moments, np.arange(rows))
    words, micro_batch = new_team(), int(data.settings["micro_batch"][0])
    x, *like = (np.empty((rows, size), layout.dtype) for size in layout.sizes)
    z, a, delta = ([np.empty_like(array) for array in like] for _ in range(3))
    for start in range(0, rows, micro_batch):
        stop = min(start + micro_batch, rows)
        forward_slice(0, 1, words, start, stop, forward)
        _copy(data, data.layers[:1], "input", "input_stride", [x], start, stop)
        _copy(data, data.layers, "z", "stride", z, start, stop)
        _copy(data, data.layers, "output", "stride", a, start, stop)
        train_slice(0, 1, words, 1, backward, None)
        _copy(data, data.layers, "delta", "stride", delta, start, stop)
    return x, z, a, delta


def _copy(
    data: LoopArguments, layers: Array, name: str, stride: str, targets: list[Array], start: int, stop: int
) -> None:
    """Copy a buffer of each layer, as a micro-batch left it, to rows start to stop of a target each."""
    for layer, target in zip(layers, targets, strict=True):
        rows = data.workspace[layer[name] :][: (stop - start) * layer[stride]].reshape(stop - start, -1)
        target[start:stop] = rows[:, : target.shape[1]]


def _keeping_z(data: LoopArguments) -> LoopArguments:
    """Return the arguments with a workspace in which no activation takes the place of its z."""
    kinds = [row_of(activation) for activation in data.activations]
    micro_batch, none = int(data.settings["micro_batch"][0]), [0.0] * len(kinds)
    table, size = data.layout.table(micro_batch, kinds, [True] * len(kinds), none)
    workspace = aligned_zeros(size, data.layout.dtype)
    return replace(data, layers=table[: len(kinds)], table=table, workspace=workspace)
