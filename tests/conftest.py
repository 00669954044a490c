"""Strictness for the whole suite, and its caches."""

from importlib import metadata
import os

# Before JAX starts: four simulated devices for the runners. On a GPU: benchmarks/accelerator.sh.
os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Where XLA still has its older emitter of kernels: it compiles in less than half of the time.
if tuple(map(int, metadata.version('jaxlib').split('.')[:2])) < (0, 11):
    os.environ['XLA_FLAGS'] = '--xla_cpu_use_fusion_emitters=false'

import jax
import pytest

from gan_jax import paths

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Most of the suite's time is compilation; a test of the optimised program switches this back.
jax.config.update('jax_disable_most_optimizations', True)


# Compiled programs are shared by all processes of the suite and kept for its next run.
COMPILED = str(paths.cache() / 'tests' / 'xla')
os.environ['JAX_COMPILATION_CACHE_DIR'] = COMPILED
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
jax.config.update('jax_compilation_cache_dir', COMPILED)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
    """Prepared sets, for the tests of this process and their subprocesses."""
    folder = tmp_path_factory.mktemp('cache')
    os.environ['GAN_JAX_CACHE'] = str(folder)
    return folder
