"""The processes of one run: how they join, agree, and leave when one of them is lost.

The engine is `jax.distributed`. Every process runs the same program on its own devices; the first
one, process 0, decides what only one can decide and writes the records. In a single process all
of this does nothing.
"""

import collections
from collections.abc import Callable, Iterator, Mapping
import contextlib
import json
import os
from pathlib import Path
import re
import socket
import time
from typing import Any, TypeVar

import jax
from jax.experimental import multihost_utils
import numpy as np

from gan_jax.errors import UserError
from gan_jax.processes import supervisor

# A process that neither answers nor ends is given up after this: JAX then ends the others.
HEARTBEAT_S = 30  # unless the environment's GAN_JAX_HEARTBEAT_S says otherwise
LEAVE_S = 300  # the first process still draws its report while the others wait for it

T = TypeVar('T')


def join(coordinator: str, num_processes: int | None, process_id: int | None, wait_s: int) -> None:
    """Makes this process one of a run's; before any use of a device.

    Args:
      coordinator: HOST:PORT at which process 0 answers; '' to find it, and the other two, as
        `jax.distributed.initialize` does: from Slurm, Kubernetes, a TPU pod or Open MPI.

    Raises:
      UserError: the others were not there in time, nothing was found, or the processes do not
        have the same number of devices.
    """
    heartbeat = _heartbeat_s()
    if coordinator and process_id:
        _await(coordinator, wait_s)
    elif coordinator:
        _refuse_taken(coordinator)
    # On a CPU two programs could overlap otherwise, and mix up what they send.
    jax.config.update('jax_cpu_enable_async_dispatch', False)
    flag = f'--coordinator={coordinator}' if coordinator else '--distributed'
    apart = f'{flag}: the processes did not come together within {wait_s} s'
    remedy = 'start all of them, each with a --process_id of its own, or raise --join_timeout'
    supervisor.expect(f'{apart}: {remedy}')
    try:
        jax.distributed.initialize(
            coordinator or None,
            num_processes,
            process_id,
            initialization_timeout=wait_s,
            heartbeat_timeout_seconds=heartbeat,
            shutdown_timeout_seconds=LEAVE_S,
        )
    except ValueError as error:
        raise UserError(
            f'--distributed: {error} There is no Slurm, Kubernetes, TPU pod or Open MPI to ask:'
            ' give --coordinator=HOST:PORT --num_processes=N --process_id=I'
        ) from None
    except RuntimeError as error:
        raise UserError(f'{apart} ({_first_line(error)}): {remedy}') from None
    supervisor.expect(f'another process is lost, as JAX says above: {supervisor.AGAIN}')
    _refuse_uneven()


def _heartbeat_s() -> int:
    given = os.environ.get('GAN_JAX_HEARTBEAT_S', str(HEARTBEAT_S))
    if not given.isdecimal() or not 0 < int(given) < 2**31:
        raise UserError(
            f'GAN_JAX_HEARTBEAT_S={given}: must be a number of seconds, at least 1 and whole'
        )
    return int(given)


def _refuse_uneven() -> None:
    counts = collections.Counter(device.process_index for device in jax.devices())
    (most, more), (least, fewer) = counts.most_common()[0], counts.most_common()[-1]
    if more != fewer:
        raise UserError(
            f'process {most} has {more} devices and process {least} has {fewer}: give each as many,'
            ' by CUDA_VISIBLE_DEVICES or JAX_NUM_CPU_DEVICES'
        )


def _address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(':')
    try:
        host.encode('idna')
        named = bool(host)
    except UnicodeError:  # an empty label, as in 10.0..1
        named = False
    if not named or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f'--coordinator={coordinator}: must be HOST:PORT, e.g. 10.0.0.1:1234')
    return host.strip('[]'), int(port)


def _await(coordinator: str, wait_s: int) -> None:
    """Returns when process 0 answers; JAX itself would end the process with a stack of its own."""
    deadline = time.monotonic() + wait_s
    while True:
        left = deadline - time.monotonic()
        try:
            socket.create_connection(_address(coordinator), timeout=max(left, 0.1)).close()
            return
        except OSError as error:
            if left <= 0:
                raise UserError(
                    f'--coordinator={coordinator}: nothing answers there after {wait_s} s'
                    f' ({error.strerror or error}): start process 0 on that host, or mend the'
                    ' address'
                ) from None
            time.sleep(min(0.2, left))


