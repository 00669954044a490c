"""A line is printed whatever it holds, and never an exception."""

import io
import sys

import pytest

from gan_jax import terminal
from gan_jax.errors import UserError


@pytest.mark.parametrize(
    'text, shown',
    {
        'Мурка 猫 🐈‍⬛ \u3000é': 'Мурка 猫 🐈‍⬛ \u3000é',
        'two\nlines\r\x1b[2J': r'two\nlines\r\x1b[2J',
        'caf\udce9': r'caf\xe9',
        'left\u202etfel\u2028': r'left\u202etfel\u2028',
    }.items(),
)
def test_what_would_break_a_line_is_written_out(text, shown):
    assert terminal.printable(text) == str(UserError(text)) == shown
    assert terminal.printable(shown) == shown


def test_letters_that_the_terminal_lacks_are_written_out(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), 'ascii')
    monkeypatch.setattr(sys, 'stdout', stream)
    terminal.prepare()
    print('± 猫', flush=True)
    assert stream.buffer.getvalue() == b'\\xb1 \\u732b\n'
