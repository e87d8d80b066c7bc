"""The Python API over `hotloop.kernels`. Its public names are those of `hotloop`."""
