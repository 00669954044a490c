"""The fields of a run's config, and the rules they must keep before anything is compiled.

A file in `configs/` takes `default()`, sets what its experiment needs, and returns it.
`choices` of a field are checked against the registry that implements them, so a new
loss or net is a new entry there and nowhere else.
"""

from ml_collections import ConfigDict


def optimizer(learning_rate: float, b1: float, b2: float = 0.999) -> ConfigDict:
  """Adam as GANs use it; `schedule` spans the run unless `decay_steps` says otherwise."""
  return ConfigDict(
    dict(
      name='adam',  # adam | sgd | rmsprop
      learning_rate=learning_rate,  # at step 0
      b1=b1,  # decay of the first moment (momentum for sgd)
      b2=b2,  # decay of the second moment
      eps=1e-8,  # added to the root of the second moment
      schedule='constant',  # constant | linear | cosine
      constant_steps=0,  # steps at the full rate before the schedule sets in
      final_fraction=0.0,  # rate at the end, as a fraction of the initial one
    )
  )


def default() -> ConfigDict:
  """Every field with its default: a DCGAN on the packaged digits."""
  config = ConfigDict()
  config.name = 'gan'  # title of the run in reports
  config.task = 'adversarial'  # key of gan_jax.tasks.TASKS
  config.seed = 0  # of parameters, latents, dropout, augmentation and data order
  config.steps = 10_000  # generator updates in the whole run
  config.batch_size = 64  # global; divisible by the number of devices
  config.disc_steps = 1  # discriminator updates, each on new images, per generator update

  config.data = ConfigDict()
  config.data.name = 'mnist5k'  # key of gan_jax.data.DATASETS
  config.data.path = ''  # where the set is; '' is its usual place
  config.data.split = 'train'
  config.data.num_examples = 0  # use a random subset of so many images; 0: all
  config.data.subset_seed = 0  # which subset
  config.data.feed = 'auto'  # resident | stream | auto: resident up to 1 GB

  config.gen = ConfigDict()
  config.gen.net = ConfigDict(dict(name='dcgan'))  # and fields of the generator of gan_jax.nets.NETS
  config.gen.optimizer = optimizer(2e-4, 0.5)
  config.gen.ema_decay = 0.0  # of the exponential moving average used for samples; 0: none
  config.disc = ConfigDict()
  config.disc.net = ConfigDict(dict(name='dcgan'))  # and fields of the discriminator
  config.disc.optimizer = optimizer(2e-4, 0.5)
  config.latent_dim = 100  # entries of z
  config.latent = 'normal'  # normal: N(0, 1) | uniform: U(-1, 1)
  config.conditional = False  # class-conditional networks, where the set has labels
  config.batch_norm = 'global'  # moments over all devices, or 'per_device'
  config.precision = 'float32'  # of the networks' arithmetic; bfloat16 keeps parameters in float32

  config.loss = 'non_saturating'  # key of gan_jax.losses.LOSSES
  config.label_smoothing = 0.0  # real targets are 1 - this (one-sided)
  config.share_latent = True  # the generator's update reuses the last discriminator update's fakes
  config.penalties = ConfigDict()  # weights of gan_jax.penalties.PENALTIES; 0: off
  config.penalties.gradient_penalty = 0.0
  config.penalties.dragan = 0.0
  config.penalties.r1 = 0.0
  config.penalties.r2 = 0.0
  config.instance_noise = ConfigDict()
  config.instance_noise.std = 0.0  # of the noise on all the discriminator's inputs, pixels in [-1, 1]
  config.instance_noise.decay_steps = 0  # it falls linearly to 0 by this step; 0: it stays
  config.augment = ''  # of gan_jax.augment.AUGMENTATIONS, comma-separated: 'color,translation,cutout'

  config.runner = 'pmap'  # pmap | shard_map | vmap
  config.devices = 0  # 0: all local devices
  config.steps_per_call = 1  # training steps in one dispatch

  config.log_every = 50  # steps between lines of metrics.jsonl
  config.sample_every = 1_000  # steps between sample grids
  config.save_every = 1_000  # steps between checkpoints
  config.keep = 3  # newest checkpoints kept
  config.num_samples = 64  # images in a grid
  config.on_nan = 'stop'  # stop | rollback: go on from the last checkpoint with other noise
  config.tensorboard = True  # also write event files
  return config


def smoke(config: ConfigDict) -> ConfigDict:
  """The same code paths in seconds, on data that needs no network: five checkpoints and all files."""
  config.data.name = 'mnist5k'
  config.data.path = ''
  config.data.num_examples = 500
  config.steps = 20
  config.batch_size = 16
  config.num_samples = 16
  config.log_every = 2
  config.sample_every = 5
  config.save_every = 4
  config.keep = 5
  return config
