"""Classes by number and by name: what a person is shown, and what he may type.

Classes may be the combinations of attributes, which are there or not: those of Smiling and Male are
`-Smiling,-Male`, `-Smiling,Male`, `Smiling,-Male` and `Smiling,Male`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
import itertools
import re

import numpy as np

from gan_jax.data.image_files import shown
from gan_jax.errors import UserError, nearest
from gan_jax.types import DataSpec

LISTED = 12  # classes of a list; more are counted
MOST = 8  # attributes, of which there are 256 combinations
_DRAWN = 4096  # combinations, in the proportions of their numbers
_STEP = (5**0.5 - 1) / 2  # by which these are met evenly, wherever one stops
_SLUG_BYTES = 100  # of a class in a file's name, of which a file system takes 255


def labelled(class_names: Sequence[str]) -> list[str]:
    """Each class as '3=fox': its number and its name, or '3' where they are the same."""
    return [
        name if name == str(number) else f'{number}={shown(name)}'
        for number, name in enumerate(class_names)
    ]


def listed(entries: Sequence[str]) -> str:
    """The first of these, and how many more."""
    more = [f'and {len(entries) - LISTED} more'] if len(entries) > LISTED else []
    return ', '.join([*entries[:LISTED], *more])


def attributes(field: str) -> tuple[str, ...]:
    """The attributes that `config.data.attributes` names.

    Raises:
      UserError: there are too many.
    """
    found = tuple(dict.fromkeys(filter(None, map(str.strip, field.split(',')))))
    if len(found) > MOST:
        raise UserError(
            f'config.data.attributes={field}: {len(found)} of them have {2 ** len(found):,}'
            f' combinations: choose at most {MOST}'
        )
    return found


def assumed(spec: DataSpec, field: str) -> DataSpec:
    """The spec of a set with attributes, as if it had an image of each combination."""
    count = len(combinations(attributes(field)))
    return spec._replace(num_classes=count, counts=(1,) * count) if count else spec


def check_attributes(names: Iterable[str], known: Collection[str], where: str) -> None:
    """Raises UserError if one of the attributes of a config is not among those of a set."""
    for name in names:
        if name not in known:
            hint = nearest(name, known) if known else f'{where} names none'
            raise UserError(f'config.data.attributes={name}: {hint}')


def combinations(names: Sequence[str]) -> tuple[str, ...]:
    """The names of the classes that are combinations of attributes; () of none."""
    return tuple(map(','.join, itertools.product(*((f'-{n}', n) for n in names)))) if names else ()


def combined(has: Iterable[bool]) -> int:
    """The number of such a class, of whether each attribute is there."""
    return int(''.join('01'[one] for one in has) or '0', 2)


def has(label: np.ndarray, count: int) -> np.ndarray:
    """Whether each of `count` attributes is there, bool [N, count], of such numbers, int [N]."""
    return (label[:, None] >> np.arange(count)[::-1] & 1).astype(bool)


def by_attribute(counts: Mapping[str, int]) -> dict[str, int]:
    """Images with each attribute, and as `-NAME` without it, of those of each combination."""
    found: Counter[str] = Counter()
    for name, count in counts.items():
        found.update(dict.fromkeys(name.split(','), count))
    return dict(found)


def in_proportion(counts: Sequence[int]) -> tuple[int, ...]:
    """Numbers of classes, as often as they have images, and all that have one; () of no counts."""
    if not sum(counts):
        return ()
    places = np.arange(_DRAWN) * _STEP % 1
    found = np.searchsorted(np.cumsum(counts) / sum(counts), places, side='right').tolist()
    rare = {number for number, count in enumerate(counts) if count}.difference(found)
    return (*found, *sorted(rare))


def parse(
    words: Sequence[str], class_names: Sequence[str], flag: str, mixed: Sequence[int] = ()
) -> tuple[int, ...]:
    """The numbers of classes that a user names by their names, or else by their numbers.

    Args:
      mixed: combinations of attributes as often as images have them, where classes are such. Then
        words may be attributes, with - those that are not to be there: together they name the
        combinations that fit, as often as images have these.

    Raises:
      UserError: there is no such class.
    """
    known = {shown(name): number for number, name in enumerate(class_names)}
    numbers = {str(number): number for number in range(len(class_names))}
    if mixed and not set(words) <= set(known | numbers):
        return _fitting(words, class_names, flag, mixed)
    for word in words:
        if word not in known | numbers:
            hint = nearest(word, known)
            if not hint.startswith('did'):  # the number of each, too
                hint = f'choose from {listed(labelled(class_names))}'
            raise UserError(f'{flag}: {word!r} is no class; {hint}')
    return tuple((numbers | known)[word] for word in words)


def _fitting(
    words: Sequence[str], class_names: Sequence[str], flag: str, mixed: Sequence[int]
) -> tuple[int, ...]:
    """The combinations that have some attributes and lack others; see `parse`."""
    parts = [set(name.split(',')) for name in class_names]
    wanted = [word.strip() for word in ','.join(words).split(',')]
    for word in wanted:
        if word not in (known := set().union(*parts)):
            raise UserError(f'{flag}: {word!r} is no attribute; {nearest(word, known)}')
    fitting = [number for number, part in enumerate(parts) if part.issuperset(wanted)]
    if not fitting:
        raise UserError(
            f'{flag}={",".join(wanted)}: an attribute with and without -: leave one out'
        )
    return tuple(number for number in mixed if number in fitting) or tuple(fitting)


def in_file_name(label: int, class_names: Sequence[str]) -> str:
    """A class as part of a file's name: '3_fox', or '3' where it is called so."""
    [entry] = labelled(class_names)[label : label + 1] or [str(label)]
    slug = re.sub(r'[^\w.-]+', '_', entry)
    return slug.encode()[:_SLUG_BYTES].decode(errors='ignore')
