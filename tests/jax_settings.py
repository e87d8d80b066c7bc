"""Settings of JAX that the tests of one file change."""

from contextlib import contextmanager

import jax


@contextmanager
def jax_settings(**settings):
    """Change settings of JAX, and set them back: ``jax_enable_x64=True``."""
    before = {name: jax.config.values[name] for name in settings}
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
