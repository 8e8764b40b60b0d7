"""Read DICOM images of one frame, where pydicom is installed."""

from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lymphoscope.extras import installed

_EXTRA = "slides"
_MISSING = f"DICOM needs pydicom, which is not installed: pip install 'lymphoscope[{_EXTRA}]'"


class DicomError(Exception):
    """A DICOM file that cannot be used; the message says why in one line."""


@cache
def can_read_dicom() -> bool:
    """Return whether pydicom is installed."""
    return installed("pydicom")


def open_dicom(file: Path | BinaryIO) -> Any:
    """Read a DICOM file and return its data set, without decoding the pixels; `Columns` and `Rows` are its size.

    Raises DicomError: pydicom is missing, not a DICOM file, no image, more than one frame.
    """
    if not can_read_dicom():
        raise DicomError(_MISSING)
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        data = pydicom.dcmread(file)
        frames = int(data.get("NumberOfFrames") or 1)
        int(data.Rows), int(data.Columns)
    except (InvalidDicomError, AttributeError, TypeError, ValueError, KeyError, EOFError) as error:
        raise DicomError(f"not a DICOM image: {error}") from error
    if frames != 1:
        raise DicomError(f"DICOM with {frames} frames (a slide or a series): save each cell as a separate file")
    return data


def is_compressed(data: Any) -> bool:
    """Return whether the pixels of a data set of `open_dicom` are compressed."""
    return bool(data.file_meta.TransferSyntaxUID.is_compressed)


def dicom_pixels(data: Any) -> NDArray[np.uint8]:
    """Decode a data set of `open_dicom` as (H, W, 3) uint8 RGB.

    Grey samples are divided by the range that their stored bits have, signed ones and MONOCHROME1 included.
    Raises DicomError for a compression that pydicom cannot decode here, and damaged pixels.
    """
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    try:
        pixels = np.asarray(pixel_array(data))  # YBR is converted to RGB
        interpretation = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
        if interpretation == "PALETTE COLOR":
            pixels = np.asarray(apply_color_lut(pixels, data))
            return _to_8_bit(pixels, 8 * pixels.dtype.itemsize, signed=False)
        bits, signed = int(data.get("BitsStored", 8)), bool(data.get("PixelRepresentation", 0))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError, KeyError, EOFError) as error:
        raise DicomError(f"DICOM pixels cannot be decoded: {error}") from error
    pixels = _to_8_bit(pixels, bits, signed=signed)
    return 255 - pixels if interpretation == "MONOCHROME1" else pixels


def _to_8_bit(samples: NDArray[Any], bits: int, *, signed: bool) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) samples of so many bits -> (H, W, 3) uint8."""
    if bits != 8 or signed:
        values = samples.astype(np.float32) + (2 ** (bits - 1) if signed else 0)
        samples = np.clip(np.rint(values * (255 / (2**bits - 1))), 0, 255)
    eight = samples.astype(np.uint8)
    return np.repeat(eight[:, :, None], 3, axis=2) if eight.ndim == 2 else eight
