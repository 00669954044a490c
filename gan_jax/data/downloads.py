"""Whether a mirror answers, asked in bounded time before tfds's download manager is."""

import threading
import urllib.request

TIMEOUT_S = 10.0  # for the mirror to answer


def check(url: str, timeout_s: float) -> None:
    """Asks for the head of a file; tfds's manager tries ten times and has no timeout.

    Raises:
      Exception: whatever kept the answer away, TimeoutError among others.
    """
    errors: list[Exception] = [TimeoutError(f'no answer in {timeout_s:g} s')]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method='HEAD')
            with urllib.request.urlopen(request, timeout=timeout_s):
                errors.clear()
        except Exception as error:  # the thread's outcome, raised below
            errors[:] = [error]

    # In a thread, because looking up a name heeds no timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    for error in errors:
        raise error


def reason(error: Exception) -> str:
    """An error in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
