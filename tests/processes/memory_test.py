"""Temporaries stay with the process between steps."""

import os
from pathlib import Path
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')

PROGRAM = """
import resource
from gan_jax.processes import memory
memory.keep()
import jax, jax.numpy as jnp
x, y = jnp.ones((16384, 64)), jnp.ones((64, 1024))
step = jax.jit(lambda x: (x @ y) @ y.T)  # a temporary of 64 MB, which malloc always returns
for _ in range(10):
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step(x).block_until_ready()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""

# Heaps of a process in which eight threads were allocating at the same time.
HEAPS = """
import ctypes, threading
from gan_jax.processes import memory
memory.keep()
libc, together = ctypes.CDLL(None), threading.Barrier(8)
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
def allocate():
    together.wait()
    assert libc.malloc(ctypes.c_size_t(4096))
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
stream = ctypes.c_void_p(libc.fdopen(1, b'w'))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


def run(program: str, **env: str) -> str:
    environment = os.environ | {'JAX_NUM_CPU_DEVICES': '1'} | env
    return subprocess.run(
        [sys.executable, '-c', program], env=environment, capture_output=True, text=True, check=True
    ).stdout


def faults(**env: str) -> int:
    """Page faults of one step."""
    return int(run(PROGRAM, **env))


def heaps(**env: str) -> int:
    return run(HEAPS, **env).count('<heap nr=')


@pytest.mark.slow
@glibc
def test_steps_take_no_fresh_pages_unless_the_environment_says_so():
    assert faults() < 5_000
    pages = Path('/sys/kernel/mm/transparent_hugepage/enabled').read_text(encoding='utf-8')
    if '[always]' not in pages:
        assert faults(GAN_JAX_MALLOC='system') > 10_000


@glibc
def test_threads_share_a_heap_unless_the_environment_says_so():
    assert heaps() <= 2 < heaps(GAN_JAX_MALLOC='system')
