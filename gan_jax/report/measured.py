"""The section of a report on what `gan-jax evaluate` found."""

from collections.abc import Mapping
from html import escape
from typing import Any

from gan_jax.evaluation import text
from gan_jax.report import markup, pictures
from gan_jax.report.run import Run

PICTURE_BYTES = 600_000


def section(run: Run) -> str:
    """The figures with all they are to be shown with, and samples beside their neighbours."""
    found = run.evaluation
    if not found:
        return ''
    notes = ''.join(f'<p class="note">Note: {escape(note)}.</p>' for note in found['notes'])
    return (
        '<section id="evaluation"><h2>Beside real images'
        f' <small>step {found["step"]:,}</small></h2>{_verdict(found)}'
        f'<div class="measured">{_table(found)}{_provenance(found)}</div>{notes}'
        f'{_neighbours(run)}</section>'
    )


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


def _provenance(found: Mapping[str, Any]) -> str:
    entries = ''.join(
        f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        for name, value in text.provenance(found).items()
    )
    return f'<dl class="provenance">{entries}</dl>'


def _neighbours(run: Run) -> str:
    path = run.workdir / 'neighbours.png'
    if not path.exists():
        return ''
    picture = pictures.web_picture(path.read_bytes(), PICTURE_BYTES)
    source = markup.data_uri(picture.kind, picture.content)
    return (
        '<figure class="strip neighbours"><figcaption><h3>Samples beside the training images'
        ' nearest to them</h3></figcaption>'
        f'<img src="{source}" width="{picture.width}" height="{picture.height}"'
        ' alt="Samples and their nearest training images"></figure>'
        '<p class="note">In each half, from left to right: a sample, the four training images'
        ' nearest to it by pixels, the four nearest by features. Left half: the first samples.'
        ' Right half: those most like a copy, whose nearest training image is the furthest ahead'
        ' of the others.</p>'
    )
