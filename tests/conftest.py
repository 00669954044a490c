"""Strictness for the whole suite, and its caches."""

import fcntl
import functools
import gc
import hashlib
from importlib import metadata
import json
import os
import shutil

# Before JAX starts: four simulated devices for the runners. On a GPU: benchmarks/accelerator.sh.
os.environ['JAX_NUM_CPU_DEVICES'] = '4'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Most of the suite's time is compilation; a test of the optimised program switches this back.
os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'
# Parts of a program that are compiled side by side cost more, and other tests have the other cores.
os.environ['XLA_FLAGS'] = '--xla_cpu_parallel_codegen_split_count=1'
# Where XLA still has its older emitter of kernels: it compiles in less than half of the time.
if tuple(map(int, metadata.version('jaxlib').split('.')[:2])) < (0, 11):
    os.environ['XLA_FLAGS'] += ' --xla_cpu_use_fusion_emitters=false'

import jax
import pytest

from gan_jax import runners, tasks
from gan_jax.io import paths
from tests.data import photos

jax.config.update('jax_numpy_rank_promotion', 'raise')


# Compiled programs are shared by all processes of the suite and kept for its next run.
COMPILED = str(paths.cache() / 'tests' / 'xla')
os.environ['JAX_COMPILATION_CACHE_DIR'] = COMPILED
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
jax.config.update('jax_compilation_cache_dir', COMPILED)
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


# A tenth of all tracing is frames of JAX that it hides from a traceback.
jax.config.update('jax_traceback_filtering', 'off')

# The search for garbage goes through all modules and tests each time, a quarter of a training.
gc.disable()
gc.set_threshold(20_000, 20, 20)  # and through what is traced


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope='module', autouse=True)
def frozen():
    """Keeps what a module has traced out of the search for garbage of those after it."""
    yield
    gc.freeze()


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


# What of a config is about a run's files and its length, not about what a step computes.
_OF_THE_RUN = {'name', 'sample_every', 'save_every', 'keep', 'least_s', 'tensorboard', 'on_nan'}
_OF_THE_RUN |= {'evaluate', 'stop', 'runner', 'devices', 'steps_per_call'}
_OF_THE_FILES = {'path', 'num_examples', 'subset_seed', 'feed', 'enough', 'labels'}


def _computed(config):
    """The part that two configs share whose steps, on data of one shape, are the same program."""
    found = {name: value for name, value in config.to_dict().items() if name not in _OF_THE_RUN}
    found['data'] = {k: v for k, v in found['data'].items() if k not in _OF_THE_FILES}
    found['start_from'] = bool(found['start_from'])
    schedules = {found[role]['optimizer']['schedule'] for role in ('gen', 'disc')}
    if schedules == {'constant'} and not found['semisupervised']['equal_end']:
        del found['steps']
    return json.dumps(found, sort_keys=True)


@pytest.fixture(scope='session', autouse=True)
def traced_once():
    """In one process the runs of a config share its functions, so that JAX traces each once."""
    make_task, make_runner, compile_call = tasks.make, runners.make, runners.compiled
    tasks_made, runners_made, programs = {}, {}, {}

    def task(config, spec, *, axis_name):
        key = _computed(config), spec, axis_name
        if key not in tasks_made:
            tasks_made[key] = make_task(config, spec, axis_name=axis_name)
        return tasks_made[key]

    def runner(name, num_devices):
        key = runners.resolve(name), num_devices, runners.loops
        if key not in runners_made:
            made = make_runner(name, num_devices)
            runners_made[key] = made._replace(compile=functools.cache(made.compile))
        return runners_made[key]

    def program(runner, call, *arguments, deterministic):
        leaves, structure = jax.tree.flatten(arguments)
        key = call, structure, *((leaf.shape, leaf.dtype, leaf.sharding) for leaf in leaves)
        if key not in programs:
            programs[key] = compile_call(runner, call, *arguments, deterministic=deterministic)
        return programs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, 'make', task)
        patch.setattr(runners, 'make', runner)
        patch.setattr(runners, 'compiled', program)
        yield


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
