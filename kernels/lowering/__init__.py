"""LLVM code, which only the compiler runs.

Each file has the name of the file of `hotloop.kernels` whose plain-Python functions it replaces, and which documents
them. Two have no such twin: `vector` holds what several share, and `flush_to_zero` is how `jit.kernel` compiles.
"""
