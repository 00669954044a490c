"""The package as a whole: who imports whom."""

import graphlib

import pytest

from tools import layers


def test_no_children_of_the_package_import_each_other_in_a_circle():
    found = layers.layers(layers.arrows())
    assert sum(map(len, found)) == len(layers.arrows())


def test_a_circle_is_named():
    with pytest.raises(graphlib.CycleError) as caught:
        layers.layers({'a': {'b'}, 'b': {'c'}, 'c': {'a'}, 'd': set()})
    assert set(caught.value.args[1]) == {'a', 'b', 'c'}
