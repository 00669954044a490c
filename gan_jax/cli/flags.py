"""Flags of a command: absl's, with `--config` by ml_collections, and errors of one line.

absl exits with code 1 and two lines, and ml_collections with a traceback; here both
become a `UserError` that names the flag and the nearest right one.
"""

from collections.abc import Mapping
import math
from pathlib import Path
import re
import textwrap
from types import ModuleType
from typing import NamedTuple

from absl import flags as absl_flags
from ml_collections import ConfigDict

from gan_jax import fields
from gan_jax.errors import UserError, nearest
from gan_jax.io import files, paths

TOO_LARGE = 2**32  # of any whole number, as of config.seed
_CONFIG = re.compile(r'--?config(?:=(.*))?$', re.DOTALL)
_NET = re.compile(r'--?config\.(gen|disc)\.net\.name=(.*)')
_FIELD = re.compile(r'--?(?:no)?config\.([^=]*)')
_WORDS = {
    'invalid literal for int()': 'a whole number',
    'could not convert string to float': 'a number',
    'Non-boolean argument': 'true or false',
}


class Invocation(NamedTuple):
    """A parsed command line."""

    flags: absl_flags.FlagValues  # the command's own
    config: ConfigDict  # with the fields given on the command line; empty for a command without one
    # the experiment, NAME[:PRESET] or FILE.py[:PRESET]; '' without one, and where a run goes on by
    # its own config
    source: str
    argv: tuple[str, ...]  # the words after the command's name


def parse(command: ModuleType, name: str, argv: list[str]) -> Invocation | None:
    """Reads a command's flags.

    Args:
      command: its docstring is the help, `define(flags)` defines its flags with
        `flag_values=flags`, and `DEFAULT_CONFIG`, if it has one, adds `--config`, and
        `REQUIRED` names the flags that it cannot do without (`choices()`, if it has one, says what
        there is to choose from), `WORDS` those that may be given as
        bare words; `saved_config(argv)`, if it has one, gives the config in place of the
        default experiment, or None.

    Returns:
      None after the help was asked for and printed.

    Raises:
      UserError: an unknown flag or field, a value of the wrong type, a missing file.
    """
    values = absl_flags.FlagValues()
    values.set_gnu_getopt(True)  # flags may follow a word
    command.define(values)
    if any(word in ('-h', '--help', '-help') for word in argv):
        print(_help(command, name, values))
        return None
    words, source = tuple(argv), ''
    if hasattr(command, 'DEFAULT_CONFIG'):
        source, argv = _take_config(argv)
        saved = None if source else getattr(command, 'saved_config', lambda argv: None)(argv)
        if saved is None:
            from gan_jax.config import experiments

            source = source or command.DEFAULT_CONFIG
            saved = experiments.load(source)
        _define_config(values, saved, argv)
    try:
        _, *rest = values([name, *argv])
    except absl_flags.UnrecognizedFlagError as error:
        raise UserError(
            f'no flag --{error.flagname} in {name}: {_meant(error.flagname, values)}'
        ) from None
    except (absl_flags.Error, ValueError) as error:  # ValueError: of --noFLAG=VALUE
        raise _explained(error) from None
    for flag in getattr(command, 'WORDS', ())[: len(rest)]:
        values[flag].value, *rest = rest
    for flag in values:
        if isinstance(value := values[flag].value, float) and not math.isfinite(value):
            raise UserError(f'--{flag}={value}: must be a finite number')  # above any bound
        if isinstance(value, int) and abs(value) >= TOO_LARGE:
            raise UserError(f'--{flag}={value}: must be below {TOO_LARGE:,}')
    for flag in getattr(command, 'REQUIRED', ()):
        if not values[flag].value:
            more = getattr(command, 'choices', str)()
            raise UserError(f'{name} needs --{flag}: {values[flag].help}{more}')
    if rest:
        raise UserError(f'unexpected word {rest[0]!r}: {name} takes only flags (--name=value)')
    config = ConfigDict()
    if hasattr(command, 'DEFAULT_CONFIG'):
        config = values['config'].value
        paths.resolve(config)
    return Invocation(values, config, source, words)


def _meant(word: str, values: absl_flags.FlagValues) -> str:
    """The flag that was meant, which may be a field of the config."""
    if 'config' in values:
        for field in sorted(fields.leaves(values['config'].value), key=len):
            if field.rpartition('.')[2] == word:
                return f'did you mean --config.{field}?'
    return nearest(word, [flag for flag in values if '.' not in flag])


def define_path(
    values: absl_flags.FlagValues, name: str, text: str, default: str | None = None
) -> None:
    """A flag whose value is an absolute `Path`, or None if it is not given or empty."""
    absl_flags.DEFINE(_PathParser(f'--{name}'), name, default, text, flag_values=values)


