"""Small pieces of HTML."""

import base64
from collections.abc import Mapping
from html import escape
import json
from typing import Any


def grid(
    source: str, size: tuple[int, int], cell: tuple[int, int], pad: int, *, pixelated: bool
) -> str:
    """An `<img>` of a grid; the page's style can make the lines between its images transparent.

    Sizes, of the grid and of a cell, are (H, W) in pixels.
    """
    (height, width), (rows, columns) = size, cell
    kind = ' class="pixelated"' if pixelated else ''
    return (
        f'<img{kind} src="{source}" width="{width}" height="{height}" alt="Generated images"'
        f' style="--pad-x:{pad / width:.4%};--pad-y:{pad / height:.4%};'
        f'--cell-x:{(columns + pad) / width:.4%};--cell-y:{(rows + pad) / height:.4%}">'
    )


def data_uri(kind: str, content: bytes) -> str:
    """An image inside the page; `kind` is png or webp."""
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


def script_data(content: Any) -> str:
    """JSON for a `<script>`: a `<`, which can only be in a string, is written as an escape."""
    return json.dumps(content, separators=(',', ':')).replace('<', '\\u003c')


def flatten(tree: Mapping[str, Any], prefix: str = '') -> dict[str, str]:
    """{'a': {'b': 1}, 'c': [{'d': 2}]} as {'a.b': '1', 'c.1.d': '2'}."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            value = {str(number): entry for number, entry in enumerate(value, 1)}
        if isinstance(value, Mapping):
            flat |= flatten(value, f'{prefix}{name}.')
        else:
            flat[prefix + name] = value if isinstance(value, str) else json.dumps(value)
    return flat


def table(entries: Mapping[str, str]) -> str:
    """Names and values, escaped, one pair a row."""
    rows = ''.join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in entries.items()
    )
    return f'<table>{rows}</table>'
