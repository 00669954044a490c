"""Trains a GAN: flags -> config -> trainer. `python train.py --help` shows the flags."""

import sys

from gan_jax import cli

if __name__ == '__main__':
    sys.exit(cli.main(['train', *sys.argv[1:]]))
