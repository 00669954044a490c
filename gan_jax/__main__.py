"""`python -m gan_jax` is `gan-jax`."""

from gan_jax import cli

if __name__ == '__main__':
    cli.run()
