"""Strictness for the whole suite, and its caches."""

import fcntl
import gc
import hashlib
from importlib import metadata
import os
import shutil

# Before JAX starts: four simulated devices for the runners. On a GPU: benchmarks/accelerator.sh.
os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Where XLA still has its older emitter of kernels: it compiles in less than half of the time.
if tuple(map(int, metadata.version('jaxlib').split('.')[:2])) < (0, 11):
    os.environ['XLA_FLAGS'] = '--xla_cpu_use_fusion_emitters=false'

import jax
import pytest

from gan_jax.io import paths
from tests.data import photos

jax.config.update('jax_numpy_rank_promotion', 'raise')
# Most of the suite's time is compilation; a test of the optimised program switches this back.
jax.config.update('jax_disable_most_optimizations', True)


# Compiled programs are shared by all processes of the suite and kept for its next run.
COMPILED = str(paths.cache() / 'tests' / 'xla')
os.environ['JAX_COMPILATION_CACHE_DIR'] = COMPILED
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
jax.config.update('jax_compilation_cache_dir', COMPILED)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


# The search for garbage goes through all modules and tests each time, a quarter of a training.
gc.disable()


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory):
    """Prepared sets, for the tests of this process and their subprocesses."""
    folder = tmp_path_factory.mktemp('cache')
    os.environ['GAN_JAX_CACHE'] = str(folder)
    return folder


@pytest.fixture(scope='session')
def once(tmp_path_factory):
    """(name, make) -> a folder that `make` has filled, once for all processes of the suite."""
    home = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        home = home.parent

    def folder(name, make):
        with (home / f'{name}.lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / name).exists():
                made = tmp_path_factory.mktemp('once') / name
                make(made)
                made.rename(home / name)
        return home / name

    return folder


@pytest.fixture(scope='session')
def album(once):
    """Six photos of the size that a translator's run stores."""
    return once('photos', lambda folder: photos.album(folder, 6, (64, 64)))


@pytest.fixture(scope='session')
def train_once(once):
    """(config, workdir) leaves in `workdir` the run of a config, which is trained once for all."""
    from tests import trainer_test

    def train(config, workdir):
        name = hashlib.sha256(config.to_json().encode()).hexdigest()
        shutil.copytree(once(name, lambda folder: trainer_test.train(config, folder)), workdir)
        return workdir

    return train
