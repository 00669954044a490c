"""Trains the experiment of --config, or resumes it where its workdir left off.

A finished workdir is left as it is. Ctrl-C and SIGTERM save before they stop.
"""

from pathlib import Path

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
    workdir = Path(invocation.flags.workdir or Path('runs', experiments.title(invocation.source)))
    # Typed again, the command must not delete what it is to resume.
    command = invocation.line.replace(' --overwrite', '')
    trainer.train(invocation.config, workdir, overwrite=invocation.flags.overwrite, command=command)
