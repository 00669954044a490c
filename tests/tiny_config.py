"""The experiment that tests run in processes of their own, and by commands."""

from tests import trainer_test


def get_config(preset=''):
    if preset == 'plain':
        return trainer_test.tiny()
    return trainer_test.eventful(
        steps=trainer_test.KILL_STEPS, save_every=100, sample_every=300, log_every=50
    )
