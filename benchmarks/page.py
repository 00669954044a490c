"""Random requests to the page of `gan-jax app`, a tenth of them hostile: does it hold?

    python benchmarks/page.py --workdir=runs [--requests=1000] [--at_once=8] [--output=FILE.json]

Starts a server of its own on loopback, with folders of its own as home, as current folder and for
temporary files, and prints, as JSON, answers by their code, tracebacks, how its memory grew after
the first tenth, and files that appeared anywhere but in its cache. Exits with 1 if there was a
traceback, an answer of the code 500 or a file, or if memory grew by more than 5 %.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
import contextlib
import http.client
import io
import json
import os
from pathlib import Path
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any
import zlib

from absl import app, flags
import numpy as np
from PIL import Image

MOST_GROWTH = 0.05
HOSTILE_EVERY = 10
TIMEOUT_S = 600

WORKDIR = flags.DEFINE_string('workdir', 'runs', 'a run, or a folder of runs')
REQUESTS = flags.DEFINE_integer('requests', 1000, 'requests', lower_bound=10)
AT_ONCE = flags.DEFINE_integer('at_once', 8, 'requests under way', lower_bound=1)
OUTPUT = flags.DEFINE_string('output', '', 'a file for the JSON')

Request = tuple[str, str, bytes]  # method, address, content


def picture(draw: random.Random) -> bytes:
    """A small image file of a random kind."""
    side = draw.randrange(8, 200)
    pixels = np.frombuffer(draw.randbytes(side * side * 3), np.uint8).reshape(side, side, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, draw.choice(['PNG', 'JPEG', 'WEBP', 'BMP']))
    return buffer.getvalue()


def usual(draw: random.Random, runs: Mapping[str, Mapping[str, Any]]) -> Request:
    """Asks as the page does."""
    name, facts = draw.choice(sorted(runs.items()))
    return asking(draw, name, facts, draw.choice(works_of(facts)))


def works_of(facts: Mapping[str, Any]) -> list[str]:
    """Requests that the page makes of a run, the more often the more times."""
    works = ['facts']
    works += ['grid', 'picture', 'picture', 'picture', 'nearest'] * facts['samples']
    return works + ['classify'] * 3 * facts['classifies'] + ['translate'] * 3 * facts['translates']


def asking(draw: random.Random, name: str, facts: Mapping[str, Any], work: str) -> Request:
    """Asks a run for one thing."""
    if work in ('classify', 'translate'):
        return 'POST', f'/api/runs/{name}/{work}?as_is={draw.randrange(2)}', picture(draw)
    label = draw.randrange(len(facts['classes'])) if facts['classes'] else None
    asked: dict[str, Any] = {'seed': draw.randrange(2**32), 'truncation': draw.random()}
    asked['label'] = draw.choice([label, None])
    if work != 'grid':
        asked |= {'start': draw.randrange(64), 'end': draw.randrange(64), 'along': draw.random()}
        asked['moves'] = [draw.uniform(-4, 4) for _ in range(facts['directions'])]
    return 'POST', f'/api/runs/{name}/{work}', json.dumps(asked).encode()


def bomb(draw: random.Random) -> bytes:
    """A PNG of a few kilobytes that says it has up to 2**62 pixels."""
    side = draw.choice([20_000, 65_535, 2**31 - 1])

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    head = side.to_bytes(4) + side.to_bytes(4) + b'\x08\x02\x00\x00\x00'
    body = chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes(10**6)))
    return b'\x89PNG\r\n\x1a\n' + body + chunk(b'IEND', b'')


def _names(draw: random.Random) -> str:
    return draw.choice(
        ['../../etc/passwd', '..%2f..%2fetc%2fpasswd', '%00', '~root', '/etc', 'x' * 5_000]
    )


HOSTILE: tuple[Callable[[random.Random, str], Request], ...] = (
    lambda draw, name: ('POST', f'/api/runs/{name}/classify', bomb(draw)),
    lambda draw, name: ('POST', f'/api/runs/{name}/translate', bomb(draw)),
    lambda draw, name: ('POST', f'/api/runs/{name}/translate', picture(draw)[:200]),
    lambda draw, name: ('POST', f'/api/runs/{name}/classify', draw.randbytes(5_000)),
    lambda draw, name: ('POST', f'/api/runs/{name}/classify', bytes(2**24 + 1)),
    lambda draw, name: ('POST', f'/api/runs/{_names(draw)}/grid', b'{}'),
    lambda draw, name: ('GET', f'/{_names(draw)}', b''),
    lambda draw, name: ('POST', f'/api/runs/{name}/picture', b'[' * 4_000),
    lambda draw, name: ('POST', f'/api/runs/{name}/grid', b'{"seed": -1, "label": 1e999}'),
    lambda draw, name: ('POST', f'/api/runs/{name}/grid', draw.randbytes(300)),
    lambda draw, name: (draw.choice(['PUT', 'DELETE', 'TRACE']), f'/api/runs/{name}/grid', b'{}'),
    lambda draw, name: ('HEADERS', '/', b''),
    lambda draw, name: ('RAW', '/', draw.randbytes(2_000)),
)  # fmt: skip


def send(port: int, request: Request) -> str:
    """Sends a request; the code of the answer, or how the connection ended."""
    method, address, content = request
    try:
        if method == 'RAW':
            with socket.create_connection(('127.0.0.1', port), TIMEOUT_S) as raw:
                raw.sendall(content + b'\r\n\r\n')
                head = raw.recv(100)
                return head.split()[1].decode() if head[:5] == b'HTTP/' else 'closed'
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            if method == 'HEADERS':
                connection.request('GET', address, headers={'X-Long': 'x' * 200_000})
            else:
                connection.request(method, address, content)
            answer = connection.getresponse()
            answer.read()
            return str(answer.status)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__


def files_of(folders: list[Path]) -> set[str]:
    """All files below some folders."""
    return {str(path) for folder in folders for path in folder.rglob('*') if path.is_file()}


def memory(process: int) -> int:
    """Resident bytes of a process."""
    text = Path(f'/proc/{process}/status').read_text('utf-8')
    return int(re.findall(r'VmRSS:\s+(\d+)', text)[0]) * 1024


def ask(port: int, address: str, content: bytes | None = None) -> Any:
    """An answer of the page, as JSON."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request('POST' if content is not None else 'GET', address, content)
        return json.loads(connection.getresponse().read())


