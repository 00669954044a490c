"""gan_jax: train GANs on small image sets with JAX and Flax, and see whether it worked."""

__version__ = '0.1.0.dev0'
