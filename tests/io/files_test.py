"""A file that a user names is read to its end, or is one line."""

import os

import pytest

from faces import lists
from gan_jax import api
from gan_jax.data import added
from gan_jax.errors import UserError
from gan_jax.io import images
from gan_jax.pretrained import pth, weights
from gan_jax.records import shared
from gan_jax.use import exporting, sampling

READERS = {
    'added': lambda path: added.join(None, path),
    'latents': lambda path: sampling._of_file(path, 8, 0),
    'exported': lambda path: exporting.load(path.with_suffix('')),
    'shared': lambda path: shared.restore(path.parent, 0, {}, ()),
    'safetensors': lambda path: weights.read(path, '--weights'),
    'pth': lambda path: pth.read(path, '--weights'),
    'list': lambda path: lists.read(path, '--keep'),
    'picture': lambda path: api._picture(path, 3),
}


def test_a_pipe_is_no_picture_of_ours(tmp_path):
    os.mkfifo(tmp_path / 'sheet.png')
    assert not images.is_by('gan-jax data', tmp_path / 'sheet.png')


@pytest.mark.parametrize('kind', ['pipe', 'endless', 'loop', 'none'])
@pytest.mark.parametrize('reader', READERS)
def test_what_never_ends_is_refused_by_every_reader(reader, kind, tmp_path):
    path = tmp_path / shared.WEIGHTS
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind != 'none':
        path.symlink_to('/dev/zero' if kind == 'endless' else path)
    with pytest.raises(UserError) as caught:
        READERS[reader](path)
    assert path.name in str(caught.value) and '\n' not in str(caught.value)
