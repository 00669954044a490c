"""Figures say what they claim: of copies, of collapse, of noise, of digits."""

import cv2
import numpy as np
import pytest

from gan_jax import evaluation
from gan_jax.data import mnist5k
from gan_jax.errors import UserError
from gan_jax.evaluation import distances, neighbours, sets, spectrum, text
from gan_jax.evaluation import metrics as metrics_lib
from gan_jax.pretrained import feature_net


@pytest.fixture(scope='module')
def digits():
    """Real digits in random order: uint8 [5000, 28, 28, 1] and their classes."""
    image, label = mnist5k.read()
    order = np.random.default_rng(0).permutation(len(image))
    return image[order], label[order]


@pytest.fixture(scope='module')
def net():
    return evaluation.load_net('digits')


def reference(image, net, role=evaluation.HELD_OUT, name='digits', flip=False):
    fingerprint = f'{name} {len(image)} {image[0].sum()}'
    images = sets.ImageSet(name, role, fingerprint, len(image), image, flip)
    return evaluation.Reference(images, net)


REFERENCE = {'images': 9, 'of': 9, 'role': 'held-out', 'name': 'x', 'fingerprint': 'f'}


@pytest.fixture(scope='module')
def held_out(digits, net):
    return reference(digits[0][:600], net)


@pytest.fixture(scope='module')
def training(digits, net):
    return reference(digits[0][600:1200], net, evaluation.TRAINING, 'training')


@pytest.mark.newest
def test_other_real_digits_are_near_and_various(digits, held_out, training):
    found = evaluation.measure(digits[0][1200:1800], held_out, training)
    figures = found['figures']
    same = evaluation.measure(held_out.image, held_out, only=('frechet',))['figures']
    assert 0 <= same['frechet_digits'] < 1e-6 < figures['frechet_digits']
    assert abs(figures['kid_digits']) < figures['kid_digits_std']
    assert figures['precision'] > 0.7 and figures['coverage'] > 0.8
    assert 0.9 < figures['diversity'] < 1.1 and 0.8 < figures['spacing'] < 1.2
    assert not figures['collapsed']
    assert figures['kinds'] > 1000 and figures['kinds_real'] > 1000
    assert 0.4 < figures['memorisation'] < 0.6
    assert figures['noise'] < 3 and 0.9 < figures['fine_power'] < 1.1
    assert figures['readable_share'] > 0.95 and figures['classes_present'] == 10
    assert found['samples'] == 600 and found['reference']['images'] == 600


@pytest.mark.newest
def test_the_net_reads_digits_and_not_noise(digits, net):
    image, label = digits
    outputs = net(image[:500])
    assert (outputs.best == label[:500]).mean() >= 0.994
    assert outputs.features.shape == (500, 128) and outputs.features.dtype == np.float32
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (200, 28, 28, 1), np.uint8)
    pixels = random.permuted(image[:200].reshape(200, -1), axis=1).reshape(-1, 28, 28, 1)
    blurred = np.stack([cv2.GaussianBlur(x, (0, 0), 4)[..., None] for x in image[:200]])
    for nonsense in (noise, pixels, blurred, np.zeros_like(noise), np.full_like(noise, 90)):
        assert net.measure(net(nonsense))['readable_share'] < 0.1


def test_classes_present_counts_those_that_are_read(digits, held_out):
    image, label = digits
    few = image[np.isin(label, (3, 7))][:400]
    figures = evaluation.measure(few, held_out, only=('classes',))['figures']
    assert figures['classes_present'] == 2
    histogram = figures['class_histogram']
    assert histogram['3'] + histogram['7'] > 0.95
    np.testing.assert_allclose(sum(histogram.values()), figures['readable_share'])