def measure(process: subprocess.Popen[str], port: int, watched: list[Path]) -> dict[str, Any]:
    """Sends all requests to a server; see the module."""
    runs = {name: ask(port, f'/api/runs/{name}/facts', b'{}') for name in ask(port, '/api/runs')}
    draw = random.Random(0)
    for name, facts in runs.items():  # what is loaded once is no growth, such as training images
        for work in sorted({*works_of(facts)}):
            send(port, asking(draw, name, facts, work))
    pairs = []
    for number in range(REQUESTS.value):
        hostile = number % HOSTILE_EVERY == 0
        request = (
            draw.choice(HOSTILE)(draw, draw.choice(sorted(runs))) if hostile else usual(draw, runs)
        )
        pairs.append((hostile, request))
    before, seconds = files_of(watched), list[float]()
    codes = {False: Counter[str](), True: Counter[str]()}
    lock = threading.Lock()

    def one(pair: tuple[bool, Request]) -> None:
        started = time.monotonic()
        code = send(port, pair[1])
        with lock:
            codes[pair[0]][code] += 1
            seconds.append(time.monotonic() - started)

    tenth, resident = len(pairs) // 10, list[int]()
    with ThreadPoolExecutor(AT_ONCE.value) as pool:
        for first in range(0, len(pairs), tenth):
            list(pool.map(one, pairs[first : first + tenth]))
            resident.append(memory(process.pid))
    return {
        'requests': len(pairs),
        'at_once': AT_ONCE.value,
        'runs': sorted(runs),
        'usual': dict(codes[False]),
        'hostile': dict(codes[True]),
        'memory_mb': [round(count / 1e6) for count in resident],
        'growth': round(resident[-1] / resident[0] - 1, 4),
        'median_s': round(float(np.median(seconds)), 3),
        'files': sorted(files_of(watched) - before),
    }


def main(argv: list[str]) -> None:
    """Measures, prints, and exits."""
    del argv
    workdir = Path(WORKDIR.value).absolute()
    with tempfile.TemporaryDirectory() as home:
        folders = [Path(home, name) for name in ('here', 'tmp', 'home')]
        for folder in folders:
            folder.mkdir()
        cache = os.environ.get('GAN_JAX_CACHE', str(Path('~/.cache/gan_jax').expanduser()))
        env = os.environ | {
            'TMPDIR': str(folders[1]),
            'HOME': str(folders[2]),
            'GAN_JAX_CACHE': cache,
        }
        words = [sys.executable, '-m', 'gan_jax', 'app', f'--workdir={workdir}', '--port=0']
        errors = Path(home, 'errors')
        with errors.open('w', encoding='utf-8') as stream:
            process = subprocess.Popen(
                words, cwd=folders[0], env=env, stdout=subprocess.PIPE, stderr=stream, text=True
            )
        try:
            assert process.stdout
            port = int(re.findall(r':(\d+)/', process.stdout.readline())[0])
            places = [path.resolve() for path in (workdir, *workdir.iterdir())]
            found = measure(process, port, [*folders, *places])
        finally:
            process.terminate()
            process.wait(60)
        found['tracebacks'] = errors.read_text('utf-8').count('Traceback')
    text = json.dumps(found, indent=2)
    print(text)
    if OUTPUT.value:
        Path(OUTPUT.value).write_text(text + '\n', encoding='utf-8')
    bad = found['tracebacks'] or found['files'] or found['growth'] > MOST_GROWTH
    sys.exit(bool(bad or any(codes.get('500') for codes in (found['usual'], found['hostile']))))


if __name__ == '__main__':
    app.run(main)
