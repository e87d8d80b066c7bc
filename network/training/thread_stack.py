"""The stacks of threads: the compiled loops pack panels of matrices there, more than a small stack may hold."""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

from hotloop.kernels.matmul import STACK_BYTES

# Bytes: what a product takes, and the loops around it and Python's frames besides.
ENOUGH = max(512 * 1024, STACK_BYTES + 144 * 1024)
OF_A_WORKER = 8 * 2**20  # Linux's usual size: address space, of which only the part that is used takes memory

_starting = threading.Lock()


def _new_lock() -> None:
    global _starting
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)  # at the fork another thread may hold it, which the child lacks


def with_large_stack(start: Callable[..., Any], *arguments: Any) -> None:
    """Call ``start(*arguments)``, which starts a thread, with a large stack whatever `threading.stack_size` is.

    That size is the whole process's: a thread that is started elsewhere meanwhile gets a large stack too.
    """
    with _starting:
        before = threading.stack_size(OF_A_WORKER)
        try:
            if before > OF_A_WORKER:
                threading.stack_size(before)
            start(*arguments)
        finally:
            threading.stack_size(before)


def size_of_this_stack() -> int | None:
    """Return the bytes of the calling thread's stack, or None if the C library does not tell."""
    libc: Any = ctypes.CDLL(None) if os.name == "posix" else None
    attributes = ctypes.create_string_buffer(256)  # pthread_attr_t: 56 or 64 bytes
    address, size = ctypes.c_void_p(), ctypes.c_size_t()
    if not hasattr(libc, "pthread_getattr_np"):
        return None
    libc.pthread_self.restype = ctypes.c_void_p
    if libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes) != 0:
        return None
    libc.pthread_attr_getstack(attributes, ctypes.byref(address), ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    return size.value


class _Caller(threading.local):
    """Checks each thread's stack once, when it first reads `stack_is_enough`: `threading.local` then calls __init__."""

    def __init__(self) -> None:
        size = size_of_this_stack()
        if size is not None and size < ENOUGH:
            raise RuntimeError(
                f"the stack of this thread, {size // 1024} KiB, is too small for hotloop's compiled loops, which need "
                f"{ENOUGH // 1024} KiB: call threading.stack_size({2 * ENOUGH}) before the thread is started, or raise "
                "the limit of the process (ulimit -s)"
            )
        self.stack_is_enough = True


# Read CALLER.stack_is_enough before a compiled loop is entered: it raises if the stack is too small, and takes 20 ns.
CALLER = _Caller()
