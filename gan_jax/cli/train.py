"""Trains the experiment of --config, or resumes it where its workdir left off.

A finished workdir is left as it is. Ctrl-C and SIGTERM save before they stop. With several
processes (docs/scaling.md), start the same command in each; the workdir is one folder for all.
"""

from collections.abc import Iterator
from pathlib import Path
import re
import shlex
import sys

from absl import flags

from gan_jax.cli.flags import Invocation
from gan_jax.errors import UserError

DEFAULT_CONFIG = 'quickstart'
_MOST = 2**31 - 1  # that JAX takes


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string(
        'workdir', '', 'the run: checkpoints, curves, samples, report; runs/NAME if empty',
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_bool(
        'overwrite', False, 'start anew: deletes what an earlier run left in the workdir',
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_bool(
        'distributed', False, 'one of several processes, started by Slurm, Kubernetes, Open MPI or'
        ' on a TPU pod', flag_values=values,
    )  # fmt: skip
    flags.DEFINE_string(
        'coordinator', '', 'HOST:PORT of process 0, with the next two in place of --distributed',
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_integer(
        'num_processes', None, 'of the run', lower_bound=1, upper_bound=_MOST, flag_values=values
    )
    flags.DEFINE_integer('process_id', None, 'of this process, from 0', flag_values=values)
    flags.DEFINE_integer(
        'join_timeout', 120, 'seconds to wait for the other processes', lower_bound=1,
        upper_bound=_MOST, flag_values=values,
    )  # fmt: skip


def main(invocation: Invocation) -> None:
    """Trains."""
    from gan_jax import cluster, experiments, trainer
    from gan_jax.cli import startup

    startup.prepare()
    values = invocation.flags
    workdir = Path(values.workdir or Path('runs', experiments.title(invocation.source)))
    workdir = workdir.expanduser().absolute()
    _join(values)
    with cluster.ending_at_once():
        trainer.train(
            invocation.config,
            workdir,
            overwrite=values.overwrite,
            command=_resume_command(invocation.argv, workdir),
        )
        cluster.leave()


def _join(values: flags.FlagValues) -> None:
    """Joins the run's other processes, if the flags say that there are some."""
    from gan_jax import cluster

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


def _resume_command(argv: tuple[str, ...], workdir: Path) -> str:
    """What to type to go on from anywhere; not with --overwrite, which would delete the run."""
    script = Path(sys.argv[0])
    if script.name == '__main__.py':  # as a script it would hide modules of Python's own
        words = [sys.executable, '-m', 'gan_jax', 'train']
    elif script.suffix == '.py':
        words = [sys.executable, str(script.absolute())]
        words += [] if script.name == 'train.py' else ['train']
    else:
        words = [str(script), 'train']
    return shlex.join([*words, *_without_place(argv), f'--workdir={workdir}'])


def _without_place(argv: tuple[str, ...]) -> Iterator[str]:
    """The words but --overwrite and --workdir, which may have its value in a word of its own."""
    words = iter(argv)
    for word in words:
        if word in ('--workdir', '-workdir'):
            next(words, None)
        elif not re.match(r'--?(no)?overwrite\b|--?workdir=', word):
            yield word
