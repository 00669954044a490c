"""Prints how long the sentences of Markdown files are.

    python tools/sentences.py [FILE.md ...]

Without files: of the README and the pages in `docs/`, but for those of results.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
import re
import statistics
import sys
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LONG = 35  # words that a sentence should not exceed

_CODE = re.compile(r'^( *)(```|~~~).*?^\1\2', re.DOTALL | re.MULTILINE)
_NO_PROSE = re.compile(r'^ *(\||#|\(\S+\)=|!\[.*\)$|>|<|---).*', re.MULTILINE)  # tables, headings
_LINK = re.compile(r'!?\[([^\]]*)\]\([^)]*\)')
_PARAGRAPH = re.compile(r'\n\s*\n|\n(?= *(?:[-*]|\d+\.) )')
_END = re.compile(r'(?<=[.!?])[*)"]*\s+(?=[*"(`]*[A-Z0-9`])')


class Length(NamedTuple):
    """Lengths of sentences."""

    sentences: int  # how many there are
    words: int  # all words in them
    median: float  # words in a sentence
    long: float  # share of the sentences with more than `LONG` words


def sentences(text: str) -> Iterator[str]:
    """The sentences of a Markdown text, without code blocks, tables, headings and pictures."""
    prose = _NO_PROSE.sub('', _CODE.sub('', text))
    for paragraph in _PARAGRAPH.split(_LINK.sub(r'\1', prose)):
        yield from (found for found in _END.split(' '.join(paragraph.split())) if _words(found))


def _words(sentence: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def measure(paths: Iterable[Path]) -> Length:
    """How long the sentences of files are."""
    found = [_words(each) for path in paths for each in sentences(path.read_text(encoding='utf-8'))]
    long = sum(words > LONG for words in found) / len(found)
    return Length(len(found), sum(found), statistics.median(found), long)


def pages() -> list[Path]:
    """The README and the pages in `docs/`, but for those of results."""
    docs = ROOT / 'docs'
    found = sorted(docs.rglob('*.md'))
    return [ROOT / 'README.md', *(p for p in found if 'results' not in p.relative_to(docs).parts)]


def main(argv: list[str]) -> None:
    """Prints a line for each file, and one for all."""
    paths = [*map(Path, argv)] or pages()
    for name, group in [*((str(path), [path]) for path in paths), ('all', paths)]:
        found = measure(group)
        print(
            f'{name}: {found.sentences} sentences, {found.words:,} words, median {found.median:g},'
            f' {found.long:.1%} over {LONG}'
        )


if __name__ == '__main__':
    main(sys.argv[1:])
