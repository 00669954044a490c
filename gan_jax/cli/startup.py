"""What every command that compiles does first."""

import logging
import os

import jax


def prepare(platform: str | None = None) -> None:
    """Keeps compiled programs between processes, memory, and the terminal to what is ours.

    Args:
      platform: of the devices, where the command is for one; None: what JAX finds.
    """
    from gan_jax import memory, paths

    memory.keep()
    if platform:
        jax.config.update('jax_platforms', platform)
    if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
        jax.config.update('jax_compilation_cache_dir', str(paths.cache() / 'xla'))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)
    for name in ('absl', 'jax', 'orbax'):
        logging.getLogger(name).setLevel(logging.WARNING)
