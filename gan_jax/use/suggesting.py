"""Photos that a classifier would learn most from, were their classes known."""

from collections.abc import Iterable

import numpy as np

from gan_jax.data.image_files import ImageFolder
from gan_jax.errors import UserError
from gan_jax.use import sorting
from gan_jax.use.classifying import Answer
from gan_jax.use.trained import Trained


def useful(
    run: Trained, album: ImageFolder, answers: Iterable[tuple[str, Answer | None]], count: int
) -> list[tuple[str, Answer]]:
    """The most useful photos of an album, without those in folders of classes of the run.

    Args:
      answers: the shown name of each of its files, and the answer about it; None for one that
        cannot be read.
      count: of photos, at most.

    Raises:
      UserError: there are no others.
    """
    pairs = zip(answers, sorting.given(run, album), strict=True)
    asked = [(name, found) for (name, found), label in pairs if found and label < 0]
    if not asked:
        raise UserError(
            f'--input={album.path}: all its images lie in folders of classes that the run learned:'
            ' name a folder of others'
        )
    probability = np.stack([found.probability for _, found in asked])
    features = np.stack([found.features for _, found in asked])
    return [asked[index] for index in choose(probability, features, count)]


def choose(probability: np.ndarray, features: np.ndarray, count: int) -> list[int]:
    """Chooses photos by uncertainty and spread: their indices, the most useful one first.

    By the gradient that the likeliest class would have as a label, with respect to the last layer
    (BADGE, Ash et al. 2020, arXiv:1906.03671): it is long where the classifier is unsure, and
    points elsewhere for a photo of another kind. The longest is taken first, and then whichever is
    farthest from all those that were taken and from 0, which is what a sure answer has.

    Args:
      probability: of each class, float [N, K].
      features: what the last layer sees, float [N, F]; their mean and lengths do not count.
      count: of photos; fewer if N is less.
    """
    residual = probability - np.eye(probability.shape[1])[probability.argmax(axis=1)]
    kind = features - features.mean(axis=0)
    kind = kind / np.maximum(np.linalg.norm(kind, axis=1, keepdims=True), 1e-12)
    length = np.square(residual).sum(axis=1)  # squared, of the outer product of the two
    distance, chosen = length.copy(), []
    for _ in range(min(count, len(length))):
        best = int(distance.argmax())
        chosen.append(best)
        product = (residual @ residual[best]) * (kind @ kind[best])
        distance = np.minimum(distance, length + length[best] - 2 * product)
        distance[chosen] = -np.inf
    return chosen
