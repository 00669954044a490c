"""`gan-jax clean` as a user types it."""

import csv
from functools import partial
import shlex

import pytest

from faces import detector
from gan_jax import cli
from gan_jax.config import experiments
from tests.cli.commands_test import fails
from tests.faces import discs


@pytest.fixture(autouse=True)
def found_discs(monkeypatch):
    """Discs instead of cats."""
    monkeypatch.setattr(detector, 'make_detector', lambda name: discs.detector())


@pytest.fixture
def photos(tmp_path):
    """Two photos, one with a face, and a file that is none."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    (folder / 'cat.png').write_bytes(discs.encoded(discs.photo(seed=1)))
    (folder / 'dog.png').write_bytes(discs.encoded(discs.photo(discs=[], seed=2)))
    (folder / 'text.jpg').write_bytes(b'text')
    return folder


def test_it_says_what_became_of_the_photos(photos, tmp_path, capsys):
    output = tmp_path / 'my cats'
    assert cli.main(['clean', f'--input={photos}', f'--output={output}']) == 0
    printed = capsys.readouterr()
    assert '3 photos in' in printed.out and 'photos/s' in printed.out
    words = printed.out.split()
    for decision in ('kept', 'no_face', 'unreadable'):
        assert words[words.index(decision) + 1] == '1'
    words = shlex.split(printed.out.splitlines()[-1].removeprefix('to train: '))
    assert words[:2] == ['gan-jax', 'train'] and f'--config.data.path={output}/crops' in words
    experiments.load(words[2].removeprefix('--config='))
    assert 'text.jpg: not an image' in printed.err and 'clean 3/3 (100%)' in printed.err
    with (output / 'report.csv').open(newline='') as file:
        assert [row['decision'] for row in csv.DictReader(file)] == [
            'kept',
            'no_face',
            'unreadable',
        ]


def test_another_size_is_said_to_the_trainer(photos, tmp_path, capsys):
    argv = ['clean', f'--input={photos}', f'--output={tmp_path}/out', '--size=32']
    assert cli.main(argv) == 0
    assert 'my_images:32' in capsys.readouterr().out


def test_mistakes_are_one_line(photos, tmp_path, capsys):
    refused = partial(fails, capsys, 'clean')
    given, output = f'--input={photos}', f'--output={tmp_path}/out'
    assert 'clean needs --input' in refused(output)
    assert 'clean needs --output' in refused(given)
    assert '--input=none cannot be opened' in refused('--input=none', output)
    assert 'detector=dog' in refused(given, output, '--detector=dog')
    assert 'size=4' in refused(given, output, '--size=4')
    assert 'min_face=-1' in refused(given, output, '--min_face=-1')
    assert 'min_face=nan: must be a finite' in refused(given, output, '--min_face=nan')
    assert '--keep=none: cannot be read' in refused(given, output, '--keep=none')
    (tmp_path / 'list.txt').write_text('cow.png\n')
    message = refused(given, output, f'--reject={tmp_path}/list.txt')
    assert "--reject: no image 'cow.png' in --input" in message
    (tmp_path / 'empty').mkdir()
    assert 'holds no images' in refused(f'--input={tmp_path}/empty', output)
    assert not (tmp_path / 'out').exists()
