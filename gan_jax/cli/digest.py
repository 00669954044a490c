"""Prints the sha256 of a saved training state: equal digests are equal states, bit for bit."""

from pathlib import Path

from absl import flags

from gan_jax.cli.flags import Invocation, define_step

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    flags.DEFINE_string('workdir', None, 'the run', flag_values=values)
    define_step(values)


def main(invocation: Invocation) -> None:
    """Restores the state and hashes it."""
    from gan_jax import checkpoints, trained
    from gan_jax.cli import startup

    startup.prepare()
    state = trained.load(Path(invocation.flags.workdir), invocation.flags.step).state
    print(f'step {int(state.step)}')
    print(checkpoints.digest(state))
