"""The experiment that the kill test runs in processes of its own."""

from tests import trainer_test


def get_config(preset=''):
    del preset
    return trainer_test.eventful(
        steps=trainer_test.KILL_STEPS, save_every=100, sample_every=300, log_every=50
    )
