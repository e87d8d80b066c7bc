"""What `from_keras` takes and refuses, layer by layer."""

import re
import warnings

import numpy as np
import pytest
from interchange_networks import assert_same, library

from hotloop import Network
from hotloop.activations import ELU, LeakyReLU
from hotloop.interchange import InterchangeWarning, from_keras, to_keras
from hotloop.losses import Huber

keras = library("keras")
kl = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def sequential(*layers, inputs=(3,)):
    """Return a model of these layers and a dense one for two outputs."""
    return keras.Sequential([keras.Input(inputs), *layers, kl.Dense(2)])


def same_outputs(model, net, shape=(3,)):
    """Assert that the network computes what the model does; return the network."""
    X = np.random.default_rng(0).normal(size=(7, *shape)).astype("float32")
    assert_same(net.predict(X.reshape(7, -1)), keras.ops.convert_to_numpy(model(X)))
    return net


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (kl.Activation("tanh"), "tanh"),
        (kl.Activation("leaky_relu"), LeakyReLU(0.2)),
        (kl.LeakyReLU(), LeakyReLU(0.3)),
        (kl.LeakyReLU(negative_slope=0.01), "leaky_relu"),
        (kl.ReLU(), "relu"),
        (kl.ReLU(negative_slope=0.1), LeakyReLU(0.1)),
        (kl.ELU(), "elu"),
        (kl.ELU(alpha=0.5), ELU(0.5)),
        (kl.Activation("swish"), "silu"),
        (kl.Activation("linear"), "identity"),
        (kl.Activation(kl.ELU(alpha=0.5)), ELU(0.5)),
    ],
)
def test_activations(layer, wanted):
    model = sequential(kl.Dense(4), layer)
    assert same_outputs(model, from_keras(model)).activations == (wanted, "identity")
    model = sequential(kl.Dense(4, activation=layer))
    assert same_outputs(model, from_keras(model)).activations == (wanted, "identity")


def test_a_softmax_layer():
    model = sequential(kl.Softmax())
    with pytest.raises(ValueError, match=r"0: Softmax 'softmax\w*': an activation comes once after a dense layer"):
        from_keras(model)
    model = keras.Sequential([keras.Input((3,)), kl.Dense(4), kl.Softmax()])
    net = same_outputs(model, from_keras(model))
    assert (net.activations, net.loss) == (("softmax",), "cross_entropy")


def test_flatten_rescaling_and_dropout_of_inputs():
    model = sequential(
        kl.Rescaling(1 / 127.5, offset=-1), kl.Flatten(), kl.Dropout(0.1), kl.Identity(), kl.Flatten(), kl.Dense(5),
        kl.LayerNormalization(epsilon=1e-3), kl.ReLU(), kl.Dropout(0.25),
        inputs=(4, 2),
    )  # fmt: skip
    net = same_outputs(model, from_keras(model), (4, 2))
    assert (net.sizes, net.input_dropout, net.dropout, net.layer_norm) == ((8, 5, 2), 0.1, (0.25,), (True,))
    np.testing.assert_allclose([net.input_scale, net.input_offset], [1 / 127.5, 127.5], rtol=1e-15)


def test_normalization_of_each_input():
    X = np.random.default_rng(1).normal([5, -3, 0], [2, 0.1, 1], size=(50, 3)).astype("float32")
    normalization = kl.Normalization()
    normalization.adapt(X)
    model = sequential(kl.Rescaling(0.5), normalization)
    with pytest.raises(ValueError, match=r"1: Normalization 'normalization\w*': subtracts"):
        from_keras(sequential(kl.Rescaling(0.0), normalization))
    net = same_outputs(model, from_keras(model))
    np.testing.assert_allclose(net.input_offset, 2 * X.mean(axis=0), rtol=1e-5)
    channels = sequential(kl.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0]), kl.Flatten(), inputs=(3, 2))
    assert same_outputs(channels, from_keras(channels), (3, 2)).input_offset.tolist() == [1, 2] * 3


def test_nested_and_functional_models():
    inner = keras.Sequential([keras.Input((4,)), kl.Dense(5, "tanh"), kl.Dropout(0.3)], name="inner")
    inputs = keras.Input((3,))
    outer = keras.Model(inputs, kl.Dense(2, name="last")(inner(kl.Dense(4, "relu")(inputs))))
    net = same_outputs(outer, from_keras(outer))
    assert (net.sizes, net.activations, net.dropout) == ((3, 4, 5, 2), ("relu", "tanh", "identity"), (0, 0.3))
    stacked = keras.Sequential([keras.Input((3,)), outer, kl.Activation("sigmoid")])
    assert same_outputs(stacked, from_keras(stacked)).loss == "binary_cross_entropy"


