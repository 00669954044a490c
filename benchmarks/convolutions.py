"""How long each form of each convolution map takes on this CPU, and which one is chosen.

    python benchmarks/convolutions.py [--layers=dcgan] [--precision=bfloat16]

One line a map: medians in milliseconds, `*` before the form that `gan_jax.ops.cpu` uses,
and what the products alone would take as one square matrix product, timed in the same run.
Forms take turns, so that whatever else the machine does slows all of them.
"""

from collections.abc import Callable, Iterator
import functools
import statistics
import time

from absl import app, flags
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.ops import cpu, direct, gemm, mirror, winograd
from gan_jax.ops.windows import Axis, Window
from gan_jax.processes import memory

_LAYERS = flags.DEFINE_string('layers', '', 'only layers whose name contains this')
_PRECISION = flags.DEFINE_string('precision', 'float32', 'float32 or bfloat16')
_TURNS = flags.DEFINE_integer('turns', 9, 'measurements of each form')

# name: big, small, taps, stride, low, C_big, C_small, batches
LAYERS = {
    'dcgan 64-32': (64, 32, 4, 2, 1, 3, 64, (64, 4)),
    'dcgan 32-16': (32, 16, 4, 2, 1, 64, 128, (64, 4)),
    'dcgan 16-8': (16, 8, 4, 2, 1, 128, 256, (64, 4)),
    'dcgan 8-4': (8, 4, 4, 2, 1, 256, 512, (64, 4)),
    'dcgan latent': (4, 1, 4, 1, 0, 512, 100, (64, 4)),
    'dcgan logit': (4, 1, 4, 1, 0, 512, 1, (64, 4)),
    'dcgan_mnist up 7': (14, 7, 6, 2, 2, 64, 128, (64, 32)),
    'dcgan_mnist up 14': (28, 14, 6, 2, 2, 1, 64, (64, 32)),
    'dcgan_mnist 28-14': (28, 14, 5, 2, 1, 1, 64, (64, 32)),
    'dcgan_mnist 14-5': (14, 5, 5, 2, 0, 64, 128, (64, 32)),
    'mnist_gan 28-14': (28, 14, 4, 2, 1, 1, 64, (64,)),
    'mnist_gan 14-7': (14, 7, 4, 2, 1, 64, 128, (64,)),
    'sgan 28-14': (28, 14, 3, 2, 0, 1, 32, (32,)),
    'sgan 14-7': (14, 7, 3, 2, 0, 32, 64, (32,)),
    'sgan 7-4': (7, 4, 3, 2, 1, 64, 128, (32,)),
    'sgan up 7': (14, 7, 3, 2, 0, 128, 256, (32,)),
    'sgan up 14 s1': (14, 14, 3, 1, 1, 64, 128, (32, 8)),
    'brownlee 14-7': (14, 7, 3, 2, 0, 128, 128, (50,)),
    'brownlee 7-4': (7, 4, 3, 2, 1, 128, 128, (50,)),
    'brownlee up 7': (14, 7, 4, 2, 1, 128, 128, (50,)),
    'brownlee up 14': (28, 14, 4, 2, 1, 128, 128, (50,)),
    'unet 32-16': (32, 16, 4, 2, 1, 256, 512, (1,)),
    'unet up 16': (32, 16, 4, 2, 1, 256, 1024, (1,)),
    'unet 16-8': (16, 8, 4, 2, 1, 512, 512, (1, 4)),
    'unet 16-8 many': (16, 8, 4, 2, 1, 512, 512, (16,)),
    'unet up 8': (16, 8, 4, 2, 1, 512, 1024, (1, 4)),
    'unet 4-2': (4, 2, 4, 2, 1, 512, 512, (1, 4)),
    'unet 2-1': (2, 1, 4, 2, 1, 512, 512, (1, 4)),
    'patch 256-128': (256, 128, 4, 2, 1, 6, 64, (1,)),
    'patch 32-31': (32, 31, 4, 1, 1, 256, 512, (1, 4)),
    'patch 16-15': (16, 15, 4, 1, 1, 256, 512, (1, 4)),
    'patch logits': (31, 30, 4, 1, 1, 512, 1, (1, 4)),
    'album 64-32': (64, 32, 4, 2, 1, 32, 64, (8,)),
    'album up 4': (8, 4, 4, 2, 1, 256, 512, (8,)),
    'album up 8': (16, 8, 4, 2, 1, 128, 512, (8,)),
    'album up 32': (64, 32, 4, 2, 1, 32, 128, (8,)),
    'album up 64': (128, 64, 4, 2, 1, 16, 64, (8,)),
    'album last': (128, 128, 3, 1, 1, 19, 3, (8,)),
    'album patch 128-64': (128, 64, 4, 2, 1, 6, 16, (8, 16)),
    'album patch 64-32': (64, 32, 4, 2, 1, 16, 32, (8, 16)),
    'album patch 16-15': (16, 15, 4, 1, 1, 64, 128, (8, 16)),
    'pixel': (256, 256, 1, 1, 0, 64, 128, (1,)),
    '7x7 s1': (28, 28, 7, 1, 3, 128, 1, (32,)),
}