class _PathParser(absl_flags.ArgumentParser[Path]):
    def __init__(self, flag: str):
        self._flag = flag

    def parse(self, argument: str) -> Path | None:
        return paths.absolute(argument, self._flag) if argument else None


def define_moved(values: absl_flags.FlagValues) -> None:
    """Flags of the fields that say where the images of a run are, for those that have moved."""
    for field in paths.OF_DATA:
        define_path(values, f'config.{field}', "in place of the run's, if that has moved")


def moved(values: absl_flags.FlagValues) -> Mapping[str, Path]:
    """The fields that `define_moved` defined, as far as they are given."""
    found = {field: values[f'config.{field}'].value for field in paths.OF_DATA}
    return {field: path for field, path in found.items() if path}


def define_step(values: absl_flags.FlagValues) -> None:
    """The flag --step, as `gan_jax.use.trained.load` takes it."""
    text = 'of which checkpoint; 0: the newest; best: by config.evaluate.best'
    absl_flags.DEFINE_string('step', '0', text, flag_values=values)


def define_overwrite(values: absl_flags.FlagValues, text: str = 'replace what is there') -> None:
    """The flag --overwrite, without which no command replaces a user's files."""
    absl_flags.DEFINE_bool('overwrite', False, text, flag_values=values)


def _define_config(values: absl_flags.FlagValues, config: ConfigDict, argv: list[str]) -> None:
    """Defines a flag for each field of the config that `argv` sets."""
    from ml_collections import config_flags

    from gan_jax.config import experiments

    argv[:] = [own for word in argv for own in _spelt_out(word)]
    for word in argv:
        if match := _NET.match(word):  # another net has other fields
            experiments.take_net(config, match[1], match[2])
    for word in argv:
        if match := _FIELD.match(word):
            experiments.refuse_field(config, match[1])
    try:
        config_flags.DEFINE_config_dict(
            'config', config, flag_values=values, sys_argv=['', *argv], help_string=''
        )
    except absl_flags.Error as error:
        raise _explained(error) from None


def _spelt_out(word: str) -> list[str]:
    """A word with a size as 64x96, or with names between commas, as those that it stands for."""
    from gan_jax.config import experiments

    start, _, value = word.partition('=')
    field = start.lstrip('-').removeprefix('config.')
    if field == experiments.SIZE and 'x' in value:
        found = experiments.spelt_out({experiments.SIZE: value})
        return [f'--config.{field}={own}' for field, own in found.items()]
    rule = fields.FIELDS.get(field)
    if rule and rule.options and isinstance(rule.default, tuple) and '(' not in value:
        return [f'{start}={own}' for own in value.split(',')]
    return [word]


def _explained(error: Exception) -> UserError:
    """absl's error in one line, and in words where it repeats what Python said to it."""
    text = ' '.join(str(error).split()).removeprefix('ERROR:: ')
    for python, words in _WORDS.items():
        if (found := re.match(r'flag (--([\w.]+)=.*?): ', text)) and python in text:
            rule = str(fields.FIELDS.get(found[2].removeprefix('config.'), ''))
            return UserError(f'{found[1]}: must be {rule or words}')
    return UserError(text)


def _take_config(argv: list[str]) -> tuple[str, list[str]]:
    """The word that names the experiment, '' without one, and the others."""
    source, rest, words = '', [], iter(argv)
    for word in words:
        if match := _CONFIG.match(word):
            source = match[1] if match[1] is not None else next(words, '')
            if not source:
                raise UserError('--config needs a value: a file or a name, such as quickstart')
        else:
            rest.append(word)
    return source, rest


def _help(command: ModuleType, name: str, values: absl_flags.FlagValues) -> str:
    words = ' '.join([name, *(word.upper() for word in getattr(command, 'WORDS', ()))])
    lines = [f'usage: gan-jax {words} [FLAGS]', '', (command.__doc__ or '').strip(), '']
    if hasattr(command, 'DEFAULT_CONFIG'):
        text = f'a file or a bundled experiment, and a preset (default: {command.DEFAULT_CONFIG})'
        lines += _entry('--config=NAME[:PRESET]', text)
        lines += _entry('--config.FIELD=VALUE', 'any field of it')
    for flag in sorted(values):
        holder = values[flag]
        usual = holder.default_unparsed
        default = '' if usual in (None, '', False) else f' (default: {usual})'
        form = f'--[no]{flag}' if holder.boolean else f'--{flag}'
        lines += _entry(form, f'{holder.help}{default}')
    # What it says of documents leads to them, also away from a checkout.
    folder = paths.shown(files.carried('docs'))
    return re.sub(r'\bdocs/(?=\w+/\w+\.md)', f'{folder}/', '\n'.join(lines))


def _entry(flag: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, 72) or ['']
    return [f'  {flag}', *(f'      {line}' for line in wrapped)]
