"""Temporaries stay with the process between steps."""

import os
from pathlib import Path
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from gan_jax import memory
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


def faults(**env) -> int:
    """Page faults of one step."""
    environment = os.environ | {'JAX_NUM_CPU_DEVICES': '1'} | env
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')
def test_steps_take_no_fresh_pages_unless_the_environment_says_so():
    assert faults() < 5_000
    if '[always]' not in Path('/sys/kernel/mm/transparent_hugepage/enabled').read_text():
        assert faults(GAN_JAX_MALLOC='system') > 10_000
