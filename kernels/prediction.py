"""The compiled loops of prediction: of one sample for your own loop, and of many, with their loss, for a team."""

from typing import Any

import numpy as np

from hotloop.kernels.elementwise import copy
from hotloop.kernels.gather import gather, scaled
from hotloop.kernels.jit import Array, inline, inlined, keeping_denormals, kernel
from hotloop.kernels.matmul import UNIT_STRIDE, ZERO
from hotloop.kernels.propagation import forward, loss_rows, prepared_inputs
from hotloop.kernels.records import Draw, Model, Part, Prediction, Samples
from hotloop.kernels.team import share
from hotloop.kernels.views import check_vectors, check_writable, free, heap_array, row, segment, stack_array, vector_of

ON_STACK: Any = 8192  # numbers of scratch memory that the stack holds: of the networks for which a call is short


@kernel
def predict_one(parameters: Array, layers: Array, scaling: Array, x: Array, out: Array) -> bool:
    """Compute the outputs of one sample, for your own compiled loops: a control step, a simulation.

    ``net.compiled_arguments()`` returns the first three arguments: ``predict_one(*model, x, out)``, in compiled code
    too, where `model` must be an argument of your function. Any number of threads may use the same ones at a time, each
    with an `out` of its own. The parameters are a view: training goes on in it.

    Parameters
    ----------
    parameters : array (P,)
    layers : structured array `LAYER`, one record a layer
    scaling : float64 array (1,) or (2 I,)
        A factor of all inputs, or their offsets and then their scales.
    x : array (I,)
        float32 or float64; contiguous. Not scaled yet.
    out : array (O,)
        The outputs, after the output activation; to the bit those of `Network.predict`. Overwritten; contiguous, of the
        dtype of the parameters.

    Returns
    -------
    bool
        Whether all inputs are finite in the network's dtype, as they are and scaled. If not, `out` is not either.

    Raises
    ------
    numba.core.errors.TypingError
        When your function is compiled, if the network's arguments are a global or enclosing variable of it.
    ValueError
        If x or out has another size; all of `out` is then NaN.

    Notes
    -----
    Scratch memory is on the stack of the calling thread; for a network with more than about 2500 units it is taken from
    the heap, in each call.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop import Network
    >>> from hotloop.kernels import predict_one
    >>> net, x, out = Network([3, 8, 2], seed=0), np.ones(3), np.empty(2, np.float32)
    >>> bool(predict_one(*net.compiled_arguments(), x, out))  # whether x was finite
    True
    >>> bool((out == net.predict([x])).all())
    True
    """
    check_writable(parameters, layers, scaling)
    check_vectors(parameters, parameters, out)
    check_vectors(x, x, x)
    first, last = layers[0], layers[layers.size - 1]
    if x.size != first["fan_in"] or out.size != last["fan_out"]:
        for j in range(out.size):  # numba.prange may lose the error
            out[j] = np.nan
        raise ValueError("predict_one: x must have as many entries as the network has inputs, out as it has outputs")
    size, workspace = last["output"] + last["stride"], stack_array(parameters, ON_STACK)
    if size > ON_STACK:
        workspace = heap_array(parameters, size)
    inputs = segment(workspace, first["gathered"], x.size)
    if scaling.size > 1:
        standardised(vector_of(x), scaling, inputs)
    else:
        scaled(vector_of(x), parameters.dtype.type(scaling[0]), inputs)
    finite = all_finite(inputs)
    model, draw = Model(layers, parameters, workspace, segment(workspace, 0, 0)), Draw(ZERO, ZERO, ZERO, 0.0)
    prepared_inputs(model, first, ZERO, UNIT_STRIDE, draw)
    forward(model, alone(ZERO, UNIT_STRIDE), draw, False, None)
    copy(segment(workspace, last["output"], out.size), vector_of(out))
    if size > ON_STACK:
        free(workspace)
    return finite


@inlined
def alone(start: int, stop: int) -> Part:
    """Return the part of a thread that has these rows to itself."""
    return Part(None, ZERO, ZERO, UNIT_STRIDE, start, stop, start, stop)


@keeping_denormals
def standardised(x: Array, scaling: Array, target: Array) -> None:
    """target = scale * (x - offset), as `network.datasets.scaling` computes it: in float64, and rounded once."""
    for j in range(target.size):
        target[j] = (np.float64(x[j]) - scaling[j]) * scaling[target.size + j]


@inline
def all_finite(x: Array) -> bool:
    """Return whether no entry is infinite or NaN: only a finite number minus itself is zero."""
    count = 0
    for i in range(x.size):
        count += x[i] - x[i] == 0
    return count == x.size


@kernel
def forward_slice(thread: int, n_threads: int, words: Array, start: int, stop: int, run: Prediction) -> None:
    """Compute the outputs of samples start to stop, and with targets their share of the loss, as one of a team.

    `run.outputs` and `run.row_losses` are overwritten in these rows. The other parameters are as in `train_slice`.
    Threads need not wait for each other: each has rows of the workspace to itself.
    """
    samples = Samples(run.inputs, run.targets, run.labels, segment(run.row_losses, 0, 0), run.order)  # no weights
    model = Model(run.layers, run.parameters, run.workspace, row(run.rooms, thread))
    s, bottom, top = run.settings[0], run.layers[0], run.layers[run.layers.size - 1]
    room_start, room_stop = share(s["micro_batch"], UNIT_STRIDE, thread, n_threads)
    first, last = share(stop - start, UNIT_STRIDE, thread, n_threads)
    at, draw = start + first, Draw(ZERO, ZERO, ZERO, 0.0)
    while at < start + last and room_start < room_stop:
        room_end = min(room_stop, room_start + start + last - at)
        shift = at - room_start  # row r of the workspace is sample shift + r
        gather(samples, shift, room_start, room_end, s, bottom, model.workspace, ZERO)
        prepared_inputs(model, bottom, room_start, room_end, draw)
        forward(model, alone(room_start, room_end), draw, False, None)
        for r in range(room_start, room_end):
            output = segment(model.workspace, top["output"] + r * top["stride"], top["fan_out"])
            copy(output, row(run.outputs, shift + r))
        if run.row_losses.size > 0:
            loss_rows(
                s, run.loss_parameters, s["batch_size"], 0.0, samples, shift, room_start, room_end, top,
                model.workspace, shift, run.row_losses,
            )  # fmt: skip
        at += room_end - room_start
