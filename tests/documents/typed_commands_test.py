"""Every command in a page can be typed as it stands, and works on a small scale."""

import importlib.util
from pathlib import Path
import re
import shlex
import shutil

import pytest

from gan_jax import cli, fields
from gan_jax.cli import flags
from gan_jax.config import experiments, rules
from studies import registry
from studies.study import Setting
from tests.data import photos

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding='utf-8')
    for path in (ROOT / 'README.md', *sorted(ROOT.glob('docs/**/*.md')))
}


def commands(page):
    """The words after `gan-jax` of each command in a page's blocks; `train.py` is `train`."""
    found = []
    for block in re.findall(r'```bash\n(.*?)```', PAGES[page], re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            while words and words[0] not in ('gan-jax', 'train.py'):
                words = words[1:]
            if words:
                found.append(('train', *words[1:]) if words[0] == 'train.py' else tuple(words[1:]))
    return found


COMMANDS = {page: found for page in PAGES if (found := commands(page))}
WIDTH = 90  # characters of code that a page shows without scrolling
RECIPES = 'docs/extending.md'  # whose commands are of what they add: see recipes_test.py


@pytest.mark.parametrize('page', COMMANDS)
def test_a_command_can_be_typed(page):
    for name, *words in COMMANDS[page]:
        if page == RECIPES:
            continue
        invocation = flags.parse(cli.module(name), name, words)
        if name == 'train':
            rules.validate(invocation.config)
        if name == 'study':
            trials = registry.find(invocation.flags.name).trials(Setting(Path('x'), smoke=False))
            assert {*invocation.flags.only} <= {trial.name for trial in trials}


@pytest.mark.parametrize('page', COMMANDS)
def test_a_command_fits_the_page(page):
    for block in re.findall(r'```bash\n(.*?)```', PAGES[page], re.DOTALL):
        assert max(map(len, block.splitlines())) <= WIDTH


def test_a_field_in_a_page_is_a_field_and_may_have_the_value():
    for text in PAGES.values():
        for name, value in re.findall(r'`(?:--config\.)?([a-z_.]+)=([^` ]+)`', text):
            if name in fields.FIELDS and not value.isupper():
                flags.parse(cli.module('train'), 'train', [f'--config.{name}={value}'])


def test_a_flag_in_a_page_is_a_flag_of_some_command():
    known = {'config', 'help', 'version'}
    for name in cli.COMMANDS:
        values = flags.absl_flags.FlagValues()
        cli.module(name).define(values)
        known |= set(values)
    for page, text in PAGES.items():
        for name in re.findall(r'`--(?:no)?(\w+)[=`\[]', text):
            assert name in known, f'{page}: --{name}'


LINES = [
    (page, *words)
    for page in PAGES
    for words in re.findall(r'`gan-jax ([a-z]+) ([^`]*)`', PAGES[page])
]


def test_a_flag_of_a_command_in_a_sentence_is_one_of_that_command():
    for page, name, words in LINES:
        values = flags.absl_flags.FlagValues()
        cli.module(name).define(values)
        for flag in re.findall(r'--(\w+)(?!\w)(?!\.)', words):
            assert flag in values or flag == 'config', f'{page}: {name} --{flag}'


def test_a_row_of_results_is_a_row_of_its_study():
    rows = {}
    for page, name, words in LINES:
        if name == 'study' and (only := re.search(r'^(\w+) .*--only=(\S+)', words)):
            rows.setdefault(only[1], set()).add((page, only[2]))
    assert rows
    for name, found in rows.items():
        trials = registry.find(name).trials(Setting(Path('x'), smoke=False))
        assert {row for _, row in found} <= {trial.name for trial in trials}, name


SCRIPT = re.compile(r'\b(?:python|bash) (?:-m )?([\w./]+)((?: --\w+(?:=[^\s`]+)?)*)')


@pytest.mark.parametrize('page', PAGES)
def test_a_script_in_a_page_is_there_and_has_the_flags(page):
    for name, given in SCRIPT.findall(PAGES[page]):
        if name in ('train.py', 'pytest', '.venv'):
            continue
        path = ROOT / (name if '/' in name else f'{name.replace(".", "/")}.py')
        path = path if path.exists() else path.with_suffix('') / '__main__.py'
        source = path.read_text(encoding='utf-8')
        for flag in re.findall(r'--(\w+)', given):
            assert re.search(rf"['-]{flag}'", source), f'{name} --{flag}'


# What stands for files of the reader, and what a small run can do without.
OWN = re.compile('[A-Z_]{4,}')
LARGE = re.compile('--(config.[a-z].*|data_dir|only|peer|json|sweep|topology|results|step)=')
ELSEWHERE = 'study', 'compile', 'app', 'project'  # have tests of their own
SMALL = {
    'sample': ['--num=4'],
    'evaluate': ['--num_samples=20', '--features=digits'],
    'benchmark': ['--steps=1', '--turns=1'],
}
SHORT = ['--config.steps=4', '--config.batch_size=4', '--config.save_every=2']
SHORT += ['--config.log_every=2', '--config.sample_every=4', '--config.evaluate.balance=0']
SHORT += ['--config.devices=1']


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """A folder of a reader's, with photos."""
    folder = tmp_path_factory.mktemp('reader')
    photos.album(folder / 'photos', 24, (64, 64))
    for name in ('keep.txt', 'reject.txt'):
        (folder / name).touch()
    return folder


@pytest.fixture(scope='module')
def done():
    """Commands that a page has had, which another need not, and a run of each experiment."""
    return {}


def small(name, words, home):
    """The same on a small scale; None where others test it, or it needs what is not here."""
    if name in ELSEWHERE or any(
        re.match('--(distributed|coord|latents|labels=[A-Z])', w) for w in words
    ):
        return None
    if '--format=onnx' in words and importlib.util.find_spec('onnx') is None:
        return None
    found = [OWN.sub(str(home / 'photos'), word) for word in words if not LARGE.match(word)]
    config = next((word for word in found if word.startswith('--config=')), '')
    if name in ('train', 'data', 'benchmark') and (config or not found):
        source = config.removeprefix('--config=') or 'quickstart'
        found = [f'--config={source.split(":")[0]}:smoke', *(w for w in found if w != config)]
        if name == 'train' and not any(w.startswith('--workdir') for w in found):
            found.append(f'--workdir=runs/{experiments.title(source)}')
        found += SHORT if name == 'train' else []
    return [name, *(re.sub('walk=[0-9]+', 'walk=2', w) for w in found), *SMALL.get(name, [])]


@pytest.mark.slow
@pytest.mark.parametrize('page', COMMANDS)
def test_a_page_works_on_a_small_scale(page, home, done, monkeypatch):
    monkeypatch.chdir(home)
    for name, *words in COMMANDS[page]:
        command = tuple(small(name, words, home) or ()) if page != RECIPES else ()
        if not command or command in done:
            continue
        workdir = next((Path(w[10:]) for w in command if w.startswith('--workdir=')), None)
        if workdir and not workdir.exists():
            given = (word[9:] for word in command if word.startswith('--config='))
            train(next(given, f'{workdir.name}:smoke'), workdir, done)
        assert cli.main([*command]) == 0, command
        done[command] = True
    for code in re.findall(r'```python\n(.*?)```', PAGES[page], re.DOTALL) * (page != RECIPES):
        if 'onnx' not in code or importlib.util.find_spec('onnxruntime'):
            exec(compile(code, page, 'exec'), {})


def train(source, workdir, done):
    """Trains an experiment once, for all the folders that pages have of it."""
    if source not in done:
        assert cli.main(['train', f'--config={source}', f'--workdir={workdir}', *SHORT]) == 0
        done[source] = workdir
    elif workdir != done[source]:
        shutil.copytree(done[source], workdir)