def test_penalties_constraints_and_what_the_user_says():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            kl.Dense(4, "relu", kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), kernel_constraint="max_norm"),
            kl.Dense(2, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02)),
        ]
    )
    net = from_keras(model)
    assert (net.l1, net.l2, net.max_norm) == (0.01, 0.02, (2.0, None))
    assert from_keras(model, l1=0.0, loss="mae", dtype="float64").l1 == 0
    y, X = np.ones((5, 2)), np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model.compile(loss="mse")
    np.testing.assert_allclose(net.evaluate(X, y)["loss"], model.evaluate(X, y, verbose=0), rtol=1e-6)


CATEGORICAL = keras.losses.CategoricalCrossentropy


@pytest.mark.parametrize(
    ("given", "last", "loss", "smoothing"),
    [
        ("mse", "linear", "mse", 0),
        ("MeanSquaredError", "linear", "mse", 0),
        (keras.losses.mean_absolute_error, "relu", "mae", 0),
        (keras.losses.Huber(2.0), "linear", Huber(2.0), 0),
        (keras.losses.LogCosh(), "linear", "log_cosh", 0),
        ("poisson", "exponential", "poisson", 0),
        ("sparse_categorical_crossentropy", "softmax", "cross_entropy", 0),
        (CATEGORICAL(from_logits=True, label_smoothing=0.1), "linear", "cross_entropy", 0.1),
        (["binary_crossentropy"], "sigmoid", "binary_cross_entropy", 0),
    ],
)
def test_the_compiled_loss(given, last, loss, smoothing):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2, last)])
    model.compile(loss=given)
    net = from_keras(model)
    assert (net.loss, net.label_smoothing) == (loss, smoothing)
    X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    if given != "sparse_categorical_crossentropy" and not smoothing:  # of which evaluate sees nothing
        y = np.eye(2, dtype="float32")[[0, 1, 1, 0, 1]]
        np.testing.assert_allclose(net.evaluate(X, y)["loss"], model.evaluate(X, y, verbose=0), rtol=2e-6)


@pytest.mark.parametrize(
    ("given", "last", "message"),
    [
        ("hinge", "linear", "the compiled loss: hotloop has no 'hinge'"),
        (lambda y, a: (a - y) ** 4, "linear", "the compiled loss: hotloop has no <function"),
        (keras.losses.MeanSquaredError(reduction="sum"), "linear", "the compiled loss: hotloop has no <"),
        (CATEGORICAL(), "linear", "cross_entropy of probabilities or rates, after identity"),
        (CATEGORICAL(from_logits=True), "softmax", "cross_entropy of logits, after softmax"),
    ],
)
def test_another_compiled_loss_is_said(given, last, message):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2, last)])
    model.compile(loss=given)
    with pytest.warns(InterchangeWarning, match=re.escape(message)):
        from_keras(model)
    assert from_keras(model, loss="mae").loss == "mae"


@pytest.mark.parametrize("name", ["compute_loss", "train_step"])
def test_training_that_was_replaced_is_said(name):
    model = sequential()
    model.compile(loss="mse")
    setattr(model, name, lambda *_: 0)
    with pytest.warns(InterchangeWarning, match=f"the model: its {name} was replaced by a function of your own"):
        from_keras(model)


@pytest.mark.parametrize(("weights", "warns"), [([5.0], True), ({"out": 0.5}, True), (2.0, True), ([1.0], False)])
def test_weights_of_the_compiled_loss_are_said(weights, warns, tmp_path):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2, name="out")])
    model.compile(loss={"out": "mse"} if isinstance(weights, dict) else "mse", loss_weights=weights)
    model.save(tmp_path / "net.keras")
    told = "the compiled loss: loss_weights="
    for source in (model, tmp_path / "net.keras"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InterchangeWarning)
            assert from_keras(source).loss == "mse"
        assert [str(one.message).startswith(told) for one in caught] == [True] * warns


def test_the_compiled_loss_in_a_file_of_a_model_that_was_not_trained(tmp_path):
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2)])
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    model.save(tmp_path / "net.keras")
    assert from_keras(tmp_path / "net.keras").loss == "cross_entropy"


