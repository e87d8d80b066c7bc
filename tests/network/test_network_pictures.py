"""The pictures of a network's own numbers: its first weights, the flow of its gradient; and of what has none."""

import numpy as np
import pytest

from hotloop import Network

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from hotloop.network.profiling.diagnosis.findings import Diagnosis  # noqa: E402
from hotloop.plots import plot_first_layer, plot_gradient_flow, plot_roofline, plot_time_by_layer  # noqa: E402

POINTS = np.array([[1.0, 0.0], [-1.0, 0.5], [0.5, -1.0], [-0.25, 3.0], [2.0, 0.0]])


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_the_units_of_a_first_layer_by_importance():
    """Of as large weights into them, those with larger ones out of them come first."""
    first, second = np.array([[1.0, 1.0, -2.0], [0.0, 0.0, 0.0]]), np.array([[0.1], [3.0], [1.0]])
    net = Network([2, 3, 1], initializer=[(first, np.zeros(3)), (second, np.zeros(1))])
    axes = plot_first_layer(net, shape=(1, 2), units=2)
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    picture = axes.images[0].get_array()
    assert sorted(picture.compressed()) == [-2.0, 0.0, 0.0, 1.0]
    assert axes.images[0].get_clim() == (-2.0, 2.0)
    net.weights[0][:] = [[np.nan, np.inf, 0.5]] * 2
    assert plot_first_layer(net, shape=(1, 2)).images[0].get_clim() == (-0.5, 0.5)
    estimator = type("Estimator", (), {"coefs_": [first, second]})()
    assert [text.get_text() for text in plot_first_layer(estimator, shape=(2, 1)).texts] == ["1", "2", "0"]


@pytest.mark.parametrize(("options", "message"), [
    ({}, r"10 inputs make no square: give their shape=\(height, width\)"),
    ({"shape": (3, 3)}, r"shape \(3, 3\) has 9 pixels; the network has 10 inputs"),
    ({"shape": (1, 2, 5)}, r"shape must be \(height, width\), got \(1, 2, 5\)"),
    ({"shape": 10}, r"shape must be \(height, width\), got 10"),
    ({"shape": (5, 2), "units": 0}, "units must be"),
])  # fmt: skip
def test_shapes_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        plot_first_layer(Network([10, 4, 1]), **options)
    with pytest.raises(TypeError, match="wanted a Network or a fitted estimator with coefs_, got 3"):
        plot_first_layer(3)
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("of", ["delta", "dW"])
def test_the_flow_of_a_gradient(of):
    net, y = Network([2, 3, 1], "tanh", seed=0, dtype="float32"), np.ones(len(POINTS))
    axes = plot_gradient_flow(net, POINTS, y, of=of)
    sizes = [np.sqrt(np.mean(getattr(layer, of) ** 2)) for layer in net.trace(POINTS, y)]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), sizes, rtol=1e-6)
    assert axes.get_ylabel().startswith("dC/dz" if of == "delta" else "dC/dW")
    assert axes.get_yscale() == "log"


def test_layers_without_a_gradient_are_marked():
    """Here the second layer's weights are zero, and nothing goes through them."""
    zero = [(np.ones((2, 3)), np.zeros(3)), (np.zeros((3, 1)), np.zeros(1))]
    axes = plot_gradient_flow(
        Network([2, 3, 1], "tanh", initializer=zero, dtype="float32"), POINTS, np.ones(len(POINTS))
    )
    assert [(line.get_xdata()[0], line.get_label()) for line in axes.lines[1:]] == [(1, "zero")]
    assert np.isnan(axes.lines[0].get_ydata()[0])


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: plot_gradient_flow(Network([2, 1]), POINTS, np.ones(5), of="loss"), ValueError, "of must be one of"),
    (lambda: plot_gradient_flow(3, POINTS, np.ones(5)), TypeError, "flow is that of a Network; got 3"),
    (lambda: plot_roofline(3), TypeError, r"of a profile, which hotloop.profile\(\) makes; got 3"),
    (lambda: plot_time_by_layer(None), TypeError, r"of a profile, which hotloop.profile\(\) makes; got None"),
    (lambda: Diagnosis().plot(), ValueError, "there is nothing to draw: no fit was looked at"),
])  # fmt: skip
def test_what_has_no_such_picture(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert pyplot.get_fignums() == []
