"""A run's own files, read by what is declared of them: they may be damaged, or a stranger's.

What a file holds is a `TypedDict` where it is written. What is read is of these types, with text
that can be printed and numbers that can be computed with, or it is an error of one line.
"""

from collections.abc import Mapping
import functools
import json
import math
from pathlib import Path
import stat
import types
from typing import (
    Annotated,
    Any,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from gan_jax.errors import UserError
from gan_jax.terminal import printable

MAX_BYTES = 2**26  # of a file; a longer one is none of a run's


class Range(NamedTuple):
    """The range of a number, both ends included."""

    low: float
    high: float


Object = dict[str, Any]  # with anything in it


class Own(NamedTuple):
    """A name of a `Mapping` that has a type of its own."""

    name: str
    kind: Any


Number = Annotated[float, Range(-3.5e38, 3.5e38)]  # as far as float32 goes
Value = Annotated[int, Range(-(10**15), 10**15)] | Number
Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(0, 10**12)]
Positive = Annotated[int, Range(1, 10**12)]
Side = Annotated[int, Range(1, 2**13)]  # as config.data.image_size

_WORDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}


class Wrong(Exception):
    """A value is not of its type; the message says which, and what it must be."""


def load(path: Path, kind: Any) -> Any:
    """The content of a JSON file, as a value of a type.

    Raises:
      UserError: it cannot be read, is no JSON, or is not of that type.
    """
    try:
        return of(kind, json.loads(read(path)))
    except RecursionError:
        why = 'nested too deep'
    except (ValueError, Wrong) as error:
        why = str(error)
    raise UserError(f'{path}: damaged ({why}); restore it, or train anew') from None


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
      UserError: it cannot be read, is longer than `MAX_BYTES`, or is a pipe or a device.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise UserError(f'{path}: no file of a run: it is too long, or not a regular file')
        return path.read_bytes()
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror})') from None


def of(kind: Any, value: Any, field: str = '') -> Any:
    """A value of JSON as one of a type.

    Args:
      kind: bool, int, float, str, None, `Object`, a tuple, a `Mapping` of names, a
        `TypedDict`, a union of such, a number `Annotated` by a `Range`, or a `Mapping` by an
        `Own`. Names that a `TypedDict` lacks are left out.
      field: where it is, for messages.

    Raises:
      Wrong: it is not of the type.
    """
    if kind == Object:
        return _checked(dict, 'an object', value, field)
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _of_annotated(inside[0], inside[1], value, field)
    if origin in (Union, types.UnionType):
        return _of_union(inside, value, field)
    if is_typeddict(kind):
        return _of_record(kind, value, field)
    if origin is tuple:
        return _of_tuple(inside, value, field)
    if origin is not None and issubclass(origin, Mapping):
        return _of_names(inside[1], value, field)
    return _of_scalar(kind, value, field)


def _of_annotated(kind: Any, note: Range | Own, value: Any, field: str) -> Any:
    if isinstance(note, Own):
        return _of_names(get_args(kind)[1], value, field, note)
    found = of(kind, value, field)
    if not note.low <= found <= note.high:
        raise Wrong(f'{field} must be from {note.low:g} to {note.high:g}')
    return found


def _of_names(kind: Any, value: Any, field: str, own: Own | None = None) -> dict[str, Any]:
    entries = _checked(dict, 'an object', value, field).items()
    kinds = {own.name: own.kind} if own else {}
    return {
        printable(name): of(kinds.get(name, kind), entry, f'{field}.{name}')
        for name, entry in entries
    }


def _of_scalar(kind: Any, value: Any, field: str) -> Any:
    if kind in (None, types.NoneType):
        return _checked(types.NoneType, 'null', value, field)
    if kind is float and type(value) is int and abs(value) < 2**63:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise Wrong(f'{field} must be {_WORDS[kind]}')
    return printable(value) if kind is str else value


def _of_union(kinds: tuple[Any, ...], value: Any, field: str) -> Any:
    errors = []
    for kind in kinds:
        try:
            return of(kind, value, field)
        except Wrong as error:
            errors.append(error)
    raise max(errors, key=lambda error: str(error).count('.'))  # of the kind that fits the furthest


def _of_tuple(inside: tuple[Any, ...], value: Any, field: str) -> tuple[Any, ...]:
    entries = _checked(list, 'a list', value, field)
    kinds = inside[:1] * len(entries) if inside[-1] is Ellipsis else inside
    if len(entries) != len(kinds):
        raise Wrong(f'{field} must have {len(kinds)} entries')
    pairs = enumerate(zip(kinds, entries, strict=True))
    return tuple(of(kind, entry, f'{field}[{place}]') for place, (kind, entry) in pairs)


def _of_record(kind: Any, value: Any, field: str) -> dict[str, Any]:
    entries = _checked(dict, 'an object', value, field)
    start = f'{field}.' if field else ''
    found = {}
    for name, inner in _hints(kind).items():
        if name in entries:
            found[name] = of(inner, entries[name], start + name)
        elif name in kind.__required_keys__:
            raise Wrong(f'{start}{name} is missing')
    return found


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {n: get_args(h)[0] if get_origin(h) is NotRequired else h for n, h in hints.items()}


def _checked(kind: type, words: str, value: Any, field: str) -> Any:
    if not isinstance(value, kind):
        raise Wrong(f'{field or "it"} must be {words}')
    return value
