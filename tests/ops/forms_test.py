"""Every form of the three maps against `lax`, over random windows, and the choice among them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.ops import cpu, cuda, direct, gemm, mirror, plain, winograd
from gan_jax.ops.windows import Axis, Window

# taps, strides; each with other sizes, borders and channels on the two axes
SHAPES = [(1, 1), (3, 1), (4, 1), (7, 1), (2, 2), (3, 2), (4, 2), (5, 2), (6, 3)]
HALVING = Window(Axis(8, 4, 4, 2, 1), Axis(12, 6, 4, 2, 1))
ODD = Window(Axis(14, 7, 4, 2, 1), Axis(10, 5, 4, 2, 1))
WHOLE = Window(Axis(4, 1, 4, 1, 0), Axis(3, 1, 3, 1, 0))
RECIPES = {  # besides random ones of the same taps and strides
    'plain GAN, 14 to 7': ODD,
    'unet, 2 to 1': Window(Axis(2, 1, 4, 2, 1), Axis(2, 1, 4, 2, 1)),
    'dcgan, 8 to 4': Window(Axis(8, 4, 4, 2, 1), Axis(8, 4, 4, 2, 1)),
    'pixel': Window(Axis(5, 5, 1, 1, 0), Axis(5, 5, 1, 1, 0)),
}


def random_axis(rng: np.random.Generator, taps: int, stride: int) -> Axis:
    """Up to six small elements, any padding less than the kernel, some rows that meet no tap."""
    small, low, high, unmet = rng.integers((1, 0, 0, 0), (7, taps, taps, stride))
    big = (small - 1) * stride + taps - low - high + unmet
    return Axis(max(int(big), 1), int(small), taps, stride, int(low))


def random_window(taps: int, stride: int) -> Window:
    rng = np.random.default_rng(10 * taps + stride)
    return Window(random_axis(rng, taps, stride), random_axis(rng, taps, stride))


def operands(window: Window, dtype=jnp.float32) -> dict[str, tuple[jax.Array, jax.Array]]:
    rng = np.random.default_rng(0)
    n, c_big, c_small = 2, 3, 5

    def draw(*shape: int) -> jax.Array:
        return jnp.asarray(rng.standard_normal(shape), dtype)

    big = draw(n, window.rows.big, window.cols.big, c_big)
    small = draw(n, window.rows.small, window.cols.small, c_small)
    kernel = draw(*window.taps, c_big, c_small)
    return {'down': (big, kernel), 'up': (small, kernel), 'corr': (big, small)}


def forms(window: Window) -> list:
    return [cuda, direct, gemm] + [form for form in (mirror, winograd) if form.applies(window)]


def relative_errors(window: Window, dtype=jnp.float32) -> dict[tuple[str, str], float]:
    """Largest error over largest value, of every form's every map, by (form, map)."""
    given = operands(window, dtype)

    @jax.jit
    def compute(given):
        exact = jax.tree.map(lambda x: x.astype(jnp.float32), given)
        expected = {name: getattr(plain, name)(*exact[name], window) for name in given}
        actual = {
            (form.__name__, name): getattr(form, name)(*given[name], window)
            for form in forms(window)
            for name in given
        }
        return expected, actual

    expected, actual = jax.device_get(compute(given))
    errors = {}
    for (form, name), value in actual.items():
        assert value.dtype == dtype and value.shape == expected[name].shape
        error = np.max(np.abs(value.astype(np.float32) - expected[name]))
        errors[form, name] = error / max(np.max(np.abs(expected[name])), 1e-9)
    return errors


WINDOWS = {f'{taps}x{taps} s{stride}': random_window(taps, stride) for taps, stride in SHAPES}
WINDOWS |= RECIPES | {'halving': HALVING, 'whole': WHOLE}  # the latter have forms of their own


@pytest.mark.parametrize('name', WINDOWS)
def test_forms_equal_lax_for_any_window(name):
    errors = relative_errors(WINDOWS[name])
    assert max(errors.values()) < 1e-5, errors


@pytest.mark.parametrize('window', [HALVING, random_window(3, 1)], ids=['halving', '3x3'])
def test_bfloat16_rounds_operands_and_results_only(window):
    # A bfloat16 is within 2^-9 of the value; Winograd's sums of operands round a few times.
    errors = relative_errors(window, jnp.bfloat16)
    errors = {
        key: error
        for key, error in errors.items()
        if key[0].split('.')[-1] not in ('cuda', 'direct')
    }
    assert max(errors.values()) < 2**-6, errors


def test_the_maps_are_adjoint():
    window = random_window(5, 2)
    given = operands(window)
    (big, kernel), (small, _) = given['down'], given['up']

    @jax.jit
    def sums():
        return (
            jnp.vdot(gemm.down(big, kernel, window), small),
            jnp.vdot(gemm.up(small, kernel, window), big),
            jnp.vdot(gemm.corr(big, small, window), kernel),
        )

    found = jax.device_get(sums())
    np.testing.assert_allclose(found, [found[0]] * 3, rtol=1e-4)


def chosen(
    window: Window, batch: int, channels: tuple[int, int], dtype=jnp.float32, kind: str = 'down'
):
    return cpu.form(kind, window, jax.ShapeDtypeStruct((batch, 1, 1, 1), dtype), channels)


def square(*axis: int) -> Window:
    return Window(Axis(*axis), Axis(*axis))


@pytest.mark.parametrize('taps, stride', SHAPES)
@pytest.mark.parametrize('channels', [(1, 64), (64, 1), (16, 32), (64, 128)])
def test_the_chosen_form_can_compute_the_map(taps, stride, channels):
    window = random_window(taps, stride)
    for kind in ('down', 'up', 'corr'):
        assert chosen(window, 64, channels, kind=kind) in forms(window)
        # Eigen has none
        assert chosen(window, 64, channels, jnp.bfloat16, kind) is not direct
