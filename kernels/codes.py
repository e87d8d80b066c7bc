"""The numbers by which the compiled loops know an activation, a loss and an update.

They import nothing, so that the names that users give can be listed without waiting for the compiler.
"""

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, SILU, SOFTPLUS, EXPONENTIAL, SOFTMAX = range(11)

# Losses of logits come last, and among them those with a softmax: the loops compare codes. A loss by address, of
# outputs or of logits, is a kernel that the training loop was not compiled with.
(
    MEAN_SQUARED_ERROR, MEAN_ABSOLUTE_ERROR, HUBER, LOSS_BY_ADDRESS, BINARY_CROSS_ENTROPY, LOGIT_LOSS_BY_ADDRESS,
    CROSS_ENTROPY, SOFT_CROSS_ENTROPY,
) = range(8)  # fmt: skip

NO_UPDATE, SGD, MOMENTUM, NESTEROV, RMSPROP, ADAGRAD, ADAM, ADAMW = range(8)
