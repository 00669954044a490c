"""The report: one page from the files of a run, whatever of them is there."""

import base64
from html.parser import HTMLParser
import io
import json
import re
import threading

from matplotlib.figure import Figure
import numpy as np
from PIL import Image
import pytest

from gan_jax import report
from gan_jax.io import images
from gan_jax.records.recorder import GRID_PAD, Recorder
from gan_jax.report import curves, pictures, plots, run
from tests.studies import provenance_test

SECTIONS = ('filmstrip', 'curves', 'reading-note', 'commands', 'settings')
STEPS, SAMPLE_EVERY = 200, 10


def write_facts(workdir, shape=(8, 8, 1), **config):
    facts = {
        'versions': {'python': '3.11.7', 'jax': '0.10.2'},
        'devices': ['TPU v4', 'TPU v4'],
        'command': 'python train.py --config=quickstart',
        'data': {'name': 'mnist5k', 'num_examples': 5000, 'image_shape': shape},
        'parameters': {'gen': 12345, 'disc': 6789},
    }
    config = {'name': 'quickstart', 'steps': STEPS, 'loss': 'non_saturating', **config}
    (workdir / 'run.json').write_text(json.dumps(facts))
    (workdir / 'config.json').write_text(json.dumps(config))


def write_history(workdir, shape=(8, 8, 1), count=9, steps=STEPS, every=SAMPLE_EVERY):
    rng = np.random.default_rng(0)
    recorder = Recorder(
        workdir, num_examples=500, images_per_step=64, log_every=2, tensorboard=False
    )
    for step in range(1, steps + 1):
        names = [curve.metric for panel in curves.PANELS for curve in panel.curves]
        metrics = dict(zip(names, rng.uniform(0.2, 0.8, len(names)), strict=True))
        recorder.record(step - 1, [metrics], input_wait_s=0.0)
        if step % 10 == 0:
            recorder.evaluated(step, metrics)
        if step % every == 0:
            recorder.samples(step, rng.integers(0, 256, (count, *shape), np.uint8))


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp('finished')
    write_facts(workdir)
    write_history(workdir)
    report.write(workdir)
    return workdir


class Page(HTMLParser):
    """Tags must nest; collects ids and every attribute or style that names a resource."""

    VOID = ('meta', 'img', 'input', 'line', 'path', 'br')
    LINKS = ('src', 'href', 'srcset', 'action', 'data', 'poster', 'xlink:href')

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], ''
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == 'id']
        self.links += [value for name, value in attrs if name in self.LINKS]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert tag == self.open.pop()

    def handle_data(self, data):
        self.text += data


def read(workdir):
    html = (workdir / 'report.html').read_text('utf-8')
    return html, Page(html)


def shown(workdir):
    """The same of a run, whose pictures are not drawn."""
    html = report.page(run.read(workdir))
    return html, Page(html)


def script_data(html):
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_a_finished_run_has_every_section_and_figure(finished):
    html, page = read(finished)
    assert set(SECTIONS) <= set(page.ids) and len(page.ids) == len(set(page.ids))
    for text in ('quickstart', 'mnist5k', '5,000', '200', '25.6', '12,345', '2 × TPU v4', '0.10.2'):
        assert text in page.text
    assert 'python train.py --config=quickstart' in page.text
    assert f'gan-jax sample --workdir={finished} --output=samples.png' in page.text
    assert all(panel.title in page.text for panel in curves.PANELS)


def test_the_page_loads_nothing_from_outside(finished):
    html, page = read(finished)
    assert page.links and all(link.startswith('data:image/') for link in page.links)
    frames = script_data(html)['frames']
    assert all((frame['src'] or 'data:image/').startswith('data:image/') for frame in frames)
    for loader in ('http:', 'https:', '@import', 'url(', 'fetch(', 'XMLHttpRequest', 'import('):
        assert loader not in html


def test_the_slider_holds_the_grids_in_order_and_the_page_the_last(finished):
    html, page = read(finished)
    paths = sorted((finished / 'samples').iterdir())
    frames = script_data(html)['frames']
    assert [frame['step'] for frame in frames] == [int(path.stem) for path in paths]
    decoded = [base64.b64decode(frame['src'].split(',')[1]) for frame in frames[:-1]]
    assert decoded == [path.read_bytes() for path in paths[:-1]]
    assert base64.b64decode(page.links[0].split(',')[1]) == paths[-1].read_bytes()


def test_every_curve_has_a_reading_for_every_step(finished):
    data = script_data(read(finished)[0])
    assert set(data['charts']) == {panel.title for panel in curves.PANELS}
    for panel in curves.PANELS:
        chart = data['charts'][panel.title]
        lengths = [len(values) for values in chart['readings']]
        assert lengths == [len(chart['steps'])] * len(panel.curves)


