"""The compiled loops of prediction: of one sample for your own loop, and of many, with their loss, for a team."""

from hotloop.kernels.elementwise import copy
from hotloop.kernels.gather import gather, scaled
from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.matmul import UNIT_STRIDE, ZERO
from hotloop.kernels.propagation import forward, loss_rows, prepared_inputs
from hotloop.kernels.records import Draw, Model, Prediction, Samples
from hotloop.kernels.team import share
from hotloop.kernels.views import check_vectors, row, segment, vector_of


@kernel
def predict_one(parameters: Array, layers: Array, workspace: Array, input_scale: float, x: Array, out: Array) -> bool:
    """Compute the outputs of one sample, for your own compiled loops: a control step, a simulation.

    ``net.compiled_arguments()`` returns the first four arguments; in compiled code too they may be passed as
    ``predict_one(*compiled_arguments, x, out)``. The parameters are a view: training goes on in it.

    Parameters
    ----------
    parameters : array (P,)
    layers : structured array `LAYER`, one record a layer
    workspace : array
        Scratch: one for each thread that predicts.
    input_scale : float
    x : array (I,)
        Contiguous.
    out : array (O,)
        The outputs, after the output activation; to the bit those of `Network.predict`. Overwritten; contiguous.

    Returns
    -------
    bool
        Whether all of x is finite.

    Raises
    ------
    ValueError
        If x or out has another size.
    """
    check_vectors(parameters, x, out)
    first, last = layers[0], layers[layers.size - 1]
    if x.size != first["fan_in"] or out.size != last["fan_out"]:
        raise ValueError("predict_one: x must have as many entries as the network has inputs, out as it has outputs")
    scaled(vector_of(x), x.dtype.type(input_scale), segment(workspace, first["gathered"], x.size))
    model, draw = Model(layers, parameters, workspace), Draw(ZERO, ZERO, ZERO, 0.0)
    prepared_inputs(model, first, ZERO, UNIT_STRIDE, draw)
    forward(model, ZERO, UNIT_STRIDE, draw, False, False, None)
    copy(segment(workspace, last["output"], out.size), vector_of(out))
    return all_finite(x)


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
    model = Model(run.layers, run.parameters, run.workspace)
    s, bottom, top = run.settings[0], run.layers[0], run.layers[run.layers.size - 1]
    room_start, room_stop = share(s["micro_batch"], UNIT_STRIDE, thread, n_threads)
    first, last = share(stop - start, UNIT_STRIDE, thread, n_threads)
    at, draw = start + first, Draw(ZERO, ZERO, ZERO, 0.0)
    while at < start + last and room_start < room_stop:
        room_end = min(room_stop, room_start + start + last - at)
        shift = at - room_start  # row r of the workspace is sample shift + r
        gather(samples, shift, room_start, room_end, s, bottom, model.workspace, ZERO)
        prepared_inputs(model, bottom, room_start, room_end, draw)
        forward(model, room_start, room_end, draw, False, False, None)
        for r in range(room_start, room_end):
            output = segment(model.workspace, top["output"] + r * top["stride"], top["fan_out"])
            copy(output, row(run.outputs, shift + r))
        if run.row_losses.size > 0:
            loss_rows(
                s, run.loss_parameters, s["batch_size"], 0.0, samples, shift, room_start, room_end, top,
                model.workspace, shift, run.row_losses,
            )  # fmt: skip
        at += room_end - room_start
