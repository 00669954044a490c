"""Preparation of every command that compiles."""

import logging
import os

import jax

from gan_jax.errors import UserError

# Settings of JAX under which a run would not be what its config says.
_UNFIT = {
    'JAX_DISABLE_JIT': 'each step is one compiled program',
    'JAX_ENABLE_X64': 'numbers have 32 bits or 16, and those drawn from a seed would be others',
}
_PLATFORMS = 'JAX_PLATFORMS', 'JAX_PLATFORM_NAME'


def prepare(platform: str | None = None, *, alone: bool = True) -> None:
    """Keeps compiled programs between processes, memory, and the terminal to what is ours.

    Args:
      platform: of the devices, where the command is for one; None: what JAX finds.
      alone: whether devices may be looked for at once: not before several processes have joined.

    Raises:
      UserError: the environment asks for what JAX lacks, or what does not work here.
    """
    from gan_jax.io import paths
    from gan_jax.processes import memory

    memory.keep()
    if platform:
        jax.config.update('jax_platforms', platform)
    if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
        jax.config.update('jax_compilation_cache_dir', str(paths.cache() / 'xla'))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)
    for name in ('absl', 'jax', 'orbax'):
        logging.getLogger(name).setLevel(logging.WARNING)
    for variable, why in _UNFIT.items():
        if getattr(jax.config, variable.lower()):
            raise UserError(f'{variable}={os.environ.get(variable, True)}: {why}; unset it')
    if alone:
        check_devices()


def check_devices() -> None:
    """Raises UserError if the environment asks for devices that JAX does not find."""
    try:
        jax.devices()
    except Exception as error:  # even an AssertionError, of a platform that is not installed
        asked = [f'{name}={os.environ[name]}' for name in _PLATFORMS if os.environ.get(name)]
        if not asked:
            raise
        for name in _PLATFORMS:
            jax.config.update(name.lower(), None)
        found = ', '.join(sorted({device.platform for device in jax.devices()}))
        raise UserError(
            f'{" ".join(asked)}: JAX finds no such device; there are: {found}. Unset it, or install'
            ' what JAX needs for it'
        ) from error
