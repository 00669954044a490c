"""Labels have meanings, wherever there are labels."""

import pytest

from gan_jax.data import classes
from gan_jax.errors import UserError

NAMES = ('cat', 'dog', 'red fox')


def test_classes_are_shown_by_number_and_name():
    assert classes.labelled(NAMES) == ['0=cat', '1=dog', '2=red fox']
    assert classes.labelled(('0', '1', '3')) == ['0', '1', '2=3']
    assert classes.labelled(('a\nb', '\udcff')) == ['0=a\\nb', '1=\\xff']
    assert classes.listed(list('abcdefghijklmn')).endswith('l, and 2 more')


def test_classes_are_named_or_numbered():
    assert classes.parse(['red fox', '0'], NAMES, '--labels') == (2, 0)
    # What a user sees are names: of folders 1, 2 and 3 the first is 1.
    assert classes.parse(['1', '3', '0'], ('1', '2', '3'), '--labels') == (0, 2, 0)


@pytest.mark.parametrize('word', ['3', '-1', 'cow', '', '²'])
def test_a_class_that_is_none_is_one_line(word):
    with pytest.raises(UserError, match=f'--labels: {word!r} is no class; .*(0=cat|did you mean)'):
        classes.parse([word], NAMES, '--labels')


@pytest.mark.parametrize('name', ['red fox', '../up', 'a/b', 'x\ny', '猫' * 90, '\udcff', '.'])
def test_a_class_in_a_file_name_is_one_that_every_system_takes(name):
    text = classes.in_file_name(1, ('0', name))
    assert text.startswith('1_') and len(text.encode()) <= 100
    assert '/' not in text and text.isprintable()
