"""Every field of an experiment's config: its value, what it may be, and what it means.

A value that is not the usual one, which `gan_jax.config.default` gives, is marked by a star.
"""

from collections.abc import Iterator
import textwrap

from absl import flags
from ml_collections import ConfigDict

from gan_jax.cli.flags import Invocation

DEFAULT_CONFIG = 'quickstart'
WIDTH = 96  # letters of a line


def define(values: flags.FlagValues) -> None:
    """It has no flags but those of the config."""


def main(invocation: Invocation) -> None:
    """Prints the fields."""
    for line in _lines(invocation.config):
        print(line)


def _lines(config: ConfigDict) -> Iterator[str]:
    from gan_jax import config as config_lib
    from gan_jax import experiments, meanings

    usual, rules = config_lib.default(), config_lib.rules()
    experiments.fill_nets(usual)
    for field, meaning in meanings.of_fields().items():
        value = config_lib.get(config, field)
        star = '' if value == config_lib.get(usual, field) else ' *'
        yield f'--config.{field}={value}{star}'
        yield from _indented(f'{meaning}; {rules[field]}')
        if field.endswith('.net.name'):
            yield from _of_net(config, field.partition('.')[0])


def _of_net(config: ConfigDict, role: str) -> Iterator[str]:
    from gan_jax import meanings, nets

    net = config[role].net
    said = meanings.of_net(net.name, role)
    for field, usual in nets.fields(net.name, role).items():
        yield f'--config.{role}.net.{field}={net[field]}{"" if net[field] == usual else " *"}'
        yield from _indented(said.get(field, ''))


def _indented(text: str) -> list[str]:
    return [f'    {line}' for line in textwrap.wrap(text, WIDTH - 4)]
