"""Trains the experiment of --config, or resumes it where its workdir left off.

A finished workdir is left as it is. Ctrl-C and SIGTERM save before they stop.
"""

from pathlib import Path
import re
import shlex
import sys

from absl import flags

from gan_jax.cli.flags import Invocation

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


def main(invocation: Invocation) -> None:
    """Trains."""
    from gan_jax import experiments, trainer
    from gan_jax.cli import startup

    startup.prepare()
    values = invocation.flags
    workdir = Path(values.workdir or Path('runs', experiments.title(invocation.source)))
    workdir = workdir.expanduser().absolute()
    trainer.train(
        invocation.config,
        workdir,
        overwrite=values.overwrite,
        command=_resume_command(invocation.argv, workdir),
    )


def _resume_command(argv: tuple[str, ...], workdir: Path) -> str:
    """What to type to go on from anywhere; not with --overwrite, which would delete the run."""
    script = Path(sys.argv[0])
    words = [sys.executable, str(script.absolute())] if script.suffix == '.py' else [str(script)]
    if script.name != 'train.py':
        words.append('train')
    kept = [word for word in argv if not re.match(r'--?(no)?overwrite\b|--?workdir\b', word)]
    return shlex.join([*words, *kept, f'--workdir={workdir}'])
