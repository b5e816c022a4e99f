"""What a histogram tells of ink is what the pixels tell."""

import numpy as np
import pytest
from PIL import Image

from trocr_gsa.reader.preparation.grey import DARK, FAINTEST, STRONGEST, ground, histogram, stands_out


@pytest.mark.parametrize("pixels", [1, 2, 7, 100, 101])
@pytest.mark.parametrize("levels", [2, 30, 256])
def test_paper_and_ink_are_told_as_numpy_tells_them_from_the_pixels(pixels, levels):
    random = np.random.default_rng((pixels, levels))
    values = random.integers(0, levels, (3, pixels), dtype=np.uint8)
    counts = histogram(Image.fromarray(values))
    strength = np.abs(values - np.median(values))
    assert ground(counts) == np.median(values)
    expected = strength > max(FAINTEST, DARK * np.quantile(strength, STRONGEST))
    np.testing.assert_array_equal(stands_out(counts)[values], expected)
