"""gan_jax's own step with XLA's convolutions: a worker of `gan-jax benchmark --peer=plain`.

What plain Flax layers would give: everything is the same but the forms of `gan_jax.ops`.
"""

from benchmarks import own
from gan_jax.ops import cpu, plain

if __name__ == '__main__':
    cpu.form = lambda *_: plain
    own.main()
