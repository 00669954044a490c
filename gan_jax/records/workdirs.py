"""A run's folder: what belongs to it, whose it is, and what may change when it goes on."""

from collections.abc import Collection, Iterator, Mapping
import contextlib
import datetime
import errno
import fcntl
import json
import os
from pathlib import Path
import platform
import shutil
from typing import Annotated, Any, NotRequired, TypedDict

import jax
from ml_collections import ConfigDict

from gan_jax import config as config_lib
from gan_jax import data, fields, nets
from gan_jax.data import image_files
from gan_jax.errors import UserError
from gan_jax.io import files, schema
from gan_jax.io.schema import Count, Positive, Range, Share, Side
from gan_jax.records import shared

# Everything a run writes, and all that --overwrite deletes, in this order: what says whose run
# it is goes last, so that a deletion that was cut short is never taken for another run.
CONTENT = (
    'checkpoints', 'metrics.jsonl', 'epochs.csv', 'evaluations.jsonl', 'samples', 'progress.gif',
    'curves.png', 'report.html', 'tensorboard', 'evaluation.json', 'neighbours.png',
    'translations.png', 'classification.json', 'run.json', 'config.json',
)  # fmt: skip
FOLDERS = 'checkpoints', 'samples', 'tensorboard'  # of it

# None of these changes what a step computes, so a resumed run may have others.
MAY_CHANGE = frozenset(name for name, field in fields.FIELDS.items() if field.may_change)
_SCHEDULES = ('gen.optimizer.schedule', 'disc.optimizer.schedule')


class Ground(TypedDict):
    """A `data.looks.Look`."""

    border: Share
    mean: Share
    spread: Share
    coloured: bool


class Data(TypedDict):
    """The data that a run trained on; of `DataSpec` and `Dataset`."""

    name: str
    image_shape: tuple[Side, Side, Annotated[int, Range(1, 4)]]
    num_examples: Positive
    num_classes: NotRequired[Count]
    panels: NotRequired[Annotated[int, Range(1, 2)]]
    deep: NotRequired[bool]
    counts: NotRequired[tuple[Count, ...]]
    fingerprint: NotRequired[str]
    class_names: NotRequired[tuple[str, ...]]
    feed: NotRequired[str]
    look: NotRequired[Ground | None]


class Parameters(TypedDict):
    """How many each network has."""

    gen: Count
    disc: Count


class Start(TypedDict):
    """Where a run began; see `gan_jax.use.starting.Start`."""

    run: str
    step: Count
    fresh: tuple[str, ...]


class Facts(TypedDict, total=False):
    """run.json."""

    started: str
    versions: Mapping[str, str]
    devices: tuple[str, ...]
    platform: str
    seed: Count
    num_devices: Positive
    command: str
    data: Data
    parameters: Parameters
    start: Start


@contextlib.contextmanager
def prepared(workdir: Path, config: ConfigDict, *, overwrite: bool) -> Iterator[None]:
    """Makes the folder for a new run, or makes sure that the run in it is this one.

    Deletes nothing: `clear` does, once the new run is known to be possible. If that is refused,
    the folder that was made for it goes again.

    Raises:
      UserError: the folder cannot be written or lies among the pictures that the run learns of,
        or `overwrite` is off and it holds another run, files by the names of a run's that
        belong to none, or pictures without a run.
    """
    data.keep_out(config.data, workdir, '--workdir')
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.made(workdir))
            probe = workdir / '.writable'
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f'--workdir={workdir}: cannot write there ({error.strerror}); choose another folder'
            ) from None
        _refuse_other_run(workdir, config, overwrite)
        yield


