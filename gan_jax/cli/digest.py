"""Prints the sha256 of a saved training state: equal digests are equal states, bit for bit.

Of a shared folder it is of the weights in use, which is all that it holds.
"""

from absl import flags

from gan_jax.cli.flags import Invocation, define_path, define_step

REQUIRED = ('workdir',)


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'workdir', 'the run')
    define_step(values)


def main(invocation: Invocation) -> None:
    """Restores the state and hashes it."""
    from gan_jax.io import digests
    from gan_jax.processes import startup
    from gan_jax.use import trained

    startup.prepare()
    values = invocation.flags
    state = trained.load(values.workdir, values.step).state
    print(f'step {int(state.step)}')
    print(digests.digest(digests.present(state)))
