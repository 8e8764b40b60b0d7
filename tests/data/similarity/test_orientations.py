import numpy as np

from lymphoscope.data.similarity.orientations import ORIENTATIONS, composition, oriented


def test_orientations_are_the_eight_symmetries_of_the_square() -> None:
    image = np.random.default_rng(0).random((1, 5, 5))
    turned = oriented(image)[0]
    assert len(ORIENTATIONS) == len(turned) == 8
    assert len({each.tobytes() for each in turned}) == 8
    np.testing.assert_array_equal(turned[0], image[0])
    np.testing.assert_array_equal(turned[2], image[0][::-1, ::-1])
    np.testing.assert_array_equal(turned[4], image[0][:, ::-1])


def test_composition_gives_one_orientation_after_another() -> None:
    image = np.random.default_rng(0).random((1, 5, 5))
    turned = oriented(image)[0]
    for first in range(8):
        for second in range(8):
            twice = oriented(turned[first][None])[0][second]
            np.testing.assert_array_equal(twice, turned[composition()[first, second]])
