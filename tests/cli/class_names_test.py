"""A run of classes has them, or is refused in one line before it trains, by `data` too."""

import pytest

from gan_jax import cli
from tests.cli.commands_test import TINY, fails
from tests.data.photos import album

SMALL = [f'{TINY}:plain', '--config.data.name=folder', '--config.data.path=set']
SMALL += ['--config.data.image_size=28', '--config.data.num_examples=0', '--config.batch_size=4']
CONDITIONAL = '--config.conditional=True'

LACKING = {
    'no folders': (['a.jpg'], [CONDITIONAL], 'folder has no classes: sort its pictures into a sub'),
    'a stray picture': (
        ['cat/a.jpg', 'dog/b.jpg', 'stray.jpg'],
        [CONDITIONAL],
        'no classes: 1 of 9 pictures lie in no sub-folder, such as 000.jpg',
    ),
    'a class of broken pictures': (
        ['cat/a.jpg', 'dog/b.jpg', 'fox/broken.jpg'],
        [CONDITIONAL],
        "class 'fox' has none of the 8 images",
    ),
    'pictures that are not sorted': (
        ['cat/a.jpg', 'dog/b.jpg', 'rest/c.jpg'],
        [CONDITIONAL, '--config.data.unlabelled=rest'],
        '4 of 12 images have no class',
    ),
    'labels that are taken away': (
        ['cat/a.jpg', 'dog/b.jpg'],
        [CONDITIONAL, '--config.data.labels.number=4'],
        'config.data.labels.number=0',
    ),
    'no folders, semi-supervised': (
        ['a.jpg'],
        ['--config.task=semisupervised'],
        'config.task=semisupervised: folder has no classes',
    ),
}


@pytest.mark.parametrize('command', ['train', 'data'])
@pytest.mark.parametrize('case', LACKING)
def test_what_lacks_classes_is_one_line(case, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files, flags, message = LACKING[case]
    for number, name in enumerate(files):
        path = tmp_path / 'set' / name
        album(path.parent, 1 if name == 'stray.jpg' else 4, first=10 * number)
        if 'broken' in name:
            for file in path.parent.iterdir():
                file.write_text('<html>404</html>')
    output = '--workdir=run' if command == 'train' else '--output=sheet.png'
    line = fails(capsys, command, *SMALL, *flags, output)
    assert message in line
    assert [path.name for path in tmp_path.iterdir() if path.name != 'cache'] == ['set']


def test_names_of_classes_are_everywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(['tabby cat', 'fox']):
        album(tmp_path / 'set' / name, 4, first=10 * number)
    assert cli.main(['train', *SMALL, CONDITIONAL, '--workdir=run']) == 0
    assert '0=fox, 1=tabby cat' in (tmp_path / 'run/report.html').read_text()
    capsys.readouterr()
    flags = ['sample', '--workdir=run', '--num=3', '--labels=tabby cat']
    assert cli.main([*flags, '--output=made']) == 0
    assert capsys.readouterr().out.endswith('classes in turn: 1=tabby cat\n')
    assert sorted(path.name for path in (tmp_path / 'made').iterdir())[0] == '00000_1_tabby_cat.png'
    assert '0=fox' in fails(capsys, *flags[:3], '--labels=cow', '--output=b.png')
    assert cli.main(['export', '--workdir=run', '--output=net.bin']) == 0
    assert 'classes: 0=fox, 1=tabby cat\n' in capsys.readouterr().out
