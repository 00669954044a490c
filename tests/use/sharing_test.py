"""Shared folders: opened by every command without the data, and safe to open."""

import json
import shutil

import numpy as np
from PIL import Image
import pytest
import safetensors.numpy
import yaml

import gan_jax
from gan_jax import cli
from gan_jax.io import digests
from gan_jax.records import shared
from gan_jax.use import sharing, trained
from tests import trainer_test
from tests.cli.commands_test import fails
from tests.data import photos
from tests.use import classifying_test, translating_test


@pytest.fixture(scope='module')
def run(train_once, tmp_path_factory):
    """A run with classes, and what was measured of it."""
    home = tmp_path_factory.mktemp('sharing')
    train_once(trainer_test.conditional(), home / 'run')
    gan_jax.load(home / 'run').evaluate(60)
    return home / 'run'


@pytest.fixture(scope='module')
def folder(run):
    output = run.parent / 'folder'
    flags = [f'--workdir={run}', f'--output={output}', '--format=folder']
    assert cli.main(['export', *flags]) == 0
    return output


def test_it_makes_the_same_images_and_holds_what_is_in_use_alone(run, folder):
    mine, theirs = gan_jax.load(run), gan_jax.load(folder)
    assert theirs.step == mine.step == 4 and theirs.class_names == mine.class_names
    np.testing.assert_array_equal(theirs.sample(5), mine.sample(5))
    held = safetensors.numpy.load_file(folder / shared.WEIGHTS)
    average = digests.host_leaves(trained.load(run).state.ema.gen)
    assert held.keys() == {f'ema/gen/{path}' for path in average}


def test_it_tells_nothing_of_where_it_was_made(run, folder):
    told = json.loads((folder / 'run.json').read_text())
    assert not {'command', 'platform', 'devices'} & told.keys()
    config = json.loads((folder / 'config.json').read_text())
    assert config['data']['path'] == config['data']['added'] == ''
    texts = [path.read_bytes() for path in folder.iterdir()]
    assert not any(str(run.parent).encode() in text for text in texts)
    assert not (folder / 'neighbours.png').exists()  # which shows training images


def test_the_card_has_metadata_a_picture_and_figures_with_their_measure(run, folder):
    card = (folder / 'README.md').read_text()
    _, head, body = card.split('---\n', 2)
    metadata = yaml.safe_load(head)
    assert metadata['library_name'] == 'gan-jax' and 'license' not in metadata
    [result] = metadata['model-index'][0]['results']
    measured = json.loads((run / 'evaluation.json').read_text())
    metrics = {metric['type']: metric['value'] for metric in result['metrics']}
    assert metrics['frechet_digits'] == measured['figures']['frechet_digits']
    assert measured['reference']['fingerprint'][:12] in body and '| Coverage |' in body
    assert body.count(sharing.FILL_IN) == 2 and '](samples.png)' in body
    with Image.open(folder / 'samples.png') as picture:
        assert picture.size[0] >= 8 * sharing.SIDE


def test_figures_of_another_step_are_left_out(run, tmp_path):
    shutil.copytree(run, tmp_path / 'run')
    found = json.loads((run / 'evaluation.json').read_text())
    (tmp_path / 'run' / 'evaluation.json').write_text(json.dumps(found | {'step': 1}))
    sharing.write(tmp_path / 'run', 0, tmp_path / 'folder', None)
    assert not (tmp_path / 'folder' / 'evaluation.json').exists()
    assert 'Not measured at this step' in (tmp_path / 'folder' / 'README.md').read_text()


def test_nothing_is_left_of_what_was_there_before_but_a_run_is(run, folder, tmp_path, capsys):
    fresh = {path.name for path in folder.iterdir()} - {'evaluation.json'}
    shutil.copytree(run, tmp_path / 'run')
    shutil.copytree(folder, tmp_path / 'folder')
    (tmp_path / 'run' / 'evaluation.json').unlink()  # as if that step was not measured
    (tmp_path / 'folder' / 'neighbours.png').touch()  # training images, of `gan-jax evaluate`
    sharing.write(tmp_path / 'run', 0, tmp_path / 'folder', None)
    assert {path.name for path in (tmp_path / 'folder').iterdir()} == fresh
    words = ['--format=folder', '--overwrite', f'--workdir={folder}', f'--output={tmp_path}/run']
    assert 'is the folder of a run' in fails(capsys, 'export', *words)
    assert gan_jax.load(tmp_path / 'run').config == gan_jax.load(run).config
    words[-1] = f'--output={tmp_path}/new'
    assert 'leave it out' in fails(capsys, 'export', *words, f'--input={tmp_path}')


