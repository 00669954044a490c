"""`labels.csv` in a folder of images: its classes, or attributes, in a table."""

from collections import Counter
from collections.abc import Sequence
import csv
import hashlib
import os
from typing import NamedTuple

import numpy as np

from gan_jax.data import classes
from gan_jax.data.decode import Unreadable
from gan_jax.data.image_files import ImageFolder, LeftOut, shown
from gan_jax.errors import UserError
from gan_jax.fields import Data

NAME = 'labels.csv'
NONE = -1  # the class of an image that has none
CELLS = {'1': True, 'yes': True, 'true': True, '0': False, '-1': False, 'no': False, 'false': False}


class Labels(NamedTuple):
    """The classes of the images of a folder."""

    class_names: tuple[str, ...]
    labels: np.ndarray  # int32 [N], of each image; NONE where it has none
    attributes: tuple[str, ...] = ()  # that classes are combinations of; empty: of none
    state: tuple[str, ...] = ()  # differs where what a table says does; () without one
    unlisted: frozenset[int] = frozenset()  # images that are left out, as they have no class
    strangers: Sequence[str] = ()  # files that a table names and that are not there

    def left_out(self, names: Sequence[str]) -> list[LeftOut]:
        """The strangers, and the images, of these names, that are left out."""
        absent = f'{NAME} lists it, but there is no such image'
        lacking = f'{NAME} gives it no class'
        return [
            *(LeftOut(name, absent) for name in self.strangers),
            *(LeftOut(names[place], lacking) for place in sorted(self.unlisted)),
        ]


class _Table(NamedTuple):
    """The cells of the file."""

    columns: list[str]  # but the first one, of the files
    rows: dict[str, list[str]]  # of each file the cells of these
    lines: dict[str, int]  # of each file the line

    def cells(self, column: str) -> dict[str, str]:
        """The cell of each file."""
        place = self.columns.index(column)
        return {name: cells[place] for name, cells in self.rows.items()}


def read(album: ImageFolder, config: Data, has_classes: bool) -> Labels | None:
    """The classes by the table at the top of a folder; None: it has none.

    Args:
      config: the run's `config.data`, whose `attributes` are the columns that count: attributes,
        which are there or not, or a single one with the names of classes. Without, a table of a
        single column counts.
      has_classes: whether the folder has classes without the table.

    Returns:
      its classes. Images without one are left out where there are `attributes`, unless there is an
      `unlabelled`: then, as without `attributes`, they have the class NONE.

    Raises:
      UserError: there is no such table or column, or a cell of it cannot be read.
    """
    wanted = classes.attributes(config.attributes)
    where, text = _text(album)
    if text is None:
        if not wanted:
            return None
        raise UserError(
            f'config.data.attributes={config.attributes}: there is no {NAME} in'
            f' config.data.path={config.path}: write one, of a column with the names of the files'
            ' and one for each attribute'
        )
    table = _parse(text, where)
    if not wanted:
        if has_classes or len(table.columns) != 1:
            return None
        wanted = (table.columns[0],)
    classes.check_attributes(wanted, table.columns, NAME)
    attributes: tuple[str, ...] = ()
    if len(wanted) == 1 and _names_classes(table.cells(wanted[0])):
        class_names, found = _by_name(table.cells(wanted[0]))
    else:
        attributes, class_names = wanted, classes.combinations(wanted)
        found = _by_attribute(table, wanted)
    known = {where + name: label for name, label in found.items()}
    labels = np.fromiter((known.get(name, NONE) for name in album.names), np.int32, len(album))
    if (labels == NONE).all():
        if not config.attributes:
            return None
        raise UserError(
            f'{NAME}: none of its {len(found):,} files is one of the {len(album):,} images of'
            f' config.data.path, such as {shown(album.names[0][len(where) :])}: name those'
        )
    drops = config.attributes and not config.unlabelled
    unlisted = frozenset(np.flatnonzero(labels == NONE).tolist() if drops else ())
    strangers = sorted(known.keys() - set(album.names))
    state = repr((labels.tolist(), sorted(unlisted), strangers)).encode()
    digest = hashlib.sha256(state).hexdigest()
    return Labels(class_names, labels, attributes, (digest,), unlisted, strangers)


def to_have_classes(album: ImageFolder) -> str:
    """The remedy for a folder without classes that has a table of several columns; '': none."""
    where, text = _text(album)
    columns = _parse(text, where).columns if text is not None else []
    return (
        f'choose from the columns of {NAME}, {", ".join(columns)}, such as'
        f' --config.data.attributes={columns[0]}'
        if columns
        else ''
    )


def _text(album: ImageFolder) -> tuple[str, bytes | None]:
    """The folder of the table, with a slash, and its content; None if there is none."""
    common = os.path.commonpath([os.path.dirname(name) for name in album.names])
    for where in dict.fromkeys(('', f'{common}/' if common else '')):
        try:
            return where, album.files.read(where + NAME)
        except Unreadable:
            continue
    return '', None


def _parse(content: bytes, where: str) -> _Table:
    """Raises UserError if it is no table."""
    try:
        lines = content.decode('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f'{NAME} is no text in UTF-8 ({error.reason}): save it as such') from None
    first = ''.join(lines[:1])
    delimiter = next(filter(first.__contains__, ',;\t'), ',')  # of some spreadsheets others
    try:
        return _rows(lines, delimiter)
    except csv.Error as error:  # as where a quote does not end
        raise UserError(f'{NAME}: {error}: mend it') from None


def _rows(lines: Sequence[str], delimiter: str) -> _Table:
    reader = csv.reader(lines, delimiter=delimiter)
    _, *columns = next(reader, [''])
    table = _Table([shown(name.strip()).replace(',', ' ') for name in columns], {}, {})
    for row in reader:
        if not any(row):
            continue
        name, *cells = map(str.strip, row)
        name = name.replace('\\', '/').removeprefix('./')
        if len(cells) != len(columns):
            raise UserError(
                f'{NAME}, line {reader.line_num}: {len(cells)} cells behind {shown(name)!r}, and'
                f' {len(columns)} columns: mend it'
            )
        if name in table.rows:
            raise UserError(
                f'{NAME}, line {reader.line_num}: {shown(name)!r} is in line {table.lines[name]}'
                ' too: delete one'
            )
        table.rows[name], table.lines[name] = cells, reader.line_num
    return table


def _names_classes(cells: dict[str, str]) -> bool:
    """Whether a column has names of classes: cells that say neither yes nor no, and are no slip."""
    others = Counter(cell for cell in cells.values() if cell.lower() not in CELLS)
    return bool(others) and (others.total() == len(cells) or max(others.values()) > 1)


def _by_name(cells: dict[str, str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the classes, and the class of each file."""
    names = sorted({cell for cell in cells.values() if cell})
    if all(map(str.isdecimal, names)):
        names.sort(key=int)
    number = {name: place for place, name in enumerate(names)}
    return tuple(map(shown, names)), {file: number.get(cell, NONE) for file, cell in cells.items()}


def _by_attribute(table: _Table, attributes: Sequence[str]) -> dict[str, int]:
    """The combination that each file has."""
    columns = [table.cells(name) for name in attributes]
    found = {}
    for file in table.rows:
        cells = [column[file] for column in columns]
        for name, cell in zip(attributes, cells, strict=True):
            if cell.lower() not in CELLS:
                raise UserError(
                    f'{NAME}, line {table.lines[file]}, column {name!r}: {cell!r} must be 1 or 0'
                    ' (or yes or no, true or false, 1 or -1)'
                )
        found[file] = classes.combined(CELLS[cell.lower()] for cell in cells)
    return found
