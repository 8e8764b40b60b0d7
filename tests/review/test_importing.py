"""Import of results: one case per subject, once per content, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from lymphoscope.errors import LymphoscopeError
from lymphoscope.review.audit import content_of
from lymphoscope.review.importing import import_results
from lymphoscope.review.results import outline, suggestion
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.review.tables import Case, Cell, Event, Source

SETTINGS = ReviewSettings("", blind_share=0.25)


def test_every_subject_is_a_case_and_the_second_import_changes_nothing(
    make_server: Any, empty_database: Any, tmp_path: Path
) -> None:
    folder = make_server.results(tmp_path / "two", subjects=("S1", "S2"))
    first = import_results(empty_database, folder, SETTINGS, by="adam")
    again = import_results(empty_database, folder, SETTINGS, by="adam")
    assert (first.new, again.new, again.cases) == (2, 0, first.cases)
    with empty_database.read() as session:
        assert session.scalars(select(Case.subject).order_by(Case.id)).all() == ["S1", "S2"]
        events = session.scalars(select(Event).where(Event.kind == "imported")).all()
        assert len(events) == 2
        assert {content_of(one)["data"]["source_hash"] for one in events} == {session.scalar(select(Source.hash))}
        assert session.query(Cell).filter(Cell.blind).count() == 10


def test_changed_results_are_new_cases_and_moved_ones_are_not(
    make_server: Any, empty_database: Any, tmp_path: Path
) -> None:
    folder = make_server.results(tmp_path / "here")
    first = import_results(empty_database, folder, SETTINGS, by=None)
    folder.rename(tmp_path / "there")
    moved = import_results(empty_database, tmp_path / "there", SETTINGS, by=None)
    assert (moved.cases, moved.new) == (first.cases, 0)
    with empty_database.read() as session:
        assert session.scalar(select(Source.folder)) == str(tmp_path / "there")
    make_server.results(tmp_path / "there", seed=1)
    changed = import_results(empty_database, tmp_path / "there", SETTINGS, by=None)
    assert (set(changed.cases) & set(first.cases), changed.new) == (set(), 1)


def test_a_table_of_predictions_without_subjects_is_one_case(empty_database: Any, tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    rows = {"path": ["a.png", "b.png"], "predicted": ["all", None], "score_all": [0.9, None], "score_hem": [0.1, None]}
    pd.DataFrame({**rows, "refer": [False, True], "error": [None, "empty file"]}).to_csv(table, index=False)
    done = import_results(empty_database, table, SETTINGS, by=None)
    assert (len(done.cases), done.cells) == (1, 2)
    with empty_database.read() as session:
        cells = session.scalars(select(Cell).order_by(Cell.position)).all()
    assert [cell.suggested for cell in cells] == ["all", None]
    assert cells[0].blast_score == pytest.approx(0.9)
    assert cells[0].uncertainty == pytest.approx(0.2)
    assert cells[1].uncertainty is None


def test_a_model_without_a_class_of_blasts_gives_no_blast_score(empty_database: Any, tmp_path: Path) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text("path,predicted,score_lymphocyte,score_monocyte\na.png,lymphocyte,0.9,0.1\n")
    import_results(empty_database, table, SETTINGS, by=None)
    with empty_database.read() as session:
        assert session.scalars(select(Cell.blast_score)).all() == [None]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,predicted\na.png,all\n", "score_<class> columns"),
        ("path,score_all,score_hem\na.png,1,0\n", "column predicted is missing"),
        ("path,predicted,score_all,score_hem\n", "no rows"),
        ("path,predicted,score_all,score_hem\na.png,all,1,0\na.png,all,1,0\n", "is in two rows"),
        ('path,predicted,score_all,score_hem\n"a.png,all,1,0\n', "a quote is missing"),
        ("path,predicted,score_all,score_hem\na.png,all,1\n", "has 3 fields, but the header has 4"),
        ("path,predicted,score_all,score_hem\na.png,all,1,0\nb.png,all,high,0\n", "row 2 .* 'high', which is not a"),
    ],
)
def test_a_table_that_is_no_result_is_refused_and_leaves_nothing(
    empty_database: Any, tmp_path: Path, content: str, message: str
) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(LymphoscopeError, match=message):
        import_results(empty_database, table, SETTINGS, by=None)
    with empty_database.read() as session:
        assert session.query(Source).count() == 0


def test_a_place_without_results_is_refused(empty_database: Any, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent", tmp_path / "notes.txt"):
        (tmp_path / "notes.txt").write_text("no table", encoding="utf-8")
        with pytest.raises(LymphoscopeError, match=r"no results|no such file|\.csv or \.parquet"):
            import_results(empty_database, place, SETTINGS, by=None)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "smear.json").write_text("{", encoding="utf-8")
    (broken / "cells.csv").write_text("path,predicted,score_a,score_b\na,a,1,0\n", encoding="utf-8")
    with pytest.raises(LymphoscopeError, match=r"smear\.json is not JSON"):
        import_results(empty_database, broken, SETTINGS, by=None)


def test_hostile_names_are_stored_and_shown_as_text(make_server: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>'; DROP TABLE cases; --\u202e../../etc/passwd"
    folder = make_server.results(tmp_path / "hostile", subjects=(name,))
    client = make_server(results=folder).person("rita")
    case = client.get("/api/cases")["cases"][0]
    assert case["subject"] == name
    answer = client.call("GET", "/api/cases")
    assert answer.headers["content-type"] == "application/json"
    for kind in ("csv", "geojson", "fhir", "hl7"):
        exported = client.call("GET", f"/api/cases/{case['id']}/export/{kind}")
        assert exported.status_code == 200, exported.text
        assert "attachment" in exported.headers["content-disposition"]


def test_the_web_imports_only_below_the_given_folders(make_server: Any, tmp_path: Path) -> None:
    server = make_server()
    elsewhere = make_server.results(tmp_path / "elsewhere")
    sana = server.person("sana")
    refused = sana.post("/api/cases/import", {"folder": str(elsewhere)}, status=422)
    assert "not below a folder" in refused["message"]
    escape = f"{server.settings.roots[0]}/../elsewhere"
    assert sana.post("/api/cases/import", {"folder": escape}, status=422)["error"] == "invalid"
    assert sana.post("/api/cases/import", {"folder": str(server.settings.roots[0])})["new"] == 0


def test_cells_that_no_count_classes_are_not_suggested_as_white_cells() -> None:
    assert suggestion("blast", "not_classed", ["cut_by_edge", "touching"]) == "not_classed"
    assert suggestion("blast", "not_classed", ["platelet_clump"]) == "platelet_clump"
    assert suggestion("blast", "not_classed", ["cut_by_edge", "stain_deposit"]) == "artefact"
    assert suggestion("blast", "smudge") == "smudge"
    assert suggestion("blast", "unidentified") == "blast"
    assert suggestion(None, "not_classed") is None


def test_an_outline_is_read_from_every_form_of_geojson() -> None:
    ring = [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 0.0]]
    for value in (ring, [ring], json.dumps([ring]), {"type": "Polygon", "coordinates": [ring]}):
        assert outline(value) == ring
    assert outline("not json") is None
    assert outline(float("nan")) is None
