"""What a network has learnt, by name: views of its one vector of parameters, and of any vector like it."""

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.layout import Layout


class ParameterViews:
    """What `Network` inherits to give its parameters by layer."""

    _layout: Layout
    _parameters: Array

    @property
    def parameters(self) -> Array:
        """All that is learnt, one vector; rows are padded to 64 bytes with zeros. Write into it freely."""
        return self._parameters

    @parameters.setter
    def parameters(self, value: Array) -> None:
        # Python assigns after it has changed in place: net.parameters -= learning_rate * gradient
        if value is not self._parameters:
            raise AttributeError("write into the vector: net.parameters[:] = ...")

    @property
    def weights(self) -> tuple[Array, ...]:
        """Weights of each layer (fan_in, fan_out), views of `parameters`."""
        return self._layout.split(self._parameters)[0]

    @property
    def biases(self) -> tuple[Array, ...]:
        """Biases of each layer (fan_out,), views of `parameters`."""
        return self._layout.split(self._parameters)[1]

    @property
    def gains(self) -> tuple[Array | None, ...]:
        """Gains of each layer's normalisation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("gain", self._parameters)

    @property
    def shifts(self) -> tuple[Array | None, ...]:
        """Shifts of each layer's normalisation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("shift", self._parameters)

    @property
    def mixes(self) -> tuple[Array | None, ...]:
        """The a of each layer's learnt activation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("mix", self._parameters)

    @property
    def learnt_input_scale(self) -> Array | None:
        """The learnt scale of each input (inputs,), a view of `parameters`; None without `learn_input_scale`."""
        return self._layout.input_scale(self._parameters)

    @property
    def n_parameters(self) -> int:
        """Number of weights, biases and whatever else is learnt, without padding."""
        return self._layout.n_parameters

    def split(self, vector: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return (weights, biases) of a vector in the layout of `parameters`, for example a gradient, as views.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> loss, gradient = net.gradient([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0])
        >>> weights, biases = net.split(gradient)
        >>> [one.shape for one in weights], [one.shape for one in biases]
        ([(2, 8), (8, 1)], [(8,), (1,)])
        """
        return self._layout.split(self._like_parameters(vector))

    def parts(self, vector: Array) -> dict[str, Array]:
        """Return all parts of a vector in the layout of `parameters`, as views, by their names in a model file.

        These are layers.0.weights, layers.0.bias and so on, with layers.0.gain and layers.0.shift of `layer_norm`,
        layers.0.mix of `learn_activation`, and input_scale of `learn_input_scale`.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> {name: part.shape for name, part in net.parts(net.parameters).items()}
        {'layers.0.weights': (2, 8), 'layers.0.bias': (8,), 'layers.1.weights': (8, 1), 'layers.1.bias': (1,)}
        """
        return self._layout.parts(self._like_parameters(vector))

    def _like_parameters(self, vector: Array) -> Array:
        if not isinstance(vector, np.ndarray) or vector.shape != self._parameters.shape:
            found = vector.shape if isinstance(vector, np.ndarray) else type(vector).__name__
            raise ValueError(f"vector has shape {found}; wanted {self._parameters.shape}, as net.parameters")
        return vector
