"""The commands. A command's module is imported only when it is named."""

import importlib
import os
from pathlib import Path
import sys
from types import ModuleType

import gan_jax
from gan_jax import terminal
from gan_jax.errors import UserError, mendable, nearest, of_command
from gan_jax.io import files
from gan_jax.processes import ctrl_c, supervisor

COMMANDS = {
    'train': 'train, or resume what is in the workdir',
    'list': 'the experiments, studies, networks, losses and data sets that there are',
    'config': "every field of an experiment's config, and what it may be",
    'data': 'show what the trainer will see',
    'clean': 'photos of cats or people into face-centred crops',
    'sample': 'images from a trained generator: a grid, single files, or a walk',
    'project': 'the latents whose pictures are nearest to photos, to walk between them',
    'evaluate': 'how good the images of a run are, beside real ones',
    'classify': 'classes of images by a semi-supervised run, and how right they are',
    'translate': 'images from images, by a trained pix2pix generator',
    'app': 'a page in the browser to play with trained runs',
    'export': 'a trained network for programs without gan_jax, or a folder to share',
    'study': 'rows of training runs that end in a table and a picture',
    'digest': 'sha256 of a saved training state',
    'compile': 'what the step would be on a TPU slice that is not there',
    'benchmark': 'how fast an experiment trains, also beside PyTorch',
}

# The commands of applications, which stand beside the package.
APPLICATIONS = {
    'clean': 'faces.command',
    'study': 'studies.command',
    'compile': 'benchmarks.compile_command',
    'benchmark': 'benchmarks.command',
}


def module(name: str) -> ModuleType:
    """The module of a command, imported."""
    carried = str(files.carried(''))
    if carried not in sys.path:
        sys.path.insert(0, carried)
    return importlib.import_module(APPLICATIONS.get(name, f'gan_jax.cli.{name}'))


def usage() -> str:
    """The page of `gan-jax --help`."""
    width = max(map(len, COMMANDS))
    lines = [f'  {name:{width}}  {text}' for name, text in COMMANDS.items()]
    head = 'usage: gan-jax COMMAND [FLAGS], or gan-jax --version'
    foot = 'gan-jax COMMAND --help shows its flags; gan-jax list, what there is to choose from.'
    return '\n'.join([head, '', *lines, '', foot])


def main(argv: list[str]) -> int:
    """Runs `argv[0]` with the flags that follow.

    Returns:
      The exit code: 0, or 2 for what the user can mend, after one line on stderr.
    """
    terminal.prepare()
    os.environ.pop('MPLBACKEND', None)  # of a notebook's kernel; figures here are files
    if not argv or argv[0] in ('-h', '--help', 'help'):
        print(usage())
        return 0
    if argv[0] == '--version':
        print(f'gan-jax {gan_jax.__version__}')
        return 0
    try:
        return _run(argv[0], argv[1:])
    except BrokenPipeError:
        # The reader, `head` say, has left: what it wanted is written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        line = mendable(error)
        if not line:
            raise
        # Paths are absolute; those below the current folder are shown as a user writes them.
        supervisor.say('error: ' + line.replace(f'{Path.cwd()}{os.sep}', ''))
        return 2
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return ctrl_c.CODE


def _run(name: str, argv: list[str]) -> int:
    if name not in COMMANDS:
        raise UserError(f'no command {name!r}: {nearest(name, COMMANDS)}')
    from gan_jax.cli import flags

    command = module(name)
    supervisor.attach()
    if name == 'train' and supervisor.is_needed(argv):
        return supervisor.run()
    invocation = flags.parse(command, name, argv)
    if invocation is not None:
        with of_command(), ctrl_c.answered():
            command.main(invocation)
    return 0


def run() -> None:
    """The console script."""
    sys.exit(main(sys.argv[1:]))
