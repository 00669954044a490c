"""Finds and loads config files: those in `configs/`, which the wheel carries, and the user's."""

from collections.abc import Mapping
import importlib.util
from pathlib import Path
import re
import traceback
from typing import Any

from ml_collections import ConfigDict

from gan_jax import fields
from gan_jax.errors import UserError, nearest
from gan_jax.io import files, paths

SIZE = 'data.image_size'


def folder() -> Path:
    """Where the bundled experiments are."""
    return files.carried('configs')


def names() -> list[str]:
    """The bundled experiments."""
    return sorted(path.stem for path in folder().glob('*.py'))


def load(source: str) -> ConfigDict:
    """The config of NAME[:PRESET] or FILE.py[:PRESET], with its fields locked.

    The fields of the networks that the file leaves alone are filled in, so that each can be
    set from the command line and is written to the run's config.json.

    Raises:
      UserError: there is no such file or preset, or the file does not run.
    """
    name, preset = _split(source)
    config = _execute(_find(name), source, preset)
    _check_fields(config, source)
    fill_nets(config)
    return config.lock()


def _split(source: str) -> tuple[str, str]:
    """The name or file, which may have a colon in its folders, and the preset."""
    head, slash, tail = source.rpartition('/')
    name, _, preset = tail.partition(':')
    return head + slash + name, preset


def _find(name: str) -> Path:
    if '/' in name or name.endswith('.py'):
        path = paths.absolute(name, '--config')
        if not path.is_file():
            raise UserError(f'--config={name}: no such file')
        return path
    path = folder() / f'{name}.py'
    if not path.is_file():
        raise UserError(f'--config={name}: no such experiment; {nearest(name, names())}')
    return path


def _execute(path: Path, source: str, preset: str) -> ConfigDict:
    spec = importlib.util.spec_from_file_location(f'configs.{path.stem}', path)
    if spec is None or spec.loader is None:
        raise UserError(
            f'--config={source}: {path.name} is no Python file: give one that ends with .py'
        )
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, 'get_config'):
            raise UserError(f'{path.name} defines no get_config(preset)')
        config = module.get_config(preset)
    except UserError as error:
        raise UserError(f'--config={source}: {error}') from None
    except (Exception, SystemExit) as error:
        # The innermost frame inside the file itself is the line its author can mend.
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)
        line = getattr(error, 'lineno', None) if line is None else line  # of a SyntaxError
        where = path.name if line is None else f'{path.name} line {line}'
        raise UserError(f'--config={source}: {where}: {type(error).__name__}: {error}') from error
    if not isinstance(config, ConfigDict):
        raise UserError(f'--config={source}: get_config() must return a ConfigDict')
    return config


def _check_fields(config: ConfigDict, source: str) -> None:
    given = fields.leaves(config)
    for field in sorted(fields.FIELDS.keys() - given):
        raise UserError(
            f'--config={source}: no field config.{field}; start from gan_jax.config.default()'
        )
    for field in sorted(given - fields.FIELDS.keys()):
        if not field.startswith(('gen.net.', 'disc.net.')):
            known = fields.hint(field, fields.FIELDS)
            raise UserError(f'--config={source}: no field config.{field}: {known}')


def fill_nets(config: ConfigDict) -> None:
    """Adds to both networks' sections the fields that they do not mention, in place."""
    from gan_jax import nets

    for role in ('gen', 'disc'):
        net = config[role].net
        for field, default in nets.fields(net.name, role).items():
            if field not in net:
                net[field] = default


def take_net(config: ConfigDict, role: str, name: str) -> None:
    """Takes another network for a role, with the usual values of its fields, in place."""
    with config.unlocked():
        config[role].net = ConfigDict(dict(name=name))
        fill_nets(config)


def change(config: ConfigDict, changes: Mapping[str, Any]) -> None:
    """Sets fields by their dotted paths, in place.

    Raises:
      UserError: there is no such field, or it takes no such value.
    """
    for role in ('gen', 'disc'):
        if name := changes.get(f'{role}.net.name'):
            take_net(config, role, name)
    for field, value in spelt_out(changes).items():
        refuse_field(config, field)
        try:
            config.update_from_flattened_dict({field: value})
        except (TypeError, ValueError) as error:
            raise UserError(f'config.{field}={value!r}: {error}') from None


def spelt_out(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes with an `image_size` of '64x96' as what it stands for."""
    found = dict(changes)
    size = re.fullmatch(r'(\d{1,5})x(\d{1,5})', str(found.get(SIZE, '')))
    if size:
        height, width = map(int, size.groups())
        found |= {SIZE: height, 'data.width': width if width != height else 0}
    return found


def refuse_field(config: ConfigDict, field: str) -> None:
    """Raises UserError if a config has no such field to set."""
    if field in fields.GROUPS:
        inside = ', '.join(fields.get(config, field))
        raise UserError(f'config.{field} is a group of fields: set one of {inside}')
    if field not in (known := fields.leaves(config)):
        raise UserError(f'no field config.{field}: {fields.hint(field, known)}')


def title(source: str) -> str:
    """A folder's name for an experiment: 'configs/x.py:smoke' -> 'x-smoke'."""
    name, preset = _split(source)
    return '-'.join(filter(None, (Path(name).stem, preset)))
