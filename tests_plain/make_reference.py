"""Writes reference.json: what torch gives in float32 for the cells of these tests. Needs the extra `train`."""

import json
import tempfile
from pathlib import Path

import conftest
from test_plain import SCORES

from lymphoscope import load


class _Folders:
    def mktemp(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=name))


def main() -> None:
    cells = conftest.cells.__wrapped__(_Folders())
    table = load(runtime="torch", device="cpu").predict(cells)
    table["path"] = ["/".join(Path(path).parts[-2:]) for path in table["path"]]
    rows = table[["path", "predicted", *sorted(SCORES)]].to_dict("records")
    Path(__file__).with_name("reference.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
