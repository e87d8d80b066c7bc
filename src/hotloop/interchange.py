"""Networks to and from PyTorch, Keras, TensorFlow, JAX, ONNX and scikit-learn, and to C and NumPy.

>>> from hotloop import interchange

Each function imports the library that it is for when it is called, and names the extra to install if it is missing.
What hotloop has no layer for is refused, by its name and place.
"""

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hotloop.network.interchange.c_export import export_c
    from hotloop.network.interchange.equinox import from_equinox, to_equinox
    from hotloop.network.interchange.flax import from_flax, to_flax
    from hotloop.network.interchange.jax import from_jax, to_jax
    from hotloop.network.interchange.keras_import import from_keras
    from hotloop.network.interchange.keras_models import to_keras
    from hotloop.network.interchange.keras_weights import load_keras_weights, save_keras_weights
    from hotloop.network.interchange.layers import InterchangeWarning
    from hotloop.network.interchange.onnx_export import to_onnx
    from hotloop.network.interchange.onnx_import import from_onnx
    from hotloop.network.interchange.python_export import export_python
    from hotloop.network.interchange.pytorch import from_torch, to_state_dict, to_torch, to_torch_optimizer
    from hotloop.network.interchange.sklearn import from_sklearn, to_sklearn
    from hotloop.network.interchange.tensorflow import to_litert, to_saved_model
    from hotloop.network.interchange.torch_state import load_state_dict

__all__ = [
    "InterchangeWarning",
    "export_c",
    "export_python",
    "from_equinox",
    "from_flax",
    "from_jax",
    "from_keras",
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "load_keras_weights",
    "load_state_dict",
    "save_keras_weights",
    "to_equinox",
    "to_flax",
    "to_jax",
    "to_keras",
    "to_litert",
    "to_onnx",
    "to_saved_model",
    "to_sklearn",
    "to_state_dict",
    "to_torch",
    "to_torch_optimizer",
]

_MODULES = {
    "InterchangeWarning": "layers",
    "export_c": "c_export",
    "export_python": "python_export",
    "from_equinox": "equinox",
    "from_flax": "flax",
    "from_jax": "jax",
    "from_keras": "keras_import",
    "from_onnx": "onnx_import",
    "from_sklearn": "sklearn",
    "from_torch": "pytorch",
    "load_keras_weights": "keras_weights",
    "load_state_dict": "torch_state",
    "save_keras_weights": "keras_weights",
    "to_equinox": "equinox",
    "to_flax": "flax",
    "to_jax": "jax",
    "to_keras": "keras_models",
    "to_litert": "tensorflow",
    "to_onnx": "onnx_export",
    "to_saved_model": "tensorflow",
    "to_sklearn": "sklearn",
    "to_state_dict": "pytorch",
    "to_torch": "pytorch",
    "to_torch_optimizer": "pytorch",
}

if not TYPE_CHECKING:  # or type checkers would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import a function."""
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=sys.modules[__name__])
        module = importlib.import_module(f"hotloop.network.interchange.{_MODULES[name]}")
        globals()[name] = value = getattr(module, name)
        return value

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted(__all__)
