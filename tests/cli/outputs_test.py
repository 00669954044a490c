"""A user's files are neither replaced nor mixed up unasked, and a refusal leaves nothing."""

import os
import re

import numpy as np
import pytest

from gan_jax import cli
from gan_jax.config import experiments
from gan_jax.errors import UserError
from gan_jax.io import images
from gan_jax.records import workdirs
from tests.cli.commands_test import fails
from tests.data.photos import album, listing

NO_RUN = '--workdir=no_run'
FOLDER = '--config.data.name=folder'
LEARNS = ['--config=quickstart', FOLDER, '--config.data.path=photos', '--config.data.image_size=28']

REPLACING = {
    'grid': ['sample', NO_RUN, '--output=there.png'],
    'walk': ['sample', NO_RUN, '--output=there.gif'],
    'arrays': ['sample', NO_RUN, '--output=there.npz'],
    'files': ['sample', NO_RUN, '--output=photos'],
    'sheet': ['data', '--output=there.png'],
    'classes': ['classify', NO_RUN, '--input=photos', '--output=there.csv'],
    'translation': ['translate', NO_RUN, '--input=photos/000.jpg', '--output=there.png'],
    'translations': ['translate', NO_RUN, '--input=photos', '--output=full'],
    'artefact': ['export', NO_RUN, '--output=there.bin'],
    'weights': ['export', NO_RUN, '--output=weights.bin'],
    'figures': ['benchmark', '--json=there.json'],
    'chart': ['benchmark', '--json=chart.json', '--sweep=batch_size'],
    'forecast': ['compile', '--topology=v5e:2x4', '--json=there.json'],
    'crops': ['clean', '--input=photos', '--output=full'],
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The current folder, with files of a user's."""
    monkeypatch.chdir(tmp_path)
    names = ['there.png', 'there.gif', 'there.npz', 'there.csv', 'there.bin', 'there.json']
    for name in (*names, 'weights.bin.safetensors', 'chart.png', 'full/other.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'mine')
    album(tmp_path / 'photos', 3)
    return tmp_path


@pytest.mark.parametrize('case', REPLACING)
def test_what_is_there_is_neither_replaced_nor_mixed(case, home, capsys):
    before = listing(home)
    line = fails(capsys, *REPLACING[case])
    assert ' there' in line or ' holds ' in line
    assert '--overwrite' in line or 'name a new folder' in line
    assert listing(home) == before


def test_a_sheet_is_replaced_by_the_next_one_and_nothing_else_is(home, capsys):
    argv = ['data', '--config.data.num_examples=64', '--output=sheet.png']
    assert cli.main(argv) == cli.main(argv) == 0
    images.write_png(home / 'sheet.png', np.zeros((8, 8, 3), np.uint8))
    assert '--overwrite' in fails(capsys, *argv)
    assert cli.main([*argv, '--overwrite']) == 0


REFUSED = {
    'sample': ['sample', NO_RUN, '--output=new/deep/grid.png'],
    'samples': ['sample', NO_RUN, '--output=new/deep'],
    'export': ['export', NO_RUN, '--output=new/net.bin'],
    'translate': ['translate', NO_RUN, '--input=photos', '--output=new/deep'],
    'classify': ['classify', NO_RUN, '--input=photos', '--output=new/classes.csv'],
    'sheet': ['data', FOLDER, '--config.data.path=none', '--output=new/sheet.png'],
    'benchmark': ['benchmark', '--config.loss=none', '--json=new/speed.json'],
    'compile': ['compile', '--topology=none', '--json=new/forecast.json'],
    'clean': ['clean', '--input=broken', '--output=new/deep'],
    'config': ['train', '--config.loss=none', '--workdir=new/run'],
    'pictures': ['train', *LEARNS, '--config.data.path=broken', '--workdir=new/run'],
    'batch': ['train', *LEARNS, '--config.batch_size=64', '--workdir=new/run'],
    'network': ['train', '--config.gen.net.width=-1', '--workdir=new/run'],
    'study': ['study', 'labels', '--smoke', '--only=none', '--workdir=new', '--results=new/rows'],
}


@pytest.mark.parametrize('case', REFUSED)
def test_a_refused_command_leaves_nothing(case, home, capsys):
    (home / 'broken').mkdir()
    (home / 'broken/a.jpg').write_bytes(b'no picture')
    before = listing(home)
    fails(capsys, *REFUSED[case])
    assert listing(home).keys() == before.keys()


TRAIN = ['train', *LEARNS]
PAIRS = ['--config.data.name=pairs', '--config.data.input=folder', '--config.data.input_path=full']
INSIDE = {
    'named': [*TRAIN, '--workdir=photos/deep/run'],
    'the album itself': [*TRAIN, '--workdir=photos'],
    'by default': [*TRAIN, '--config.data.path=.'],
    'inputs': [*TRAIN, *PAIRS, '--workdir=full/run'],
    'sheet': ['data', *LEARNS, '--output=photos/data.png'],
    'sheet of pairs': ['data', *LEARNS, *PAIRS, '--output=full/new/sheet.png'],
    'translations': ['translate', NO_RUN, '--input=photos', '--output=photos/out'],
    'translations over photos': ['translate', NO_RUN, '--input=photos', '--output=photos'],
    'crops': ['clean', '--input=photos', '--output=photos/out'],
}


@pytest.mark.parametrize('case', INSIDE)
def test_nothing_is_written_among_the_pictures_that_are_read(case, home, capsys):
    before = listing(home)
    line = fails(capsys, *INSIDE[case])
    assert re.search(r'--(workdir|output)=.* is inside (config.data.|--input)', line)
    assert listing(home) == before


def test_an_album_is_not_taken_for_a_workdir(home, capsys):
    before = listing(home)
    assert 'holds pictures' in fails(
        capsys, 'train', '--config=quickstart:smoke', '--workdir=photos'
    )
    assert listing(home).keys() == before.keys()


@pytest.mark.parametrize('name', workdirs.CONTENT)
@pytest.mark.parametrize('kind', ['pipe', 'nowhere', 'other'])
def test_a_run_s_files_are_files_and_its_folders_folders(name, kind, home):
    path = home / 'run' / name
    path.parent.mkdir()
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'nowhere':
        path.symlink_to('/no/such')
    elif name in workdirs.FOLDERS:
        path.touch()
    else:
        path.mkdir()
    config = experiments.load('quickstart')
    before = listing(home).keys()
    ready = workdirs.prepared(home / 'run', config, overwrite=False)
    with pytest.raises(UserError, match=f'run/{name}|holds {name}'), ready:
        pass
    assert listing(home).keys() == before


def test_to_start_anew_takes_a_link_away_and_not_what_it_leads_to(home):
    for name in ('checkpoints', 'config.json'):
        (home / 'run').mkdir(exist_ok=True)
        (home / 'run' / name).symlink_to(home / ('full' if name == 'checkpoints' else 'there.png'))
    workdirs.clear(home / 'run')
    assert not list((home / 'run').iterdir()) and (home / 'full' / 'other.txt').exists()