def _refuse_other_run(workdir: Path, config: ConfigDict, overwrite: bool) -> None:
    if shared.is_one(workdir):
        raise UserError(
            f'--workdir={workdir} is a shared folder, whose run cannot go on: it has the weights in'
            ' use alone; choose another folder'
        )
    if overwrite:
        return
    if (workdir / 'config.json').exists():
        _refuse_other_config(workdir, config)
    elif foreign := [name for name in CONTENT if (workdir / name).exists()]:
        raise UserError(
            f'--workdir={workdir} holds {foreign[0]} but no config.json, so not a whole run: choose'
            ' another folder, or pass --overwrite to delete what has the name of a file of a run'
        )
    # Pipes, links that lead nowhere, and folders and files one in place of the other.
    for path in map(workdir.joinpath, CONTENT):
        right = path.is_dir() if path.name in FOLDERS else path.is_file()
        if os.path.lexists(path) and not right:
            kind = 'folder' if path.name in FOLDERS else 'file'
            raise UserError(f'{path}: no {kind} of a run: take it away')
    photos = filter(image_files.is_named_like_one, sorted(os.listdir(workdir)))
    if not (workdir / 'config.json').exists() and (photo := next(photos, None)):
        raise UserError(
            f'--workdir={workdir} holds pictures ({photo}): choose another folder for the run; an'
            ' album to learn is --config.data.path'
        )


@contextlib.contextmanager
def exclusive(workdir: Path) -> Iterator[None]:
    """Holds the folder, so that no other process trains in it meanwhile.

    The lock is the system's, on the folder itself: it leaves no file and goes with the process.

    Raises:
      UserError: another process holds it.
    """
    descriptor = os.open(workdir, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f'--workdir={workdir}: another process is training there; stop it, or choose another'
            ' folder'
        ) from None
    except OSError:
        pass  # Some network file systems lock no folders.
    try:
        yield
    finally:
        os.close(descriptor)


