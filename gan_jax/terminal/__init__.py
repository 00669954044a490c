"""Text for a terminal: one line, in letters it can show, whatever it was made from."""

import io
import re
import sys

# Controls, which move the cursor or start a sequence; line separators; what turns the direction of
# writing; halves of characters, among them Python's stand-ins for bytes that are no UTF-8.
_UNPRINTABLE = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]')


def printable(text: str) -> str:
    r"""The text with what is unfit for a line written out: 'caf\xe9', 'two\nlines'."""
    return _UNPRINTABLE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        return f'\\x{code - 0xDC00:02x}'
    return match[0].encode('unicode_escape').decode()


def prepare() -> None:
    """Has letters that the terminal's encoding lacks written out, where print() would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
