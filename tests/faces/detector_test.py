"""The face detectors: their form on drawings, their figures on photos where there are any."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from faces import detector
from tools import measure_faces as measure

CATS = Path(__file__).parents[3] / 'shared' / 'data' / 'cats'


def drawing(side=240):
    """A cat's face as a child draws it, on a wall."""
    image = np.full((240, 240, 3), (150, 170, 190), np.uint8)
    for x in (80, 160):
        ear = np.array([[x - 30, 120], [x + 30, 120], [x + (x - 120) // 4, 40]])
        cv2.fillPoly(image, [ear], (90, 80, 70))
    cv2.ellipse(image, (120, 140), (75, 62), 0, 0, 360, (90, 80, 70), -1)
    for x in (92, 148):
        cv2.circle(image, (x, 128), 15, (190, 200, 80), -1)
        cv2.ellipse(image, (x, 128), (4, 12), 0, 0, 360, (0, 0, 0), -1)
    cv2.ellipse(image, (120, 165), (9, 6), 0, 0, 360, (220, 140, 140), -1)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize('name', ['cat_face', 'face'])
@pytest.mark.parametrize('shape', [(64, 64), (300, 200), (1, 7)])
def test_nothing_in_a_blank_photo(name, shape):
    assert detector.make_detector(name)(np.full((*shape, 3), 200, np.uint8)) == []


def test_faces_by_falling_score_within_the_photo():
    image = drawing()
    faces = detector.CatFaces(threshold=0.01)(image)
    assert faces == sorted(faces, key=lambda face: -face.score)
    for face in faces:
        assert 0 <= face.score <= 1
        assert min(face.x, face.y, face.width, face.height) >= 0
        assert face.x + face.width <= 240.01 and face.y + face.height <= 240.01


def test_a_photo_of_twice_the_size_gives_boxes_of_twice_the_size():
    detect = detector.CatFaces(threshold=0.01)
    small, large = (detect(drawing(side)) for side in (256, 512))
    assert small and large
    np.testing.assert_allclose(2 * np.array(small[0][:4]), large[0][:4], atol=40)


@pytest.mark.parametrize('name', ['cat_face', 'face'])
def test_threads_share_a_detector(name):
    detect = detector.make_detector(name)
    images = [drawing(side) for side in (120, 240, 360)] * 4
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(detect, images)) == [detect(image) for image in images]


def test_overlapping_faces_give_way_to_the_surest():
    faces = [
        detector.Face(x, 0.0, 10.0, 10.0, score, 0.0)
        for x, score in ((0.0, 0.5), (1.0, 0.9), (50.0, 0.6))
    ]
    assert detector.suppress(faces) == [faces[1], faces[2]]


def test_a_true_box_counts_once():
    box = np.array([[0.5, 0.5, 0.4, 0.4]])
    right = detector.Face(30.0, 30.0, 40.0, 40.0, 0.9, 0.0)
    wrong = detector.Face(0.0, 0.0, 40.0, 40.0, 0.7, 0.0)
    assert measure.count([right, right, wrong], box, (100, 100)) == (1, 3, 1)


@pytest.mark.slow
@pytest.mark.skipif(not CATS.exists(), reason='the cat photos (../shared/data/cats) are absent')
def test_precision_and_recall_on_held_out_photos():
    photos = measure.read_photos(CATS / 'photos', CATS / 'photos_face_boxes.csv')
    held_out = [photo for photo in photos if photo.held_out]
    found, _ = measure.measure(held_out, detector.make_detector('cat_face'))
    assert found.precision >= 0.95
    assert found.recall >= 0.9
