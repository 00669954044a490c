"""The images by which a generator is measured: always the same latents."""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from gan_jax import rng
from gan_jax.errors import UserError
from gan_jax.io import pixels
from gan_jax.ops import target
from gan_jax.states import GanState, Task
from gan_jax.terminal import progress

CHUNK = 64  # images in one call on a CPU, so that memory does not grow with their number


def in_chunks(
    call: Callable[..., jax.Array], state: GanState, z: np.ndarray, label: np.ndarray
) -> Iterator[np.ndarray]:
    """Images [n, H, W, C] of latents [N, latent_dim] and labels [N], a call each."""
    size = min(target.images_at_once(CHUNK), len(z))
    for start in range(0, len(z), size):
        # The last call is filled up with the first latents, so that one program serves all.
        index = np.arange(start, start + size) % len(z)
        made = np.asarray(call(state, z[index], label[index]))
        yield made[: len(z) - start]


class Samples:
    """Images of fixed latents, and of labels drawn from `Sampler.classes` if there are some.

    The n-th image depends on the seed and on n, not on how many there are. Compiled once.
    """

    def __init__(self, task: Task, seed: int, count: int):
        """Draws latents and labels, by a seed of their own that `config.seed` gives.

        Raises:
          UserError: the generator does not start from a latent.
        """
        if task.sampler is None:
            raise UserError('config.task: its generator does not start from a latent')
        key = rng.purpose_key(jax.random.key(seed), 'evaluation')
        self._latent = np.asarray(task.sampler.latent(key, count))
        keys = rng.example_keys(rng.purpose_key(key, 'label'), count, None)
        uniform = rng.uniform(keys, ())
        classes = np.array(task.sampler.classes or (0,), np.int32)
        # int32 [count], the classes asked for; zeros without any
        self.label = classes[np.asarray(uniform * len(classes)).astype(np.int32)]
        self._generate = jax.jit(task.sampler.generate)

    def __len__(self) -> int:
        return len(self.label)

    def __call__(self, state: GanState, bar: str = '') -> np.ndarray:
        """uint8 [count, H, W, C]; `bar` names a progress bar, '' shows none."""
        parts = in_chunks(self._generate, state, self._latent, self.label)
        count = -(-len(self) // target.images_at_once(CHUNK))
        return pixels.eight_bits(np.concatenate(list(progress.over(parts, count, bar))))
