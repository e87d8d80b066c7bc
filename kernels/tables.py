"""The records that describe a network and a run, so that one compiled loop serves every depth, width and method.

Offsets and strides count elements.
"""

from typing import Any, TypeAlias

import numpy as np

Record: TypeAlias = Any  # an element of a structured array

N_FACTORS = 5  # of a layer: for its weights, and for each row of parameters after them

# One record a layer. "Address" is that of a kernel which the loop calls by it, 0 for none.
LAYER = np.dtype(
    [
        ("fan_in", "i8"),
        ("fan_out", "i8"),
        ("input_stride", "i8"),
        ("stride", "i8"),
        ("weights", "i8"),  # in the parameters
        ("bias", "i8"),  # in the parameters: after the last row of the weights
        ("input", "i8"),  # in the workspace, like the next three
        ("z", "i8"),
        ("output", "i8"),
        ("delta", "i8"),
        ("activation", "i8"),  # a code
        ("first_unit", "i8"),  # of all units, for the random numbers of dropout
        ("penalty", "i8"),  # in row_penalties: the place of the first row of the weights
        ("dropout", "f8"),
        ("product", "i8"),  # address of `matmul.product`
        ("input_dropout", "f8"),  # of the first layer
        # Rows of parameters after the weights: the bias, then gain and shift of layer normalisation, then the a of a
        # learnt activation. Their gradients are the column sums of as many buffers, of which `delta` is the first,
        # `block` elements apart.
        ("vectors", "i8"),
        ("block", "i8"),
        ("gain", "i8"),
        ("shift", "i8"),
        ("a", "i8"),
        ("input_scale", "i8"),  # in the parameters: the learnt scale of the inputs, which the first layer applies
        ("gathered", "i8"),  # where rows are gathered to: `input`, unless that scale comes between
        ("input_delta", "i8"),  # where the gradient of the layer's inputs goes, -1 for nowhere
        ("linear", "i8"),  # x W + b, and later the normalised values: `z` where nothing normalises
        ("activated", "i8"),  # f(z): `output` where no activation is learnt
        ("deviations", "i8"),  # 1 / the deviation of each row that is normalised
        ("epsilon", "f8"),  # of that
        ("normalise", "i8"),  # an address, like the next six
        ("normalise_backward", "i8"),
        ("mix", "i8"),
        ("mix_backward", "i8"),
        ("prepare_inputs", "i8"),
        ("prepare_inputs_backward", "i8"),
        ("column_sums", "i8"),
        ("squares", "i8"),  # in row_penalties, where gradients are clipped: the place of the first row of parameters
        ("by_row", "i8"),  # whether the factors differ within the layer
        ("rates", "f8", (N_FACTORS,)),  # factors of the learning rate: of the weights, and of each row after them
        ("decays", "f8", (N_FACTORS,)),  # and of the decay
        ("max_norm", "f8"),  # of a unit's incoming weights; infinite for none
        ("slope_above", "f8"),  # beside zero, of activations that take slopes
        ("slope_below", "f8"),
        ("activation_address", "i8"),
        ("derivative_address", "i8"),
    ],
    align=True,
)

# A learnt scale of the inputs has a record of its own after all layers, with a fan_in of 0: its scale is the bias,
# whose gradient is the sum over `delta`. Only the update reads it.

# What a run is told.
SETTINGS = np.dtype(
    [
        ("loss", "i8"),  # a code
        ("loss_address", "i8"),  # of the loss's kernel, or 0
        ("update", "i8"),  # a code
        ("batch_size", "i8"),
        ("micro_batch", "i8"),  # rows that the workspace has room for
        ("seed", "i8"),
        ("step_offset", "i8"),  # updates made before the optimizer's moments were new, from which Adam counts
        ("first_step", "i8"),  # the update that the first record `STEP` is for
        ("input_kind", "i8"),  # a code of `gather`
        ("group", "i8"),  # threads in a group, at most; 0 for the number that reads least
        ("n_layers", "i8"),  # records of the layer table from here on are no layers
        ("input_scale", "f8"),
        ("label_smoothing", "f8"),
        ("l1", "f8"),
        ("l2", "f8"),
        ("l2_per_weight", "f8"),  # divided by the weight of the batch, and added to l2
        ("rho", "f8"),
        ("beta2", "f8"),
        ("epsilon", "f8"),
        ("epsilon_hat", "i8"),  # whether Adam adds it to the root of v, not of v'
        ("clip_address", "i8"),  # of the kernel that clips, or 0
        ("clip_value", "f8"),  # infinite for none
        ("clip_norm", "f8"),  # 0 for none
        ("gradient_norm", "i8"),  # whether norms are added up
        ("n_squares", "i8"),  # rows of all parameters
        ("max_norm_address", "i8"),  # of the kernel that limits norms of weights, or 0
        ("mean_by_rows", "i8"),  # whether losses of batches are averaged by their rows, not by their weights
    ],
    align=True,
)

# What a step is told: the hyper-parameters that a schedule may change. The last record of the table also holds for all
# steps after it. `dropout` is a factor of each layer's rate.
STEP = np.dtype(
    [("learning_rate", "f8"), ("momentum", "f8"), ("beta1", "f8"), ("weight_decay", "f8"), ("dropout", "f8")],
    align=True,
)

# Where a run stands. One record a thread, all equal between two calls.
PROGRESS = np.dtype(
    [
        ("row", "i8"),  # of the epoch: the next
        ("step", "i8"),  # updates made so far
        ("loss_sum", "f8"),  # over batches, of loss times the sum of the samples' weights, or times rows
        ("batch_loss", "f8"),  # of the current batch
        ("diverged", "i8"),  # whether that was not finite
        ("norm_sum", "f8"),  # over batches, of the gradient's norm, if asked for
        ("batch_count", "i8"),  # of a weighted batch: how many rows have a weight other than 0
        ("batch_weight", "f8"),  # the sum of its weights
        ("substitute", "i8"),  # the sample that is gathered in place of those of weight 0, or -1
    ],
    align=True,
)
