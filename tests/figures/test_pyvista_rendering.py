"""The rendering by PyVista: drawn where it is installed, one clear line where it is not."""

import sys

import numpy as np
import pytest
from particles import ball

from jxrecon.errors import InputError
from jxrecon.figures.pyvista_rendering import write_rendering

DENSITY = 0.95 * ball((24, 24, 24), 9).astype(np.float32)


def test_without_pyvista_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(InputError, match=r"needs PyVista: pip install 'jxrecon\[render\]'"):
        write_rendering(tmp_path / "ball.png", DENSITY, 0.04)


def test_a_ball_whose_octant_is_gone(tmp_path):
    pytest.importorskip("pyvista", reason="PyVista is not installed (the extra `render`)")
    from PIL import Image

    write_rendering(tmp_path / "ball.png", DENSITY, 0.04)
    picture = np.asarray(Image.open(tmp_path / "ball.png").convert("RGB"), int)
    height, width, _ = picture.shape
    white = np.all(picture > 250, axis=2)
    assert 0.5 < white.mean() < 0.95
    # In the middle the cut shows 0.95 e/A^3: orange, far from grey; left of it the surface is grey.
    red, green, blue = picture[height // 2, width // 2]
    assert red > 200 and red > blue + 100
    grey = picture[height // 2, int(0.36 * width)]
    assert np.ptp(grey) < 20 and grey.max() < 250