def test_what_is_trained_otherwise_is_said():
    frozen = kl.Dense(4)
    frozen.trainable = False
    with pytest.warns(InterchangeWarning, match=r"0: Dense 'dense\w*': is frozen \(kernel, bias: "):
        from_keras(sequential(frozen))
    model = sequential(kl.Dense(4))
    model.layers[0].bias.trainable = False
    with pytest.warns(InterchangeWarning, match=r"0: Dense 'dense\w*': is frozen \(bias: "):
        from_keras(model)
    with pytest.warns(InterchangeWarning, match=r"0: Dense 'dense\w*': has no bias"):
        from_keras(sequential(kl.Dense(4, use_bias=False)))
    model = sequential(kl.Dense(4, bias_initializer="ones"))
    model.layers[0].bias = None
    with pytest.warns(InterchangeWarning, match=r"0: Dense 'dense\w*': has no bias"):
        same_outputs(model, from_keras(model))
    with pytest.warns(InterchangeWarning, match="has no learnt gain or shift"):
        from_keras(sequential(kl.Dense(4), kl.LayerNormalization(center=False)))


class Own(kl.Dense):
    pass


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ([kl.Dense(4), kl.BatchNormalization(name="bn")], "1: BatchNormalization 'bn': hotloop has no batch normalis"),
        ([kl.PReLU(name="p")], "0: PReLU 'p': hotloop has no PReLU"),
        ([kl.GaussianNoise(0.1, name="g")], "0: GaussianNoise 'g': hotloop has no GaussianNoise"),
        ([Own(4, name="own")], "Own 'own': hotloop has no "),
        ([kl.Dense(4), kl.ReLU(max_value=6, name="six")], "1: ReLU 'six': has a max_value"),
        ([kl.Dense(4, "relu6", name="d")], "0: Dense 'd': hotloop has no activation relu6"),
        ([kl.Dense(4, lambda z: z * z, name="d")], "0: Dense 'd': hotloop has no activation <lambda>"),
        ([kl.Dense(4, kl.PReLU(), name="d")], "0: Dense 'd': hotloop has no activation PReLU"),
        ([kl.Dropout(0.1, noise_shape=(None, 1), name="d")], "0: Dropout 'd': has a noise_shape"),
        ([kl.Rescaling(-1.0, name="r")], "0: Rescaling 'r': scales by a number that is not above 0"),
        ([kl.Dense(4), kl.Rescaling(2.0, name="r")], "1: Rescaling 'r': hotloop scales the inputs only"),
        ([kl.Dense(4, bias_regularizer="l2", name="d")], "0: Dense 'd': bias_regularizer is set"),
        ([kl.Dense(4, activity_regularizer="l2", name="d")], "0: Dense 'd': activity_regularizer is set"),
        ([kl.Dense(4, kernel_constraint="non_neg", name="d")], "0: Dense 'd': has the constraint NonNeg"),
        ([kl.Dense(4, kernel_regularizer="l2", name="d")], "hotloop has one l1 and one l2 for all layers"),
        ([kl.Dense(4, dtype="mixed_float16", name="d")], "0: Dense 'd': computes in float16 with float32 parameters"),
        ([kl.Dense(4, dtype="bfloat16", name="d")], "0: Dense 'd': computes in bfloat16"),
        ([kl.Dense(4), kl.LayerNormalization(dtype="float64", name="n")], "'n': computes in float64 after a layer"),
        ([kl.EinsumDense("bd,de->be", 4, name="e")], "0: EinsumDense 'e': hotloop has none but the scale of inputs"),
        ([kl.EinsumDense("bd,d->bd", 3, kernel_regularizer="l2", name="e")], "'e': kernel_regularizer is set"),
        ([kl.EinsumDense("bd,d->bd", 3, kernel_constraint="non_neg", name="e")], "'e': kernel_constraint is set"),
        ([kl.Dense(4, kl.ELU(activity_regularizer="l2"), name="d")], "0: Dense 'd': activity_regularizer is set"),
        ([kl.Dense(4), kl.Activation(kl.ELU(dtype="float64"), name="a")], "'a': computes in float64 after a layer of"),
        ([kl.Dense(4), kl.LayerNormalization(gamma_constraint="non_neg", name="n")], "'n': gamma_constraint is set"),
        ([kl.Normalization(mean=0.0, variance=1.0, invert=True, name="n")], "0: Normalization 'n': is inverted"),
        ([kl.Dense(4), kl.Softmax(name="s")], "1: Softmax 's': softmax is for the last layer"),
        ([kl.Dense(4), kl.Softmax(axis=0, name="s")], "1: Softmax 's': is over axis 0"),
        ([kl.LayerNormalization(name="n")], "0: LayerNormalization 'n': hotloop normalises the z of a dense layer"),
    ],
)
def test_what_hotloop_has_not_is_refused_by_name_and_place(layers, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        from_keras(sequential(*layers))


@pytest.mark.parametrize("place", [0, 1, "activation", "model", "inner"])
def test_a_call_that_was_replaced_is_refused(place):
    inner = keras.Sequential([keras.Input((4,)), kl.Dense(4, kl.ELU())])
    model = sequential(kl.Dense(4, kl.ELU()), kl.LayerNormalization(), inner)
    parts = {"activation": model.layers[0].activation, "model": model, "inner": inner}
    part = parts.get(place) or model.layers[place]
    usual = part.call
    part.call = lambda x: 2 * usual(x)
    with pytest.raises(ValueError, match="its call was replaced by a function of your own"):
        from_keras(model)


def test_what_keras_trains_by_is_that_of_its_variables():
    model = keras.Sequential([keras.Input((3,)), kl.Dense(2, kernel_regularizer="l2", name="d")])
    model.layers[0].kernel_regularizer = None
    assert from_keras(model).l2 == 0.01
    model.layers[0].kernel.regularizer, model.layers[0].kernel.constraint = None, keras.constraints.MaxNorm(3.0)
    assert (from_keras(model).l2, from_keras(model).max_norm) == (0, (3.0,))
    model.activity_regularizer = keras.regularizers.L2(0.1)
    with pytest.raises(ValueError, match="the model: activity_regularizer is set"):
        from_keras(model)


def test_models_of_other_kinds_are_refused(tmp_path):
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match=r"Subclassed, of which hotloop cannot see what it computes"):
        from_keras(Subclassed())
    with pytest.raises(ValueError, match="has no parameters yet: give it an Input"):
        from_keras(keras.Sequential([kl.Dense(2)]))
    a, b = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ValueError, match="has 2 inputs and 1 outputs"):
        from_keras(keras.Model([a, b], kl.Dense(2)(kl.Add()([a, b]))))
    with pytest.raises(ValueError, match=r"Add 'add\w*' joins 2 branches"):
        from_keras(keras.Model(a, kl.Add()([kl.Dense(3)(a), a])))
    shared = kl.Dense(3, name="shared")
    with pytest.raises(ValueError, match="2: Dense 'shared': is used twice"):
        from_keras(keras.Model(a, shared(shared(a))))
    with pytest.raises(ValueError, match=r"Dropout 'dropout\w*' is called with a fixed training="):
        from_keras(keras.Model(a, kl.Dense(3)(kl.Dropout(0.1)(a, training=True))))
    with pytest.raises(ValueError, match=r"takes inputs of shape \('batch', 4, 3\); hotloop's are"):
        from_keras(sequential(inputs=(4, 3)))
    with pytest.raises(TypeError, match="model must be a Keras model or the path"):
        from_keras(Network([1, 1], seed=0))
    with pytest.raises(ValueError, match="has weights only: make the network"):
        from_keras(tmp_path / "net.weights.h5")


