"""A study's table says how its figures were measured."""

import json

import pytest

from studies import kept, outputs, provenance, registry
from studies.study import Stage, Study, Trial


def facts(samples=500, reference='mnist, split test', role='held-out images'):
    """Facts as a run holds them."""
    net = {'name': 'digits', 'version': '1', 'fingerprint': 'f' * 64, 'resize': '28x28'}
    net |= {'suffix': 'digits', 'frechet': 'Frechet distance', 'kernel': 'Kernel distance'}
    real = {'name': reference, 'role': role, 'images': 5, 'of': 9, 'fingerprint': 'e' * 64}
    return {'features': net, 'reference': real, 'samples': samples}


WORDS = (
    'Samples: 500; Reference: 5 of 9 held-out images (mnist, split test), fingerprint'
    ' eeeeeeeeeeee; Feature net: digits, version 1, weights ffffffffffff; Resize filter: 28x28'
)


def study(**measured):
    return Study(
        name='study',
        title='Study',
        about='About.',
        folders=(),
        columns=('frechet', 'kid', 'first_step'),
        trials=lambda setting: [],
        summary=lambda rows: 'The summary.\n',
        pictures={},
        measured=measured.get('measured', {}),
    )


BOTH = {provenance.AFTERWARDS: ('frechet', 'kid'), provenance.WHILE_TRAINING: ('first_step',)}


def trial(folder, name, *, evaluation=None, noted=None, **row):
    """A trial with one finished row, of whose run only what was measured is left."""
    run = folder / name / 'run'
    run.mkdir(parents=True)
    if evaluation:
        (run / 'evaluation.json').write_text(json.dumps({'step': 2, 'figures': {}, **evaluation}))
    if noted:
        rows = ({'step': step, 'readable_share': 0.5, 'by': noted} for step in (2, 4))
        (run / 'evaluations.jsonl').write_text('\n'.join(map(json.dumps, rows)) + '\n')
    made = Trial(name, 1, (Stage('run', lambda folder: None),), lambda folder: [])
    provenance.keep(made, folder / name)
    return made, [{'frechet': 1.0, 'kid': None, 'first_step': None, **row}]


def page(made, finished, workdir):
    for one, rows in finished:
        kept.write(workdir / one.name, rows)
    outputs.write(made, [one for one, _ in finished], workdir, workdir, smoke=True)
    return (workdir / outputs.PAGE).read_text()


def test_a_table_says_once_by_what_its_figures_were_measured(tmp_path):
    finished = [trial(tmp_path, name, evaluation=facts()) for name in ('a', 'b')]
    text = page(study(measured=BOTH), finished, tmp_path)
    assert text.count(f'- `frechet`: {WORDS}\n\n') == 1 and text.count(WORDS) == 1


def test_rows_that_were_measured_otherwise_are_named(tmp_path):
    samples = {'a': 500, 'b': 40, 'c': 500}
    finished = [trial(tmp_path, name, evaluation=facts(n)) for name, n in samples.items()]
    said = provenance.lines(study(measured=BOTH), finished, tmp_path).splitlines()
    assert said == [
        f'- `frechet`: {WORDS} (`a`, `c`)',
        f'- `frechet`: {WORDS.replace("500", "40")} (`b`)',
    ]


def test_figures_of_a_run_while_it_trains_have_a_line_of_their_own(tmp_path):
    own = {'evaluation': facts(40), 'noted': facts()}
    finished = [trial(tmp_path, 'a', **own, kid=2.0, first_step=8)]
    said = provenance.lines(study(measured=BOTH), finished, tmp_path).splitlines()
    assert said == [f'- `frechet`, `kid`: {WORDS.replace("500", "40")}', f'- `first_step`: {WORDS}']


def test_of_a_reference_in_a_folder_only_its_own_name_is_told(tmp_path):
    reference = facts(reference=str(tmp_path / 'album'), role='images of a folder')
    said = page(study(measured=BOTH), [trial(tmp_path, 'a', evaluation=reference)], tmp_path)
    assert '5 of 9 images of a folder (album), fingerprint' in said and str(tmp_path) not in said


def test_a_later_evaluation_by_other_means_is_not_taken_for_that_of_the_table(tmp_path):
    one = trial(tmp_path, 'a', evaluation=facts())
    (tmp_path / 'a' / 'run' / 'evaluation.json').write_text(json.dumps(facts(40)))
    assert WORDS in provenance.lines(study(measured=BOTH), [one], tmp_path)


def test_a_table_without_such_figures_says_nothing(tmp_path):
    finished = [trial(tmp_path, 'a', evaluation=facts(), noted=facts())]
    assert 'figures were measured' not in page(study(), finished, tmp_path)
    translated = [trial(tmp_path, 'b', evaluation={'splits': {}})]
    assert 'figures were measured' not in page(study(measured=BOTH), translated, tmp_path)


@pytest.mark.parametrize('name', registry.STUDIES)
def test_the_columns_with_figures_are_columns(name):
    found = registry.find(name)
    assert found.measured.keys() <= {provenance.AFTERWARDS, provenance.WHILE_TRAINING}
    assert {column for own in found.measured.values() for column in own} <= set(found.columns)
    distances = [name for name in found.columns if name.startswith(('frechet_', 'fd_', 'kid_'))]
    assert bool(distances) == bool(found.measured)


def test_a_picture_says_by_what_its_own_figures_were_measured(tmp_path):
    own = {'evaluation': facts(), 'noted': facts(40)}
    finished = [trial(tmp_path, name, **own) for name in ('a', 'b')]
    while_training = WORDS.replace('500', '40')
    for source, words in ((provenance.AFTERWARDS, WORDS), ('run.json', while_training)):
        assert provenance.caption(source, finished, tmp_path) == [words]
    assert provenance.caption('', finished, tmp_path) == []


@pytest.mark.parametrize('name', registry.STUDIES)
def test_captions_are_of_figures_that_there_are(name):
    made = registry.find(name)
    assert {picture.measured for picture in made.pictures.values()} <= {'', *made.measured}
