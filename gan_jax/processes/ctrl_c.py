"""Ctrl-C, answered also while the command waits for what knows nothing of it: a compilation.

Python calls handlers of signals between two of its own instructions, and XLA may take minutes for
what is a single one. So a thread hears of Ctrl-C too.
"""

from collections.abc import Iterator
import contextlib
import os
import select
import signal
import socket
import sys
import threading

PATIENCE_S = 1.0  # in which a command ends by itself, most of the time
CODE = 130  # of a shell, for a process that Ctrl-C ended


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """While it is entered, the first Ctrl-C is answered, and the second ends the process.

    Files are whole or not there at any moment, so that it may end anywhere.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_answer, args=[heard], daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        thread.join()
        heard.close()


def _answer(heard: socket.socket) -> None:
    presses = 0
    while numbers := heard.recv(64):
        presses += numbers.count(signal.SIGINT)
        if not presses or select.select([heard], [], [], PATIENCE_S)[0]:
            continue  # the command ended, or there is more to hear
        if presses > 1:
            print('interrupted', file=sys.stderr, flush=True)
            os._exit(CODE)
        print(
            '\nstops when what it has begun is done, such as compiling; Ctrl-C again to stop now',
            file=sys.stderr,
            flush=True,
        )
