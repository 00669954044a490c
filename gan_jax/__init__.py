"""gan_jax: train GANs on small image sets with JAX and Flax, and see whether it worked.

    run = gan_jax.train('quickstart')     # or gan_jax.load('runs/quickstart')
    run.sample(64, seed=0)

What is in `__all__` stays as it is documented; all else is private. JAX is imported when one of
these is used.
"""

from typing import TYPE_CHECKING, Any

from gan_jax.errors import UserError

if TYPE_CHECKING:
    from gan_jax.api import Evaluation, Images, Run, load, train

__all__ = ['Evaluation', 'Images', 'Run', 'UserError', 'load', 'train']
__version__ = '0.1.0.dev0'


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from gan_jax import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
