"""The Python interface: what the commands do, on arrays."""

import io
import json
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

import gan_jax
from gan_jax import cli, report
from tests import trainer_test
from tests.cli import commands_test
from tests.use import classifying_test, translating_test

# A run with classes, an average, and latents around centres.
workdir = commands_test.run

CODE = """
import sys, gan_jax
assert set(gan_jax.__all__) <= set(dir(gan_jax))
assert not {'jax', 'numpy', 'PIL'} & sys.modules.keys(), 'imported too early'
gan_jax.load
assert 'jax' in sys.modules
"""


@pytest.fixture(scope='module')
def run(workdir):
    return gan_jax.load(workdir)


def test_importing_the_package_imports_no_library():
    found = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_what_is_public_is_there_and_documented():
    for name in gan_jax.__all__:
        assert getattr(gan_jax, name).__doc__
    with pytest.raises(AttributeError, match='nothing'):
        gan_jax.nothing  # noqa: B018


@pytest.mark.newest
def test_samples_are_those_of_the_command(run, workdir, tmp_path):
    flags = [f'--workdir={workdir}', '--seed=5', '--num=7', '--labels=3,4', '--truncation=0.5']
    assert cli.main(['sample', *flags, f'--output={tmp_path}/a.npz']) == 0
    found = run.sample(7, seed=5, labels=(3, '4'), truncation=0.5)
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npz')['image'], found)
    np.testing.assert_array_equal(run.sample(3, seed=5, labels=[3, 4], truncation=0.5), found[:3])
    z = run.latents(7, seed=5, truncation=0.5)
    np.testing.assert_array_equal(run.generate(z, np.resize([3, 4], 7)), found)


def test_truncation_brings_latents_nearer_to_their_centres(run):
    whole, none = run.latents(50), run.latents(50, truncation=0.0)
    assert len(np.unique(none, axis=0)) <= 4  # the centres
    half = run.latents(50, truncation=0.5)
    np.testing.assert_allclose(half - none, (whole - none) / 2, atol=1e-6)


def test_interpolation_goes_from_one_sample_to_the_other(run, workdir, tmp_path):
    samples = run.sample(18, seed=1, labels=[2])
    found = run.interpolate(3, 17, 5, seed=1, labels=[2])
    assert found.shape == (5, 28, 28, 1)
    np.testing.assert_array_equal(found[[0, -1]], samples[[3, 17]])
    flags = [f'--workdir={workdir}', '--seed=1', '--labels=2', '--pick=3,17', '--along=0.25']
    assert cli.main(['sample', *flags, f'--output={tmp_path}/a.npz']) == 0
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npz')['image'], found[1:2])


def test_directions_are_the_same_each_time_and_a_sample_moves_along_them(run, workdir, tmp_path):
    found = run.directions(3)
    assert found.shape == (3, run.config.latent_dim)
    np.testing.assert_array_equal(gan_jax.load(workdir).directions(3), found)
    shift = np.float32([2, -1, 0]) @ found
    moved = run.interpolate(4, 4, 1, shift=shift)
    z = run.latents(5)[4:] + shift
    np.testing.assert_array_equal(run.generate(z, 4), moved)
    flags = [f'--workdir={workdir}', '--pick=4', '--directions=2,-1,0']
    assert cli.main(['sample', *flags, f'--output={tmp_path}/a.npz']) == 0
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npz')['image'], moved)


def test_a_notebook_shows_pictures(run):
    samples = run.sample(10)
    grid, one = (Image.open(io.BytesIO(x._repr_png_())) for x in (samples, samples[0]))
    assert grid.size == (4 * 30 + 2, 3 * 30 + 2) and one.size == (112, 112)
    others = samples.mean(axis=0), samples / 255, samples[:0], samples[0, 0]
    assert all(other._repr_png_() is None for other in others)


MISTAKES = {
    'no image': (lambda run: run.sample(0), 'num=0'),
    'no class': (lambda run: run.sample(1, labels=['ten']), "'ten' is no class"),
    'no place': (lambda run: run.interpolate(0, 1, [2.0]), 'places from 0 to 1'),
    'no sample': (lambda run: run.interpolate(0, -1), 'counted from 0'),
    'other latents': (lambda run: run.generate(np.zeros((1, 3))), r'latents\[1, 3\]'),
    'no truncation': (lambda run: run.sample(1, truncation=2), 'truncation=2'),
    'no classifier': (lambda run: run.classify(np.zeros((9, 9), np.uint8)), 'no classifier'),
    'no translator': (lambda run: run.translate(np.zeros((9, 9), np.uint8)), 'no images'),
    'too many directions': (lambda run: run.directions(1_000), 'there are 8'),
}


