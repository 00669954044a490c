"""Has the last word for a process that trains with others.

When one of several processes is lost, JAX ends the others from a thread of its own, with a stack
trace, and no handler in Python gets to say anything. So with several processes the command runs
in a child of the process that the user started, which stays small, passes signals on, and says
in the last line of stderr why the child ended.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
from typing import NoReturn

from gan_jax.errors import mendable

AGAIN = 'start all processes again, each as before, and the run goes on from the last step saved'

_VARIABLE = 'GAN_JAX_SUPERVISOR'  # 'PID:DESCRIPTOR' in the child's environment
_FLAGS = re.compile(r'--?(distributed|coordinator|num_processes|process_id)\b')
_PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that comes when the parent ends

_words: int | None = None  # in a supervised process, a file for its last words


def is_needed(argv: list[str]) -> bool:
    """Whether these words start one of several processes, and no supervisor has done so yet."""
    return _words is None and any(map(_FLAGS.match, argv))


def run() -> int:
    """Runs the command line of this process again in a child; returns its exit code."""
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {_VARIABLE: f'{os.getpid()}:{words.fileno()}'},
            pass_fds=[words.fileno()],
        )
        _forward_signals(child)
        code = child.wait()
        if line := _last_line(code, json.loads(words.read() or '{}')):
            print(line, file=sys.stderr, flush=True)
        return code if code >= 0 else 2


def _forward_signals(child: subprocess.Popen[bytes]) -> None:
    def forward(number: int, frame: object) -> None:
        del frame
        if number == signal.SIGINT:
            signal.signal(number, lambda *_: child.kill())  # a second Ctrl-C ends it
        child.send_signal(signal.SIGTERM)  # the preemption notice, for JAX

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, forward)


def _last_line(code: int, words: dict[str, str]) -> str:
    if code >= 0 or 'said' in words:
        return words.get('said', '')
    number = signal.Signals(-code)
    why = f'ended by {number.name}: {AGAIN}'
    if number == signal.SIGABRT:
        why = words.get('aborted', why)
    elif number == signal.SIGKILL:
        why = f'killed, perhaps for want of memory: {AGAIN}'
    elif number == signal.SIGTERM:
        why = f'told to end before the first step: {AGAIN}'
    return f'error: {why}'


def attach() -> None:
    """In the child: it ends with its supervisor, and leaves Ctrl-C to it. Else does nothing."""
    global _words
    if _VARIABLE not in os.environ:
        return
    parent, _words = map(int, os.environ.pop(_VARIABLE).split(':'))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be watched
        os._exit(2)


def expect(line: str) -> None:
    """Sets the message to print if JAX ends this process from now on."""
    _write(aborted=line)


def say(line: str) -> None:
    """Prints the line that says why this process ends; the last one, whatever else is printed."""
    if _words is None:
        print(line, file=sys.stderr, flush=True)
    else:
        _write(said=line)


def _write(**words: str) -> None:
    if _words is not None:
        text = json.dumps(words).encode()
        os.pwrite(_words, text, 0)
        os.ftruncate(_words, len(text))


def end(error: Exception) -> NoReturn:
    """Ends this process at once: no clean-up, no waiting for threads or for other processes."""
    if line := mendable(error):
        say(f'error: {line}')
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2 if line else 1)
