"""The numbers by which the compiled loops know an activation, a loss and an update.

They import nothing, so that the names that users give can be listed without waiting for the compiler.
"""

# An activation by address is a pair of kernels that the training loop was not compiled with.
(
    IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, SELU, GELU, SILU, MISH, SOFTPLUS, EXPONENTIAL, SOFTMAX,
    ACTIVATION_BY_ADDRESS,
) = range(14)  # fmt: skip

# Slopes just above zero and just below it, of the activations that have them as parameters; those of SELU are lambda
# and lambda alpha of Klambauer et al., Self-Normalizing Neural Networks (NIPS 2017), equation 14.
LEAKY_SLOPE = 0.01
SELU_ABOVE, SELU_BELOW = 1.0507009873554804934193349852946, 1.7580993408473768599402175208123

# Losses of logits come last, and among them those with a softmax: the loops compare codes. A loss by address, of
# outputs or of logits, is a kernel that the training loop was not compiled with.
(
    MEAN_SQUARED_ERROR, MEAN_ABSOLUTE_ERROR, HUBER, LOSS_BY_ADDRESS, BINARY_CROSS_ENTROPY, LOGIT_LOSS_BY_ADDRESS,
    CROSS_ENTROPY, SOFT_CROSS_ENTROPY,
) = range(8)  # fmt: skip

NO_UPDATE, SGD, MOMENTUM, NESTEROV, RMSPROP, ADAGRAD, ADAM, ADAMW = range(8)
