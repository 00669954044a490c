"""Checkpoints that are whole or not there, and verified whenever they are read.

A saved step is a folder:

    checkpoints/1000/state/         the training state, a tree as Orbax writes it
    checkpoints/1000/meta.json      {'digest': of the state, 'meta': what the trainer added}
    checkpoints/1000/manifest.json  the sha256 of every other file

It is written as `1000.tmp`, flushed to the disk and then renamed, so that a process
killed at any moment leaves a whole step or a `.tmp`, which nothing reads and the next
save removes. Reading a step checks every file before Orbax sees it, because Orbax
restores flipped bits without a word, and the restored state against its digest. Plain
Orbax reads `state/` too: `orbax.checkpoint.PyTreeCheckpointer().restore(path)`.

Of several processes, which must see the same directory, the first one writes, as each has the whole
state; it chooses the step to restore, and each reads and checks that whole. A step is therefore the
same whatever number of processes and devices wrote it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import contextlib
import errno
import functools
import json
import logging
import os
from pathlib import Path
import re
import shutil
import stat
import sys
from typing import Any, TypedDict, TypeVar
import zlib

from absl import logging as absl_logging
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError
from gan_jax.io import digests, schema
from gan_jax.io.digests import digest, file_digest, folder_digests, host_leaves, leaf_path
from gan_jax.processes import cluster

STATE, META, MANIFEST = 'state', 'meta.json', 'manifest.json'
PARTIAL, DAMAGED = '.tmp', '.corrupt'
_STEP = re.compile('0|[1-9][0-9]{0,11}')  # a folder's name
T = TypeVar('T')


class Record(TypedDict):
    """META."""

    digest: str
    meta: schema.Object


class _Damaged(Exception):
    """A step is not what was saved; the message says which part."""


class Checkpoints:
    """The steps saved in one directory by one run."""

    def __init__(self, directory: str | os.PathLike[str], keep: int):
        """Opens `directory`, which the first save makes, to keep its `keep` newest steps.

        One step more can be kept: see `pin`.

        Raises:
          UserError: `keep` is less than 1.
        """
        if keep < 1:
            raise UserError(f'--config.keep must be at least 1, not {keep}')
        self._directory = Path(directory).absolute()
        self._keep = keep
        self._pinned: int | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix='checkpoints')
        self._pending: Future[None] | None = None

    def steps(self) -> list[int]:
        """The saved steps, ascending; a save still being written is not among them."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = [entry.name for entry in self._directory.iterdir()]
            return sorted(int(name) for name in names if _STEP.fullmatch(name))
        return []

    def pin(self, step: int | None) -> None:
        """Keeps this step whatever comes after it, and the one pinned before no longer."""
        self.wait()
        self._pinned = step

    def save(self, step: int, state: Any, meta: dict[str, Any], *, pin: bool = False) -> None:
        """Copies the state and returns; a thread writes it.

        It waits for the previous save first. A step that is already there is left as it
        is, since a run's state is a function of its step. Every process of a run takes part.

        Args:
          state: tree of arrays, which may be donated as soon as this returns.
          meta: anything `json` can write.

        Raises:
          FloatingPointError: a leaf holds a NaN or an infinity; nothing is saved.
          UserError: the directory cannot be written, the previous save failed, or the
            processes' copies of the state differ.
        """
        self.wait()
        # Until the new one is on the disk nothing is removed, so that one of the two is there.
        self._pinned = step if pin else self._pinned
        if cluster.decide(lambda: step in self.steps()):
            return
        leaves = host_leaves(state)
        _check_finite(step, leaves)
        _check_same(step, leaves)
        if not cluster.is_first():
            return
        copies = [np.array(leaf) for leaf in leaves.values()]
        copied = jax.tree.unflatten(jax.tree.structure(state), copies)
        partial = self._directory / f'{step}{PARTIAL}'
        with self._explained(step, copied):
            self._make_partial(partial)
        text = json.dumps(meta)
        self._pending = self._writer.submit(self._write, step, partial, copied, text)

    def wait(self) -> None:
        """Returns when the pending save, if there is one, is on the disk.

        Raises:
          UserError: it failed, because the disk is full or not writable.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits for the pending save, as `wait`, and ends the writing thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    def restore_latest(
        self, like: Any, only: Collection[str] | None = None
    ) -> tuple[Any, dict[str, Any]] | None:
        """The newest whole step as (state, meta), or None if there is none.

        A newer step that is damaged is renamed `STEP.corrupt`, with a warning.

        Args:
          like: tree of arrays or `jax.ShapeDtypeStruct`s; the state takes its structure,
            weak types and shardings, so that the same compiled step accepts it.
          only: paths (`digests.leaf_path`) of the leaves to read; the others stay as in `like`.
            Files are checked all the same, but not the digest, which is of the whole.

        Raises:
          UserError: the stored state has other leaves, shapes or dtypes than `like`.
        """
        found = None

        def newest() -> int | None:
            nonlocal found
            found = self._newest(lambda step: (step, *self._load(step, like, only)))
            return found and found[0]

        chosen = cluster.decide(newest)
        if chosen is None:
            return None
        if found is None:
            return self.restore(chosen, like, only)
        step, stored, meta = found
        return _place(self._directory / str(step), stored, like, only), meta

    def restore(
        self, step: int, like: Any, only: Collection[str] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """One step as (state, meta); see `restore_latest`.

        Raises:
          UserError: the step is absent or damaged, or differs from `like`.
        """
        self.wait()
        saved = self.steps()
        if step not in saved:
            there = ', '.join(map(str, saved)) or 'none'
            raise UserError(f'{self._directory} has no step {step}; steps there: {there}')
        try:
            stored, meta = self._load(step, like, only)
        except _Damaged as error:
            raise UserError(
                f'{self._directory / str(step)} is damaged ({error}); choose another of its '
                f'steps: {", ".join(str(other) for other in saved if other != step) or "none"}'
            ) from error
        return _place(self._directory / str(step), stored, like, only), meta

    def latest_meta(self) -> dict[str, Any] | None:
        """The meta of the step that `restore_latest` takes, without its arrays."""
        return self._newest(lambda step: verified(self._directory / str(step))['meta'])

    def _make_partial(self, partial: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for leftover in self._directory.glob(f'[0-9]*{PARTIAL}'):
            shutil.rmtree(leftover)
        partial.mkdir()

    def _write(self, step: int, partial: Path, state: Any, meta: str) -> None:
        with self._explained(step, state):
            try:
                _write_step(partial, state, meta)
                partial.rename(self._directory / str(step))
                _flush(self._directory)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            # Only now: until here the older steps were the run's last resort.
            for old in self.steps()[: -self._keep]:
                if old != self._pinned:
                    self._remove(old)

    def _remove(self, step: int) -> None:
        # A kill half-way through must not leave what looks like a damaged step.
        doomed = self._directory / f'{step}{PARTIAL}'
        (self._directory / str(step)).rename(doomed)
        shutil.rmtree(doomed)

    @contextlib.contextmanager
    def _explained(self, step: int, state: Any) -> Iterator[None]:
        """Turns what the disk refuses into one line that says what is left and what to do."""
        try:
            yield
        except Exception as error:
            number = _error_number(error)
            if number is None:
                raise
            full = number in (errno.ENOSPC, errno.EDQUOT)
            needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 1e6
            remedy = f'free some space ({needed:.1f} MB)' if full else 'make it writable'
            saved = self.steps()
            last = f'step {saved[-1]} is the newest whole one' if saved else 'none is saved yet'
            raise UserError(
                f'{self._directory}: cannot save step {step}: {os.strerror(number)}, '
                f'{_free_bytes(self._directory)} bytes free; {last}: {remedy} and start again'
            ) from error

    def _load(
        self, step: int, like: Any, only: Collection[str] | None
    ) -> tuple[Any, dict[str, Any]]:
        folder = self._directory / str(step)
        record = verified(folder)
        try:
            with _orbax() as (checkpointer, args):
                part = _as_numpy(checkpointer, folder, like, only)
                stored = checkpointer.restore(folder / STATE, args=args.PyTreeRestore(**part))
        except (UserError, MemoryError):
            raise
        except Exception as error:  # Orbax and TensorStore raise what they meet
            why = (str(error).strip() or repr(error)).splitlines()[0][:200]
            raise UserError(
                f'{folder / STATE}: cannot be read, although its files are those that were written'
                f' ({why}): choose another step'
            ) from error
        if only is None and digest(stored) != record['digest']:
            raise _Damaged('the state differs from its digest')
        return stored, record['meta']

    def _newest(self, read: Callable[[int], T]) -> T | None:
        """`read` of the newest step for which it does not raise `_Damaged`."""
        self.wait()
        damaged: dict[int, str] = {}
        found = None
        # Listed anew each time: another process may be training in this directory.
        while left := [step for step in self.steps() if step not in damaged]:
            try:
                found = read(left[-1])
                break
            except _Damaged as error:
                damaged[left[-1]] = str(error)
        instead = f'using step {left[-1]}' if left else 'no whole step is left'
        for step, reason in damaged.items():
            self._set_aside(step, f'{reason}; {instead}')
        return found

    def _set_aside(self, step: int, outcome: str) -> None:
        folder = self._directory / str(step)
        aside = folder.with_name(f'{step}{DAMAGED}')
        count = 1
        while aside.exists():
            count += 1
            aside = folder.with_name(f'{step}{DAMAGED}.{count}')
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return  # Not damaged: the process that trains here has just removed it.
        except OSError:
            aside = folder  # A directory that can only be read can still be used.
        absl_logging.warning('%s is damaged (kept as %s): %s', folder, aside.name, outcome)


def _check_finite(step: int, leaves: dict[str, np.ndarray]) -> None:
    for path, leaf in leaves.items():
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not np.isfinite(leaf).all():
            raise FloatingPointError(f'{path} is not finite at step {step}, which is not saved')


def _check_same(step: int, leaves: dict[str, np.ndarray]) -> None:
    """Refuses copies that differ between processes: what each adds would not fit together."""
    if not cluster.is_many():
        return
    sums = {path: zlib.crc32(leaf.reshape(-1).view(np.uint8)) for path, leaf in leaves.items()}
    try:
        cluster.agree(sums)
    except UserError as error:
        raise UserError(
            f'the processes no longer train the same network at step {step}, which is not saved'
            f' ({error}): run them on devices of one kind, with the same versions'
        ) from None


def _write_step(folder: Path, state: Any, meta: str) -> None:
    with _orbax() as (checkpointer, args):
        checkpointer.save(folder / STATE, args=args.PyTreeSave(state))
    record = {'digest': digest(state), 'meta': json.loads(meta)}
    (folder / META).write_text(json.dumps(record), 'utf-8')
    (folder / MANIFEST).write_text(json.dumps(folder_digests(folder), indent=1), 'utf-8')
    for path in (*folder.rglob('*'), folder):
        _flush(path)


def verified(folder: Path) -> dict[str, Any]:
    """The content of META, once every file has the sha256 that MANIFEST gives it."""
    try:
        manifest = schema.of(Mapping[str, str], _json(folder, MANIFEST))
        for name in (META, *manifest):
            if file_digest(_own(folder, name)) != manifest[name]:
                raise _Damaged(f'{name} has changed')
        for path in folder.rglob('*'):  # what is not named may be read too
            if not path.is_dir():
                _own(folder, str(path.relative_to(folder)))
        return schema.of(Record, _json(folder, META))
    except PermissionError as error:
        raise UserError(f'{error.filename} cannot be read: make it readable') from error
    except FileNotFoundError as error:
        raise _Damaged(f'{os.path.relpath(error.filename, folder)} is missing') from error
    except (OSError, ValueError, LookupError, RecursionError, schema.Wrong) as error:
        raise _Damaged(f'{MANIFEST} or a file it names cannot be read') from error


def _own(folder: Path, name: str) -> Path:
    """A file of a step: neither one elsewhere nor a pipe, which could be read for ever."""
    path = folder / name
    regular = stat.S_ISREG(path.stat().st_mode)
    if not regular or not path.resolve().is_relative_to(folder.resolve()):
        raise _Damaged(f'{name} is no file of its own')
    return path


def _json(folder: Path, name: str) -> Any:
    return json.loads(_own(folder, name).read_bytes())


def _place(folder: Path, stored: Any, like: Any, only: Collection[str] | None) -> Any:
    """The stored arrays in the structure and on the devices of `like`; see `restore_latest`."""
    arrays = host_leaves(stored)
    wanted = _compare(folder, arrays, like, only)

    def place(path: tuple[Any, ...], leaf: Any) -> Any:
        name = leaf_path(path)
        return _as_leaf(arrays[name], leaf) if name in wanted else leaf

    return jax.tree_util.tree_map_with_path(place, like)


def _compare(
    folder: Path, arrays: Mapping[str, Any], like: Any, only: Collection[str] | None
) -> dict[str, Any]:
    """The leaves of `like` that are wanted, by path; refuses stored ones that differ from them."""
    wanted = _chosen(like, only)
    for path in (*wanted, *arrays):
        there, here = _describe(arrays.get(path)), _describe(wanted.get(path))
        if there != here:
            raise UserError(
                f'{folder}: {path} is {there} there and {here} in this config: '
                'use the config of that run, or another --workdir'
            )
    return wanted


def _chosen(tree: Any, only: Collection[str] | None) -> dict[str, Any]:
    """The leaves by their paths, those of `only` if they are not all wanted."""
    found = digests.leaves(tree).items()
    return {path: leaf for path, leaf in found if only is None or path in only}


def _describe(leaf: Any) -> str:
    return 'absent' if leaf is None else f'{np.dtype(leaf.dtype).name}{list(leaf.shape)}'


def _as_leaf(value: np.ndarray | jax.Array, like: Any) -> jax.Array:
    if getattr(like, 'weak_type', False):
        # Only a Python number makes a weak type, e.g. the step of a new TrainState.
        value = jnp.full(value.shape, value.dtype.type(0).item()).at[...].set(value)
    committed = getattr(like, 'committed', True)
    return cluster.place(value, getattr(like, 'sharding', None) if committed else None)


def _as_numpy(
    checkpointer: Any, folder: Path, like: Any, only: Collection[str] | None
) -> dict[str, Any]:
    """Arguments that restore all that is stored or, with `only`, these leaves, to the host.

    Shapes are compared before anything is read, as others might fit no memory.
    """
    import orbax.checkpoint as ocp

    numpy = ocp.RestoreArgs(restore_type=np.ndarray)
    stored = checkpointer.metadata(folder / STATE).item_metadata.tree
    _compare(folder, _chosen(stored, only), like, only)
    if only is None:
        return {'restore_args': jax.tree.map(lambda _: numpy, stored)}
    tree = traverse_util.unflatten_dict(dict.fromkeys(_chosen(like, only), numpy), sep='/')
    return {'item': tree, 'restore_args': tree, 'partial_restore': True}


@contextlib.contextmanager
def _orbax() -> Iterator[tuple[Any, Any]]:
    """A checkpointer of this process alone, and Orbax's args; its log is silenced."""
    import orbax.checkpoint as ocp  # here, since a run that reads or saves nothing goes without

    log = absl_logging.get_absl_logger()
    log.addFilter(_not_from_orbax)  # it logs tracebacks of what it also raises
    _hush_abandoned_writes()
    try:
        options = ocp.options.MultiprocessingOptions()
        if cluster.is_many():
            me = jax.process_index()
            options = ocp.options.MultiprocessingOptions(me, {me}, f'process {me}')
        # Weights are noise: compressing them doubles the work to save a tenth of the space.
        handler = ocp.PyTreeCheckpointHandler(
            use_compression=False, multiprocessing_options=options
        )
        with ocp.Checkpointer(handler, multiprocessing_options=options) as checkpointer:
            yield checkpointer, ocp.args
    finally:
        log.removeFilter(_not_from_orbax)


@functools.cache
def _hush_abandoned_writes() -> None:
    """Keeps a full disk to the one line that is the error.

    When a write fails, each of those that Orbax abandons would print a traceback of its own, some
    through asyncio's log, and some long after, about an event loop that has closed.
    """
    report = sys.unraisablehook

    def report_others(event: Any) -> None:
        if str(event.exc_value) != 'Event loop is closed':
            report(event)

    sys.unraisablehook = report_others
    logging.getLogger('asyncio').addFilter(
        lambda record: 'exception was never retrieved' not in record.getMessage()
    )


def _not_from_orbax(record: logging.LogRecord) -> bool:
    return 'orbax' not in Path(record.pathname).parts


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _error_number(error: Exception) -> int | None:
    """The operating system's error number, which TensorStore puts into a ValueError's text."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None


def _free_bytes(directory: Path) -> int:
    existing = next(path for path in (directory, *directory.parents) if path.is_dir())
    return shutil.disk_usage(existing).free
