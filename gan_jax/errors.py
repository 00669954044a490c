"""The one exception for what the user can mend."""

from collections.abc import Iterable, Iterator
import contextlib
import contextvars
import difflib
import re

from gan_jax.terminal import printable

_in_command = contextvars.ContextVar('_in_command', default=False)
_COMMAND_OR_FLAG = re.compile(r'(gan-jax \w+(?: --\S+)*)|--(overwrite\b)?')


class UserError(Exception):
    """Something the user can mend: a flag, a config field, a file, a full disk.

    Its message is one line that names the flag or file and the remedy. The command
    line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str):
        """Takes the message; what is in it of names and files is made printable."""
        super().__init__(printable(message))


@contextlib.contextmanager
def of_command() -> Iterator[None]:
    """While it is entered, all is done for a command, whose user gave flags."""
    token = _in_command.set(True)
    try:
        yield
    finally:
        _in_command.reset(token)


@contextlib.contextmanager
def of_python() -> Iterator[None]:
    """Has a `UserError` name arguments in place of flags, for functions that users call."""
    try:
        yield
    except UserError as error:
        if not _in_command.get():
            error.args = (_COMMAND_OR_FLAG.sub(_argument, str(error)),)
        raise


def _argument(match: re.Match[str]) -> str:
    return match[1] or ('overwrite=True' if match[2] else '')


def mendable(error: BaseException) -> str:
    """Says what a user can mend, in a line: a `UserError`, or what the system refuses; else ''.

    The system refuses a file, or memory, by the names that Python and XLA have for that.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):  # a folder where a file was, no permission, a full disk
        where = f'{error.filename}: ' if error.filename else ''
        return printable(f'{where}{error.strerror or error}')
    if isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in str(error):
        why, *_ = str(error).splitlines() or ['']
        return printable(
            f'not enough memory: use smaller batches, images or networks ({why[:200]})'
        )
    return ''


def nearest(word: str, options: Iterable[str]) -> str:
    """Ends an error about an unknown name: the nearest right one, or else all of them.

    A number that shares digits with another is not near to it.
    """
    options = {option.lower(): option for option in sorted(options)}
    close = [] if word.isdigit() else difflib.get_close_matches(word.lower(), options, n=1)
    return (
        f'did you mean {options[close[0]]!r}?'
        if close
        else f'choose from {", ".join(options.values())}'
        if options
        else 'there is none'
    )
