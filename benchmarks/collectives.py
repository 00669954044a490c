"""Bytes that a compiled program sends between devices, read from XLA's text of it."""

from collections.abc import Iterable
import dataclasses
import math
import re

KINDS = 'all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-permute'

_BITS = re.compile(r'[a-z]+(\d+)')  # of f32, bf16, u8, f8e4m3
_ARRAY = re.compile(r'\b(pred|[a-z]+\d+[a-z0-9]*)\[([\d,]*)\]')
# `-done` ends what `-start` began.
_CALL = re.compile(rf'= (.*?) ({"|".join(KINDS)})(-start)?\(')


@dataclasses.dataclass(frozen=True)
class Sent:
    """One collective, or several of a kind: how many, and the bytes of their results."""

    kind: str
    count: int
    bytes: int


def find(text: str) -> list[Sent]:
    """Every collective in an HLO module's text (`Compiled.as_text()`), in its order."""
    return [Sent(kind, 1, size(shape)) for shape, kind, _ in _CALL.findall(text)]


def count(found: Iterable[Sent]) -> list[Sent]:
    """The same, summed by kind."""
    found = list(found)
    kinds = dict.fromkeys(sent.kind for sent in found)
    return [
        Sent(
            kind,
            sum(sent.count for sent in found if sent.kind == kind),
            sum(sent.bytes for sent in found if sent.kind == kind),
        )
        for kind in kinds
    ]


def size(shape: str) -> int:
    """Bytes of all arrays in a shape as XLA writes it."""
    return sum(_size(*array) for array in _ARRAY.findall(shape))


def _size(dtype: str, dimensions: str) -> int:
    found = _BITS.match(dtype)
    bits = int(found[1]) if found else 8  # of pred
    return math.prod(map(int, filter(None, dimensions.split(',')))) * bits // 8
