"""A network that scales its inputs: the same bits as from one that is given scaled inputs, wherever it takes an X."""

import copy

import numpy as np
import pytest
from conftest import COMPILED, same_bits

from hotloop import SGD, Network, profile
from hotloop.network.datasets import scaling

RNG = np.random.default_rng(0)
YEARS = 2019 + RNG.normal(size=(20, 3)) * [1, 1e-3, 5]  # float32 keeps four digits of a year's fraction
Y = RNG.normal(size=(20, 2))


def pair(dtype="float32", **options):
    """Return a network that scales X, one that does not, and X scaled."""
    options = {"offset": YEARS.mean(axis=0), "scale": 1 / YEARS.std(axis=0)} | options
    offset, scale = options.pop("offset"), options.pop("scale")
    net = Network([3, 4, 2], dtype=dtype, seed=0, input_offset=offset, input_scale=scale, **options)
    return net, Network([3, 4, 2], dtype=dtype, seed=0, **options), ((YEARS - offset) * scale).astype(dtype)


@pytest.mark.parametrize("options", [
    {}, {"offset": 2019}, {"scale": 0.5}, {"offset": -1e3, "scale": 2}, {"offset": 0.0}, {"scale": [1, 0, 2.5]},
], ids=str)  # fmt: skip
def test_everything_that_takes_inputs(options, dtype, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK", 8 * 3 * 7)  # seven rows at a time
    net, plain, scaled = pair(dtype, **options)
    for one, other in ((net, plain), (copy.deepcopy(net), copy.deepcopy(plain))):
        assert same_bits(one.predict(YEARS), other.predict(scaled))
        assert one.evaluate(YEARS, Y) == other.evaluate(scaled, Y)
        losses, gradients = zip(one.gradient(YEARS, Y), other.gradient(scaled, Y), strict=True)
        assert losses[0] == losses[1]
        assert same_bits(*gradients)
        history = one.fit(
            YEARS, Y, epochs=2, batch_size=6, optimizer="adam", validation_data=(YEARS[:5], Y[:5]), progress=False
        )
        again = other.fit(
            scaled, Y, epochs=2, batch_size=6, optimizer="adam", validation_data=(scaled[:5], Y[:5]), progress=False
        )
        assert [epoch["val_loss"] for epoch in history.epochs] == [e["val_loss"] for e in again.epochs]
        assert same_bits(one.parameters, other.parameters)


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "int64", "float16", "bool"])
def test_inputs_of_any_kind_are_scaled_in_float64(kind, dtype):
    X = RNG.integers(0, 2, (6, 3)).astype(kind)
    X.setflags(write=False)
    net, plain, _ = pair(dtype, offset=[0.1, 0.2, 0.3], scale=[3, 4, 5])
    scaled = ((X.astype(np.float64) - [0.1, 0.2, 0.3]) * [3, 4, 5]).astype(dtype)
    assert same_bits(net.predict(X), plain.predict(scaled))
    assert same_bits(net.predict(X.tolist()), plain.predict(scaled))


def test_one_row_has_the_same_bits(dtype):
    net, _, _ = pair(dtype)
    X = YEARS.astype(dtype)
    for rows in (X[:1], X[:1].astype(np.float64), X[:1].astype(np.float32)):
        assert same_bits(net.predict(rows), net.predict(np.vstack([rows, rows]))[:1])
    net.input_scale = 0.5  # also after a prediction, which keeps its tables
    net.input_offset = 0.0
    assert same_bits(net.predict(X[:1]), net.predict(X)[:1])


def test_set_later():
    net, plain, scaled = pair()
    plain.input_offset, plain.input_scale = net.input_offset, net.input_scale
    assert same_bits(net.predict(YEARS), plain.predict(YEARS))
    net.input_offset, net.input_scale = 0, 1
    assert same_bits(net.predict(scaled), plain.predict(YEARS))
    assert (net.input_offset, net.input_scale) == (0.0, 1.0)
    with pytest.raises(ValueError, match="input_scale has shape"):
        plain.input_scale = [1, 2]
    assert same_bits(net.predict(scaled), plain.predict(YEARS))
    with pytest.raises(ValueError, match="read-only"):
        plain.input_scale[0] = 3


def test_the_users_arrays_are_copied():
    offset = np.ones(3)
    net = Network([3, 1], input_offset=offset)
    offset[0] = 5
    assert net.input_offset[0] == 1


