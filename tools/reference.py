"""Writes the pages of `docs/reference/` that are made of the code.

    python tools/reference.py

A test compares them with what is there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import inspect
from pathlib import Path
import re

from absl import flags as absl_flags

import gan_jax
from gan_jax import cli, fields, nets
from gan_jax.cli import config as config_command
from gan_jax.cli import list as list_command

FOLDER = Path(__file__).parents[1] / 'docs' / 'reference'
ELSEWHERE = 'studies', 'data sets', 'feature nets', 'metrics'  # these have pages of their own
_KINDS = {bool: 'bool', int: 'int', float: 'float', str: 'text', tuple: 'tuple'}
_SECTION = re.compile(r'^(Args|Attributes|Returns|Raises|Yields):\n', re.MULTILINE)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, of cells that are Markdown but for bars and angles."""
    cells = [[re.sub(r'([|<])', r'\\\1', cell) for cell in row] for row in rows]
    lines = [list(head), ['---'] * len(head), *cells]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def commands() -> str:
    """Every command with its flags."""
    parts = [
        '# Commands\n',
        '`gan-jax COMMAND --help` says the same. `python train.py` is `gan-jax train`.\n',
        'A command with `--config=NAME[:PRESET]` takes any [field](config.md) as'
        ' `--config.FIELD=VALUE`. NAME is an [experiment](choices.md), or a file of yours.\n',
    ]
    for name in cli.COMMANDS:
        command = cli.module(name)
        words = ''.join(f' {word.upper()}' for word in getattr(command, 'WORDS', ()))
        parts += [f'## {name}\n', f'`gan-jax {name}{words} [FLAGS]`\n']
        parts.append(_plain(command.__doc__ or '') + '\n')
        parts.append(_flags(command))
    return '\n'.join(filter(None, parts))


def _flags(command: object) -> str:
    values = absl_flags.FlagValues()
    command.define(values)  # type: ignore[attr-defined]  # as every command has it
    rows = []
    if default := getattr(command, 'DEFAULT_CONFIG', ''):
        rows.append(['`--config`', f'`{default}`', 'experiment and preset'])
    for flag in sorted(values):
        holder = values[flag]
        usual = holder.default_unparsed
        shown = '' if usual in (None, '', False, []) else f'`{usual}`'
        form = f'--[no]{flag}' if holder.boolean else f'--{flag}'
        rows.append([f'`{form}`', shown, str(holder.help)])
    return table(['flag', 'default', 'meaning'], rows) if rows else ''


def config() -> str:
    """Every field of a config."""
    groups: dict[str, list[Sequence[str]]] = {}
    for path, field in fields.FIELDS.items():
        only = ', '.join(f'`{need}`' for need in field.needs)
        meaning = f'{field.meaning}; only with {only}' if only else field.meaning
        cells = [f'`{path}`', _kind(field.default), _value(field.default), _range(field), meaning]
        groups.setdefault(path.rpartition('.')[0], []).append(cells)
    head = ['field', 'type', 'default', 'may be', 'meaning']
    parts = [
        '# Fields of a config\n',
        'Set any of them with `--config.FIELD=VALUE`. The defaults are those of `gan_jax.fields`;'
        ' `gan-jax config --config=NAME` shows what an experiment changes.\n',
    ]
    for group, rows in groups.items():
        parts += [f'## {group or "The run"}\n', table(head, rows)]
    return '\n'.join([*parts, *_nets()])


def _kind(value: object) -> str:
    return _KINDS[type(value)]


def _value(value: object) -> str:
    return f'`{value!r}`'


def _range(field: fields.Field) -> str:
    if field.options:
        return ', '.join(f'`{choice}`' for choice in field.choices() if choice)
    if isinstance(field.default, bool | tuple | str):
        return ''
    found = re.search(r'at least (.*) and (below|at most) (.*)', str(field))
    assert found  # as of every number
    return f'{found[1]} to {"below " * (found[2] == "below")}{found[3]}'


def _nets() -> Iterator[str]:
    """The fields that a network alone has."""
    for role, words in (('gen', 'generators'), ('disc', 'discriminators')):
        yield f'## {role}.net, by name\n'
        yield f'Fields of the {words}, `--config.{role}.net.FIELD=VALUE`.\n'
        rows = []
        for name in nets.of_role(role):
            said = config_command.meanings(name, role)
            for field, usual in nets.fields(name, role).items():
                cells = [f'`{name}`', f'`{field}`', _kind(usual), _value(usual), said[field]]
                rows.append(cells)
        yield table(['name', 'field', 'type', 'default', 'meaning'], rows)


def choices() -> str:
    """All there is to choose from."""
    parts = ['# What there is to choose from\n', '`gan-jax list` prints this, and more.\n']
    for title, entries in list_command.sections():
        what, _, how = title.partition(', ')
        if what in ELSEWHERE:
            continue
        parts.append(f'## {what.capitalize()}{f" (`{how}`)" if how else ""}\n')
        parts.append(table(['name', 'what'], ([f'`{n}`', text] for n, text in entries.items())))
    return '\n'.join(parts)


def python() -> str:
    """The public names of the package."""
    parts = ['# Python\n', _plain(gan_jax.__doc__ or '') + '\n']
    for name in gan_jax.__all__:
        found = getattr(gan_jax, name)
        parts += _described(f'gan_jax.{name}', found)
        if inspect.isclass(found):
            for method, value in vars(found).items():
                if not method.startswith('_') and inspect.isfunction(value):
                    parts += _described(f'{name}.{method}', value, level='###')
    return '\n'.join(parts)


def _described(name: str, found: object, level: str = '##') -> list[str]:
    signature = ''
    if inspect.isfunction(found):
        shown = inspect.signature(found)
        bare = [
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in shown.parameters.values()
            if parameter.name != 'self'
        ]
        signature = str(shown.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    signature = signature.replace('mappingproxy({})', '{}')
    typed = [f'`{name}{signature}`\n'] if signature else []
    return [f'{level} {name}\n', *typed, _plain(inspect.getdoc(found) or '') + '\n']


def _plain(docstring: str) -> str:
    """A docstring as Markdown: its sections as lists, pages as links, flags as code."""
    text = re.sub(r'\bdocs/([\w/]+\.md)', r'[docs/\1](../\1)', inspect.cleandoc(docstring))
    text = re.sub(r'(`[^`]*`)|(--\w[\w.]*(?:=[\w.,-]*\w)?)', _as_code, text)
    text, *sections = _SECTION.split(text)
    parts = [text.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        entries = [body] if title == 'Returns' else re.split(r'\n(?=  \S)', body.rstrip())
        lines = [' '.join(entry.split()) for entry in entries]
        parts.append(f'{title}:\n\n' + '\n'.join(f'- {_named(line, title)}' for line in lines))
    return '\n\n'.join(parts)


def _as_code(found: re.Match[str]) -> str:
    return found[1] or f'`{found[2]}`'


def _named(line: str, title: str) -> str:
    name, colon, rest = line.partition(': ')
    return f'`{name}`: {rest}' if colon and title != 'Returns' else line


PAGES = {
    'commands.md': commands,
    'config.md': config,
    'choices.md': choices,
    'python.md': python,
}


def made() -> Mapping[str, str]:
    """The pages by their names."""
    return {name: make().rstrip() + '\n' for name, make in PAGES.items()}


if __name__ == '__main__':
    for name, page in made().items():
        (FOLDER / name).write_text(page, encoding='utf-8')
