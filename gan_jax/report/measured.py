"""The section of a report on what `gan-jax evaluate` found."""

from collections.abc import Mapping
from html import escape
from typing import Any

from gan_jax.evaluation import text
from gan_jax.report import markup, pictures
from gan_jax.report.run import Run

PICTURE_BYTES = 600_000


def section(run: Run) -> str:
    """The metrics with all they are to be shown with, and samples beside their neighbours."""
    found = run.evaluation
    if not found:
        return ''
    if 'splits' in found:
        return _translations(run)
    return (
        '<section id="evaluation"><h2>Beside real images'
        f' <small>step {found["step"]:,}</small></h2>{_verdict(found)}'
        f'<div class="measured">{_table(found)}{_provenance(text.provenance(found))}</div>'
        f'{_notes(found)}'
        f'{_neighbours(run)}</section>'
    )


def _translations(run: Run) -> str:
    """Scores of each kind of pair, and the first of them."""
    head, *rows = text.pair_rows(run.evaluation)
    names = ''.join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = ''.join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + ''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])
        + '</tr>'
        for row in rows
    )
    return (
        '<section id="evaluation"><h2>Beside the photos it should make'
        f' <small>step {run.evaluation["step"]:,}</small></h2>'
        f'<div class="measured"><table class="scores"><thead><tr>{names}</tr></thead>'
        f'{lines}</table>{_provenance(text.pair_sets(run.evaluation))}</div>'
        '<p class="note">L1 of pixels in [-1, 1]; colour: mean distance in the (a, b) plane of'
        ' CIELAB; edges: agreement with those of the input. Beside the translations: the input'
        ' itself, and the mean of all training photos, as if they were translations.</p>'
        + _notes(run.evaluation)
        + _picture(
            run,
            'translations.png',
            'Input, translation, photo',
            'The first pairs of each kind, in the order of the table.',
        )
        + '</section>'
    )


def _notes(found: Mapping[str, Any]) -> str:
    """The notes on the metrics; runs on pairs once had none."""
    return ''.join(f'<p class="note">Note: {escape(note)}.</p>' for note in found.get('notes', ()))


def _verdict(found: Mapping[str, Any]) -> str:
    if not found['figures'].get('collapsed'):
        return ''
    return (
        '<p class="verdict">The samples have collapsed: they differ from each other half as much'
        ' as real images do, or less.</p>'
    )


def _table(found: Mapping[str, Any]) -> str:
    rows = ''.join(
        f'<tr><th scope="row">{escape(row.name)}</th><td>{escape(row.value)}</td>'
        f'<td>{escape(row.meaning)}</td></tr>'
        for row in text.rows(found)
    )
    return f'<table>{rows}</table>'


def _provenance(words: Mapping[str, str]) -> str:
    entries = ''.join(
        f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in words.items()
    )
    return f'<dl class="provenance">{entries}</dl>'


def _neighbours(run: Run) -> str:
    return _picture(
        run,
        'neighbours.png',
        'Samples beside the training images nearest to them',
        'In each half, from left to right: a sample, the four training images nearest to it by'
        ' pixels, the four nearest by features. Left half: the first samples. Right half: those'
        ' most like a copy, whose nearest training image is the furthest ahead of the others.',
    )


def _picture(run: Run, name: str, title: str, note: str) -> str:
    """A picture of the workdir with its title and what it shows; '' if it is not there."""
    path = run.workdir / name
    if path not in run.pictures:
        return ''
    picture = pictures.web_picture(path.read_bytes(), PICTURE_BYTES)
    source = markup.data_uri(picture.kind, picture.content)
    return (
        f'<figure class="strip neighbours"><figcaption><h3>{title}</h3></figcaption>'
        f'<img src="{source}" width="{picture.width}" height="{picture.height}"'
        f' alt="{title}"></figure><p class="note">{note}</p>'
    )
