"""Long-lived processes that take turns, so that two programs are timed on the same machine.

Each side of a comparison runs in a process of its own, with the same environment, and is
frozen while the other one has its turn: threads that spin while they wait would take the
other's cores.

A worker is any program that reads a request, one line of JSON, from stdin and answers with
one line on stdout once it is ready; and then reads orders and answers each with one line:

    {"do": "turn", "calls": 5}     {"step_s": [...], "wait_s": 0.0}
    {"do": "memory"}               {"peak_rss_mb": 1234.5}

An answer {"error": "..."} is for the user.
"""

from collections.abc import Mapping, Sequence
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, Self

from gan_jax.errors import UserError
from gan_jax.io import files
from gan_jax.processes import memory


class Worker:
    """A process that takes orders; a context manager. Frozen but while it answers."""

    def __init__(self, command: Sequence[str], request: Mapping[str, Any], env: Mapping[str, str]):
        """Starts it for a request, fit for JSON, with `env` on top of this process's, and waits.

        Raises:
          UserError: it answered so, or it ended without an answer.
        """
        self._errors = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115 - `close` does
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **env},
            text=True,
        )
        assert self._process.stdin and self._process.stdout  # pipes, as asked for
        self._orders, self._answers = self._process.stdin, self._process.stdout
        try:
            self._send(request)
            self.ready: dict[str, Any] = self._receive()
        except BaseException:
            self.close()
            raise

    def order(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Has something done, and waits for the answer."""
        self._process.send_signal(signal.SIGCONT)
        self._send({'do': do, **arguments})
        return self._receive()

    def close(self) -> None:
        """Ends the process, whatever it does; once is enough."""
        if not self._errors.closed:
            self._process.kill()
            self._process.communicate()
            self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._orders.write(json.dumps(message) + '\n')
            self._orders.flush()
        except BrokenPipeError:
            pass  # `_receive` says why

    def _receive(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise WorkerError(self._last_words())
        self._process.send_signal(signal.SIGSTOP)
        answer = json.loads(line)
        if 'error' in answer:
            raise UserError(answer['error'])
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        code = self._process.returncode
        lack = f'exit code {code}, perhaps for want of memory; try a smaller --batch_size'
        return f'a process of the benchmark ended: {lines[-1] if lines else lack}'


class WorkerError(UserError):
    """A worker ended without an answer; the message ends with its last line on stderr."""


def environment() -> dict[str, str]:
    """The same for everyone: a thread for each core, a malloc that keeps what it has, this package.

    As `gan_jax.processes.memory` does for our side, unless it is told to leave malloc alone;
    PyTorch gains from it too.
    """
    cores = str(len(os.sched_getaffinity(0)))
    found = [str(files.carried('')), os.environ.get('PYTHONPATH', '')]
    shared = {'OMP_NUM_THREADS': cores, 'MKL_NUM_THREADS': cores}
    shared['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'  # a GPU's memory is for both sides
    shared['PYTHONPATH'] = os.pathsep.join(filter(None, found))
    if not memory.wanted():
        return shared
    return shared | {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': str(2**31 - 1)}


def ours(config: Mapping[str, Any], generated: bool, env: Mapping[str, str]) -> Worker:
    """A process that steps `config`; with generated images where `generated`."""
    command = [sys.executable, '-m', 'benchmarks.own']
    return Worker(command, {'config': config, 'generated': generated}, env)