def test_a_model_that_was_called_before():
    model = keras.Sequential([keras.Sequential([kl.Flatten(), kl.Dense(4, "tanh")]), kl.Dense(2)])
    model(np.ones((1, 4, 2), "float32"))
    outer = keras.Sequential([keras.Input((4, 2)), model])
    for one in (model, outer):
        assert same_outputs(one, from_keras(one), (4, 2)).sizes == (8, 4, 2)


def test_layouts_of_channels():
    rows = sequential(kl.Flatten(data_format="channels_first", name="f"), inputs=(4, 3))
    with pytest.raises(ValueError, match="0: Flatten 'f': reorders its inputs"):
        from_keras(rows)
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"0: Rescaling 'r': has an array, which Keras takes for that of channels"):
            from_keras(sequential(kl.Rescaling(2 * np.ones((3, 1, 1)), name="r"), kl.Flatten(), inputs=(3, 4, 5)))
        with pytest.raises(ValueError, match="the scaling of the inputs: Keras takes its scales for those of channels"):
            to_keras(Network([3, 2], input_scale=[1.0, 2.0, 3.0], seed=0))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_an_open_number_of_inputs_is_refused():
    with pytest.raises(ValueError, match=r"Flatten 'flatten\w*': takes inputs of shape \('batch', None, 3\)"):
        from_keras(keras.Sequential([keras.Input((None, 3)), kl.Rescaling(0.5), kl.Flatten()]))


def test_quantized_and_lora_layers_are_refused():
    model = sequential(kl.Dense(4, name="d"))
    model.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="0: Dense 'd': is quantized or has a LoRA adapter"):
        from_keras(model)
    model = sequential(kl.Dense(4, name="d"))
    model.layers[0].enable_lora(2)
    with pytest.raises(ValueError, match="0: Dense 'd': is quantized or has a LoRA adapter"):
        from_keras(model)
