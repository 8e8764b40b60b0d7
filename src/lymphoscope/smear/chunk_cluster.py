"""The chunks of a run on many machines: Ray distributes them, and workers write them to the results folder.

A worker holds no state but a copy of the model. A chunk that exists is not made again, and chunks are the same as on
one machine, so the results have the same bytes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lymphoscope.inference.cluster import joined_cluster, load_once, model_files, user_error
from lymphoscope.smear.cell_pipeline import chunk_results
from lymphoscope.smear.chunks import ChunkStore
from lymphoscope.smear.cutting import cell_cutter
from lymphoscope.smear.detection import load_detector
from lymphoscope.smear.records import FieldRecord
from lymphoscope.smear.tiles import Region, Tile


@dataclass(frozen=True)
class ChunkWork:
    """What a worker needs besides the tiles of a chunk."""

    model: Any
    """Ray's reference to the files of the model folder, by name."""
    options: tuple[tuple[str, Any], ...]
    """The options of `load`."""
    fields: Any
    """Ray's reference to the records of the fields, as JSON."""
    detector: str | None
    out: str
    record: Mapping[str, Any]
    count: int
    batch_size: int
    workers: int | None
    crops: bool
    features: bool


def write_on_cluster(
    store: ChunkStore,
    out: Path,
    missing: Mapping[int, Sequence[Tile]],
    fields: Sequence[FieldRecord],
    *,
    address: str,
    model: Path,
    options: Mapping[str, Any],
    detector: str | None,
    batch_size: int,
    workers: int | None,
    crops: bool = False,
    features: bool = False,
) -> Iterator[int]:
    """Write the missing chunks on a cluster; yield their numbers as they are written, in any order.

    Every machine needs Lymphoscope, the fields, and access to the results folder. Raises LymphoscopeError for an
    address where no cluster answers.
    """
    with joined_cluster(address) as ray:
        from ray import data
        from ray.exceptions import RayError

        records = json.dumps([one.model_dump(mode="json") for one in fields])
        work = ChunkWork(
            ray.put(model_files(model)), tuple(sorted(options.items())), ray.put(records), detector, str(out),
            store.record, store.count, batch_size, workers, crops, features,
        )  # fmt: skip
        items = [
            {"number": number, "tiles": json.dumps([asdict(tile) for tile in tiles])}
            for number, tiles in missing.items()
        ]
        pieces = data.from_items(items, override_num_blocks=len(items))
        threads = int(options.get("threads") or 1)
        written = pieces.map_batches(partial(write_chunk, work=work), batch_size=1, num_cpus=threads)
        try:
            for row in written.iter_rows():
                yield int(row["number"])
        except RayError as error:
            raise user_error(error) or error from None


def write_chunk(piece: dict[str, Any], work: ChunkWork) -> dict[str, Any]:
    """Find and classify the cells of one chunk and write it, on a worker; return its number."""
    import ray

    number = int(piece["number"][0])
    store = ChunkStore(Path(work.out), work.record, work.count)
    if not store.has(number):
        tiles = tuple(_tile(values) for values in json.loads(str(piece["tiles"][0])))
        fields = [FieldRecord.model_validate(values) for values in json.loads(ray.get(work.fields))]
        model = load_once(work.model, work.options)
        with chunk_results(
            [tiles], fields, load_detector(work.detector), model.runtime, cell_cutter(model.description),
            workers=work.workers, batch_size=work.batch_size, crops=work.crops, features=work.features,
        ) as results:  # fmt: skip
            store.write(number, next(results))
    return {"number": [number]}


def _tile(values: dict[str, Any]) -> Tile:
    return Tile(values["field"], values["number"], Region(**values["core"]), Region(**values["area"]))
