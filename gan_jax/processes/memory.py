"""Keeps the C library from handing a step's temporaries back to the system after every step.

They are hundreds of megabytes, which XLA's CPU client allocates and frees each time it runs.
glibc takes blocks of that size from the system and returns them, and the page faults of
fresh ones cost a tenth of the step and more. Here malloc is told to keep what it has. It can
only do so in its main heap, so the step must run in the main thread. All other threads share a
second heap: in one of its own each would keep its own peak, and a long run would grow by them.

GAN_JAX_MALLOC=system in the environment leaves all as it is.
"""

import ctypes
import os
import platform

import jax

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of mallopt(3)


def keep() -> None:
    """To be called before JAX makes its client; does nothing where the C library is not glibc."""
    if not wanted():
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_M_ARENA_MAX, 2)
    jax.config.update('jax_cpu_enable_async_dispatch', False)


def give_back() -> None:
    """Returns what is free now: after compilation that is hundreds of megabytes."""
    if wanted():
        ctypes.CDLL(None).malloc_trim(0)


def wanted() -> bool:
    """Whether malloc is to be told anything: it is glibc's, and the user does not object."""
    return os.environ.get('GAN_JAX_MALLOC') != 'system' and platform.libc_ver()[0] == 'glibc'
