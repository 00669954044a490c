"""Pictures of the study of balance: of whatever was measured so far."""

import io
import json

import numpy as np
from PIL import Image
import pytest

from studies import balance_charts, pictures


def row(setting, width=64, seed=0):
    return {'setting': setting, 'width': width, 'seed': seed, 'fd_real': 50.0}


@pytest.fixture
def workdir(tmp_path):
    """A run of each way, with an AUC at every epoch and a distance at some."""
    for number, name in enumerate(('plain-64-0', 'best-64-0', 'plain-32-0', 'ada-32-0')):
        folder = tmp_path / name
        folder.mkdir()
        lines = [{'step': 10 * e, 'epoch': e, 'auc': 1 - 0.1 / e} for e in range(1, 30)]
        lines += [{'step': 10 * e, 'epoch': e, 'frechet_efflite0': 100 + number} for e in (20, 40)]
        (folder / 'evaluations.jsonl').write_text(
            ''.join(json.dumps(line) + '\n' for line in lines)
        )
    return tmp_path


def test_a_chart_of_any_part_of_the_rows(workdir):
    rows = [row('plain'), row('best'), row('plain', 32), row('ada', 32)]
    drawn = [balance_charts.measured(rows[:count], workdir) for count in range(1, 5)]
    assert len(set(drawn)) == 4


def test_a_line_is_the_median_of_the_epochs_before():
    epochs, values = np.arange(1.0, 31), np.full(30, 0.9)
    values[10] = 0.1  # a single epoch does not show
    np.testing.assert_array_equal(balance_charts._smooth(epochs, values), np.full(30, 0.9))
    values[15:] = 0.5
    assert balance_charts._smooth(epochs, values)[-1] == 0.5


def test_the_last_samples_of_each_way_three_in_a_line(workdir):
    names = ('plain', 'best', 'ada', 'diffaugment')
    rows = [row(name, 32) | {'fd_last': 240.0 + n} for n, name in enumerate(names)]
    assert balance_charts.at_the_end(rows, workdir) is None  # nothing kept
    sizes = []
    for count, name in enumerate(names, 1):
        (workdir / f'{name}-32-0').mkdir(exist_ok=True)
        image = np.full((16, 24, 3), 40 * count, np.uint8)
        image[:8] = 255  # the first of two epochs
        pictures.keep_strip(workdir / f'{name}-32-0', ([25, 50], image))
        drawn = Image.open(io.BytesIO(balance_charts.at_the_end(rows, workdir)))
        found = set(np.asarray(drawn.convert('L')).flat)
        assert {40 * n for n in range(1, count + 1)} <= found  # the last epoch of each
        sizes.append(drawn.size)
    width, height = sizes[0]
    assert sizes[1:] == [(2 * width, height), (3 * width, height), (3 * width, 2 * height)]
