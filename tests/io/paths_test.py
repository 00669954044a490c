"""A path means the same wherever it is given, or is one line."""

import os
from pathlib import Path
import re
import subprocess
import sys
import zipfile

from absl import flags as absl_flags
import pytest

from gan_jax import cli
from gan_jax.cli import flags
from gan_jax.config import experiments
from gan_jax.errors import UserError
from gan_jax.io import paths
from tests.cli.commands_test import fails
from tests.data import photos


def define(command):
    values = absl_flags.FlagValues()
    cli.module(command).define(values)
    return values


def is_path(flag):
    return isinstance(flag.parser, flags._PathParser)


DEFINED = {command: define(command)._flags() for command in cli.COMMANDS}
FLAGS = [(c, name) for c, defined in DEFINED.items() for name in defined if is_path(defined[name])]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's own folder, which is not the current one."""
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path / 'home'


@pytest.mark.parametrize('command, name', FLAGS)
def test_every_flag(command, name, home):
    for given, meant in (('~/a b', home / 'a b'), ('c', home.parent / 'here' / 'c'), ('', None)):
        values = define(command)
        values([command, f'--{name}={given}'])
        assert values[name].value == meant


@pytest.mark.parametrize('given', ['a\nb', '\x1b[2J', 'a\u202eb', '\udce9'])
def test_a_name_that_no_terminal_can_show_is_refused(given, home):
    with pytest.raises(UserError, match='^--output=.*rename it') as caught:
        paths.absolute(given, '--output')
    assert str(caught.value).isprintable()


def test_no_flag_that_names_a_file_is_left_out():
    for command, defined in DEFINED.items():
        for flag in defined.values():
            if re.search(r'\b(file|FILE|folder)\b|^the run$', flag.help):
                chosen = flag.boolean or isinstance(flag, absl_flags.EnumFlag)
                assert is_path(flag) or chosen, f'{command} --{flag.name}'


def test_every_field_of_a_config(home):
    config = experiments.load('quickstart')
    config.update_from_flattened_dict(dict.fromkeys(paths.FIELDS, '~/set'))
    paths.resolve(config)
    assert config.data.path == config.data.added == config.evaluate.weights == f'{home}/set'


def test_the_cache(home, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', '~/x')
    monkeypatch.setenv('GAN_JAX_CACHE', '~/own')
    assert paths.cache() == home / 'own'
    monkeypatch.delenv('GAN_JAX_CACHE')
    assert paths.cache() == home / 'x' / 'gan_jax'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert paths.cache() == home / '.cache' / 'gan_jax'
    monkeypatch.setattr(Path, 'expanduser', lambda path: (_ for _ in ()).throw(RuntimeError('no')))
    with pytest.raises(UserError, match='GAN_JAX_CACHE'):
        paths.cache()


@pytest.mark.parametrize('given', ['~no-such-user/x', 'x' * 300, 'loop', 'caf\udce9', 'a\0b'])
def test_what_is_no_path_is_one_line_that_says_where_it_was_given(given, home, monkeypatch, capsys):
    Path('loop').symlink_to('loop')
    assert '--workdir=' in fails(capsys, 'digest', f'--workdir={given}')
    folder = ['data', '--config=my_images', f'--config.data.path={given}']
    assert 'config.data.path=' in fails(capsys, *folder)
    if '\0' not in given:
        monkeypatch.setenv('GAN_JAX_CACHE', given)
        assert 'GAN_JAX_CACHE=' in fails(capsys, 'data')


@pytest.mark.parametrize('stem', ['b' * 255, '猫' * 120])
def test_a_name_fits_a_disk_with_its_suffix(stem, tmp_path):
    (tmp_path / paths.writable_name(stem, '.png')).touch()
    assert paths.writable_name('caf\udce9', '.png') == 'caf\udce9.png'


def test_names_of_any_letters_where_the_locale_has_none(tmp_path, cache):
    """In a process of its own, since Python decides on its encodings when it starts."""
    pixel = b'P6 16 16 255 ' + bytes(768)
    with zipfile.ZipFile(tmp_path / 'album.zip', 'w') as album:
        for number in range(8):
            picture = photos.encoded(photos.photo(number, (16, 16)), 'PNG')
            album.writestr(f'写真/ねこ{number}.png', picture)
        album.writestr('写真/だめ.png', pixel)
    argv = ['data', '--config.data.name=folder', '--config.data.path=album.zip']
    argv += ['--config.data.image_size=16', '--config.batch_size=4', '--output=sheet.png']
    argv += ['--config.conditional=False']
    locale = dict(LC_ALL='C', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0', GAN_JAX_CACHE=str(cache))
    found = subprocess.run(
        [sys.executable, '-m', 'gan_jax', *argv],
        cwd=tmp_path,
        env=os.environ | locale,
        capture_output=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert b'1 left out (\\u5199\\u771f/' in found.stderr and (tmp_path / 'sheet.png').exists()
