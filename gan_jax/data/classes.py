"""Classes by number and by name: what a person is shown, and what he may type."""

from collections.abc import Sequence
import re

from gan_jax.data.album import shown
from gan_jax.errors import UserError, nearest

LISTED = 12  # classes of a list; more are counted
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


def parse(words: Sequence[str], class_names: Sequence[str], flag: str) -> tuple[int, ...]:
    """The numbers of classes that a user names by their names, or else by their numbers.

    Raises:
      UserError: there is no such class.
    """
    known = {shown(name): number for number, name in enumerate(class_names)}
    numbers = {str(number): number for number in range(len(class_names))}
    for word in words:
        if word not in known | numbers:
            close = nearest(word, known)
            hint = close if close.startswith('did') else listed(labelled(class_names))
            raise UserError(f'{flag}: {word!r} is no class; {hint}')
    return tuple((numbers | known)[word] for word in words)


def in_file_name(label: int, class_names: Sequence[str]) -> str:
    """A class as part of a file's name: '3_fox', or '3' where it is called so."""
    [entry] = labelled(class_names)[label : label + 1] or [str(label)]
    slug = re.sub(r'[^\w.-]+', '_', entry)
    return slug.encode()[:_SLUG_BYTES].decode(errors='ignore')