@pytest.mark.newest
def test_every_command_opens_it(run, folder, tmp_path, capsys):
    copy = tmp_path / 'copy'
    shutil.copytree(folder, copy)
    of = f'--workdir={copy}'
    assert cli.main(['sample', of, f'--output={tmp_path}/a.png', '--step=best']) == 0
    assert cli.main(['evaluate', of, '--num_samples=60']) == 0
    assert cli.main(['export', of, f'--output={tmp_path}/a.bin']) == 0
    assert cli.main(['export', of, f'--output={tmp_path}/b', '--format=folder']) == 0
    assert cli.main(['digest', of]) == 0
    assert 'step 4' in capsys.readouterr().out
    line = fails(capsys, 'train', of)
    assert 'shared folder, whose run cannot go on' in line
    assert 'of step 4 alone' in fails(capsys, 'sample', of, '--step=7', '--output=b.png')


def test_paths_of_a_stranger_are_not_followed(folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'copy')
    config = json.loads((folder / 'config.json').read_text())
    config['data'] |= {'path': '/etc', 'added': '/etc/passwd'}
    (tmp_path / 'copy' / 'config.json').write_text(json.dumps(config))
    found = gan_jax.load(tmp_path / 'copy').config.data
    assert found.path == found.added == ''


def _cut(weights, name):
    weights[name] = weights[name][..., :1]


def _drop(weights, name):
    del weights[name]


DAMAGE = {'another shape': _cut, 'lacks': _drop}


@pytest.mark.parametrize('message', DAMAGE)
def test_weights_that_do_not_fit_are_one_line(message, folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'copy')
    path = tmp_path / 'copy' / shared.WEIGHTS
    weights = safetensors.numpy.load_file(path)
    DAMAGE[message](weights, next(iter(weights)))
    safetensors.numpy.save_file(weights, path, {'step': '4'})
    with pytest.raises(gan_jax.UserError, match=message):
        gan_jax.load(tmp_path / 'copy')


@pytest.mark.parametrize('content', [b'', b'{}', bytes(100), b'\xff' * 1_000])
def test_a_damaged_file_is_one_line(content, folder, tmp_path):
    shutil.copytree(folder, tmp_path / 'copy')
    (tmp_path / 'copy' / shared.WEIGHTS).write_bytes(content)
    with pytest.raises(gan_jax.UserError, match='damaged, or not of'):
        gan_jax.load(tmp_path / 'copy')


def test_a_classifier_is_shared_with_its_accuracy(train_once, tmp_path):
    train_once(classifying_test.tiny(), tmp_path / 'run')
    assert cli.main(['classify', f'--workdir={tmp_path}/run', '--split=validation']) == 0
    written = sharing.write(tmp_path / 'run', 0, tmp_path / 'folder', None)
    assert tmp_path / 'folder' / 'classification.json' in written
    digit = np.zeros((28, 28, 1), np.uint8)
    mine, theirs = gan_jax.load(tmp_path / 'run'), gan_jax.load(tmp_path / 'folder')
    np.testing.assert_array_equal(theirs.classify(digit), mine.classify(digit))
    assert 'are recognised' in (tmp_path / 'folder' / 'README.md').read_text()


def test_of_a_translator_no_picture_goes_out_but_those_named(train_once, album, tmp_path):
    train_once(translating_test.tiny(album), tmp_path / 'run')
    written = sharing.write(tmp_path / 'run', 0, tmp_path / 'none', None)
    assert not any(path.suffix == '.png' for path in written)
    named = photos.album(tmp_path / 'named', 2, (80, 64))
    sharing.write(tmp_path / 'run', 0, tmp_path / 'some', named)
    with Image.open(tmp_path / 'some' / 'samples.png') as picture:
        assert picture.size == (4 * 66 + 2, 68)
    photo = next(named.iterdir())
    mine, theirs = gan_jax.load(tmp_path / 'run'), gan_jax.load(tmp_path / 'none')
    np.testing.assert_array_equal(theirs.translate(photo), mine.translate(photo))
