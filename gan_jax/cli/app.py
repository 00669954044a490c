"""A page in the browser to play with trained runs: samples, morphs, classes, translations.

--workdir is a run, or a folder of runs to choose from by a menu. It listens on this machine alone
unless --host says otherwise, takes no file but pictures, and writes none. Ctrl-C ends it.
"""

import errno
import socket
import sys

from absl import flags

from gan_jax.cli.flags import Invocation, define_path, define_step
from gan_jax.errors import UserError

REQUIRED = ('workdir',)
MOST_CONNECTIONS = 64
WAIT_S = 5  # for requests under way, at the end


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'a run, or a folder of runs')
    text = 'that it listens on; 0.0.0.0 lets everyone in your network use it'
    flags.DEFINE_string('host', '127.0.0.1', text, flag_values=values)
    flags.DEFINE_integer('port', 7860, '0: any that is free', 0, 65_535, flag_values=values)
    define_step(values)


def main(invocation: Invocation) -> None:
    """Serves the page until it is interrupted."""
    from gan_jax.io import files
    from gan_jax.processes import startup

    values = invocation.flags
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError:
        raise UserError(f'app needs more packages: {files.install("app")}') from None
    with _listen(values.host, values.port) as listening:
        startup.prepare()
        from gan_jax.app import server
        from gan_jax.app.runs import Runs

        runs = Runs(values.workdir, values.step)
        for why in runs.warm():
            print(f'left out: {why}', file=sys.stderr)
        config = uvicorn.Config(
            server.make(runs, values.host),
            log_level='error',
            lifespan='off',
            http=server.Connection,
            ws='none',
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=WAIT_S,
            server_header=False,
        )
        host, port = listening.getsockname()[:2]
        address = f'http://{f"[{host}]" if ":" in host else host}:{port}/'
        print(f'open {address} in a browser; Ctrl-C ends it', flush=True)
        uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
        said = getattr(error, 'strerror', '') or str(error)
        why, *_ = said.split(' (while')  # Python adds the address
        remedy = 'choose another --port; 0 takes any that is free'
        if not isinstance(error, OSError) or error.errno not in (errno.EADDRINUSE, errno.EACCES):
            remedy = 'give --host an address of this machine, such as 127.0.0.1'
        raise UserError(
            f'--host={host} --port={port}: cannot listen there ({why}): {remedy}'
        ) from None
