"""Plain convolutional GAN on MNIST: how many images does a GAN need?

    python train.py --config=gan_mnist --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES
    python train.py --config=gan_mnist:small_data --config.data.num_examples=200 \
        --config.data.path=FOLDER_WITH_THE_FOUR_IDX_FILES

Expect of the preset small_data, for some hundred digits, after half an hour on one core and from
200 of them: digits of all ten classes, 92 to 94 % of them readable, at the edge of what counts as
collapsed: each half as far from its nearest other as real ones are (docs/results/data_size:
memorisation 0.72; docs/why/tried.md: spacing). It bends the images anew in every step, draws
latents of a mixture, half as many components as images (`gan_jax.tasks.latents`), and takes samples
from a moving average of the generator. Without the preset, of 1,000 digits: 86 % readable after
3,500 steps, and a black picture from 5,500 on; of 500: 84 % after 2,500; of 200: never a digit.

Source: github.com/hwalsuklee/tensorflow-generative-model-collections, `GAN.py`: z of 62
uniform numbers, batch 64, discriminator's rate 2e-4 and generator's 1e-3, Adam's b1 0.5,
25 epochs. It trains on the test digits too and in the same order every epoch; here they
are the 60,000 training digits, reshuffled.
"""

from ml_collections import ConfigDict

from gan_jax import config as base


def get_config(preset: str = '') -> ConfigDict:
    """Presets: smoke, small_data: the same networks for a few hundred digits."""
    config = base.default()
    config.name = 'Plain GAN on MNIST'
    config.data.name = 'mnist'
    config.gen.net = ConfigDict(dict(name='mnist_gan'))
    config.disc.net = ConfigDict(dict(name='mnist_gan'))
    config.gen.optimizer = base.optimizer(1e-3, 0.5)
    config.disc.optimizer = base.optimizer(2e-4, 0.5)
    config.latent = 'uniform'
    config.latent_dim = 62
    config.batch_size = 64
    config.steps = 25 * 60_000 // 64

    def small_data() -> None:
        config.data.warp = 0.035  # bent by 0.06 a seventh of real digits is no longer readable
        config.latent_mixture.components = 0.5  # one for each image remembers too many of them
        config.latent_mixture.std = 0.7  # at 0.3 samples of a component are nearly the same digit
        config.gen.ema_decay = 0.999
        config.steps = 6_000
        for player in (config.gen, config.disc):
            player.optimizer.learning_rate = 5e-4  # at 2e-4 the discriminator is nearly fooled
            player.optimizer.schedule = 'cosine'

    return base.choose_preset(config, preset, small_data=small_data)
