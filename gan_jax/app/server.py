"""The page's server: a few addresses that take a small JSON or a picture, and write no file.

Everything that a request needs is in it: the server keeps nothing of who asked.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
import functools
from importlib import resources
import json
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from gan_jax.app.runs import Chosen, Drawn, Page, Runs
from gan_jax.data import decode
from gan_jax.errors import UserError
from gan_jax.io import images, schema
from gan_jax.processes import memory

MAX_BYTES = 2**24  # of a picture's file
MAX_JSON = 2**12
AT_ONCE = 2  # requests that are worked on; the others wait
SECONDS = 20.0  # that the head of a request may take, and its content again
LOOPBACK = ('127.0.0.1', 'localhost', '::1')
FILES = {'': 'text/html', 'app.css': 'text/css', 'app.js': 'text/javascript'}
HEADERS = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; form-action 'none';"
    " frame-ancestors 'none'; base-uri 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
}

Answer = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request is none that the page makes; the message says why, the code is HTTP's."""

    def __init__(self, why: str, code: int = 400):
        super().__init__(why)
        self.code = code


class Connection(H11Protocol):
    """A connection, closed if no request begins on it for `SECONDS`.

    Uvicorn answers no more than so many, and those that say nothing would keep all others out.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        self.loop.call_later(SECONDS, self._close_if_last, self.cycle)

    def _close_if_last(self, cycle: RequestResponseCycle | None) -> None:
        if self.cycle is cycle:
            self.transport.close()


def make(runs: Runs, host: str) -> Starlette:
    """The application.

    Args:
      host: that it listens on; on loopback it answers to no other name, which a stranger's page
        could give it (DNS rebinding).
    """
    turns = asyncio.Semaphore(AT_ONCE)

    def of_run(work: Callable[[Page, Request, bytes], dict[str, Any]], limit: int) -> Answer:
        async def answer(request: Request) -> Response:
            content = await _content(request, limit)
            async with turns:
                found = await run_in_threadpool(_done, runs, work, request, content)
            return JSONResponse(found, headers=HEADERS)

        return answer

    async def listed(request: Request) -> Response:
        return JSONResponse(runs.names(), headers=HEADERS)

    routes = [Route(f'/{name}', functools.partial(_file, name)) for name in FILES]
    routes.append(Route('/api/runs', listed))
    for name, (work, limit) in WORK.items():
        route = f'/api/runs/{{run}}/{name}'
        routes.append(Route(route, of_run(work, limit), methods=['POST']))
    hosts = [*LOOPBACK, '[::1]'] if host in LOOPBACK else ['*']
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={Refused: _refused, HTTPException: _http, ClientDisconnect: _gone},
    )


async def _file(name: str, request: Request) -> Response:
    content = (resources.files('gan_jax.app') / 'page' / (name or 'index.html')).read_bytes()
    return Response(content, media_type=FILES[name], headers=HEADERS)


async def _content(request: Request, limit: int) -> bytes:
    """The content of a request, as far as it may be long.

    Raises:
      Refused: it is longer, or does not come.
    """
    parts, total = [], 0
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                total += len(part)
                if total > limit:
                    raise Refused(f'more than {limit:,} bytes', 413)
                parts.append(part)
    except TimeoutError:
        raise Refused('too slow', 408) from None
    return b''.join(parts)


def _done(
    runs: Runs,
    work: Callable[[Page, Request, bytes], dict[str, Any]],
    request: Request,
    content: bytes,
) -> dict[str, Any]:
    """Does the work of a request, and refuses what is none, or none of this run."""
    try:
        return work(runs[request.path_params['run']], request, content)
    except (UserError, schema.Wrong, decode.Unreadable) as error:
        raise Refused(str(error)) from None
    finally:
        memory.give_back()  # a picture's megabytes, which malloc would keep


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({'error': str(error)}, error.code, HEADERS)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({'error': error.detail}, error.status_code, HEADERS)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


def _json(content: bytes, kind: Any) -> Any:
    """A request's JSON as a value of a type."""
    try:
        return schema.of(kind, json.loads(content))
    except (ValueError, RecursionError):
        raise Refused('no JSON') from None


def _png(image: np.ndarray) -> str:
    """A picture as a page shows it."""
    return 'data:image/png;base64,' + base64.b64encode(images.png(image)).decode()


def _facts(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    return page.facts()


def _grid(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    return {'picture': _png(page.grid(_json(content, Drawn)))}


def _picture(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    asked, scale = _json(content, Chosen), page.scale()
    made = page.picture(asked).repeat(scale, 0).repeat(scale, 1)
    return {'picture': _png(made), 'command': page.command(asked)}


def _nearest(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    found, of = page.nearest(_json(content, Chosen))
    return {'pictures': [_png(image) for image in found], 'of': of}


def _classify(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    return page.classify(content)._asdict()


def _translate(page: Page, request: Request, content: bytes) -> dict[str, Any]:
    given, made = page.translate(content, as_is=request.query_params.get('as_is') == '1')
    return {'input': _png(given), 'picture': _png(made), 'size': [*made.shape[1::-1]]}


# By the end of the address: what is done, and how long a request may be.
WORK: dict[str, tuple[Callable[[Page, Request, bytes], dict[str, Any]], int]] = {
    'facts': (_facts, MAX_JSON),
    'grid': (_grid, MAX_JSON),
    'picture': (_picture, MAX_JSON),
    'nearest': (_nearest, MAX_JSON),
    'classify': (_classify, MAX_BYTES),
    'translate': (_translate, MAX_BYTES),
}
