"""The platform that a program is traced for, where its form depends on it.

Most of what depends on a platform is chosen when a program is lowered (`gan_jax.ops`). This is for
what is differentiated first, for which the runner says it and JAX keeps a trace for each, and for
the size of a program's arguments.
"""

import jax

# As `jax.Device.platform`: 'cpu' | 'gpu' | 'tpu'. What is not traced for a runner is as on a CPU.
platform = jax.make_user_context('cpu')


def images_at_once(on_cpu: int) -> int:
    """How many images a call of evaluation takes: more where few would leave the device idle."""
    return on_cpu if jax.default_backend() == 'cpu' else 8 * on_cpu


def is_gpu() -> bool:
    """Whether the trace that is being made is for a GPU."""
    return platform.value == 'gpu'