def _refuse_taken(coordinator: str) -> None:
    _, port = _address(coordinator)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('', port))
        except OSError as error:
            raise UserError(
                f'--coordinator={coordinator}: process 0 cannot listen there ({error.strerror}):'
                ' choose another port'
            ) from None


def leave() -> None:
    """Waits for the others and parts from them, at the end of a run."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def is_many() -> bool:
    """Whether this process is one of several."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this process decides, and writes the records."""
    return not is_many() or jax.process_index() == 0


def decide(function: Callable[[], T]) -> T:
    """Calls `function` in process 0; every process gets its result, fit for JSON, or UserError."""
    if not is_many():
        return function()
    answer: dict[str, Any] = {}
    if is_first():
        try:
            answer = {'value': function()}
        except UserError as error:
            answer = {'error': str(error)}
    answer = _gather(answer)[0]
    if 'error' in answer:
        raise UserError(answer['error'])
    return answer['value']


def agree(facts: Mapping[str, Any]) -> None:
    """Makes sure that every process was started for the same thing.

    Args:
      facts: by what the user knows them as, e.g. 'config.batch_size'; fit for JSON.

    Raises:
      UserError: two processes differ in one; in all of them, naming it.
    """
    if not is_many():
        return
    first, *others = _gather(dict(facts))
    for number, other in enumerate(others, 1):
        for name in sorted(first.keys() | other.keys()):
            here, there = first.get(name), other.get(name)
            if here != there:
                raise UserError(
                    f'{name} is {here} in process 0 and {there} in process {number}: start every'
                    ' process of a run for the same'
                )


def share(folder: Path) -> None:
    """Makes sure that every process sees what process 0 writes to a folder.

    Raises:
      UserError: one does not; in all of them.
    """
    if not is_many():
        return
    probe = folder / '.shared'
    decide(lambda: probe.write_text('every process must see this', 'utf-8'))
    seen = _gather(probe.exists())
    decide(probe.unlink)
    if not all(seen):
        raise UserError(
            f'--workdir={folder}: process {seen.index(False)} does not see what process 0 writes'
            ' there; choose a folder on a disk that all of them share'
        )


def _gather(value: Any) -> list[Any]:
    """The `value` of each process, in their order."""
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sizes = _stacked(np.array(text.size, np.int32))
    # Few different sizes: each is a program to compile.
    padded = np.zeros(1 << max(int(sizes.max() - 1).bit_length(), 10), np.uint8)
    padded[: text.size] = text
    rows = _stacked(padded)
    return [
        json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes.tolist(), strict=True)
    ]


def _stacked(row: np.ndarray) -> np.ndarray:
    """[processes, ...] of what each process has, all of one shape."""
    with jax.transfer_guard('allow'):
        return multihost_utils.process_allgather(row)


def place(value: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """Puts an array on devices, those of other processes included.

    Args:
      value: on the host or on a device of this process. Of an array that is divided among
        processes this one's part, of a replicated one the whole.
      sharding: where to; None: the device that JAX takes by itself.
    """
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(value, sharding)
    with jax.transfer_guard('allow'):  # JAX does not count this as asked for
        return jax.make_array_from_process_local_data(sharding, np.asarray(value))


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """On an error, ends this process without waiting for anything that the others take part in.

    They notice, and do the same. What was saved is whole at any moment.
    """
    try:
        yield
    except Exception as error:
        if not is_many():
            raise
        if not isinstance(error, UserError) and _OF_OTHERS.match(str(error)):
            error = UserError(f'another process is lost ({_first_line(error)}): {supervisor.AGAIN}')
        supervisor.end(error)


# How the text of an error begins when a collective failed, of whatever class JAX makes it.
_OF_OTHERS = re.compile(
    '(UNKNOWN|INTERNAL|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION): '
)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
