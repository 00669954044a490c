"""All there is to choose from has a line each, and every field of a config a meaning."""

import re

import pytest

from gan_jax import __version__, cli, losses, nets
from gan_jax.cli import config
from gan_jax.config import experiments


def test_everything_is_listed_with_a_line_each(capsys):
    assert cli.main(['list']) == 0
    text = capsys.readouterr().out
    for name in (*experiments.names(), *losses.LOSSES, *nets.NETS, 'data_size', 'one_pair'):
        assert re.search(rf'^  {name} +\w', text, re.MULTILINE), name
    assert all(len(line.split()) > 1 for line in text.splitlines() if line[:1] == ' ')


@pytest.mark.parametrize('role', ['gen', 'disc'])
def test_every_field_of_a_network_has_a_meaning(role):
    for name in nets.of_role(role):
        assert nets.fields(name, role).keys() <= config.meanings(name, role).keys()


def test_a_config_is_shown_with_what_is_not_usual(capsys):
    assert cli.main(['config', '--config=my_images', '--config.steps=7']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert '--config.steps=7 *' in lines and '--config.data.flip=True *' in lines
    assert '--config.latent=normal' in lines and '--config.gen.net.width=64' in lines
    assert 'whole number' in lines[lines.index('--config.steps=7 *') + 1]


def test_the_version(capsys):
    assert cli.main(['--version']) == 0
    assert capsys.readouterr().out == f'gan-jax {__version__}\n'
