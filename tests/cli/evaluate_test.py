"""gan-jax evaluate: what it writes, that it repeats itself, and one line for every mistake."""

import json

import numpy as np
from PIL import Image
import pytest

from gan_jax import cli, data
from gan_jax.errors import UserError
from gan_jax.evaluation import samples
from gan_jax.use import assessing, trained
from tests import report_test, trainer_test
from tests.cli.commands_test import fails
from tests.use import classifying_test

FLAGS = '--num_samples=40'


@pytest.fixture(scope='module')
def run(train_once, tmp_path_factory):
    """A small class-conditional run on 40 digits."""
    return train_once(trainer_test.conditional(), tmp_path_factory.mktemp('evaluate') / 'run')


def write_digits(folder, count=30, side=28, scale=1.0):
    folder.mkdir(parents=True)
    images = data.load(trainer_test.tiny(**{'data.num_examples': count}).data).arrays().image
    for number, image in enumerate(images):
        picture = Image.fromarray((image[..., 0] * scale).astype(np.uint8))
        picture.resize((side, side)).save(folder / f'{number}.png')
    return folder


def evaluate(workdir, *flags):
    assert cli.main(['evaluate', f'--workdir={workdir}', FLAGS, *flags]) == 0
    return json.loads((workdir / 'evaluation.json').read_text())


@pytest.mark.newest
def test_figures_are_written_with_all_they_are_shown_with(run, capsys):
    found = evaluate(run)
    text = capsys.readouterr().out
    for part in (
        'digits, version',
        'training images (mnist5k, split train)',
        'Resize filter',
        '40',
    ):
        assert part in text
    assert found['step'] == 4 and found['samples'] == 40 and found['seed'] == 0
    assert found['features']['name'] == 'digits' and len(found['features']['fingerprint']) == 64
    assert found['reference']['role'] == 'training images' and found['reference']['images'] == 40
    assert len(found['reference']['fingerprint']) == 64
    assert 'frechet_digits' in found['figures']
    assert 'memorisation' not in found['figures']  # without held-out images
    assert any('trained on, for want of others' in note for note in found['notes'])
    with Image.open(run / 'neighbours.png') as picture:
        assert min(picture.size) > 400
    assert not list(run.glob('.*tmp'))
    _, page = report_test.read(run)
    assert 'evaluation' in page.ids
    fingerprints = (found[part]['fingerprint'][:12] for part in ('features', 'reference'))
    for part in ('FD-digits', 'digits, version', 'Resize filter', *fingerprints):
        assert part in page.text


def test_the_same_figures_again(run):
    first = evaluate(run)
    assert evaluate(run) == first
    earlier = evaluate(run, '--step=2')
    assert earlier['step'] == 2
    assert earlier['figures']['frechet_digits'] != first['figures']['frechet_digits']


def test_a_folder_is_a_reference(run, tmp_path):
    found = evaluate(run, f'--reference={write_digits(tmp_path / "digits")}')
    assert found['reference']['role'] == 'images of a folder' and found['reference']['images'] == 30
    assert 0 <= found['figures']['memorisation'] <= 1
    assert any('presumes reference images' in note for note in found['notes'])


def test_without_its_own_data_a_note_says_why(run, tmp_path, monkeypatch):
    def fail(config):
        raise UserError(f'config.data.name={config.name}: gone; put it back')

    folder = write_digits(tmp_path / 'digits')
    monkeypatch.setattr(assessing.data, 'load', fail)
    found = evaluate(run, f'--reference={folder}')
    assert not {'copies', 'memorisation'} & found['figures'].keys()
    assert any('can be told (config.data.name=mnist5k: gone; put' in n for n in found['notes'])


def test_a_note_says_how_many_kinds_of_samples_there_are(run, train_once, tmp_path):
    assert not any('mixture' in note for note in evaluate(run)['notes'])
    notes = evaluate(train_once(trainer_test.mixed(), tmp_path / 'run'))['notes']
    assert any('mixture of 4 ' in note for note in notes)