@pytest.mark.parametrize('call, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(call, message, run):
    with pytest.raises(gan_jax.UserError, match=message):
        call(run)


def test_a_mistake_names_no_flag(workdir, tmp_path):
    mistakes = {
        'workdir=': lambda: gan_jax.load(tmp_path / 'nope'),
        'overwrite=True': lambda: gan_jax.train(trainer_test.tiny(seed=7), workdir=workdir),
        'step=first: ': lambda: gan_jax.load(workdir, 'first'),
        'labels: ': lambda: gan_jax.load(workdir).sample(1, labels=['ten']),
    }
    for words, call in mistakes.items():
        with pytest.raises(gan_jax.UserError, match=words) as found:
            call()
        assert '--' not in str(found.value)


def test_pictures_are_classified(train_once, tmp_path):
    run = gan_jax.load(train_once(classifying_test.tiny(), tmp_path / 'run'))
    digit = np.zeros((28, 28, 1), np.uint8)
    digit[6:22, 12:16] = 255
    one = run.classify(digit)
    assert one.shape == (10,) and np.isclose(one.sum(), 1, rtol=1e-5)
    Image.fromarray(digit[..., 0]).save(tmp_path / 'digit.png')
    grey, colour = digit[..., 0], digit.repeat(3, axis=-1)
    several = run.classify([digit, grey, colour, tmp_path / 'digit.png', Image.fromarray(grey)])
    np.testing.assert_array_equal(several, [one] * 5)
    np.testing.assert_array_equal(run.classify(np.stack([digit] * 2)), [one] * 2)
    with pytest.warns(UserWarning, match='invert=True turns them'):
        run.classify(255 - digit)
    with pytest.warns(UserWarning, match='turned'):
        np.testing.assert_array_equal(run.classify(255 - digit, invert=True), one)
    for given in (np.zeros((9, 9)), tmp_path / 'none.png'):
        with pytest.raises(gan_jax.UserError, match='pictures: '):
            run.classify(given)


@pytest.mark.slow
def test_pictures_are_translated_as_by_the_command(train_once, album, tmp_path):
    run = gan_jax.load(train_once(translating_test.tiny(album), tmp_path / 'run'))
    photo = next(album.iterdir())
    flags = [f'--workdir={tmp_path}/run', f'--input={photo}', f'--output={tmp_path}/made.png']
    assert cli.main(['translate', *flags]) == 0
    found = run.translate(photo)
    np.testing.assert_array_equal(found, np.asarray(Image.open(tmp_path / 'made.png')))
    [again] = run.translate([np.asarray(Image.open(photo).convert('RGB'))])
    np.testing.assert_array_equal(again, found)
    with pytest.raises(gan_jax.UserError, match='does not start from a latent'):
        run.sample(1)


@pytest.mark.newest
def test_training_tells_how_it_goes_and_stops_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(report, 'write', lambda workdir: None)
    seen = []

    def watch(step, metrics):
        seen.append((step, metrics['loss_g']))
        return step == 4

    config = trainer_test.tiny(steps=2)
    run = gan_jax.train(config, {'steps': 8}, tmp_path, callback=watch)
    assert run.step == 4 and [step for step, _ in seen] == [2, 4]
    assert gan_jax.train(run.config, workdir=tmp_path).step == 8
    assert config.steps == 2  # the caller's own


WRONG = {
    'field': ({'stepz': 1}, "no field config.stepz: did you mean 'steps'"),
    'group': ({'gen.net': 'mlp'}, 'config.gen.net is a group'),
    'type': ({'steps': 'many'}, 'config.steps='),
    'value': ({'steps': 0}, 'config.steps='),
}


@pytest.mark.parametrize('changes, message', WRONG.values(), ids=WRONG)
def test_a_wrong_change_is_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(gan_jax.UserError, match=message):
        gan_jax.train(trainer_test.tiny(), changes, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_figures_are_a_mapping_and_a_table(workdir):
    run = gan_jax.load(workdir)
    found = run.evaluate(200)
    assert json.loads((workdir / 'evaluation.json').read_text()) == found
    assert 'Coverage' in str(found) and '<pre>' in found._repr_html_()
