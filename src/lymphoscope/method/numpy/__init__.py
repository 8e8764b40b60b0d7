"""Crop, erase and vote in NumPy, without torch; each module names its torch twin."""
