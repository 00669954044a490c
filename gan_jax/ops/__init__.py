"""Convolutions as functions of arrays: what the layers of `gan_jax.nets` compute."""

from gan_jax.ops.convolutions import Padding, conv, conv_transpose, upsample_conv
from gan_jax.ops.depthwise import depthwise_conv

__all__ = ['Padding', 'conv', 'conv_transpose', 'depthwise_conv', 'upsample_conv']
