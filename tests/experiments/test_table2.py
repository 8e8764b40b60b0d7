"""The submission file, as participants of the challenge sent it."""

import zipfile
from pathlib import Path

import pandas as pd

from lymphoscope.experiments.table2 import write_submission


def test_a_line_a_cell_one_for_malignant(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["1.bmp", "2.bmp", "3.bmp"], "predicted": ["all", "hem", None]})
    archive = write_submission(table, "all", tmp_path)
    assert (tmp_path / "isbi_valid.predict").read_text() == "1\n0\n0\n"
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["isbi_valid.predict"]
        assert opened.read("isbi_valid.predict") == b"1\n0\n0\n"
