"""A run's config: what experiments set of its fields (`gan_jax.fields`), and its rules."""

from gan_jax.config.presets import choose_preset as choose_preset
from gan_jax.config.presets import choose_translator as choose_translator
from gan_jax.config.presets import few_pairs as few_pairs
from gan_jax.config.presets import optimizer as optimizer
from gan_jax.config.presets import pix2pix as pix2pix
from gan_jax.config.presets import sides as sides
from gan_jax.config.presets import smoke as smoke
from gan_jax.config.rules import validate as validate
from gan_jax.config.rules import validate_names as validate_names
from gan_jax.fields import default as default