def nearly(image):
    """Copies with a little noise."""
    noise = np.random.default_rng(0).integers(-8, 9, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def copying(image, held_out, training):
    figures = evaluation.measure(image, held_out, training, only=('memorisation',))['figures']
    return figures['memorisation'], figures['copies']


def test_copies_are_told(digits, held_out, training):
    """All of them, and half."""
    copies = nearly(training.image)
    memorisation, share = copying(copies, held_out, training)
    assert memorisation > 0.98 and share > 0.85
    half = np.concatenate([copies[:300], digits[0][1800:2100]])
    memorisation, share = copying(half, held_out, training)
    assert 0.68 < memorisation < 0.82 and 0.35 < share < 0.55


def test_mirror_images_are_copies_if_training_showed_them(digits, net):
    mirrored = nearly(digits[0][600:900][:, :, ::-1])
    sides = digits[0][:300], digits[0][600:900]
    seen, unseen = ([reference(x, net, flip=flip) for x in sides] for flip in (True, False))
    memorisation, share = copying(mirrored, *seen)
    assert memorisation > 0.95 and share > 0.8
    memorisation, share = copying(mirrored, *unseen)
    assert memorisation < 0.7 and share < 0.2
    assert seen[1].shown.shape == (600, 28, 28, 1)
    np.testing.assert_allclose(net(seen[1].shown[:4]).features, seen[1].shown_features[:4], 1e-4)


def test_memorisation_compares_equal_numbers():
    """A set of 1,000 points has nearer ones than one of 100 alike, but its parts do not."""
    random = np.random.default_rng(0)
    fake, training, others = (random.normal(size=(n, 4)) for n in (2000, 1000, 100))
    figure = lambda f, a, b: neighbours.memorisation(f, a[:, None], b[:, None])  # noqa: E731
    assert 0.45 < figure(fake, training, others) < 0.55
    assert figure(training[:100], training[:100], others) == 1
    assert figure(others, training, others) == 0
    assert abs(figure(fake, others, others) - 0.5) < 0.01
    # Of ten times as many training images one part in ten holds the copied ones.
    assert abs(figure(training, training, others) - 0.55) < 0.03


def cloud(count, seed):
    """Points alike, as if a net had them of images."""
    found = sets.Measured(np.zeros((count, 1, 1, 1), np.uint8), None)
    features = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    found.outputs = feature_net.Outputs(features, np.zeros(count, int), np.zeros(count))
    return found


@pytest.mark.parametrize('real, fake', [(100, 3_000), (3_000, 100), (100, 190)])
def test_manifolds_are_of_equal_numbers(real, fake):
    """A perfect generator covers 1 - 1 / 2^5, however many reals and samples there are."""
    given = metrics_lib.Comparison(cloud(fake, 1), cloud(real, 2), None)
    found = metrics_lib.manifold(given)
    assert 0.93 < found['coverage'] < 0.995 and 0.7 < found['recall'] < 0.95
    assert 0.8 < found['precision'] < 0.99 and 0.8 < found['density'] < 1.2


def test_manifolds_of_equal_sets_are_those_of_the_whole_sets():
    real, fake = cloud(300, 1), cloud(300, 2)
    within = [distances.within(x.features) for x in (real, fake)]
    whole = distances.manifold(real.features, fake.features, *within)
    assert metrics_lib.manifold(metrics_lib.Comparison(fake, real, None)) == whole._asdict()


def test_parts_are_disjoint_and_measured_once():
    given = cloud(250, 0)
    parts = given.parts(100)
    rows = {tuple(row) for part in parts for row in part.features}
    assert len(parts) == 2 and len(rows) == 200
    assert given.parts(100)[1].within is parts[1].within
    assert len(given.parts(2)) == sets.PARTS


def test_one_image_again_and_again_is_a_collapse(digits, held_out):
    image = digits[0]
    for collapsed in (np.repeat(image[:1], 200, axis=0), np.repeat(image[:20], 10, axis=0)):
        figures = evaluation.measure(collapsed, held_out, only=('diversity',))['figures']
        assert figures['collapsed']
    assert figures['diversity'] > 0.8  # of twenty images in turn, which only the spacing shows


def test_where_most_real_images_have_a_twin_there_is_no_spacing(digits, net):
    image = digits[0]
    twins = reference(np.repeat(image[:20], 2, axis=0), net, name='twins')
    for samples, collapsed in ((image[600:640], False), (np.repeat(image[:1], 40, axis=0), True)):
        found = evaluation.measure(samples, twins, only=('diversity',))
        assert found['figures'].keys() == {'diversity', 'collapsed'}
        assert found['figures']['collapsed'] == collapsed
        assert 'spacing is left out' in found['notes'][-1]
    half = reference(np.concatenate([image[:20], image[:10]]), net, name='half')
    assert 'spacing' not in evaluation.measure(image[600:630], half)['figures']
    few = reference(np.concatenate([image[:20], image[:5]]), net, name='few')
    found = evaluation.measure(image[600:625], few)
    assert 0.5 < found['figures']['spacing'] < 2 and 'twin' not in ''.join(found['notes'])


@pytest.mark.parametrize('sigma', [5.0, 20.0])
def test_the_noise_figure_is_the_deviation_of_the_noise(sigma):
    random = np.random.default_rng(0)
    clean = np.full((200, 28, 28, 1), 128.0) + random.normal(size=(200, 1, 1, 1)) * 20
    noisy = clean + random.normal(scale=sigma, size=clean.shape)
    power = [spectrum.power(np.clip(x, 0, 255).round().astype(np.uint8)) for x in (noisy, clean)]
    np.testing.assert_allclose(spectrum.compare(*power).noise, sigma, rtol=0.03)
    assert spectrum.compare(*power[::-1]).noise == 0


def test_noise_is_that_of_the_luma_and_of_any_size():
    random = np.random.default_rng(0)
    grey = np.clip(random.normal(128, 10, (100, 33, 40, 1)), 0, 255).astype(np.uint8)
    colour = np.repeat(grey, 3, axis=-1)
    np.testing.assert_allclose(spectrum.power(colour), spectrum.power(grey), rtol=1e-3)
    np.testing.assert_allclose(spectrum.power(grey), 100, rtol=0.05)


def test_smooth_images_have_less_fine_power(digits, held_out):
    blurred = np.stack([cv2.GaussianBlur(x, (0, 0), 0.8)[..., None] for x in digits[0][:300]])
    figures = evaluation.measure(blurred, held_out, only=('noise',))['figures']
    assert figures['noise'] == 0 and figures['fine_power'] < 0.5


def test_neighbours_are_found_and_shown(digits, net, training):
    image = np.concatenate([digits[0][2000:2020], training.image[[17, 40]]])
    fake = sets.Measured(image, net)
    isolated = neighbours.isolation(fake.features, training.features)
    rows = neighbours.find(fake, training, isolated)
    assert list(rows.sample[:8]) == list(range(8)) and set(rows.sample[8:10]) == {20, 21}
    place = {20: 17, 21: 40}
    for row in (8, 9):
        expected = place[rows.sample[row]]
        assert rows.by_pixels[row, 0] == rows.by_features[row, 0] == expected
    picture = neighbours.picture(image, training.image, rows)
    assert picture.dtype == np.uint8 and picture.shape[0] == 8 * 58 + 2
    assert picture.shape[1] == 2 * (9 * 58 + 3 * 2 + 2 * 8) + 32


def test_a_reference_is_read_from_the_cache(digits, net, monkeypatch):
    images = digits[0][:60]
    first = reference(images, net, name='cached').outputs
    dead = net._replace(call=None)
    again = reference(images, dead, name='cached').outputs
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for others in (('cached', dead._replace(fingerprint='other weights')), ('another set', dead)):
        with pytest.raises(TypeError):
            assert reference(images, others[1], name=others[0]).outputs


def test_a_damaged_cache_is_made_anew(digits, net, cache):
    images = digits[0][:60]
    expected = reference(images, net, name='damaged').features
    [path] = sorted((cache / 'features-1').iterdir(), key=lambda p: p.stat().st_mtime_ns)[-1:]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    np.testing.assert_array_equal(reference(images, net, name='damaged').features, expected)
    assert path.read_bytes() != content


def test_grey_is_luma_and_sizes_are_brought_to_the_nets(digits, net):
    large = digits[0][:50].repeat(2, axis=1).repeat(2, axis=2).repeat(3, axis=3)
    whole, small = net(large), net(digits[0][:50])
    assert (whole.best == small.best).mean() > 0.9


def test_a_number_of_images_that_is_no_multiple_of_a_chunk(digits, net):
    all_at_once = net(digits[0][:257])
    np.testing.assert_allclose(
        net(digits[0][250:257]).features, all_at_once.features[250:], atol=1e-4
    )


def reference_of(images):
    """With features that no net had to make."""
    found = evaluation.Reference(images, None)
    found.outputs = cloud(len(images.image), 1).outputs
    return found


def test_images_that_cannot_be_compared_are_refused(digits, held_out):
    image = digits[0][:100]
    with pytest.raises(UserError, match='images of float32: give them as uint8'):
        evaluation.measure(image.astype(np.float32) / 255, held_out)
    with pytest.raises(UserError, match='digits has images of 28x28x1, .* samples have 27x28x1'):
        evaluation.measure(image[:, :-1], held_out)


NOTED = {  # the role of the reference, how many there are, trained on, collapsed: what is noted
    'of the same kind': (evaluation.HELD_OUT, 600, 600, False, []),
    'of a folder': (sets.CHOSEN, 600, 600, False, ['presumes reference images of the same kind']),
    'few': (evaluation.HELD_OUT, 300, 600, False, ['only copies would be about 0.75']),
    'not all looked at': (
        *(evaluation.HELD_OUT, 600, 6_000, False),
        ['only copies would be about 0.55', '600 of 6,000 training images were looked at'],
    ),
    'collapsed': (evaluation.HELD_OUT, 600, 600, True, ['precision and density mean little']),
}


@pytest.mark.parametrize('role, count, total, collapsed, said', NOTED.values(), ids=NOTED)
def test_a_note_says_what_a_figure_presumes(
    role, count, total, collapsed, said, held_out, training
):
    real = reference_of(held_out.images._replace(role=role, image=held_out.image[:count]))
    seen = evaluation.Reference(training.images._replace(total=total), None)
    notes = metrics_lib._notes(metrics_lib.Comparison(cloud(50, 0), real, seen))
    found = {'precision': 0.5, 'collapsed': collapsed}
    text = '\n'.join(notes + metrics_lib._notes_on_diversity(found))
    for words in {words for *_, each in NOTED.values() for words in each}:
        assert (words in text) == (words in said)


def table(figures, net=None, real=None, images=1_000):
    """The lines of these figures, by the key."""
    net = {'suffix': 'digits', 'frechet': 'FD', 'kernel': 'KD'} | (net or {})
    found = {'features': net, 'figures': figures, 'real': real or {}, 'samples': 10_000}
    return text.rows(found | {'reference': {'images': images}})


def test_figures_by_a_net_that_training_looked_through_are_marked(net):
    figures = {'frechet_digits': 2.0, 'kinds': 12.0, 'cat_share': 0.5, 'noise': 1.0}
    for seen, star in (({}, False), ({'looked_through': True}, True)):
        names = [row.name for row in table(figures, seen)]
        assert [name.endswith('*') for name in names] == [star, False, star, False]
    facts = {'features': net.facts(['digits']), 'samples': 1, 'reference': {**REFERENCE}}
    assert 'looked through' in text.sentence(facts)
    assert 'looked through' not in text.sentence(facts | {'features': net.facts(['squeezenet'])})


def test_kinds_are_shown_beside_those_of_real_images():
    real = {'kinds_real': 4950.0, 'kinds_real_pairs': 0}
    [row] = table({'kinds': 12.4, 'kinds_pairs': 400, **real})
    assert row.value == '12 (real: > 4,950)'


def test_a_share_and_its_error_are_both_in_percent():
    [row] = table({'carries_color': 0.018, 'carries_color_std': 0.0682})
    assert row.value == '1.8% ± 6.8%'


def test_unknown_names_are_refused(digits, held_out):
    with pytest.raises(UserError, match="--features=digit: did you mean 'digits'"):
        evaluation.load_net('digit')
    with pytest.raises(UserError, match="no metric 'fid'"):
        evaluation.measure(digits[0][:20], held_out, only=('fid',))
    with pytest.raises(UserError, match='--weights=x.pth: the net digits has weights of its own'):
        evaluation.load_net('digits', 'x.pth')
