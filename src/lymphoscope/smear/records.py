"""`smear.json`: what was read, by which model and detector, and what became of every field."""

from typing import Literal

from pydantic import Field

from lymphoscope.strict_model import StrictModel

SMEAR_FORMAT = 2
ScaleSource = Literal["given", "file", "red cells"]


class SmearModel(StrictModel):
    """The model that classified the cells."""

    id: str = Field(description="Id of the model, as in the column `model_id`.")
    name: str = Field(description="Name of the model.")
    classes: tuple[str, ...] = Field(description="Its classes, in the order of its scores.")
    class_titles: dict[str, str] = Field(description="Its classes in words.")
    blast_class: str | None = Field(description="The class of blasts, if it has one.")


class SmearOptions(StrictModel):
    """The options of the run that the results depend on."""

    target: int | None = Field(description="Number of white cells to count; null for all.")
    blast_threshold: float = Field(description="Percentage of blasts that each count is compared with.")
    core: int = Field(description="Side of a tile's core in pixels.")
    erase: str = Field(description="When the erase stream of the model runs.")
    precision: str = Field(description="Arithmetic of the network.")


class SmearFeatures(StrictModel):
    """The feature vectors of the cells, for the similarity of cells found by one model."""

    file: str = Field(description="NumPy array (cells, dimensions) of float16, rows as in the table of cells.")
    dimensions: int = Field(description="Numbers per cell.")
    method: str = Field(description="What the vectors are.")


class FieldRecord(StrictModel):
    """A field or slide, as read."""

    field: str = Field(description="Id of the field: F0001, F0002, ... in the order of reading.")
    path: str = Field(description="The file or folder.")
    width: int = Field(default=0, description="Width in pixels; 0 if it could not be read.")
    height: int = Field(default=0, description="Height in pixels; 0 if it could not be read.")
    microns_per_pixel: float | None = Field(default=None, description="The scale that was used.")
    scale_source: ScaleSource | None = Field(default=None, description="Where the scale comes from.")
    scale_of_red_cells: float | None = Field(
        default=None, description="Microns per pixel as the red cells tell it, where it was measured."
    )
    slide: str | None = Field(default=None, description="Id of the slide.")
    subject: str | None = Field(default=None, description="Id of the subject.")
    flags: tuple[str, ...] = Field(default=(), description="Quality flags that at least one of its tiles has.")
    tiles: int = Field(default=0, description="Number of tiles.")
    tiles_set_aside: int = Field(default=0, description="Tiles in which no cells were looked for, and why, in `flags`.")
    tiles_failed: int = Field(default=0, description="Tiles that could not be read.")
    cells: int = Field(default=0, description="Cells found.")
    error: str | None = Field(default=None, description="Why the field, or some of its tiles, could not be read.")


class TileRecord(StrictModel):
    """A tile of a field, as read."""

    field: str = Field(description="Id of the field.")
    tile: int = Field(description="Number of the tile in its field, from 1, in rows.")
    x: int = Field(description="Left edge of its core in pixels of the field.")
    y: int = Field(description="Top edge of its core.")
    width: int = Field(description="Width of its core.")
    height: int = Field(description="Height of its core.")
    flags: tuple[str, ...] = Field(default=(), description="Quality flags.")
    set_aside: bool = Field(default=False, description="Whether no cells were looked for.")
    cells: int = Field(default=0, description="Cells found.")
    preview: str | None = Field(default=None, description="Small picture of the core, a file of the results folder.")
    error: str | None = Field(default=None, description="Why it could not be read.")


class SmearRecord(StrictModel):
    """The content of `smear.json`."""

    format_version: int = Field(default=SMEAR_FORMAT, description="Version of this format.")
    lymphoscope: str = Field(description="Version of Lymphoscope.")
    date: str = Field(description="When the run began.")
    model: SmearModel = Field(description="The model.")
    detector: str = Field(description="The detector.")
    options: SmearOptions = Field(description="Options of the run.")
    cells_table: str = Field(description="File of the table of cells.")
    cells: int = Field(description="Number of cells in the table.")
    features: SmearFeatures | None = Field(
        default=None, description="Feature vectors of the cells; null if none were written."
    )
    synthetic: bool = Field(default=False, description="Whether the fields were drawn by a program.")
    notices: tuple[str, ...] = Field(default=(), description="What a reader must know, in sentences.")
    fields: tuple[FieldRecord, ...] = Field(description="The fields, in order.")
    tiles: tuple[TileRecord, ...] = Field(description="The tiles of all fields.")
