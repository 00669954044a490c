"""One of the two processes of `cluster_test`; prints what came of it as JSON."""

import json
from pathlib import Path
import sys

import jax
from jax.experimental import multihost_utils

from gan_jax import trainer
from gan_jax.errors import UserError
from gan_jax.processes import cluster
from tests import fleets, trainer_test


def tiny(**changes):
    """A run of four steps on one device of each process."""
    return trainer_test.eventful(**{'steps': 4, 'log_every': 1, **changes})


def message(function, *arguments, **kwargs):
    """The message that the user would read."""
    try:
        function(*arguments, **kwargs)
    except UserError as error:
        return str(error)
    return ''


def refuse():
    raise UserError('only process 0 can know')


def forbidden(name):
    """In place of what would meet by a collective, from whatever thread Orbax is in."""
    raise AssertionError(f'Orbax meets by a collective: {name}')


def main(folder: Path, coordinator: str, count: int, number: int) -> None:
    """Trains with the other process, and tries what must be refused."""
    multihost_utils.sync_global_devices = forbidden
    cluster.join(coordinator, count, number, wait_s=fleets.SLOW)

    def train(name, **changes):
        trainer.train(tiny(**changes), folder / name, overwrite=False, command='again')

    train('narrow', **{'data.feed': 'stream'})
    train('wide', devices=2, steps=2)
    found = {
        'decided': cluster.decide(lambda: ['by', jax.process_index()]),
        'refused by the first': message(cluster.decide, refuse),
        'other config': message(train, 'no', batch_size=8 + 8 * number),
        'other field of a net': message(train, 'no', **{'gen.net.hidden': (16 + number,)}),
        'indivisible': message(train, 'no', batch_size=9),
        'pmap': message(train, 'no', runner='pmap'),
        'too many devices': message(train, 'no', devices=3),
        'apart': message(cluster.share, folder / f'alone{number}'),
    }
    print(json.dumps(found))
    cluster.leave()


if __name__ == '__main__':
    home, *rest = sys.argv[1:]
    values = dict(word.removeprefix('--').split('=') for word in rest)
    main(Path(home), values['coordinator'], int(values['num_processes']), int(values['process_id']))
