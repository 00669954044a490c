"""Images of every shape through every command, at smoke size."""

from PIL import Image
import pytest

from gan_jax import cli
from tests.data import photos

# What a run is trained with, and what is done with it.
RUNS = {
    'rectangle': ['--config=dcgan64:smoke', '--config.data.image_size=32x48'],
    'pairs of rectangles': ['--config=pix2pix_grey:smoke', '--config.data.image_size=64x96']
    + ['--config.gen.net.depth=5'],
}


def commands(home, translates):
    """The commands of the README, on `home`/run."""
    run = f'--workdir={home / "run"}'
    used = [
        ['sample', run, f'--output={home / "grid.png"}', '--num=4'],
        ['sample', run, f'--output={home / "walk.gif"}', '--walk=2', '--num=2'],
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


@pytest.mark.slow
@pytest.mark.parametrize('name', RUNS)
def test_a_run_goes_through_every_command(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos.photo(0, (200, 130)).save(tmp_path / 'a.png')
    assert cli.main(['data', *RUNS[name], f'--output={tmp_path / "sheet.png"}']) == 0
    assert cli.main(['train', *RUNS[name], f'--workdir={tmp_path / "run"}']) == 0
    translates = 'pix2pix' in RUNS[name][0]
    for words in commands(tmp_path, translates):
        assert cli.main(words) == 0, words
    with Image.open(tmp_path / ('made.png' if translates else 'a2.png')) as made:
        assert made.size == ((200, 130) if translates else (48 + 4, 32 + 4))