_COLUMNS = {'': 'products'} | {
    form.__name__: form.__name__.rpartition('.')[2] for form in (direct, gemm, mirror, winograd)
}


def _operands(
    window: Window, batch: int, channels: tuple[int, int]
) -> dict[str, tuple[jax.Array, jax.Array]]:
    shapes = dict(
        big=(batch, window.rows.big, window.cols.big, channels[0]),
        small=(batch, window.rows.small, window.cols.small, channels[1]),
        kernel=(*window.taps, *channels),
    )
    rng = np.random.default_rng(0)
    x = {
        name: jnp.asarray(rng.standard_normal(shape, np.float32), _PRECISION.value)
        for name, shape in shapes.items()
    }
    return {
        'down': (x['big'], x['kernel']),
        'up': (x['small'], x['kernel']),
        'corr': (x['big'], x['small']),
    }


def _medians(calls: dict[str, Callable[[], jax.Array]]) -> dict[str, float]:
    """Milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(_TURNS.value + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call().block_until_ready()
            if turn:  # the first compiles
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def _rows(name: str) -> Iterator[tuple[str, ...]]:
    big, small, taps, stride, low, big_channels, small_channels, batches = LAYERS[name]
    channels = big_channels, small_channels
    window = Window(*[Axis(big, small, taps, stride, low)] * 2)
    forms = [direct, gemm] + [form for form in (mirror, winograd) if form.applies(window)]
    side = jnp.ones((1024, 1024), _PRECISION.value)
    for batch in batches:
        for kind, operands in _operands(window, batch, channels).items():
            calls = {
                form.__name__: functools.partial(
                    jax.jit(functools.partial(getattr(form, kind), window=window)), *operands
                )
                for form in forms
            }
            times = _medians({'': functools.partial(jax.jit(jnp.dot), side, side), **calls})
            work = batch * small**2 * taps**2 * channels[0] * channels[1] / 1024**3
            chosen = cpu.form(kind, window, operands[0], channels).__name__
            cells = {form: f'{"*" if form == chosen else ""}{ms:.2f}' for form, ms in times.items()}
            cells[''] = f'{work * times[""]:.2f}'
            yield name, str(batch), kind, *[cells.get(column, '') for column in _COLUMNS]


def main(argv: list[str]) -> None:
    """Prints the table."""
    del argv
    line = '{:<18} {:>5} {:>5}' + ' {:>9}' * len(_COLUMNS)
    print(line.format('layer', 'batch', 'map', *_COLUMNS.values()))
    for name in LAYERS:
        if _LAYERS.value in name:
            for row in _rows(name):
                print(line.format(*row), flush=True)


if __name__ == '__main__':
    memory.keep()  # as in training: else the forms with large temporaries pay for fresh pages
    jax.config.update('jax_platforms', 'cpu')
    app.run(main)
