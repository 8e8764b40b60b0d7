"""The order in which cells are taken: field by field, and in each in stripes, back and forth, as a technician does."""

import math

STRIPE_MICRONS = 200.0
"""Height of a stripe: about the field of view of a 100x objective."""


def walk_key(x: float, y: float, microns_per_pixel: float) -> tuple[int, float, float]:
    """Return the sort key of a cell by its centre in pixels; it does not depend on how the field was cut into tiles."""
    stripe = math.floor(y * microns_per_pixel / STRIPE_MICRONS)
    return stripe, x if stripe % 2 == 0 else -x, y
