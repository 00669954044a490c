"""The recipes of docs/extending.md, as they stand there."""

from pathlib import Path
import re
import types

from ml_collections import ConfigDict
import numpy as np
import pytest

from gan_jax import cli, data, losses, nets
from gan_jax.config import experiments
from gan_jax.evaluation import metrics
from studies import registry
from studies.study import Setting
from tests import registries_test, trainer_test

PAGE = Path(__file__).parents[2] / 'docs' / 'extending.md'
compared = registries_test.compared


def blocks(title):
    """The Python of a recipe: what is written, and the entry, if it is shown."""
    section = PAGE.read_text(encoding='utf-8').partition(f'## {title}\n')[2].partition('\n## ')[0]
    return re.findall(r'```python\n(.*?)```', section, re.DOTALL)


def added(title, module, known, monkeypatch, name=''):
    """Does what a recipe says, for the time of a test.

    Args:
      title: of the recipe.
      module: which it adds to, or in which it imports what it adds.
      known: the registry.
      monkeypatch: of the test.
      name: of a new module; '': the code joins `module`.
    """
    code, entry = blocks(title)
    new = types.ModuleType(f'{module.__name__}.{name}')
    namespace = vars(new) if name else dict(vars(module))
    exec(compile(code, str(PAGE), 'exec'), namespace)
    scope = dict(vars(module), **{name: new}) if name else namespace
    [(key, value)] = eval(f'{{{entry}}}', scope).items()
    monkeypatch.setitem(known, key, value)
    return key, value


@pytest.mark.parametrize('title', ['A loss', 'A net', 'A data set', 'A metric', 'A study'])
def test_a_recipe_is_short(title):
    code = '\n'.join(blocks(title))
    assert len([line for line in code.splitlines() if line.strip()]) <= 30


def test_a_loss(monkeypatch, tmp_path):
    name, _ = added('A loss', losses, losses.LOSSES, monkeypatch)
    registries_test.test_a_loss_says_whether_its_logits_are_probabilities(name)
    trainer_test.train(trainer_test.tiny(steps=2, **{'loss': name}), tmp_path)
    assert len(trainer_test.lines(tmp_path)) == 1


def test_a_net(monkeypatch, tmp_path):
    name, _ = added('A net', nets, nets.NETS, monkeypatch, 'small')
    registries_test.test_a_generator_says_its_pixel_range(name)
    config = trainer_test.tiny(steps=2)
    config.gen.net = ConfigDict(dict(name=name, hidden=8))
    experiments.fill_nets(config)
    trainer_test.train(config, tmp_path)
    assert len(trainer_test.lines(tmp_path)) == 1


def test_a_data_set(monkeypatch):
    name, entry = added('A data set', data, data.DATASETS, monkeypatch, 'discs')
    config = trainer_test.tiny(**{'data.name': name}).data
    config.num_examples = 0
    loaded = data.load(config)
    assert loaded.spec == entry.spec(config)
    batch = loaded.arrays()
    assert batch.image.shape == (1_000, 28, 28, 1) and set(np.unique(batch.image)) == {0, 255}
    assert loaded.class_names[0] == 'size 3' and list(batch.label[:3]) == [0, 1, 2]


def test_a_metric(monkeypatch, compared):
    name, made = added('A metric', metrics, metrics.MEASUREMENTS, monkeypatch)
    registries_test.test_every_value_of_a_figure_is_of_a_metric(name, compared)
    assert 0.5 < made.compute(compared)[name] < 2


@pytest.fixture
def study(monkeypatch):
    [code] = blocks('A study')
    namespace = {}
    exec(compile(code, str(PAGE), 'exec'), namespace)
    monkeypatch.setitem(registry.STUDIES, namespace['STUDY'].name, namespace['STUDY'])
    return namespace['STUDY']


def test_a_study(study):
    rows = [{'seed': seed, 'frechet_digits': 2.0, 'minutes': 1} for seed in range(3)]
    assert rows[0].keys() == set(study.columns)
    names = [trial.name for trial in study.trials(Setting(Path('x'), smoke=False))]
    assert names == ['seed-0', 'seed-1', 'seed-2']
    assert study.summary(rows) == 'Frechet distance: 2.'


@pytest.mark.slow
def test_a_study_runs(study, tmp_path):
    assert cli.main(['study', study.name, '--smoke', f'--workdir={tmp_path}']) == 0
    assert (tmp_path / 'README.md').read_text().startswith(f'# {study.title}\n')
