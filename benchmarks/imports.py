"""Seconds to import, each sample in a fresh interpreter. The difference of the two is what hotloop itself adds."""


class Import:
    """Start an interpreter and import."""

    params = [["hotloop", "numba"]]
    param_names = ["package"]
    repeat = (6, 10, 10.0)
    version = "1"

    def timeraw_import(self, package):
        return f"import {package}"
