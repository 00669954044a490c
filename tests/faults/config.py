"""The experiment of the fault campaign: two devices, a step of milliseconds, a save every third."""

from tests import trainer_test


def get_config(preset=''):
    """Presets: none."""
    del preset
    return trainer_test.eventful(
        **{
            'data.name': 'folder',
            'data.image_size': 16,
            'data.num_examples': 0,
            'devices': 0,
            'batch_size': 8,
            'steps': 600,
            'save_every': 3,
            'sample_every': 60,
            'log_every': 3,
            'keep': 3,
        }
    )
