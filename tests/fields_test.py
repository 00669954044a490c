"""Every field of a config with values it may not have: one line that names it, before anything."""

from ml_collections import ConfigDict
import pytest

from gan_jax import config as config_lib
from gan_jax import fields, nets
from gan_jax.cli import flags, train
from gan_jax.config import experiments
from gan_jax.errors import UserError
from gan_jax.records import workdirs

NOWHERE = ['many', 'nan', 'inf', '-inf', '[1, 2]', '(1,', 'None', "('a', 1)"]
NOWHERE += ['two\nlines', '\x1b[2J']
NUMBERS = ['', '-1', '0', '1', '-0.5', '1.5', '1e300', '9' * 30, '-' + '9' * 30, 'True']


@pytest.fixture(scope='module')
def loaded():
    return experiments.load('quickstart')


@pytest.fixture
def parse(loaded, monkeypatch):
    """A config with one field as it would be given on the command line, validated."""
    monkeypatch.setattr(experiments, 'load', lambda source: loaded.copy_and_resolve_references())
    # absl writes each config down as YAML, for a help that nobody asks for here.
    monkeypatch.setattr(ConfigDict, '__str__', lambda self: '')

    def run(field, text):
        config = flags.parse(train, 'train', [f'--config.{field}={text}']).config
        config_lib.validate(config)
        return config

    return run


@pytest.mark.parametrize('number, text', list(enumerate(NOWHERE + NUMBERS)))
def test_a_value_is_allowed_by_the_field_s_rule_or_refused_by_its_name(number, text, parse):
    """Every text with a quarter of the fields, and every field with a quarter of the texts."""
    for field, rule in list(fields.FIELDS.items())[number % 4 :: 4]:
        try:
            found = fields.get(parse(field, text), field)
        except UserError as error:
            assert f'config.{field}=' in str(error)
        else:
            assert rule.allows(found), f'config.{field}={text} is {found!r}'


def out_of_bounds(rule):
    """Values just outside of what a number may be."""
    high = rule._below() if rule.most is None else rule.most + 1
    return [-1, high, 10 * high, float('nan'), float('inf')]


@pytest.mark.parametrize('field, rule', fields.FIELDS.items())
def test_what_is_out_of_a_field_s_bounds_or_of_another_type_is_refused(field, rule):
    wrong = [None, [1], {}, b'x', object()]
    if rule.options or isinstance(rule.default, str):
        wrong += [1, True, 'a\x1b' if not rule.options else 'no such option', 'x\ny']
    elif not isinstance(rule.default, bool | tuple):
        wrong += [*out_of_bounds(rule), '1', True, 1j]
    for value in wrong:
        assert not rule.allows(value)
        with pytest.raises(UserError, match=f'^config.{field}='):
            rule.check(field, value)
    assert rule.allows(rule.default) and rule.meaning and str(rule)


def another(rule):
    """A value of a field that is not its default, and that is not 0 or empty."""
    match rule.default:
        case _ if rule.options:
            known = ('', rule.default, *rule.default)
            found = next(name for name in rule.choices() if name not in known)
            return (found,) if isinstance(rule.default, tuple) else found
        case bool() | tuple():
            return not rule.default if isinstance(rule.default, bool) else rule.default[:1]
        case str():
            return 'color'
    return rule.default + 1 if isinstance(rule.default, int) else rule.default / 2 or 0.5


def decide(config, need, met):
    """Makes a config meet what a field needs, or not."""
    other, _, wanted = need.partition('=')
    other = f'{other}.r1' if other in fields.GROUPS else other
    rule = fields.FIELDS[other]
    if met:
        value = wanted.split(',')[0] if wanted else another(rule)
    else:
        able = rule.choices() if wanted else [type(rule.default)()]
        value = next((name for name in able if name not in wanted.split(',')), '')
    config.update_from_flattened_dict({other: value})


NEEDS = [(field, need) for field, rule in fields.FIELDS.items() for need in rule.needs]


@pytest.mark.parametrize('field, lacking', NEEDS)
def test_a_field_is_refused_where_it_does_nothing_and_only_there(field, lacking):
    rule, config = fields.FIELDS[field], config_lib.default()
    for need in rule.needs:
        decide(config, need, met=True)
    config.update_from_flattened_dict({field: another(rule)})
    assert field not in dict(fields.idle(config))
    decide(config, lacking, met=False)
    assert dict(fields.idle(config))[field] == lacking


@pytest.mark.parametrize(
    'field, value, other',
    [('penalty_every', 16, 'penalties'), ('disc_steps', 2, 'task'), ('augment_p', 0.5, 'augment')],
)
def test_what_does_nothing_is_one_line_that_names_it_and_what_it_needs(field, value, other):
    config = config_lib.default()
    config.update_from_flattened_dict({'task': 'semisupervised', field: value})
    with pytest.raises(UserError, match=f'^config.{field}={value} does nothing .*config.{other} '):
        config_lib.validate(config)


@pytest.mark.parametrize('old, new', fields.RENAMED.items())
def test_an_earlier_name_is_refused_with_the_new_one_and_read_from_saved_runs(old, new, tmp_path):
    rule, config = fields.FIELDS[new], config_lib.default()
    with pytest.raises(UserError, match=f'config.{old}: .*config.{new} '):
        experiments.refuse_field(config, old)
    for need in rule.needs:
        decide(config, need, met=True)
    stored, value = config.to_dict(), another(rule)
    group, _, name = old.rpartition('.')
    del stored[group][new.rpartition('.')[2]]
    stored[group][name] = value
    assert fields.get(workdirs.to_config(stored, tmp_path), new) == value


@pytest.mark.parametrize('value', [0, -1, 2**40, 'many', None, (0,), (), 1.5, float('nan')])
@pytest.mark.parametrize('name', nets.NETS)
def test_a_network_s_own_fields(name, value):
    for role in ('gen', 'disc'):
        if name not in nets.of_role(role):
            continue
        for field, default in nets.fields(name, role).items():
            net = {'name': name, field: value}
            try:
                nets.check_fields(role, net)
            except UserError as error:
                assert f'config.{role}.net.{field}={value!r}' in str(error)
            else:
                assert isinstance(value, type(default) | int | float)
