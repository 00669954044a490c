import numpy as np
from PIL import Image

from tools import measure_faces as measure


def test_what_a_report_keeps_is_compared_with_the_boxes(tmp_path):
    names = [f'{number}.png' for number in range(8)]
    for number, name in enumerate(names):
        Image.new('RGB', (100, 50), (number, 0, 0)).save(tmp_path / name)
    rows = [f'{name},0.5,0.5,0.2,0.4' for name in names]  # 20x20 pixels around (50, 25)
    (tmp_path / 'boxes.csv').write_text('\n'.join(['file,cx,cy,w,h', *rows]))
    kept = [f'{name},kept,41,16,20,20,0.9,x' for name in names[:-1]]
    dropped = [f'{names[-1]},blurred,41,16,20,20,0.9,', f'{names[0]},kept,0,0,9,9,0.6,y']
    head = 'file,decision,x,y,width,height,score,output'
    (tmp_path / 'report.csv').write_text('\n'.join([head, *kept, *dropped]))

    photos = measure.read_photos(tmp_path, tmp_path / 'boxes.csv')
    faces = measure.kept(tmp_path / 'report.csv')
    counts = [
        measure.count(faces.get(photo.path.name, []), photo.boxes, (50, 100)) for photo in photos
    ]
    assert np.array_equal(measure.total(counts), (8, 8, 7))
    halves = [photo.held_out for photo in photos]
    table = measure.report_of_kept(photos, faces)
    assert f'| {sum(halves)} held out |' in table and f'| {8 - sum(halves)} tuning |' in table
