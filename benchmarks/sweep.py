"""How a step's cost grows with the batch, the image and the number of devices."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from benchmarks.measure import measure
from benchmarks.peers import Plan
from gan_jax import data, runners
from gan_jax.errors import UserError, nearest
from gan_jax.fields import Config, get
from gan_jax.io import images

_PATHS = {'image_size': 'data.image_size'}  # of fields that are not at the top of a config
VALUES: Mapping[str, Sequence[int]] = {
    'batch_size': (1, 4, 16, 64, 256),
    'image_size': (32, 64, 128),
    'devices': (1, 2, 4, 8),
}


def fields(text: str) -> list[str]:
    """The fields of `--sweep=A,B`.

    Raises:
      UserError: a field that has no sweep, or commas alone.
    """
    names = [name for name in text.split(',') if name]
    if text and not names:
        raise UserError(f'--sweep={text}: name one of {", ".join(VALUES)}, or several')
    for name in names:
        if name not in VALUES:
            raise UserError(f'--sweep={text}: {nearest(name, VALUES)}')
    return names


def points(plan: Plan, field: str) -> list[Plan]:
    """The plans of one sweep, in the order of its values.

    Raises:
      UserError: the config's data have one size only, or no value of the field can be had.
    """
    if field == 'image_size' and not data.entry(plan.config.data).sized:
        raise UserError(
            f'--sweep=image_size: the images of {plan.config.data.name} have one size; take a'
            ' config of another set, such as --config=dcgan64'
        )
    values = _reachable(plan.config, field)
    if not values:
        raise UserError(
            f'--sweep={field}: none of {VALUES[field]} is possible; change config.devices or'
            ' --batch_size'
        )
    return [_point(plan, field, value) for value in values]


def _reachable(config: Config, field: str) -> list[int]:
    if field == 'image_size':
        return list(VALUES[field])
    simulated = jax.default_backend() == 'cpu'  # as many devices as are asked for: see `measure`
    if field == 'batch_size':
        most = data.entry(config.data).spec(config.data).num_examples
        asked = config.devices if simulated else 0
        count = asked or runners.count_devices(config.runner, config.devices)
        return [size for size in VALUES[field] if size <= most and not size % count]
    most = max(VALUES['devices']) if simulated else jax.local_device_count()
    return [count for count in VALUES['devices'] if count <= most and not config.batch_size % count]


def _point(plan: Plan, field: str, value: int) -> Plan:
    config = plan.config.copy_and_resolve_references()
    config.update_from_flattened_dict({_PATHS.get(field, field): value})
    return plan._replace(config=config, generated=plan.generated or field == 'image_size')


def run(plan: Plan, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Measures each point, {'field', 'value', and what `measure` returns}, as they finish."""
    every = [(field, point) for field in names for point in points(plan, field)]
    for field, point in every:
        value = get(point.config, _PATHS.get(field, field))
        yield {'field': field, 'value': value, **measure(point)}


def plot(results: Sequence[Mapping[str, Any]]) -> bytes:
    """Milliseconds a step over each field, on logarithmic axes; a PNG."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(result['field'] for result in results))
    figure = Figure(figsize=(4 * len(names), 3.2), dpi=120, layout='constrained')
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        chosen = [result for result in results if result['field'] == name]
        values = [result['value'] for result in chosen]
        medians = [r['step_ms']['median'] for r in chosen]
        axes.plot(values, medians, 'o-', label='gan_jax')
        for value, median in zip(values, medians, strict=True):
            axes.annotate(
                f'{median:,.0f}', (value, median), (4, -11), textcoords='offset points', fontsize=8
            )
        if all('peer' in r for r in chosen):
            axes.plot(values, [r['peer']['step_ms']['median'] for r in chosen], 's--', label='peer')
            axes.legend(frameon=False)
        axes.set(xscale='log', yscale='log', xlabel=name, ylabel='ms a step')
        axes.margins(0.15)
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.grid(color='#e8e8e8')
    return images.drawn(figure)