def test_pictures_stand_beside_the_page(finished):
    with Image.open(finished / 'curves.png') as image:
        assert image.size[0] > 2 * image.size[1]
    with Image.open(finished / 'progress.gif') as gif:
        assert gif.n_frames == STEPS // SAMPLE_EVERY and min(gif.size) >= 160
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info['duration'])
    assert durations[-1] > 10 * durations[0] and len(set(durations)) == 2


@pytest.mark.parametrize('facts', [False, True])
def test_a_run_that_was_just_started_has_a_page(tmp_path, facts):
    if facts:
        write_facts(tmp_path)
    report.write(tmp_path)
    html, page = read(tmp_path)
    assert 'commands' in page.ids and 'curves' not in page.ids and 'filmstrip' not in page.ids
    assert 'stopped at step 0' in page.text
    assert not (tmp_path / 'curves.png').exists() and not (tmp_path / 'progress.gif').exists()


def test_one_line_and_one_grid_are_enough(tmp_path):
    write_facts(tmp_path)
    write_history(tmp_path, steps=2, every=2)
    html, page = shown(tmp_path)
    assert 'at step 2 of 200' in page.text and 'curves' in page.ids
    assert 'scrubber' not in page.ids


def test_missing_metrics_and_values_leave_gaps(tmp_path):
    write_facts(tmp_path)
    rows = [{'step': s, 'epoch': s, 'images_seen': s, 'loss_g': float(s)} for s in range(1, 6)]
    rows[2]['loss_g'] = None
    (tmp_path / 'metrics.jsonl').write_text('\n'.join(map(json.dumps, rows)) + '\n{"step": 6, "l')
    data = script_data(shown(tmp_path)[0])
    assert data['charts'] == {
        'Losses': {'steps': [1, 2, 3, 4, 5], 'readings': [[1.0, 2.0, None, 4.0, 5.0]]}
    }


def write_evaluations(workdir, aucs, **figures):
    rows = [
        {'step': 10 * n, 'epoch': n + 0.02, 'auc': auc, **{k: v[n - 1] for k, v in figures.items()}}
        for n, auc in enumerate(aucs, 1)
    ]
    text = ''.join(json.dumps(row) + '\n' for row in rows)
    (workdir / 'evaluations.jsonl').write_text(text)


def test_distances_are_shown_with_what_they_are_of(tmp_path):
    write_facts(tmp_path, evaluate={'best': 'frechet_digits', 'every': 1.0})
    by = provenance_test.facts(1_234, 'mnist')
    few = {**by, 'samples': 56}  # it was resumed by other means
    write_evaluations(tmp_path, [0.8] * 3, frechet_digits=[9.0, 3.0, 4.0], by=[by, by, few])
    html, page = shown(tmp_path)
    ways = 'Distances of steps 10 to 20: Samples: 1,234', 'Distances of step 30: Samples: 56'
    for part in (*ways, '5 of 9 held-out images (mnist)', 'eeeeeeeeeeee', 'digits, version 1'):
        assert part in page.text
    assert '20 (by frechet digits)' in page.text
    assert script_data(html)['charts']['Frechet distance']['readings'] == [[9.0, 3.0, 4.0]]


def drawn(monkeypatch, metrics, evaluations, captions):
    """The text below the panels of curves.png, and its height in pixels."""
    found, below = [], Figure.supxlabel
    monkeypatch.setattr(
        Figure, 'supxlabel', lambda self, t, **k: found.append(t) or below(self, t, **k)
    )
    png = plots.curves_png(metrics, evaluations, captions)
    with Image.open(io.BytesIO(png)) as picture:
        return '\n'.join(found), picture.height


def test_distances_in_the_picture_have_a_caption(monkeypatch):
    captions = ['Distances: Samples: 5; Reference: of $1 and $2.', 'word ' * 60]
    rows = [{'step': step, 'auc': 0.5} for step in (1, 2)]
    without, low = drawn(monkeypatch, [], rows, captions)
    rows = [{'step': step, 'frechet_digits': 1.0} for step in (1, 2)]
    shown, high = drawn(monkeypatch, [], rows, captions)
    assert without == '' and shown.split() == ' '.join(captions).split()
    assert high > low and max(map(len, shown.splitlines())) < 80  # of a single panel


def test_text_from_outside_is_escaped(tmp_path):
    evil = '</script><script>alert(1)</script>"\'&<img src=x onerror=y>$body $$ ${x}'
    write_facts(tmp_path, name=evil, **{evil: evil})
    write_history(tmp_path, steps=20)
    html, page = shown(tmp_path)
    assert '<script>alert' not in html and '<img src=x' not in html
    assert html.count('<script') == 2
    assert evil in page.text  # as text


