from .cells_table import CELL_COLUMNS as CELL_COLUMNS, TableWriter as TableWriter, table_columns as table_columns
from .coco import CocoWriter as CocoWriter
from .geojson import GeoJsonWriter as GeoJsonWriter
from .sprites import SPRITE_FOLDER as SPRITE_FOLDER, SpriteWriter as SpriteWriter, sprite_place as sprite_place

__all__ = [
    "CELL_COLUMNS",
    "SPRITE_FOLDER",
    "CocoWriter",
    "GeoJsonWriter",
    "SpriteWriter",
    "TableWriter",
    "sprite_place",
    "table_columns",
]
