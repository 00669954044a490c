"""Pictures of studies show what they are made of."""

import io
import math

import numpy as np
from PIL import Image

from gan_jax.io import images
from gan_jax.records import recorder, workdirs
from studies import pictures
from tests import trainer_test
from tests.data import photos


def begun(workdir, num_samples, image_shape):
    """The recorder of a run that has just begun."""
    workdirs.write_config(workdir, trainer_test.tiny(num_samples=num_samples))
    data = {'name': 'digits', 'num_examples': 1, 'image_shape': image_shape}
    workdirs.write_facts(workdir, data=data)
    return recorder.Recorder(
        workdir, num_examples=1, images_per_step=1, log_every=1, tensorboard=False
    )


def test_what_a_generator_made_of_the_same_latents_over_time(tmp_path):
    """Digit i of step s is of grey 10 s + i: each is found where it should be."""
    book = begun(tmp_path, 12, (28, 20, 1))
    for step in range(15):
        greys = 10 * step + np.arange(12, dtype=np.uint8)
        book.samples(step, np.broadcast_to(greys[:, None, None, None], (12, 28, 20, 1)))
    assert pictures.read_strip(tmp_path) is None
    pictures.keep_strip(tmp_path, pictures.over_time(tmp_path))
    steps, image = pictures.read_strip(tmp_path)
    assert steps == [0, 2, 4, 6, 8, 10, 12, 14]
    cells = image.reshape(8, 28, 10, 20)
    np.testing.assert_array_equal(cells, np.broadcast_to(cells[:, :1, :, :1], cells.shape))
    np.testing.assert_array_equal(cells[:, 0, :, 0], 10 * np.array(steps)[:, None] + range(10))


def test_bars_are_as_high_as_their_shares_and_gaps_are_left():
    series = {'one': [(0.5, 0.1), None], 'two': [(1.0, math.nan), (0.25, 0.0)]}
    page = pictures.figure(4, 3)
    axes = page.subplots()
    pictures.bars(axes, ['a', 'b'], series)
    heights = [round(patch.get_height(), 6) for patch in axes.patches]
    assert heights == [50, 100, 25]
    assert [text.get_text() for text in axes.texts] == ['50.0', '100.0', '25.0']
    with Image.open(io.BytesIO(images.drawn(page))) as picture:
        assert picture.size == (480, 360)


def test_a_line_of_photos_has_no_more_than_fit(tmp_path):
    book = begun(tmp_path, 4, (8, 150, 3))
    book.samples(0, np.zeros((4, 8, 150, 3), np.uint8))
    assert pictures.over_time(tmp_path)[1].shape == (8, 2 * 150, 3)


def test_small_print_is_below_the_picture_and_no_wider():
    png = photos.encoded(Image.new('RGB', (300, 40), 'red'), 'PNG')
    assert pictures.captioned(png, []) is png
    with Image.open(io.BytesIO(pictures.captioned(png, ['Wm' * 40, 'one word ' * 40]))) as made:
        page = np.asarray(made)
    assert page.shape[1] == 300 and (page[:40] == (255, 0, 0)).all()
    below, margin = page[40:], page[40:, -pictures.PRINT // 2 :]
    assert (below < 128).any() and (margin == 255).all() and (below[-3:] == 255).all()