def test_to_train_longer_is_offered_where_the_steps_are_the_users(tmp_path):
    write_facts(tmp_path)
    longer = 'python train.py --config=quickstart --config.steps=400'
    assert longer in report.page(run.read(tmp_path))
    facts = json.loads((tmp_path / 'run.json').read_text())
    (tmp_path / 'run.json').write_text(json.dumps(facts | {'command': 'gan-jax study labels'}))
    assert '--config.steps' not in report.page(run.read(tmp_path))


@pytest.mark.parametrize('loss, warns', [('non_saturating', False), ('wasserstein', True)])
def test_d_is_read_as_a_probability_only_where_it_is_one(tmp_path, loss, warns):
    write_facts(tmp_path, loss=loss)
    write_history(tmp_path, steps=20)
    assert ('not train D’s output' in shown(tmp_path)[1].text) == warns


@pytest.mark.slow
def test_large_noise_in_colour_stays_within_the_sizes(tmp_path):
    """The worst case for every format: 40 grids of 64 images of uniform noise."""
    shape = (64, 64, 3)
    write_facts(tmp_path, shape)
    write_history(tmp_path, shape, count=64, steps=40, every=1)
    report.write(tmp_path)
    assert (tmp_path / 'progress.gif').stat().st_size < 5_000_000
    assert (tmp_path / 'report.html').stat().st_size < 6_000_000
    assert len(script_data(read(tmp_path)[0])['frames']) >= pictures.FEWEST_FRAMES


def test_grids_of_another_kind_make_no_filmstrip(tmp_path):
    """A translator's grid shows input and output side by side."""
    write_facts(tmp_path, shape=(10, 10, 1))
    write_history(tmp_path, shape=(8, 13, 1))
    assert 'filmstrip' not in shown(tmp_path)[1].ids


def test_the_filmstrip_shows_each_latent_in_a_row(tmp_path):
    shape = (4, 5, 3)
    batches = np.random.default_rng(0).integers(0, 256, (3, 9, *shape), np.uint8)
    paths = [tmp_path / f'{step}.png' for step in range(3)]
    for path, batch in zip(paths, batches, strict=True):
        images.write_png(path, images.tile(batch, 3, GRID_PAD))
    strip = pictures.filmstrip(paths, shape, GRID_PAD, rows=2)
    expected = [batches[step][latent] for latent in range(2) for step in range(3)]
    np.testing.assert_array_equal(strip, images.tile(np.stack(expected), 3, GRID_PAD))


def test_a_report_may_be_written_from_any_thread(finished):
    thread = threading.Thread(target=report.write, args=(finished,))
    thread.start()
    thread.join()
    assert read(finished)


def test_evenly_keeps_the_ends():
    assert pictures.evenly(range(100), 4) == [0, 33, 66, 99]
    assert pictures.evenly(range(3), 4) == [0, 1, 2]
    assert pictures.evenly(range(9), 1) == [8]
    assert pictures.evenly([], 4) == []


def test_a_smoothed_curve_keeps_a_constant_and_its_gaps():
    values = np.full(200, 3.0)
    values[[0, 7, 199]] = np.nan
    smoothed = curves.smooth(values)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(values))
    np.testing.assert_allclose(smoothed[~np.isnan(smoothed)], 3.0)


def test_thinning_keeps_the_mean():
    rows = [{'step': step, 'loss_g': float(step)} for step in range(1, 1001)]
    [drawing] = curves.drawings(rows, [], points=100)
    assert len(drawing.steps) == 100
    np.testing.assert_allclose(drawing.lines[0].raw, drawing.steps)
    np.testing.assert_allclose(drawing.steps.mean(), 500.5)


def test_web_pictures_as_they_are_if_they_fit(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f'{i}.png' for i in range(20)]
    for path in paths:
        images.write_png(path, rng.integers(0, 256, (64, 64, 3), np.uint8))
    total = sum(path.stat().st_size for path in paths)
    whole = pictures.web_pictures(paths, 60, total)
    assert [picture.content for _, picture in whole] == [path.read_bytes() for path in paths]
    fewer = pictures.web_pictures(paths, 60, total // 10)
    assert sum(len(picture.content) for _, picture in fewer) <= total // 10
    assert fewer[0][0] == paths[0] and fewer[-1][0] == paths[-1]
    for _, picture in fewer:
        assert (picture.width, picture.height) == (64, 64)
        Image.open(io.BytesIO(picture.content)).load()
