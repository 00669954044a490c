"""Layers, initialisers, and conditioning on a class, shared by all nets.

Parameters are float32. `dtype` is the type of the arithmetic, float32 or bfloat16; the
statistics of batch norm and the power iteration of spectral norm are float32 in any case.
"""

from collections.abc import Callable, Collection, Mapping
import dataclasses
import enum
from functools import partial
import math
from types import MappingProxyType
from typing import Any, ClassVar, Self

import chex
from flax import linen as nn
import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import DTypeLike
import numpy as np

from gan_jax import losses, ops, rng
from gan_jax.ops import Padding, target

Shape = tuple[int, ...]
Initializer = Callable[[jax.Array, Shape, DTypeLike], jax.Array]


def normal(key: jax.Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> jax.Array:
    """Kernels from N(0, 0.02^2), as in DCGAN (arXiv:1511.06434)."""
    return 0.02 * _flat(jax.random.normal, key, shape, dtype)


def truncated_normal(key: jax.Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> jax.Array:
    """`normal` cut at two deviations and not rescaled, as TensorFlow's initialiser is."""
    draw = partial(jax.random.truncated_normal, lower=-2, upper=2)
    return 0.02 * _flat(draw, key, shape, dtype)


def scale_normal(key: jax.Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> jax.Array:
    """Batch-norm scales from N(1, 0.02^2), as in PyTorch's DCGAN example."""
    return 1 + normal(key, shape, dtype)


def glorot_uniform(key: jax.Array, shape: Shape, dtype: DTypeLike = jnp.float32) -> jax.Array:
    """Kernels from U(-a, a), a^2 = 6 / (fan_in + fan_out): the default of Keras."""
    fans = math.prod(shape[:-2]) * (shape[-2] + shape[-1])
    limit = math.sqrt(6 / fans)
    return _flat(partial(jax.random.uniform, minval=-limit, maxval=limit), key, shape, dtype)


def _flat(
    draw: Callable[..., jax.Array], key: jax.Array, shape: Shape, dtype: DTypeLike
) -> jax.Array:
    # The same numbers as of a draw in this shape, which XLA's CPU compiler takes five times
    # as long for: a net's initialisation would take most of a program's start.
    return draw(key, shape=(math.prod(shape),), dtype=dtype).reshape(shape)


SIZES = 'images whose short side has {} pixels, and the long one a multiple of its quarter'


def halves_to_four(image_shape: tuple[int, int, int], short: Collection[int]) -> bool:
    """Whether an image of such a short side can be halved until that has four pixels."""
    height, width, _ = image_shape
    least = min(height, width)
    return least in short and height % (least // 4) == 0 == width % (least // 4)


def leaky_relu(slope: float) -> Callable[[jax.Array], jax.Array]:
    """x -> max(x, slope * x)."""
    return partial(nn.leaky_relu, negative_slope=slope)


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


class Dense(nn.Module):
    """Fully connected layer: [N, in] -> [N, features]."""

    features: int  # size of the output
    use_bias: bool = True  # whether to add a bias, initially zero
    kernel_init: Initializer = glorot_uniform  # initialiser of the kernel [in, features]
    # of the arithmetic and the result; products are summed in float32
    dtype: DTypeLike = jnp.float32
    spectral_norm: bool = False  # divide the kernel by its largest singular value

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """`train` makes the power iteration of the spectral norm; it changes nothing else."""
        kernel = _kernel(self, (x.shape[-1], self.features))
        if self.spectral_norm:
            kernel = _spectrally_normalized(self, kernel, train)
        y = jnp.matmul(
            x.astype(self.dtype), kernel.astype(self.dtype), preferred_element_type=jnp.float32
        )
        return _add_bias(self, y).astype(self.dtype)


class Conv(nn.Module):
    """Convolution: [N, H, W, in] -> [N, h, w, features]; sizes as of `ops.conv`."""

    features: int  # channels of the output
    kernel_size: int | tuple[int, int]  # height and width of the kernel
    stride: int = 1  # the same for both axes
    padding: Padding = 'SAME'  # 'SAME' as TensorFlow's, or zeros on each side as PyTorch's
    use_bias: bool = True  # whether to add a bias, initially zero
    kernel_init: Initializer = glorot_uniform  # initialiser of the kernel [kh, kw, in, features]
    dtype: DTypeLike = jnp.float32  # of the arithmetic and the result
    # divide the kernel, as a matrix [kh * kw * in, features], by its largest singular value
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """`train` makes the power iteration of the spectral norm; it changes nothing else."""
        kernel = _kernel(self, (*_sides(self.kernel_size), x.shape[-1], self.features))
        if self.spectral_norm:
            kernel = _spectrally_normalized(self, kernel, train)
        y = ops.conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.padding)
        return _add_bias(self, y)


class ConvTranspose(nn.Module):
    """Transposed convolution: [N, h, w, in] -> [N, H, W, features].

    TensorFlow's for padding 'SAME' and PyTorch's for an integer; see `ops.conv_transpose`
    for the sizes and for how their kernels map to this one.
    """

    features: int  # channels of the output
    kernel_size: int | tuple[int, int]  # height and width of the kernel
    stride: int = 1  # the same for both axes
    padding: Padding = 'SAME'  # 'SAME', or what PyTorch calls padding
    output_padding: int = 0  # rows and columns more at the bottom and the right (integer padding)
    use_bias: bool = True  # whether to add a bias, initially zero
    kernel_init: Initializer = glorot_uniform  # initialiser of the kernel [kh, kw, features, in]
    dtype: DTypeLike = jnp.float32  # of the arithmetic and the result

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = _kernel(self, (*_sides(self.kernel_size), self.features, x.shape[-1]))
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        y = ops.conv_transpose(x, kernel, self.stride, self.padding, self.output_padding)
        return _add_bias(self, y)


class UpsampleConv(nn.Module):
    """Enlargement to twice the size by repetition, then a 'SAME' convolution, as one layer.

    One layer, because the two together are one linear map with far fewer products than
    the convolution of the enlarged map.
    """

    features: int  # channels of the output
    kernel_size: int  # height and width of the kernel
    use_bias: bool = True  # whether to add a bias, initially zero
    kernel_init: Initializer = glorot_uniform  # initialiser of the kernel [kh, kw, in, features]
    dtype: DTypeLike = jnp.float32  # of the arithmetic and the result

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size = self.kernel_size
        kernel = _kernel(self, (size, size, x.shape[-1], self.features))
        return _add_bias(self, ops.upsample_conv(x.astype(self.dtype), kernel.astype(self.dtype)))


class BatchNorm(nn.BatchNorm):
    """Flax's batch norm: batch statistics in training, running ones otherwise.

    `momentum` is the decay of the running statistics (PyTorch's momentum is 1 minus it), and
    with `axis_name` the batch is that of all devices on the axis.

    The variance is that of the centred values. Flax's default, E[x^2] - E[x]^2, cancels where
    channels hardly vary, as those of a new generator's images do: of the MNIST GAN's first
    gradients it leaves four digits instead of six.

    Attributes (besides Flax's):
      debias: whether the running statistics are weighted means of the batches alone, without the
        zeros and ones they begin as (as Adam's are, arXiv:1412.6980, section 3): with a
        decay of 0.99 those still weigh a third after 120 updates. `epsilon` should be well
        above the rounding of the variances, 1e-5.
    """

    use_fast_variance: bool = False
    debias: bool = False

    @nn.compact
    def __call__(  # type: ignore[override]  # as all layers here it is told `train`
        self, x: jax.Array, *, train: bool, batch_statistics: bool | None = None
    ) -> jax.Array:
        """Normalises the channels of [..., C].

        Args:
          train: whether the running statistics move. They can only if `batch_stats` is mutable.
          batch_statistics: whether the batch's own statistics are taken; None: in training.
            Taken out of training, they make an example's output depend on the others.
        """
        if train or not batch_statistics:
            before = dict(self.variables.get('batch_stats', {}))
            if train and target.is_gpu() and not self.is_initializing():
                y = self._in_one_pass(x)
            else:
                y = super().__call__(x, use_running_average=not train)
            if self.debias:
                self._debias(before, train)
            return y
        # Flax takes the batch's statistics only where it may also store them.
        y = _standardized(x, tuple(range(x.ndim - 1)), self.epsilon, self.axis_name)
        scale, bias = self._affine(x)
        return (y * scale + bias).astype(self.dtype)

    def _affine(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """The scale and the bias of each channel, [1, ..., 1, C]."""
        inits = {'scale': self.scale_init, 'bias': self.bias_init}
        shape = (1,) * (x.ndim - 1) + (-1,)
        return tuple(
            self.param(name, init, (x.shape[-1],), self.param_dtype).reshape(shape)
            for name, init in inits.items()
        )

    def _in_one_pass(self, x: jax.Array) -> jax.Array:
        """Does what Flax's does in training, with both moments of one pass over x.

        A GPU waits for memory here, and for the kernels of each pass. Forward and backward they
        are half as many.
        """
        scale, bias = self._affine(x)
        x = x.astype(jnp.float32)
        mean, var = moments(x, tuple(range(x.ndim - 1)), self.axis_name)
        for name, moment in (('mean', mean), ('var', var)):
            old: jax.Array = self.get_variable('batch_stats', name)
            moved = self.momentum * old + (1 - self.momentum) * moment.reshape(-1)
            self.put_variable('batch_stats', name, moved)
        return _normalized(x, mean, lax.rsqrt(var + self.epsilon) * scale, bias).astype(self.dtype)

    def _debias(self, before: Mapping[str, jax.Array], train: bool) -> None:
        """Lengthens the step the statistics made from `before` to what it is without a start."""
        updates = self.variable('batch_stats', 'updates', jnp.zeros, ())
        if not train or self.is_initializing():
            return
        updates.value += 1.0
        # With b the biased mean, b / (1 - m^t) moves by (1 - m) / (1 - m^t) of its distance
        # from the batch, b by 1 - m.
        length = 1 / (1 - self.momentum**updates.value)
        for name in ('mean', 'var'):
            moved = self.get_variable('batch_stats', name) - before[name]
            self.put_variable('batch_stats', name, before[name] + length * moved)


class InstanceNorm(nn.Module):
    """Each channel of each example to mean 0 and variance 1 (arXiv:1607.08022).

    As PyTorch's InstanceNorm2d: without running statistics.
    """

    epsilon: float = 1e-5  # added to the variance
    affine: bool = False  # whether a scale and a bias of each channel follow, which are trained
    dtype: DTypeLike = jnp.float32  # of the result; statistics are float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> [N, H, W, C]."""
        chex.assert_rank(x, 4)
        y = _standardized(x, (1, 2), self.epsilon)
        if self.affine:
            scale = self.param('scale', scale_normal, (x.shape[-1],))
            bias = self.param('bias', nn.initializers.zeros, (x.shape[-1],))
            y = y * scale.reshape(1, 1, 1, -1) + bias.reshape(1, 1, 1, -1)
        return y.astype(self.dtype)


def moments(
    x: jax.Array, axes: tuple[int, ...], axis_name: str | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and variance over `axes`, kept as 1, and an axis' devices, of float32 x, by one pass."""
    mean, var = _moments(x, axes)
    if axis_name is None or lax.axis_size(axis_name) == 1:
        return mean, var
    whole = lax.pmean(mean, axis_name)
    return whole, lax.pmean(var + jnp.square(mean - whole), axis_name)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _moments(x: jax.Array, axes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Moments of a shifted x, in sums that do not wait for each other.

    The variance is E[(x - s)^2] - E[x - s]^2 with s one of the values, of the first example and
    from the middle of the map: with s = 0 it would cancel where channels hardly vary.
    """
    shift = x
    for axis in axes:
        place = x.shape[axis] // 2 if axis else 0
        shift = lax.slice_in_dim(shift, place, place + 1, axis=axis)
    gap = x - shift
    mean, square = (jnp.mean(value, axes, keepdims=True) for value in (gap, jnp.square(gap)))
    return mean + shift, jnp.maximum(square - jnp.square(mean), 0)


@_moments.defjvp
def _moments_jvp(
    axes: tuple[int, ...], primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    (x,), (dx,) = primals, tangents
    mean, var = _moments(x, axes)
    moved = jnp.mean(dx, axes, keepdims=True), 2 * jnp.mean((x - mean) * dx, axes, keepdims=True)
    return (mean, var), moved


def _normalized(
    x: jax.Array, mean: jax.Array, factor: jax.Array, bias: jax.Array | float = 0
) -> jax.Array:
    """(x - mean) * factor + bias.

    The gradient of the mean is that of the bias times the factor: written so, it is no sum over
    all of x again.
    """
    fixed = lax.stop_gradient(mean)
    return (x - fixed) * factor + (bias - (mean - fixed) * factor)


def _standardized(
    x: jax.Array, axes: tuple[int, ...], epsilon: float, axis_name: str | None = None
) -> jax.Array:
    """(x - mean) / sqrt(variance + epsilon) over `axes`, and over devices; float32."""
    if target.is_gpu():
        x = x.astype(jnp.float32)
        mean, var = moments(x, axes, axis_name)
        return _normalized(x, mean, lax.rsqrt(var + epsilon))
    return _standardized_in_two_passes(x, axes, epsilon, axis_name)


def _standardized_in_two_passes(
    x: jax.Array, axes: tuple[int, ...], epsilon: float, axis_name: str | None
) -> jax.Array:
    def mean(values: jax.Array) -> jax.Array:
        local = jnp.mean(values, axes, keepdims=True)
        return local if axis_name is None else lax.pmean(local, axis_name)

    x = x.astype(jnp.float32)
    centred = x - mean(x)
    return centred * lax.rsqrt(mean(jnp.square(centred)) + epsilon)


class Dropout(nn.Module):
    """Dropout with a mask for each example, drawn from its index in the global batch.

    `nn.Dropout` draws one mask a call, which makes the result depend on the number of
    devices that share the batch.
    """

    rate: float  # probability of a zero, in [0, 1)
    axis_name: str | None = None  # the axis over which the batch is divided, None if it is not

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Needs the rng 'dropout' if `train`; the axis need not exist in `init`."""
        if not train or self.rate == 0 or self.is_initializing():
            return x
        keys = rng.example_keys(self.make_rng('dropout'), len(x), self.axis_name)
        draw = partial(jax.random.bernoulli, p=1 - self.rate, shape=(math.prod(x.shape[1:]),))
        return jnp.where(jax.vmap(draw)(keys).reshape(x.shape), x / (1 - self.rate), 0)


class Projection(nn.Module):
    """<embedding(label), features>: what a class adds to a logit (arXiv:1802.05637)."""

    # initialiser of the embedding [D, features]
    embedding_init: Initializer = glorot_uniform
    spectral_norm: bool = False  # divide the embedding by its largest singular value

    @nn.compact
    def __call__(
        self, features: jax.Array, code: jax.Array | None, train: bool = False
    ) -> jax.Array:
        """[N, F], and `Net.code` of the labels -> float32 [N]; without it 0, without parameters."""
        if code is None:
            return jnp.zeros(len(features))
        # The layer is linear in the code: its kernel is the embedding.
        embedding = Dense(
            features.shape[-1],
            use_bias=False,
            kernel_init=self.embedding_init,
            spectral_norm=self.spectral_norm,
            name='embedding',
        )(code, train)
        return jnp.sum(embedding * features.astype(jnp.float32), axis=-1)


class Kind(enum.Enum):
    """The call signature of a net; the value describes it in messages.

    Nets of `LATENT` and `LOGIT` also take int32 labels [N], ignored if `num_classes` is 0.
    """

    # z, float [N, latent_dim] -> float32 [N, H, W, C] in `pixel_range`
    LATENT = 'makes images from a latent'
    # such images -> float32 logits [N], or [N, L] of several `judges`
    LOGIT = 'gives one logit an image'
    # such images -> float32 logits [N, num_classes]
    CLASSES = 'gives one logit a class'
    # images [N, H, W, any] in [-1, 1] -> float32 [N, H, W, C] in `pixel_range`
    TRANSLATION = 'makes images from images'
    # images and what they were made from -> float32 logits [N, h, w], or [N, L] of several `judges`
    PATCHES = 'gives one logit a patch'


class Net(nn.Module):
    """Base class of generators and discriminators. `kind` gives the call signature."""

    image_shape: tuple[int, int, int]  # (H, W, C)
    num_classes: int = 0  # 0 for an unconditional net
    # how many attributes classes are combinations of, `types.DataSpec.attributes`; 0: of none
    attributes: int = 0
    dtype: DTypeLike = jnp.float32  # of the arithmetic: float32 or bfloat16
    # the axis over which runners divide the batch; None outside a runner
    axis_name: str | None = None
    # whether batch norm takes its statistics over all devices of the axis ('global') or over each
    # device's own examples ('per_device')
    batch_norm: str = 'global'

    kind: ClassVar[Kind]
    pixel_range: ClassVar[tuple[float, float]]  # of the images that a generator makes
    takes_range: ClassVar[tuple[float, float] | None] = None  # of a discriminator; None: any
    sizes: ClassVar[str] = 'any size'  # what `supports` accepts, for messages
    weights: ClassVar[Collection[str]] = ()  # fields that may be any number from 0
    takes_maps: ClassVar[bool] = False  # whether it is called with a frozen net's maps besides
    penalties: ClassVar[bool] = True  # whether a discriminator may have gradient penalties
    # What a config may set a field to, where the type of its default does not say.
    options: ClassVar[Mapping[str, Collection[Any]]] = MappingProxyType({'norm': ('batch', 'none')})

    @staticmethod
    def supports(image_shape: tuple[int, int, int]) -> bool:
        """Whether the net can make, or judge, images of this shape."""
        return True

    def misfit(self) -> str:
        """Why the net's own fields do not suit its images, from the field on; '' if they do."""
        return ''

    def eval_mode(self) -> Self:
        """The same net without what it draws at random in training."""
        return self.clone(dropout=0.0) if hasattr(self, 'dropout') else self

    def judges(self) -> tuple[losses.Judge, ...]:
        """Whose logits those of an image are; see `gan_jax.losses`."""
        return (losses.Judge(),)

    def look(self, image: jax.Array) -> Any:
        """Computes what of images the parameters do not change: the images, if nothing else.

        A step computes it once of the images that both networks' updates need.
        """
        return image

    def judge(self, seen: Any, label: jax.Array | None = None, *, train: bool) -> Any:
        """Does as the call, of images that were looked at."""
        return self(seen, label, train=train)

    @property
    def norm_axis(self) -> str | None:
        """The axis over which batch norm takes its statistics."""
        return self.axis_name if self.batch_norm == 'global' else None

    def latent(self, z: jax.Array, label: jax.Array | None) -> jax.Array:
        """z, followed by the code of the label if there are classes (arXiv:1411.1784)."""
        chex.assert_rank(z, 2)
        code = self.code(label)
        return z if code is None else jnp.concatenate([z, code.astype(z.dtype)], axis=-1)

    def code(self, label: jax.Array | None) -> jax.Array | None:
        """Codes of labels, int32 [N], as an embedding takes them; None without classes.

        One-hot, float32 [N, num_classes]. Of a combination of attributes the one-hots of each, one
        after the other, [N, 2 * attributes]: its embedding is the sum of theirs.
        """
        if not self.num_classes:
            return None
        if label is None:
            raise ValueError(f'`label` is needed: the net has {self.num_classes} classes')
        chex.assert_rank(label, 1)
        one_hot = jax.nn.one_hot(label, self.num_classes)
        return one_hot @ _codes(self.attributes) if self.attributes else one_hot


# The normalisations of pix2pix's nets.
NORMS = 'batch', 'instance', 'instance_affine', 'none'

# The fields of every net.
SHARED = tuple(f.name for f in dataclasses.fields(Net) if f.name not in ('parent', 'name'))


def norm(
    net: Net, name: str, x: jax.Array, *, train: bool, batch_statistics: bool | None = None
) -> jax.Array:
    """The normalisation `name` of NORMS; called inside `net`."""
    if name == 'none':
        return x
    if name in ('instance', 'instance_affine'):
        affine = name == 'instance_affine'
        return InstanceNorm(epsilon=1e-5, affine=affine, dtype=net.dtype)(x)
    layer = batch_norm(net, momentum=0.9, epsilon=1e-5, scale_init=scale_normal)
    return layer(x, train=train, batch_statistics=batch_statistics)


def batch_norm(net: Net, **options: Any) -> BatchNorm:
    """A `BatchNorm` of these options over the devices that `net` has; called inside `net`."""
    return BatchNorm(axis_name=net.norm_axis, dtype=net.dtype, **options)


def _kernel(layer: nn.Module, shape: tuple[int, ...]) -> jax.Array:
    return layer.param('kernel', layer.kernel_init, shape, jnp.float32)


def _add_bias(layer: nn.Module, y: jax.Array) -> jax.Array:
    if not layer.use_bias:
        return y
    bias = layer.param('bias', nn.initializers.zeros, (y.shape[-1],), jnp.float32)
    return y + bias.astype(y.dtype).reshape((1,) * (y.ndim - 1) + (-1,))


def _spectrally_normalized(layer: nn.Module, kernel: jax.Array, train: bool) -> jax.Array:
    """The kernel over its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    The value is estimated with one power iteration per training pass from the vector `u`
    of the collection 'batch_stats'. Gradients flow through the value, not through the
    singular vectors.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    u = layer.variable(
        'batch_stats',
        'u',
        lambda: _unit(jax.random.normal(layer.make_rng('params'), (matrix.shape[-1],))),
    )
    product = partial(jnp.matmul, precision='highest')
    fixed = lax.stop_gradient(matrix)
    right = u.value
    left = _unit(product(fixed, right))
    if train:
        right = _unit(product(left, fixed))
        if not layer.is_initializing():
            u.value = right
    sigma = product(product(left, matrix), right)
    return kernel / jnp.maximum(sigma, 1e-12)


def _unit(vector: jax.Array) -> jax.Array:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-12)


def _codes(attributes: int) -> np.ndarray:
    """The one-hots of the attributes of each combination: float32 [2**K, 2 * K]."""
    has = np.indices((2,) * attributes).reshape(attributes, -1).T
    return np.stack([1 - has, has], axis=-1).reshape(len(has), -1).astype(np.float32)
