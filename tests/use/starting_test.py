"""Runs that start from the weights of others."""

import shutil

import jax
import numpy as np
import pytest

from gan_jax import cli, tasks, trainer
from gan_jax.data import load as load_data
from gan_jax.errors import UserError
from gan_jax.io import digests
from gan_jax.records import workdirs
from gan_jax.report import run as report_run
from gan_jax.report import sections
from gan_jax.use import starting, trained
from tests import trainer_test

base = trainer_test.finished


def like(base, **changes):
    return trainer_test.tiny(start_from=str(base), **changes)


def read(config):
    spec = load_data(config.data).spec
    return starting.read(config, tasks.make(config, spec, axis_name=None))


def variables(state):
    """The arrays of networks and averages, by path."""
    return digests.host_leaves([state.nets.gen.variables, state.nets.disc.variables, state.ema])


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[p], theirs[p]) for p in ours)


def test_it_has_the_weights_and_averages_of_the_other_run_and_new_optimizers(base):
    start, other = read(like(base)), trained.load(base).state
    assert (start.step, start.fresh) == (4, ())
    assert same(variables(start.state), variables(other))
    moments = jax.tree.leaves([net.opt_state for net in start.state.nets])
    assert int(start.state.step) == 0 and not any(np.any(leaf) for leaf in moments)


def test_the_step_may_be_named(base):
    start = read(like(f'{base}@2'))
    assert start.step == 2
    assert same(variables(start.state), variables(trained.load(base, 2).state))


def test_blocks_that_both_have_are_taken_from_either_end_and_the_others_named(base, tmp_path):
    """An MLP with a layer more before the one that both have."""
    start = read(like(base, **{'disc.net.hidden': (784, 16), 'gen.net.hidden': (16, 8)}))
    theirs = trained.load(base).state.nets
    disc, gen = start.state.nets.disc.params, start.state.nets.gen.params
    for name in (0, 1):
        ours, other = disc[f'Dense_{name + 1}'], theirs.disc.params[f'Dense_{name}']
        np.testing.assert_array_equal(ours['kernel'], other['kernel'])
    np.testing.assert_array_equal(gen['Dense_0']['kernel'], theirs.gen.params['Dense_0']['kernel'])
    assert 'disc/Dense_0' in start.fresh and 'gen/Dense_2' in start.fresh
    assert not {'disc/Dense_1', 'gen/Dense_0'} & {*start.fresh}


def test_a_shared_folder_has_the_generator_alone(base, tmp_path):
    folder = tmp_path / 'folder'
    cli.main(['export', f'--workdir={base}', f'--output={folder}', '--format=folder'])
    start = read(like(folder))
    assert start.fresh == ('disc',)
    average = digests.host_leaves(trained.load(base).state.ema.gen)
    assert same(digests.host_leaves(start.state.nets.gen.variables), average)
    assert same(digests.host_leaves(start.state.ema.gen), average)


def test_an_average_of_another_run_is_not_left_behind_at_once(base, tmp_path):
    first = trained.load(base).state.ema.gen
    trainer_test.train(like(base, steps=2, **{'gen.ema_decay': 0.999}), tmp_path)
    after = trained.load(tmp_path).state.ema.gen
    apart = jax.tree.map(lambda a, b: np.abs(a - b).max(), first, after)
    assert 0 < max(jax.tree.leaves(apart)) < 1e-3


def test_resumed_equals_uninterrupted_though_the_other_run_is_gone(base, tmp_path):
    """Interrupted before its first save."""
    gone = tmp_path / 'gone'
    shutil.copytree(base, gone)
    config = like(gone, save_every=4)
    trainer_test.train(config, tmp_path / 'whole')
    stop = lambda step, row: True  # noqa: E731
    trainer.train(config, tmp_path / 'run', overwrite=False, command='', watch=stop)
    shutil.rmtree(gone)
    for step in (tmp_path / 'run' / 'checkpoints').iterdir():
        if step.name != '0':
            shutil.rmtree(step)
    trainer_test.train(config, tmp_path / 'run')
    assert trainer_test.digest(tmp_path / 'run') == trainer_test.digest(tmp_path / 'whole')
    assert workdirs.read_facts(tmp_path / 'run')['start']['step'] == 4
    page = sections.hero(report_run.read(tmp_path / 'run'))
    assert page.index('Began') < page.index('gone, step 4') < page.index('Steps')


def test_frozen_blocks_stay_and_the_others_move(base, tmp_path):
    trainer_test.train(like(base, **{'disc.freeze': 1}), tmp_path)
    first, after = (trained.load(run).state.nets.disc.params for run in (base, tmp_path))
    moved = {
        name: not all(np.array_equal(first[name][leaf], after[name][leaf]) for leaf in first[name])
        for name in first
    }
    assert moved == {'Dense_0': False, 'Dense_1': True}


BAD = {
    'no run': ('{base}/none', {}, 'start_from={base}/none: no run there'),
    'no step': ('{base}@3', {}, 'start_from={base}@3: '),
    'another net': ('{base}', {'gen.net.name': 'mnist_gan'}, 'config.gen.net.name is mlp'),
    'all frozen': ('{base}', {'disc.freeze': 2}, 'config.disc.freeze=2: must be at most 1'),
    'frozen and new': (
        '{base}',
        {'disc.freeze': 1, 'disc.net.hidden': (8,)},
        'config.disc.freeze=1: disc/Dense_0 has no weights',
    ),
    'frozen from nothing': ('', {'disc.freeze': 1}, 'config.start_from is empty'),
}


@pytest.mark.parametrize('case', BAD)
def test_a_start_that_cannot_be_is_one_line_before_anything_is_written(case, base, tmp_path):
    start, changes, message = BAD[case]
    config = like(start.format(base=base))
    if name := changes.get('gen.net.name'):
        trainer.config_lib.experiments.take_net(config, 'gen', name)
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=message.format(base=base)):
        trainer_test.train(config, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
