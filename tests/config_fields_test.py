"""Every field of a config with values it may not have: one line that names it, before anything."""

import pytest

from gan_jax import config as config_lib
from gan_jax import experiments
from gan_jax.cli import flags, train
from gan_jax.errors import UserError

NOWHERE = [
    'many',
    'nan',
    'inf',
    '-inf',
    '[1, 2]',
    '(1,',
    'None',
    "('a', 1)",
    'two\nlines',
    '\x1b[2J',
]
NUMBERS = ['', '-1', '0', '1', '-0.5', '1.5', '1e300', '9' * 30, '-' + '9' * 30, 'True']


@pytest.fixture(scope='module')
def loaded():
    return experiments.load('quickstart')


@pytest.fixture
def parse(loaded, monkeypatch):
    """A config with one field as it would be given on the command line, validated."""
    monkeypatch.setattr(experiments, 'load', lambda source: loaded.copy_and_resolve_references())

    def run(field, text):
        config = flags.parse(train, 'train', [f'--config.{field}={text}']).config
        config_lib.validate(config)
        return config

    return run


@pytest.mark.parametrize('text', NOWHERE + NUMBERS)
def test_a_value_is_allowed_by_the_field_s_rule_or_refused_by_its_name(text, parse):
    for field, rule in config_lib.rules().items():
        try:
            found = config_lib.get(parse(field, text), field)
        except UserError as error:
            assert f'config.{field}=' in str(error) and '\n' not in str(error)
        else:
            assert rule.allows(found), f'config.{field}={text} is {found!r}'


def out_of_bounds(rule):
    """Values just outside of what a number may be."""
    high = rule.below if rule.most is None else rule.most + 1
    return [rule.low - 1, high, 10 * high, float('nan'), float('inf')]


@pytest.mark.parametrize('field, rule', config_lib.rules().items())
def test_what_is_out_of_a_field_s_bounds_or_of_another_type_is_refused(field, rule):
    wrong = [None, [1], {}, b'x', object()]
    if rule.options or isinstance(rule.like, str):
        wrong += [1, True, 'a\x1b' if not rule.options else 'no such option', 'x\ny']
    elif not isinstance(rule.like, bool | tuple):
        wrong += [*out_of_bounds(rule), '1', True, 1j]
    for value in wrong:
        assert not rule.allows(value)
        with pytest.raises(UserError, match=f'^config.{field}='):
            config_lib.check(field, value, rule)
    assert rule.allows(rule.like) and str(rule)


@pytest.mark.parametrize('value', [0, -1, 2**40, 'many', None, (0,), (), 1.5, float('nan')])
@pytest.mark.parametrize('name', config_lib.nets.NETS)
def test_a_network_s_own_fields(name, value):
    for role in ('gen', 'disc'):
        if name not in config_lib.nets.of_role(role):
            continue
        for field, default in config_lib.nets.fields(name, role).items():
            net = {'name': name, field: value}
            try:
                config_lib.nets.check_fields(role, net)
            except UserError as error:
                assert f'config.{role}.net.{field}={value!r}' in str(error)
            else:
                assert isinstance(value, type(default) | int | float)
