"""Images of every shape and kind through every command, at smoke size."""

import cv2
import numpy as np
from PIL import Image
import pytest

from gan_jax import cli
from tests.data import photos

COUNT = 40  # pictures of a folder
FOLDER = ['--config=dcgan64:smoke', '--config.data.name=folder', '--config.data.path=set']
FOLDER += [f'--config.data.num_examples={COUNT}']
SHORT = ['--config.steps=4', '--config.save_every=2', '--config.sample_every=4']
LABELS = ['--config.data.attributes=Smiling,Male', '--config.conditional=True']
# What a run is trained with, and what is done with it.
RUNS = {
    'pairs of rectangles': ['--config=pix2pix_grey:smoke', '--config.data.image_size=64x96']
    + ['--config.gen.net.depth=5'],
    'rectangles with alpha': [*FOLDER, '--config.data.image_size=32x48']
    + ['--config.data.channels=rgba', '--config.augment=color,translation'],
    'attributes': [*FOLDER, '--config.data.image_size=32', *LABELS],
    '16 bits of grey': [*FOLDER, '--config.data.image_size=32']
    + ['--config.data.channels=grey', '--config.data.deep=True'],
}
# Of the pictures that `sample` writes: their type, and their shape.
KINDS = {'rectangles with alpha': (np.uint8, 32, 48, 4), '16 bits of grey': (np.uint16, 32, 32, 1)}


def commands(home, translates):
    """The commands of the README, on `home`/run."""
    run = f'--workdir={home / "run"}'
    used = [
        ['sample', run, f'--output={home / "grid.png"}', '--num=4'],
        ['sample', run, f'--output={home / "walk.gif"}', '--walk=2', '--num=2'],
        ['sample', run, f'--output={home / "single"}', '--num=2'],
        ['project', run, f'--input={home / "a.png"}', f'--output={home / "found"}']
        + ['--features=none'],
        ['sample', run, f'--latents={home / "found" / "a.npz"}', f'--output={home / "a2.png"}'],
        ['evaluate', run, '--num_samples=20', '--features=digits'],
    ]
    if translates:
        used = [['translate', run, f'--input={home / "a.png"}', f'--output={home / "made.png"}']]
    folder = home / 'folder'
    shared = [['export', run, '--format=folder', f'--output={folder}']]
    return [['digest', run], *used, *shared, ['digest', f'--workdir={folder}']]


def asked(home):
    """Samples by attributes, and a combination that no picture has."""
    sample = ['sample', f'--workdir={home / "run"}', '--num=3']
    return [
        [*sample, f'--labels={words}', f'--output={home / name}']
        for name, words in {
            'smiling': 'Smiling',
            'both': 'Male,Smiling',
            'odd': '-Smiling,Male',
        }.items()
    ]


def write_folder(folder):
    """Pictures with alpha, and of 16 bits in every second one; a table of two attributes."""
    folder.mkdir()
    rows = [
        f'{number}.png,{int(number % 3 == 0)},{int(number % 6 == 0)}' for number in range(COUNT)
    ]
    (folder / 'labels.csv').write_text('\n'.join(['file,Smiling,Male', *rows]))
    for number in range(COUNT):
        image = np.asarray(photos.photo(number, (40, 40)))
        image = np.concatenate([image, image[..., :1]], axis=-1)
        image = image.astype(np.uint16) * 257 if number % 2 else image
        cv2.imwrite(str(folder / f'{number}.png'), image)


@pytest.mark.slow
@pytest.mark.parametrize('name', RUNS)
def test_a_run_goes_through_every_command(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos.photo(0, (200, 130)).save(tmp_path / 'a.png')
    in_folder = RUNS[name][: len(FOLDER)] == FOLDER
    if in_folder:
        write_folder(tmp_path / 'set')
    assert cli.main(['data', *RUNS[name], f'--output={tmp_path / "sheet.png"}']) == 0
    assert cli.main(['train', *RUNS[name], *SHORT, f'--workdir={tmp_path / "run"}']) == 0
    translates = 'pix2pix' in RUNS[name][0]
    more = asked(tmp_path) if name == 'attributes' else []
    for words in [*commands(tmp_path, translates), *more]:
        assert cli.main(words) == 0, words
    with Image.open(tmp_path / ('made.png' if translates else 'a2.png')) as made:
        size = (200, 130) if translates else (52, 36) if 'alpha' in name else (36, 36)
        assert made.size == size and made.mode == ('L' if 'grey' in name else 'RGB')
    if name in KINDS:
        single = cv2.imread(str(tmp_path / 'single' / '00000.png'), cv2.IMREAD_UNCHANGED)
        assert (single.dtype, *np.atleast_3d(single).shape) == KINDS[name]
    if name == 'attributes':
        both = sorted(path.name for path in (tmp_path / 'both').iterdir())
        assert both[0] == '00000_3_Smiling_Male.png'
        unseen = 'no training image is 1=-Smiling,Male: drawn by its attributes'
        assert unseen in capsys.readouterr().out
