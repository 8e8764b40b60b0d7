"""Every reader gives the pixels that were written, by region, with the scale and the ids of the file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from lymphoscope.data import UnreadableImage
from lymphoscope.errors import LymphoscopeError
from lymphoscope.smear.readers import UnreadableRegion, open_slide, reader_of, readers, registry, whole_images


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    smooth = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.array(Image.fromarray(smooth).resize((640, 480), Image.Resampling.BICUBIC))


def write_pyramid(path: Path, pixels: NDArray[np.uint8], *, mpp: float | None = 0.25) -> Path:
    """A tiled TIFF of two levels."""
    scale = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as writer:
        common = {"tile": (128, 128), "photometric": "rgb", "compression": "zlib", **scale}
        writer.write(pixels, subifds=1, **common)
        writer.write(pixels[::2, ::2], subfiletype=1, **common)
    return path


def test_a_plain_image_is_read_as_it_is(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(tmp_path / "field.png", dpi=(96, 96))
    slide = open_slide(tmp_path / "field.png")
    assert reader_of(tmp_path / "field.png").name == "images"
    assert (slide.width, slide.height, slide.microns_per_pixel) == (640, 480, None)
    assert (slide.read(100, 50, 60, 40) == pixels[50:90, 100:160]).all()


def test_the_scale_of_an_image_is_taken_only_if_a_microscope_can_have_it(
    tmp_path: Path, pixels: NDArray[np.uint8]
) -> None:
    for dpi, expected in ((25_400 / 0.25, 0.25), (72, None)):
        Image.fromarray(pixels).save(tmp_path / "field.tif", dpi=(dpi, dpi))
        assert open_slide(tmp_path / "field.tif").microns_per_pixel == (expected and pytest.approx(expected))


@pytest.mark.parametrize("name", ["slide.tif", "slide.svs"])
def test_a_tiled_tiff_is_read_by_region_with_its_scale(name: str, tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    slide = open_slide(write_pyramid(tmp_path / name, pixels))
    assert reader_of(tmp_path / name).name == "tiff"
    assert (slide.width, slide.height, slide.slide) == (640, 480, "slide")
    assert slide.microns_per_pixel == pytest.approx(0.25)
    assert (slide.read(100, 50, 300, 200) == pixels[50:250, 100:400]).all()
    slide.close()


@pytest.mark.parametrize("name", ["field.png", "slide.tif"])
def test_a_shrunk_region_is_the_mean_of_its_pixels(name: str, tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = tmp_path / name
    if name.endswith("png"):
        Image.fromarray(pixels).save(path)
    else:
        write_pyramid(path, pixels)
    slide = open_slide(path)
    shrunk = slide.read_shrunk(64, 32, 256, 128, 4)
    slide.close()
    assert shrunk.shape == (32, 64, 3)
    mean = pixels[32:160, 64:320].reshape(32, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - mean).mean() < 6


def test_a_damaged_tile_is_a_reason_and_the_others_are_read(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    path = write_pyramid(tmp_path / "slide.tif", pixels)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        offset, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(content)
    slide = open_slide(path)
    with pytest.raises(UnreadableRegion, match="a tile cannot be decoded"):
        slide.read(0, 0, 100, 100)
    assert (slide.read(300, 200, 100, 100) == pixels[200:300, 300:400]).all()
    slide.close()


def test_a_huge_ordinary_image_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_images, "MAX_PIXELS", 1000)
    Image.new("RGB", (100, 100)).save(tmp_path / "huge.png")
    with pytest.raises(UnreadableImage, match="save it as a tiled TIFF"):
        open_slide(tmp_path / "huge.png")


def test_a_slide_without_its_library_names_the_extra(
    tmp_path: Path, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pyramid(tmp_path / "slide.svs", pixels)
    monkeypatch.setattr(registry, "installed", lambda name: name != "tiffslide")
    monkeypatch.setattr(registry, "readers", lambda: tuple(one for one in readers() if one.name != "images"))
    with pytest.raises(LymphoscopeError, match=r"need tiffslide, .* pip install 'lymphoscope\[slides\]'"):
        reader_of(tmp_path / "slide.svs")


@pytest.mark.parametrize("name", ["slide.svs", "slide.ndpi", "slide.dcm"])
def test_a_file_that_is_no_slide_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not a slide" * 100)
    with pytest.raises(LymphoscopeError, match="cannot be read"):
        open_slide(tmp_path / name)


def test_openslide_reads_a_tiled_tiff_like_tiffslide(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    from lymphoscope.smear.readers.openslide_files import OpenSlideField

    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    slide = OpenSlideField(path)
    assert (slide.width, slide.height) == (640, 480)
    assert (slide.read(100, 50, 300, 200) == pixels[50:250, 100:400]).all()
    slide.close()


def test_every_reader_has_a_title_and_its_own_name() -> None:
    assert len({one.name for one in readers()}) == len(readers()) == 4
    assert all(one.title and one.suffixes for one in readers())


def write_dicom(folder: Path, pixels: NDArray[np.uint8], *, mpp: float = 0.25, tile: int = 160) -> Path:
    """A DICOM whole-slide image of one level, uncompressed, with the attributes that the standard asks for."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    height, width = pixels.shape[:2]
    frames = [pixels[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["instance"])
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = (
        generate_uid(entropy_srcs=[name]) for name in ("study", "series", "frame")
    )
    image.Modality, image.PatientID, image.PatientName, image.ContainerIdentifier = "SM", "P7", "", "S7"
    image.PatientBirthDate = image.PatientSex = image.StudyDate = image.StudyTime = image.StudyID = ""
    image.AccessionNumber = image.ReferringPhysicianName = image.Manufacturer = ""
    image.SeriesNumber = image.InstanceNumber = 1
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.DimensionOrganizationType = "TILED_FULL"
    image.TotalPixelMatrixColumns, image.TotalPixelMatrixRows = width, height
    image.Rows = image.Columns = tile
    image.NumberOfFrames, image.SamplesPerPixel, image.PhotometricInterpretation = len(frames), 3, "RGB"
    image.PlanarConfiguration = image.PixelRepresentation = 0
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.BurnedInAnnotation, image.LossyImageCompression = 7, "NO", "00"
    image.SpecimenLabelInImage, image.FocusMethod, image.ExtendedDepthOfField = "NO", "AUTO", "NO"
    image.VolumetricProperties = "VOLUME"
    image.ImagedVolumeWidth, image.ImagedVolumeHeight, image.ImagedVolumeDepth = (
        width * mpp / 1e3,
        height * mpp / 1e3,
        1.0,
    )
    image.ImageOrientationSlide = [0, 1, 0, 1, 0, 0]
    origin, measures, shared, path = Dataset(), Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0.0
    image.TotalPixelMatrixOriginSequence = [origin]
    measures.PixelSpacing, measures.SliceThickness, measures.SpacingBetweenSlices = [mpp / 1e3] * 2, 1.0, 1.0
    shared.PixelMeasuresSequence = [measures]
    image.SharedFunctionalGroupsSequence = [shared]
    path.OpticalPathIdentifier, path.IlluminationTypeCodeSequence = "0", []
    image.OpticalPathSequence, image.NumberOfOpticalPaths, image.TotalPixelMatrixFocalPlanes = [path], 1, 1
    image.PixelData = b"".join(np.ascontiguousarray(frame).tobytes() for frame in frames)
    folder.mkdir()
    image.save_as(folder / "level.dcm", enforce_file_format=True)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_a_dicom_slide_is_read_by_region_with_its_scale_and_its_ids(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    folder = write_dicom(tmp_path / "slide", pixels)
    slide = open_slide(folder)
    assert reader_of(folder).name == "dicom"
    assert (slide.width, slide.height, slide.slide, slide.subject) == (640, 480, "S7", "P7")
    assert slide.microns_per_pixel == pytest.approx(0.25)
    assert (slide.read(100, 50, 300, 200) == pixels[50:250, 100:400]).all()
    assert slide.read_shrunk(0, 0, 640, 480, 2).shape == (240, 320, 3)
    slide.close()
