"""Shows what the trainer will see: a sheet of the first batches as the discriminator gets them.

Prints the number of images, their size, classes, duplicates, fingerprint, and of a set of
your own what was left out and how it is split. A pair is shown as one cell.
"""

import sys

from absl import flags

from gan_jax.cli.flags import Invocation, define_overwrite, define_path
from gan_jax.io.paths import shown

DEFAULT_CONFIG = 'quickstart'
SHOWN = 100  # images on the sheet
COLUMNS = 10  # of panels
MAKER = 'gan-jax data'  # noted in a sheet, which the next one may replace


def define(values: flags.FlagValues) -> None:
    """The flags of this command."""
    define_path(values, 'output', 'the sheet, a .png file', 'data.png')
    define_overwrite(values, 'replace a file that is no sheet')


def main(invocation: Invocation) -> None:
    """Prints the summary and writes the sheet."""
    import jax
    import numpy as np

    from gan_jax import config as config_lib
    from gan_jax import data, tasks
    from gan_jax.cli import outputs
    from gan_jax.data import classes, feeds, summary
    from gan_jax.io import images
    from gan_jax.processes import startup
    from gan_jax.types import Batch

    config, values = invocation.config, invocation.flags
    data.keep_out(config.data, values.output, '--output')
    renewed = values.overwrite or images.is_by(MAKER, values.output)
    output = outputs.file(values.output, '.png', overwrite=renewed)
    startup.prepare()
    config_lib.validate(config)
    dataset = data.load(config.data)
    tasks.check(config, dataset)
    pools = tasks.pools(config)
    facts = summary.summarise(dataset)
    labels = classes.labelled(dataset.class_names)
    facts['classes'] = dict(zip(labels, facts['classes'].values(), strict=True))
    for name, value in facts.items():
        print(f'{name.replace("_", " "):16} {_text(value)}')
    count = dataset.spec.num_examples
    for warning in summary.warnings(dataset, config.data):
        print(warning, file=sys.stderr)
    feed = feeds.make_feed(dataset, config, pools)  # refuses fewer images than a batch

    def first_batches() -> Batch[np.ndarray]:
        steps = -(-SHOWN // (config.batch_size * len(pools)))
        batches = [feed.gather(feed.data, feed.item(step)) for step in range(steps)]
        flat = [jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch) for batch in batches]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:SHOWN], *flat)

    inspect = jax.jit(lambda batch: tasks.inspect(config, dataset.spec, batch))
    seen = np.asarray(inspect(first_batches()))
    images.write_png(output, images.tile(seen, COLUMNS // dataset.spec.panels), MAKER)
    what = f'the first {len(seen)} images' if count >= len(seen) else f'views of {count} images'
    print(f'wrote {shown(output)}: {what} as the discriminator sees them')


def _text(value: object) -> str:
    from gan_jax.data import classes

    if isinstance(value, dict):
        return classes.listed([f'{name}: {count}' for name, count in value.items()]) or 'none'
    return f'{value:.4f}' if isinstance(value, float) else str(value)
