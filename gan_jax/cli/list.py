"""All there is to choose from: experiments, studies, and what a config can name.

`gan-jax config --config=NAME` shows every field of an experiment.
"""

import ast
from collections.abc import Iterator, Mapping
import inspect
from pathlib import Path

from absl import flags

from gan_jax.cli.flags import Invocation


def define(values: flags.FlagValues) -> None:
    """It has no flags."""


def main(invocation: Invocation) -> None:
    """Prints the names, with a line each."""
    del invocation
    for title, entries in sections():
        print(f'{title}:')
        width = max(map(len, entries))
        for name, text in entries.items():
            print(f'  {name:{width}}  {text}'.rstrip())
        print()


def sections() -> Iterator[tuple[str, Mapping[str, str]]]:
    from gan_jax import augment, data, losses, nets, penalties, tasks
    from gan_jax.config import experiments
    from gan_jax.evaluation import metrics
    from gan_jax.io import files
    from gan_jax.pretrained import features

    files_of = {path.stem: path for path in experiments.folder().glob('*.py')}
    yield 'experiments, --config=NAME', {name: _first(files_of[name]) for name in sorted(files_of)}
    studies = sorted(files.carried('studies').glob('*.py'))
    named = {path.stem: _first(path) for path in studies if 'STUDY = ' in path.read_text('utf-8')}
    yield 'studies, gan-jax study NAME', named
    yield 'tasks, --config.task', {name: _module(kind.make) for name, kind in tasks.TASKS.items()}
    yield 'losses, --config.loss', _of(losses.LOSSES)
    yield 'penalties, --config.penalties.NAME', _of(penalties.PENALTIES)
    yield 'augmentations, --config.augment', _of(augment.AUGMENTATIONS)
    for role in ('gen', 'disc'):
        yield f'networks, --config.{role}.net.name', _of(nets.of_role(role))
    sets = {name: _module(entry.load) for name, entry in data.DATASETS.items()}
    yield 'data sets, --config.data.name', sets
    yield 'feature nets, --features', _of(features.NETS)
    yield 'metrics', {key: metric.meaning for key, metric in metrics.METRICS.items()}


def _of(registry: Mapping[str, object]) -> dict[str, str]:
    return {name: _doc(entry) for name, entry in registry.items()}


def _doc(entry: object) -> str:
    """The first line of what a function says of itself, or a record that begins with one."""
    entry = entry[0] if isinstance(entry, tuple) else entry
    return (inspect.getdoc(getattr(entry, 'func', entry)) or '').partition('\n')[0]


def _module(function: object) -> str:
    return _doc(inspect.getmodule(function))


def _first(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text('utf-8'))) or '').partition('\n')[0]
