"""The records that describe a network and a run, so that one compiled loop serves every depth, width and method.

Offsets and strides count elements.
"""

from typing import Any, TypeAlias

import numpy as np

Record: TypeAlias = Any  # an element of a structured array

N_FACTORS = 5  # of a layer: for its weights, and for each row of parameters after them

# One record a layer. weights and bias are offsets in the parameters, the bias after the last row of the weights; input,
# z, output and delta are offsets in the workspace; penalty is the first row's place in row_penalties, and squares is
# another, used where gradients are clipped. `product` is the address of `matmul.product`. `rates` and `decays` are
# factors of the learning rate and the decay, for the weights and for each row after them, which differ within the layer
# if `by_row`. max_norm is infinite for none.
#
# What few networks have: after the weights come `vectors` rows of as many numbers, the bias, then the gain and the
# shift of layer normalisation, then the a of a learnt activation. Their gradients are the column sums of as many
# buffers, of which `delta` is the first, `block` elements apart. `linear` has x W + b, and later the normalised values;
# it is `z` where nothing normalises. `activated` has f(z); it is `output` where no activation is learnt. `deviations`
# has 1 / the deviation of each row. `input_delta` is where the gradient of the layer's inputs goes, -1 for nowhere.
# The first layer's rows are gathered to `gathered`, which is `input` unless a learnt scale, `input_scale` in the
# parameters, comes between. The last seven numbers are addresses of the kernels of these names, 0 for none.
#
# A learnt scale of the inputs has a record of its own after all layers, with a fan_in of 0: its scale is the bias,
# whose gradient is the sum over `delta`. Only the update reads it.
#
# The slopes beside zero are of activations that take them; `activation_address` and `derivative_address` are those of
# an activation's kernels, or 0.
LAYER = np.dtype(
    [
        ("fan_in", "i8"),
        ("fan_out", "i8"),
        ("input_stride", "i8"),
        ("stride", "i8"),
        ("weights", "i8"),
        ("bias", "i8"),
        ("input", "i8"),
        ("z", "i8"),
        ("output", "i8"),
        ("delta", "i8"),
        ("activation", "i8"),
        ("first_unit", "i8"),
        ("penalty", "i8"),
        ("dropout", "f8"),
        ("product", "i8"),
        ("input_dropout", "f8"),
        ("vectors", "i8"),
        ("block", "i8"),
        ("gain", "i8"),
        ("shift", "i8"),
        ("a", "i8"),
        ("input_scale", "i8"),
        ("gathered", "i8"),
        ("input_delta", "i8"),
        ("linear", "i8"),
        ("activated", "i8"),
        ("deviations", "i8"),
        ("normalise", "i8"),
        ("normalise_backward", "i8"),
        ("mix", "i8"),
        ("mix_backward", "i8"),
        ("prepare_inputs", "i8"),
        ("prepare_inputs_backward", "i8"),
        ("column_sums", "i8"),
        ("squares", "i8"),
        ("by_row", "i8"),
        ("rates", "f8", (N_FACTORS,)),
        ("decays", "f8", (N_FACTORS,)),
        ("max_norm", "f8"),
        ("slope_above", "f8"),
        ("slope_below", "f8"),
        ("activation_address", "i8"),
        ("derivative_address", "i8"),
    ],
    align=True,
)

# What a run is told. The workspace has room for `micro_batch` rows; `step_offset` is the number of updates made before
# the optimizer's moments were new, from which Adam counts; `input_kind` is a code of `gather`. `first_step` is the
# update that the first record of the table of steps is for. `loss_address` is 0, or where the loss's kernel is. Records
# of the layer table from `n_layers` on are no layers.
# `clip_address` is 0, or that of the kernel that clips, `max_norm_address` likewise; `clip_value` is infinite and
# `clip_norm` 0 where they are off; `n_squares` is the number of rows of all parameters.
SETTINGS = np.dtype(
    [
        ("loss", "i8"),
        ("loss_address", "i8"),
        ("update", "i8"),
        ("batch_size", "i8"),
        ("micro_batch", "i8"),
        ("seed", "i8"),
        ("step_offset", "i8"),
        ("first_step", "i8"),
        ("input_kind", "i8"),
        ("n_layers", "i8"),
        ("input_scale", "f8"),
        ("label_smoothing", "f8"),
        ("l1", "f8"),
        ("l2", "f8"),
        ("rho", "f8"),
        ("beta2", "f8"),
        ("epsilon", "f8"),
        ("clip_address", "i8"),
        ("clip_value", "f8"),
        ("clip_norm", "f8"),
        ("gradient_norm", "i8"),
        ("n_squares", "i8"),
        ("max_norm_address", "i8"),
    ],
    align=True,
)

# What a step is told: the hyper-parameters that a schedule may change. The last record of the table also holds for all
# steps after it. `dropout` is a factor of each layer's rate.
STEP = np.dtype(
    [("learning_rate", "f8"), ("momentum", "f8"), ("beta1", "f8"), ("weight_decay", "f8"), ("dropout", "f8")],
    align=True,
)

# Where a run stands: the next row of the epoch, updates made so far, the sum over batches of loss times rows (or times
# the sum of the samples' weights), the loss of the current batch, whether that was not finite, and the sum over batches
# of the gradient's norm, if asked for; of a weighted batch, how many rows have a weight other than 0, and the sum of
# the weights. One record a thread, all equal between two calls.
PROGRESS = np.dtype(
    [
        ("row", "i8"),
        ("step", "i8"),
        ("loss_sum", "f8"),
        ("batch_loss", "f8"),
        ("diverged", "i8"),
        ("norm_sum", "f8"),
        ("batch_count", "i8"),
        ("batch_weight", "f8"),
    ],
    align=True,
)