def test_frames():
    """With what the mean() and std() of a table return."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(YEARS, columns=list("abc"))
    net = Network([3, 1], seed=0, input_offset=frame.mean(), input_scale=1 / frame.std())
    twin = Network([3, 1], seed=0, input_offset=frame.mean().tolist(), input_scale=tuple(1 / frame.std()))
    assert same_bits(net.predict(frame), twin.predict(YEARS))


@pytest.mark.parametrize(("name", "value", "exception", "match"), [
    ("input_scale", [1.0], ValueError, r"input_scale has shape \(1,\); wanted one number, or \(3,\)"),
    ("input_scale", np.array(1.0), ValueError, r"input_scale has shape \(\)"),
    ("input_offset", np.zeros((3, 1)), ValueError, r"input_offset has shape \(3, 1\)"),
    ("input_scale", [1, np.inf, 1], ValueError, "input_scale must be finite: found inf for input 1"),
    ("input_offset", [0, 0, np.nan], ValueError, "input_offset must be finite: found nan for input 2"),
    ("input_scale", [1, 1, -2.5], ValueError, "input_scale must be at least 0 .*got -2.5"),
    ("input_offset", ["a", "b", "c"], TypeError, "input_offset has dtype"),
    ("input_offset", np.nan, ValueError, "input_offset must be finite"),
    ("input_offset", -np.inf, ValueError, "input_offset must be finite"),
    ("input_offset", 10**400, ValueError, "input_offset must be finite"),
    ("input_offset", "3", TypeError, "input_offset must be a number, got '3'"),
    ("input_offset", None, TypeError, "input_offset must be a number, got None"),
    ("input_offset", True, TypeError, "input_offset must be a number, got True"),
])  # fmt: skip
def test_bad_numbers(name, value, exception, match):
    with pytest.raises(exception, match=f"^{match}"):
        Network([3, 1], **{name: value})


def test_inputs_that_are_not_finite():
    net, _, _ = pair("float32", offset=0, scale=[1e30, 1, 0])
    X = np.zeros((9, 3))
    X[:, 2] = 1e300  # scale 0: nothing is left of it
    net.predict(X)
    X[4, 0] = -1e20
    match = "^X must be finite in float32 once input_offset and input_scale are applied: -1e[+]20 in row 4, column 0 "
    with pytest.raises(ValueError, match=match + "becomes -inf$"):
        net.predict(X)
    X[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"^X must be finite: found nan in row 2, column 1, 1 in all"):
        net.predict(X)
    with pytest.raises(ValueError, match=r"^validation_data X must be finite: found nan in row 2"):
        net.fit(np.zeros((9, 3)), np.zeros((9, 2)), validation_data=(X, np.zeros((9, 2))))
    for bad in (X[2:3], X[4:5]):  # the shortcut for one row
        with pytest.raises(ValueError, match=r"^X must be finite"):
            net.predict(np.clip(bad, None, 1e38).astype(np.float32))


def test_shown():
    net, plain, _ = pair()
    assert repr(net) == repr(plain)[:-1] + ", input_offset=[...], input_scale=[...])"
    assert net.summary().splitlines()[-1] == "inputs become input_scale * (X - input_offset)"
    net.input_offset = 3
    assert repr(net) == repr(plain)[:-1] + ", input_offset=3.0, input_scale=[...])"
    net.input_scale = 0.5
    assert net.summary().splitlines()[-1] == "inputs become 0.5 * (X - 3)"
    assert repr(net) == repr(plain)[:-1] + ", input_offset=3.0, input_scale=0.5)"


def test_saved(dtype, tmp_path):
    net, _, _ = pair(dtype)
    net.save(tmp_path / "model")
    twin = Network.load(tmp_path / "model")
    assert same_bits(twin.predict(YEARS), net.predict(YEARS))
    assert same_bits(twin.input_offset, net.input_offset)
    assert same_bits(twin.input_scale, net.input_scale)


@pytest.mark.skipif(not COMPILED, reason="a profile as plain Python takes long")
def test_a_profile_looks_at_what_the_first_layer_sees():
    net, plain, scaled = pair()
    with profile() as one:
        net.fit(YEARS, Y, epochs=20, batch_size=6, optimizer=SGD(1e-7), progress=False)
    with profile() as other:
        plain.fit(scaled, Y, epochs=20, batch_size=6, optimizer=SGD(1e-7), progress=False)
    diagnoses = [[(f.kind, f.tried) for f in seen.diagnose().findings] for seen in (one, other)]
    assert diagnoses[0] == diagnoses[1] != []