def is_training(workdir: Path) -> bool:
    """Whether a process, perhaps this one, holds the folder by `exclusive`."""
    try:
        with exclusive(workdir):
            return False
    except UserError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def full_disk(workdir: Path) -> Iterator[None]:
    """Says what a full disk means for the run; checkpoints are whole or not there."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f'--workdir={workdir}: no space left on the disk; free some and run the same command'
            ' again, it goes on from the last checkpoint'
        ) from error


def clear(workdir: Path) -> None:
    """Deletes what a run left in the folder, and nothing else."""
    for name in CONTENT:
        path = workdir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _refuse_other_config(workdir: Path, config: ConfigDict) -> None:
    if change := changed_field(workdir, config):
        field, old, new = change
        if field == 'steps':
            raise UserError(
                f'--workdir={workdir} holds a run of config.steps={old:,}, over which its learning'
                f' rate falls (config.gen.optimizer.schedule): with {new:,} every step would have'
                f' had another rate. Go on with --config.steps={old}, or train anew in another'
                ' --workdir; a run whose schedules are constant can be trained longer'
            )
        raise UserError(
            f'--workdir={workdir} holds a run with config.{field}={old}, not {new}: give that'
            ' value, choose another folder, or pass --overwrite to delete the run'
        )


def changed_field(
    workdir: Path, config: ConfigDict, *, may_change: Collection[str] = MAY_CHANGE
) -> tuple[str, Any, Any] | None:
    """The first field, with its old and its new value, by which `config` is not that of the run.

    None if it is the run's own, up to the fields of `may_change`.

    Raises:
      UserError: there is no run in the folder.
    """
    saved = load_config(workdir)
    fixed = (fields.leaves(config) | fields.leaves(saved)).difference(may_change)
    if has_schedule(saved):
        fixed.add('steps')
    for field in sorted(fixed):
        old, new = _value(saved, field), _value(config, field)
        if old != new:
            return field, old, new
    return None


def has_schedule(config: ConfigDict) -> bool:
    """Whether what a step computes depends on how many there will be."""
    return any(fields.get(config, field) != 'constant' for field in _SCHEDULES)


def _value(config: ConfigDict, field: str) -> Any:
    try:
        value = fields.get(config, field)
    except (KeyError, AttributeError):
        return None
    return list(value) if isinstance(value, tuple) else value  # JSON has no tuples


def load_config(workdir: Path) -> ConfigDict:
    """The resolved config of the run in a folder; see `to_config`.

    Raises:
      UserError: there is no run, or its config.json is damaged.
    """
    path = Path(workdir) / 'config.json'
    if not path.exists():
        raise UserError(f'--workdir={workdir}: no run there (no {path}); give the folder of one')
    return to_config(schema.load(path, schema.Object), path)


def to_config(stored: Mapping[str, Any], path: Path) -> ConfigDict:
    """A config as it was before it became JSON, each field with a value that it may have.

    Fields that did not exist when it was written have their defaults, as they had no effect, and
    so have those that do nothing.

    Raises:
      UserError: a field does not exist, or may not have its value.
    """
    from gan_jax.config import experiments

    config = fields.default()
    given = {fields.RENAMED.get(k, k): v for k, v in _leaves(stored, fields.GROUPS)}
    try:
        for role in ('gen', 'disc'):
            start = f'{role}.net.'
            own = {f[len(start) :]: v for f, v in given.items() if f.startswith(start)}
            net = {'name': config[role].net.name, **own}
            fields.FIELDS[f'{start}name'].check(f'{start}name', net['name'])
            nets.check_fields(role, net)
            config[role].net = ConfigDict(net)
        for name, value in given.items():
            if field := fields.FIELDS.get(name):
                field.check(name, value)
                config.update_from_flattened_dict({name: type(field.default)(value)})
            elif '.net.' not in name:
                raise UserError(f'config.{name}: there is no such field')
        config_lib.validate_names(config)
        for name, _ in fields.idle(config):
            config.update_from_flattened_dict({name: fields.FIELDS[name].default})
    except UserError as error:
        raise UserError(f'{path}: {error}; restore it, or train anew') from None
    experiments.fill_nets(config)
    return config.lock()


def _leaves(
    tree: Mapping[str, Any], groups: Collection[str], start: str = ''
) -> Iterator[tuple[str, Any]]:
    """Values of JSON by their dotted path; of what is no group of fields, the whole."""
    for name, value in tree.items():
        if isinstance(value, dict) and start + name in groups:
            yield from _leaves(value, groups, f'{start}{name}.')
        else:
            yield start + name, tuple(value) if isinstance(value, list) else value


def write_config(workdir: Path, config: ConfigDict) -> None:
    """Writes config.json, every field with its value."""
    files.replace(workdir / 'config.json', config.to_json(indent=2) + '\n')


def read_facts(workdir: Path) -> dict[str, Any]:
    """run.json, {} before it is written.

    Raises:
      UserError: it is damaged.
    """
    path = Path(workdir) / 'run.json'
    return schema.load(path, Facts) if path.exists() else {}


def write_facts(workdir: Path, **facts: Any) -> None:
    """Writes run.json: `facts`, versions, devices, and the time of the first start."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
    content = {
        'started': read_facts(workdir).get('started', now),
        'versions': versions(),
        'devices': [device.device_kind for device in jax.devices()],
        'platform': platform.platform(),
        **facts,
    }
    files.replace(workdir / 'run.json', json.dumps(content, indent=2) + '\n')


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a step computes."""
    import importlib.metadata

    packages = ('gan-jax', 'jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')
    found = {'python': platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = 'not installed'
    return found


def refuse_other_data(workdir: Path, config: ConfigDict, fingerprint: str) -> None:
    """Raises UserError if the run in the folder was trained on other images."""
    saved = read_facts(workdir).get('data', {}).get('fingerprint', fingerprint)
    if saved != fingerprint:
        raise UserError(
            f'config.data.path={config.data.path or "(default)"}: not the images that the run in'
            f' {workdir} was trained on (fingerprint {fingerprint[:12]}, not {saved[:12]});'
            ' point it at the same set, choose another --workdir, or pass --overwrite'
        )


def refuse_other_devices(workdir: Path, config: ConfigDict, num_devices: int) -> None:
    """Raises UserError if the number of devices decides what a step computes, and is another."""
    saved = read_facts(workdir).get('num_devices', num_devices)
    if config.batch_norm == 'per_device' and saved != num_devices:
        raise UserError(
            f'--workdir={workdir} holds a run on {saved} devices, not {num_devices}, and with'
            ' config.batch_norm=per_device each has its own statistics: use as many, choose another'
            ' folder, or pass --overwrite to delete the run'
        )
