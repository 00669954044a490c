"""Every field of an experiment's config: its value, what it means, and what it may be.

A value that is not the usual one, which `gan_jax.fields` gives, is marked by a star.
"""

from collections.abc import Mapping
import inspect
import re
import textwrap

from absl import flags
from ml_collections import ConfigDict

from gan_jax import fields
from gan_jax.cli.flags import Invocation

DEFAULT_CONFIG = 'quickstart'
WIDTH = 96  # letters of a line


def define(values: flags.FlagValues) -> None:
    """It has no flags but those of the config."""


def main(invocation: Invocation) -> None:
    """Prints the fields."""
    config = invocation.config
    for path, field in fields.FIELDS.items():
        _print(path, fields.get(config, path), field.default, _words(field))
        if path.endswith('.net.name'):
            _print_net(config, path.partition('.')[0])


def _words(field: fields.Field) -> str:
    only = f'; only with {" and ".join(f"config.{need}" for need in field.needs)}'
    return f'{field.meaning}; {field}{only if field.needs else ""}'


def _print_net(config: ConfigDict, role: str) -> None:
    from gan_jax import nets

    net = config[role].net
    said = meanings(net.name, role)
    for name, usual in nets.fields(net.name, role).items():
        _print(f'{role}.net.{name}', net[name], usual, said.get(name, ''))


def _print(path: str, value: object, usual: object, words: str) -> None:
    print(f'--config.{path}={value}{"" if value == usual else " *"}')
    for line in textwrap.wrap(words, WIDTH - 4):
        print(f'    {line}')


def meanings(name: str, role: str) -> Mapping[str, str]:
    """The meaning of a network's own fields, as its docstring says it."""
    from gan_jax import nets

    text = inspect.getdoc(getattr(nets.NETS[name], role)) or ''
    _, _, attributes = text.partition('Attributes:\n')
    found = re.findall(r'^  (\w+): (.*(?:\n    .*)*)', attributes, re.MULTILINE)
    return {field: ' '.join(meaning.split()) for field, meaning in found}
