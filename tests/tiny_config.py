"""The experiment that the kill test runs in processes of its own."""

from tests import trainer_test


def get_config(preset=''):
    del preset
    return trainer_test.tiny(steps=10_000, save_every=500, sample_every=2_000, log_every=1_000)
