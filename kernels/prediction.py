"""The compiled loops of prediction: of one sample for a loop of one's own, and of many, with their loss, for a team."""

from hotloop.kernels.activations import copy
from hotloop.kernels.gather import gather, scaled
from hotloop.kernels.jit import Array, inline, kernel
from hotloop.kernels.matmul import UNIT_STRIDE
from hotloop.kernels.propagation import forward, loss_rows
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
    first, last, none = layers[0], layers[layers.size - 1], x.size - x.size
    if x.size != first["fan_in"] or out.size != last["fan_out"]:
        raise ValueError("predict_one: x must have as many entries as the network has inputs, out as it has outputs")
    scaled(vector_of(x), x.dtype.type(input_scale), segment(workspace, first["input"], x.size))
    forward(layers, parameters, none, none + 1, none, none, none, False, False, workspace, None)
    copy(segment(workspace, last["output"], out.size), vector_of(out))
    return all_finite(x)


@inline
def all_finite(x: Array) -> bool:
    """Return whether no entry is infinite or NaN; of a finite number the difference to itself is zero."""
    count = 0
    for i in range(x.size):
        count += x[i] - x[i] == 0
    return count == x.size


@kernel
def forward_slice(
    thread: int, n_threads: int, words: Array, start: int, stop: int, inputs: Array, targets: Array, labels: Array,
    order: Array, layers: Array, settings: Array, parameters: Array, workspace: Array, row_losses: Array,
    outputs: Array,
) -> None:  # fmt: skip
    """Compute the outputs of samples start to stop - 1, and with targets their shares of the loss, as one of a team.

    Parameters are as in `train_slice`, but for row_losses, a float64 array (N,), and outputs, an array (N, O):
    overwritten in the rows asked for. Threads need not wait for each other: each has rows of the workspace to itself.
    """
    s, top, none = settings[0], layers[layers.size - 1], start - start  # none: a zero of no literal type
    room_first, room_last = share(s["micro_batch"], UNIT_STRIDE, thread, n_threads)
    first_sample, last_sample = share(stop - start, UNIT_STRIDE, thread, n_threads)
    at = start + first_sample
    while at < start + last_sample and room_first < room_last:
        last = min(room_last, room_first + start + last_sample - at)
        shift = at - room_first
        gather(
            inputs, order, at, last - room_first, s["input_kind"], s["input_scale"],
            layers[0]["input"] + room_first * layers[0]["input_stride"], layers[0]["input_stride"],
            layers[0]["fan_in"], workspace,
        )  # fmt: skip
        forward(layers, parameters, room_first, last, s["seed"], none, none, False, False, workspace, None)
        for r in range(room_first, last):
            output = segment(workspace, top["output"] + r * top["stride"], top["fan_out"])
            copy(output, row(outputs, shift + r))
        if row_losses.size > 0:
            loss_rows(
                s["loss"], s["batch_size"], top, targets, labels, order, shift, room_first, last, workspace,
                shift, row_losses,
            )  # fmt: skip
        at += last - room_first
