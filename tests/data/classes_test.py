"""Labels have meanings, wherever there are labels."""

from collections import Counter

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


COMBINED = classes.combinations(['Smiling', 'Male', 'Young'])
COUNTS = (40, 20, 0, 10, 4, 0, 25, 1)  # images of each


@pytest.mark.parametrize('count', [20, 100, 1000])
def test_classes_come_as_often_as_they_have_images_wherever_one_stops(count):
    found = Counter(classes.in_proportion(COUNTS)[:count])
    for number, images in enumerate(COUNTS):
        assert found[number] == pytest.approx(count * images / sum(COUNTS), abs=2)
    assert set(classes.in_proportion((10**9, 1, 0))) == {0, 1}
    assert classes.in_proportion(()) == ()


def test_attributes_name_the_combinations_that_fit_in_any_order():
    mixed = classes.in_proportion(COUNTS)
    assert classes.combined([True, False, True]) == COMBINED.index('Smiling,-Male,Young')

    def parse(*words):
        return classes.parse(words, COMBINED, '--labels', mixed)

    assert parse('Young', '-Male', 'Smiling') == parse('Smiling,-Male,Young') == (5,)
    assert parse('5', 'Smiling,Male,Young') == (5, 7)  # in turn
    # What is not named comes as in the images, and a combination that these lack when it must.
    found = Counter(parse('Smiling', 'Male'))
    assert set(found) == {6, 7} and found[6] / found[7] == pytest.approx(25, rel=0.2)


@pytest.mark.parametrize(
    'words, message',
    [
        (['Smilin'], "'Smilin' is no attribute; did you mean 'Smiling'"),
        (['Male', '8'], "'8' is no attribute"),
        (['Male', '-Male'], 'Male,-Male: an attribute with and without -'),
    ],
)
def test_attributes_that_are_none_are_one_line(words, message):
    with pytest.raises(UserError, match=message):
        classes.parse(words, COMBINED, '--labels', classes.in_proportion(COUNTS))


def test_images_are_counted_by_attribute():
    found = classes.by_attribute(dict(zip(COMBINED, COUNTS, strict=True)))
    assert (found['Male'], found['-Male'], found['Young']) == (36, 64, 31)
