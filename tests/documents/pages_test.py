"""Pages are short to read, lead somewhere, and have a place for all there is."""

from pathlib import Path
import re

import jax
import pytest

from gan_jax import tasks
from gan_jax.config import experiments
from gan_jax.evaluation import metrics, scores
from gan_jax.pretrained import frozen
from gan_jax.records import workdirs
from gan_jax.types import DataSpec
from tests import gans, trainer_test
from tools import reference, sentences

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
CODE = 'benchmarks', 'configs', 'faces', 'gan_jax', 'studies', 'tools'


def read(name):
    return (DOCS / name).read_text(encoding='utf-8')


@pytest.mark.parametrize('page', sentences.pages(), ids=lambda page: page.stem)
def test_sentences_are_short(page):
    found = sentences.measure([page])
    assert found.median <= 15 and found.long <= 0.03


@pytest.mark.parametrize('page', sorted((DOCS / 'howto').glob('*.md')), ids=lambda page: page.stem)
def test_a_how_to_fits_about_a_screen_and_a_half(page):
    assert sentences.measure([page]).words <= 450


def test_what_counts_as_a_sentence():
    text = '# Title\n\nOne two. Three:\n\n- four\n- `five` six\n\n| a | cell |\n\n```\nA. B.\n```\n'
    assert list(sentences.sentences(text)) == ['One two.', 'Three:', '- four', '- `five` six']


@pytest.mark.parametrize('name', reference.PAGES)
def test_a_page_of_the_reference_is_that_of_the_code(name, monkeypatch):
    monkeypatch.delitem(frozen.FROZEN, 'tiny', raising=False)  # of tests alone
    made = reference.PAGES[name]().rstrip() + '\n'
    assert read(f'reference/{name}') == made, 'run python tools/reference.py'


def test_every_metric_has_a_place():
    page = read('reference/metrics.md')
    for name, metric in metrics.METRICS.items():
        assert f'`{name}_NET`' in page if metric.suffixed else f'`{name}`' in page, name
        assert metric.name in page or metric.name.split()[-1].lower() in name, name  # as printed
    for name in (*scores.SCORES, 'auc', 'auc_held_out'):
        assert f'`{name}`' in page, name


PAIRS = DataSpec((64, 128, 3), num_classes=0, num_examples=10, panels=2)
RUNS = {
    'adversarial': (trainer_test.eventful, gans.MNIST_SPEC),
    'semisupervised': (lambda: experiments.load('sgan_mnist:smoke'), gans.MNIST_SPEC),
    'translation': (lambda: gans.pix2pix(**{'translation.matching': 1.0}), PAIRS),
}


@pytest.mark.parametrize('make, spec', RUNS.values(), ids=RUNS)
def test_every_column_of_metrics_jsonl_has_a_place(make, spec):
    config = make()
    task = tasks.make(config, spec, axis_name=None)
    batch = gans.batch(spec, len(tasks.pools(config)), config.batch_size)
    _, found = jax.eval_shape(task.step, jax.eval_shape(task.init), batch)
    page = read('reference/metrics.md')
    assert [name for name in found if f'`{name}`' not in page] == []


def test_every_file_of_a_run_has_a_place():
    page = read('reference/files.md')
    assert all(f'`{name}' in page for name in workdirs.CONTENT)


@pytest.mark.parametrize('name', ['README.md', 'CONTRIBUTING.md'])
def test_links_out_of_the_pages_lead_to_files(name):
    for link in re.findall(r'\]\(([^)#\s]+)', (ROOT / name).read_text(encoding='utf-8')):
        assert '://' in link or (ROOT / link).exists(), link


def test_pages_that_code_names_are_there():
    for path in (path for folder in CODE for path in (ROOT / folder).rglob('*.py')):
        for name in re.findall(r'\bdocs/[\w/]+\.md\b', path.read_text(encoding='utf-8')):
            assert (ROOT / name).exists(), f'{path} names {name}'


def test_docstrings_begin_with_a_verb_or_a_noun():
    for path in (path for folder in (*CODE, 'tests') for path in (ROOT / folder).rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        found = re.search(r'^ *r?"""(What|Of|As|By|Those|From)\b.*', text, re.MULTILINE)
        assert not found, f'{path}: {found[0]}'


def test_every_page_of_results_begins_with_a_table_and_at_most_two_pictures():
    for page in DOCS.glob('results/*/README.md'):
        above, _, _ = page.read_text(encoding='utf-8').partition('\n## ')
        assert above.count('![') <= 2 and above.count('\n| ---') <= 1, page
