"""The experiment that the kill test runs in processes of its own."""

from tests import trainer_test


def get_config(preset=''):
    del preset
    return trainer_test.tiny(
        steps=trainer_test.KILL_STEPS, save_every=200, sample_every=1_000, log_every=500
    )
