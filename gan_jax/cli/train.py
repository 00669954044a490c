"""Trains the experiment of --config, or resumes it where its workdir left off.

A finished workdir is left as it is. Ctrl-C and SIGTERM save before they stop. With several
processes (docs/scaling.md), start the same command in each; the workdir is one folder for all.
"""

from pathlib import Path
import re
import shlex
import sys

from absl import flags

from gan_jax.cli.flags import Invocation
from gan_jax.errors import UserError

DEFAULT_CONFIG = 'quickstart'


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
    flags.DEFINE_integer('num_processes', None, 'of the run', flag_values=values)
    flags.DEFINE_integer('process_id', None, 'of this process, from 0', flag_values=values)
    flags.DEFINE_integer(
        'join_timeout', 120, 'seconds to wait for the other processes', lower_bound=1,
        flag_values=values,
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
    words = [sys.executable, str(script.absolute())] if script.suffix == '.py' else [str(script)]
    if script.name != 'train.py':
        words.append('train')
    kept = [word for word in argv if not re.match(r'--?(no)?overwrite\b|--?workdir\b', word)]
    return shlex.join([*words, *kept, f'--workdir={workdir}'])
