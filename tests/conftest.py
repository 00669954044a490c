"""Strictness for the whole suite, and a cache of its own."""

import os

# Before JAX starts: four simulated devices for the runners.
os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ['JAX_PLATFORMS'] = 'cpu'

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Most of the suite's time is compilation; a test of the optimised program switches this back.
jax.config.update('jax_disable_most_optimizations', True)


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
    """Prepared sets and compiled programs, shared by the tests and their subprocesses."""
    folder = tmp_path_factory.mktemp('cache')
    os.environ['GAN_JAX_CACHE'] = str(folder)
    os.environ['JAX_COMPILATION_CACHE_DIR'] = str(folder / 'xla')
    jax.config.update('jax_compilation_cache_dir', str(folder / 'xla'))
    return folder
