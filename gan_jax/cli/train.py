"""Trains the experiment of --config, or resumes it where its workdir left off.

A workdir that holds a run goes on by the run's own config unless --config names one; a finished
one is left as it is. Ctrl-C and SIGTERM save before they stop. With several processes
(docs/howto/devices.md), start the same command in each; the workdir is one folder for all.
"""

import functools
from pathlib import Path
import re
import shlex
import sys

from absl import flags
from ml_collections import ConfigDict

from gan_jax.cli.flags import Invocation, define_overwrite, define_path
from gan_jax.errors import UserError
from gan_jax.io import paths

DEFAULT_CONFIG = 'quickstart'
OF_PROCESS = 'distributed', 'coordinator', 'num_processes', 'process_id', 'join_timeout'
_MOST = 2**31 - 1  # that JAX takes


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    text = 'the run: checkpoints, curves, samples, report; runs/NAME if empty'
    define_path(values, 'workdir', text)
    define_overwrite(values, 'start anew: deletes what an earlier run left in the workdir')
    text = 'one of several processes, started by Slurm, Kubernetes, Open MPI or on a TPU pod'
    flags.DEFINE_bool('distributed', False, text, flag_values=values)
    text = 'HOST:PORT of process 0, with the next two in place of --distributed'
    flags.DEFINE_string('coordinator', '', text, flag_values=values)
    whole = functools.partial(flags.DEFINE_integer, flag_values=values)  # bounds: least, greatest
    whole('num_processes', None, 'of the run', 1, _MOST)
    whole('process_id', None, 'of this process, from 0')
    whole('join_timeout', 120, 'seconds to wait for the other processes', 1, _MOST)


def main(invocation: Invocation) -> None:
    """Trains."""
    from gan_jax import trainer
    from gan_jax.config import experiments
    from gan_jax.processes import cluster, startup

    startup.prepare(alone=False)
    values = invocation.flags
    workdir = values.workdir or Path('runs', experiments.title(invocation.source)).absolute()
    _join(values)
    startup.check_devices()
    with cluster.ending_at_once():
        trainer.train(
            invocation.config,
            workdir,
            overwrite=values.overwrite,
            command=_resume_command(values, workdir),
        )
        cluster.leave()


def _join(values: flags.FlagValues) -> None:
    """Joins the run's other processes, if the flags say that there are some."""
    from gan_jax.processes import cluster

    count, number = values.num_processes, values.process_id
    if values.coordinator:
        if values.distributed:
            raise UserError('--distributed finds what --coordinator says: give one of them')
        if count is None or number is None:
            raise UserError('--coordinator needs --num_processes and --process_id')
        if not 0 <= number < count:
            raise UserError(
                f'--process_id={number} must be from 0 to {count - 1}, below --num_processes'
            )
    elif count is not None or number is not None:
        raise UserError('--num_processes and --process_id need --coordinator=HOST:PORT')
    elif not values.distributed:
        return
    cluster.join(values.coordinator, count, number, values.join_timeout)


def saved_config(argv: list[str]) -> ConfigDict | None:
    """The config of the run that these words go on with, where they name no experiment."""
    words = re.findall(r'^--?workdir[=\n](.+)$', '\n'.join(argv), re.MULTILINE)
    if not words:
        return None
    from gan_jax.records import workdirs

    workdir = paths.absolute(words[-1], '--workdir')
    return workdirs.load_config(workdir) if (workdir / 'config.json').is_file() else None


def _resume_command(values: flags.FlagValues, workdir: Path) -> str:
    """The command that goes on from any folder: the run has its config with it."""
    script = Path(sys.argv[0])
    if script.name == '__main__.py':  # as a script it would hide modules of Python's own
        words = [sys.executable, '-m', 'gan_jax', 'train']
    elif script.suffix == '.py':
        words = [sys.executable, str(script.absolute())]
        words += [] if script.name == 'train.py' else ['train']
    else:
        words = [str(script), 'train']
    own = [f'--{name}={values[name].value}' for name in OF_PROCESS if values[name].present]
    return shlex.join([*words, *own, f'--workdir={workdir}'])
