"""Let Linux's perf show hotloop's kernels by name: run another program, and write down where its machine code is.

    perf record python examples/perf_map.py train.py
    perf report --stdio --sort symbol

Compiled code is cached as object files, which contain the names of their functions. When the program ends, the names
are written to /tmp/perf-PID.map, where perf looks for names of code that is in no file. Code that was compiled in the
same run has none, so run the program once beforehand. This uses a private part of Numba, and `nm` of binutils.
"""

import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

from numba.core import codegen


def readable(symbol: str) -> str:
    """Return ``hotloop.kernels.matmul.product`` of ``_ZN7hotloop7kernels6matmul7productB...``."""
    words, rest = [], symbol.removeprefix("_ZN")
    while length := re.match(r"\d+", rest):
        end = length.end() + int(length[0])
        words.append(rest[length.end() : end])
        rest = rest[end:]
    return ".".join(words)


def functions(elf: bytes) -> list[tuple[int, int, str]]:
    """Return address, size and symbol of the functions in an object file, without Numba's wrappers."""
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(elf)
        file.flush()
        listing = subprocess.check_output(["nm", "--print-size", file.name], text=True)
    found = re.findall(r"^(\w+) (\w+) [TW] (_ZN(?!7cpython)\S+)$", listing, re.M)
    return [(int(start, 16), int(size, 16), symbol) for start, size, symbol in found]


def main() -> None:
    """Run the program that the command line names, then write the map."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    loaded = []
    load = codegen.CodeLibrary._set_compiled_object

    def noted(library: codegen.CodeLibrary, elf: bytes) -> None:
        loaded.append((library, elf))
        load(library, elf)

    codegen.CodeLibrary._set_compiled_object = noted
    sys.argv = sys.argv[1:]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        lines = []
        for library, elf in loaded:
            found = functions(elf)
            start, _, symbol = found[0]
            base = library.get_pointer_to_function(symbol) - start
            lines += [f"{base + start:x} {size:x} {readable(symbol)}\n" for start, size, symbol in found]
        Path(f"/tmp/perf-{os.getpid()}.map").write_text("".join(lines))


if __name__ == "__main__":
    main()
