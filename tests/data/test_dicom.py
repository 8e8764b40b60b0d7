"""DICOM images of one frame, compared with the pixels that were written."""

from pathlib import Path

import numpy as np
import pytest

from lymphoscope.data import dicom
from lymphoscope.data.image_files import walk_files
from lymphoscope.data.images import UnreadableImage, read_image

pydicom = pytest.importorskip("pydicom")
COLOUR = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def write(path: Path, samples: np.ndarray, photometric: str, *, bits: int = 8, frames: int | None = None) -> Path:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    data, data.file_meta = Dataset(), FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Rows, data.Columns = samples.shape[-3:-1] if samples.shape[-1] == 3 else samples.shape[-2:]
    data.SamplesPerPixel = 3 if samples.shape[-1] == 3 else 1
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = 8 * samples.dtype.itemsize
    data.BitsStored, data.HighBit = bits, bits - 1
    data.PixelRepresentation = int(np.issubdtype(samples.dtype, np.signedinteger))
    if frames:
        data.NumberOfFrames = frames
    data.PixelData = samples.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_colours_are_read_as_they_were_written(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write(tmp_path / "a.dcm", COLOUR, "RGB")), COLOUR)


def test_grey_is_scaled_by_its_stored_bits_and_monochrome1_is_inverted(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 4096, (24, 32)).astype(np.uint16)
    expected = np.rint(samples * (255 / 4095))
    bright = read_image(write(tmp_path / "a.dcm", samples, "MONOCHROME2", bits=12))
    dark = read_image(write(tmp_path / "b.dcm", samples, "MONOCHROME1", bits=12))
    np.testing.assert_array_equal(bright[..., 2], expected)
    np.testing.assert_array_equal(dark, 255 - bright)
    signed = (samples.astype(np.int32) - 2048).astype(np.int16)
    np.testing.assert_array_equal(
        read_image(write(tmp_path / "c.dcm", signed, "MONOCHROME2", bits=12))[..., 0], expected
    )


def test_dicom_is_found_by_suffix_and_by_header(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", COLOUR, "RGB")
    write(tmp_path / "IM0001", COLOUR, "RGB")
    assert [path.name for path in walk_files(tmp_path)] == ["IM0001", "a.dcm"]


def test_several_frames_are_refused(tmp_path: Path) -> None:
    stack = np.stack([COLOUR] * 4)
    with pytest.raises(UnreadableImage, match="DICOM with 4 frames"):
        read_image(write(tmp_path / "a.dcm", stack, "RGB", frames=4))


def test_damaged_dicom_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", COLOUR, "RGB")
    whole = path.read_bytes()
    for cut in (140, 400, len(whole) - 500):
        path.write_bytes(whole[:cut])
        with pytest.raises(UnreadableImage) as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


def test_without_pydicom_the_reason_names_the_extra_and_folders_count_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.dcm", COLOUR, "RGB")
    monkeypatch.setattr(dicom, "installed", lambda _: False)
    dicom.can_read_dicom.cache_clear()
    try:
        assert list(walk_files(tmp_path)) == []
        with pytest.raises(UnreadableImage, match=r"pip install 'lymphoscope\[slides\]'"):
            read_image(path)
    finally:
        dicom.can_read_dicom.cache_clear()