def test_a_semisupervised_run_is_evaluated(train_once, tmp_path):
    found = evaluate(train_once(classifying_test.tiny(), tmp_path / 'run'))
    assert found['step'] == 4 and found['reference']['images'] == 100


def test_samples_are_prefixes_of_each_other_with_uniform_labels(run):
    loaded = trained.load(run)
    few, many = (samples.Samples(loaded.task, 0, count) for count in (20, 500))
    np.testing.assert_array_equal(few.label, many.label[:20])
    np.testing.assert_array_equal(few(loaded.state), many(loaded.state)[:20])
    counts = np.bincount(many.label, minlength=10)
    assert len(counts) == 10 and counts.min() > 25 and counts.max() < 80
    other = samples.Samples(loaded.task, 1, 20)
    assert not np.array_equal(other(loaded.state), few(loaded.state))


@pytest.mark.slow
def test_an_album_may_move_and_may_not_change(tmp_path, monkeypatch, capsys):
    write_digits(tmp_path / 'album', 30)
    monkeypatch.chdir(tmp_path)
    small = ['--config.gen.net.name=dcgan', '--config.disc.net.name=dcgan', '--config.steps=2']
    small += ['--config.gen.net.width=8', '--config.disc.net.width=8', '--config.batch_size=4']
    small += ['--config.conditional=False']
    flags = ['--config.data.name=folder', '--config.data.path=album', '--config.data.image_size=32']
    assert cli.main(['train', '--workdir=run', *small, *flags, '--config.devices=1']) == 0
    monkeypatch.chdir(tmp_path.parent)
    features = '--features=digits'
    found = evaluate(tmp_path / 'run', features)
    (tmp_path / 'album').rename(tmp_path / 'elsewhere')
    assert 'config.data.path=' in fails(capsys, 'evaluate', f'--workdir={tmp_path}/run', features)
    moved = f'--config.data.path={tmp_path}/elsewhere'
    assert evaluate(tmp_path / 'run', features, moved) == found
    (tmp_path / 'elsewhere' / '0.png').unlink()
    words = ['evaluate', f'--workdir={tmp_path}/run', features, moved]
    assert 'not the images' in fails(capsys, *words)


MISTAKES = {
    'samples': (['--num_samples=5'], '--num_samples=5: the distances need at least 12 samples'),
    'none': (['--num_samples=0'], '--num_samples=0: 0 is not an integer in the range'),
    'no folder': (['--reference=nowhere'], '--reference=nowhere cannot be opened'),
    'size': (['--reference=large'], '--reference=large: 0.png has 32x32 pixels, and the'),
    'range': (['--reference=dark'], '--reference=dark: its pixels are all between 0 and 1'),
    'colour': (['--reference=colour'], '--reference=colour: 0.png has colours'),
    'few': (['--reference=few'], '--reference: few has 5 images, and the distances need at least'),
    'faint': (['--reference=faint'], '--reference=faint: its pixels are all between 0 and 2'),
    'same': (['--reference=same'], '--reference: same has 20 images that are all the same'),
    'damaged': (['--reference=damaged'], '--reference=damaged: 0.png cannot be read'),
}


@pytest.mark.parametrize('flags, message', MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(flags, message, run, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path / 'large', 20, side=32)
    write_digits(tmp_path / 'dark', 20, scale=1 / 255)
    write_digits(tmp_path / 'faint', 20, scale=2 / 255)
    write_digits(tmp_path / 'few', 5)
    (tmp_path / 'same').mkdir()
    for number in range(20):
        Image.new('L', (28, 28), 200).save(tmp_path / 'same' / f'{number}.png')
    (tmp_path / 'damaged').mkdir()
    (tmp_path / 'damaged' / '0.png').write_bytes(b'\x89PNG but no more')
    (tmp_path / 'colour').mkdir()
    Image.new('RGB', (28, 28), 'red').save(tmp_path / 'colour' / '0.png')
    monkeypatch.setattr(assessing, 'Samples', None)  # it is found before any is drawn
    assert message in fails(capsys, 'evaluate', f'--workdir={run}', FLAGS, *flags)
