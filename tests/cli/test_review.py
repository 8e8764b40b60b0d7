"""`lymphoscope review` at the terminal: import, accounts, verification, and what is refused in one line."""

import io
import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.cli.main import run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    rows = {"path": ["a.png", "b.png"], "predicted": ["all", "hem"], "score_all": [0.6, 0.1], "score_hem": [0.4, 0.9]}
    pd.DataFrame({**rows, "refer": [False, False]}).to_csv(path, index=False)
    return path


def test_import_accounts_and_verification(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(table.with_suffix(".review.db"))
    assert run(["review", "import", str(table)]) == 0
    assert "1 case with 2 cells, 1 new" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("a long enough password\n"))
    assert run(["review", "users", "add", "Rita", "--password-stdin", "--database", database]) == 0
    assert run(["review", "users", "change", "rita", "--role", "senior_reader", "--database", database]) == 0
    assert run(["review", "users", "list", "--database", database]) == 0
    assert "senior_reader" in capsys.readouterr().out
    assert run(["review", "verify", "--json", "--database", database]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert (verified["ok"], verified["events"]) == (True, 3)
    assert run(["review", "next", "--json", "--database", database]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def edit_answers(database: Path, changes: str) -> None:
    """Change the answers behind the back of the application."""
    with sqlite3.connect(database) as connection:
        connection.execute(f"UPDATE answers SET {changes}")  # noqa: S608
    connection.close()


def test_a_changed_database_fails_the_verification(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = table.with_suffix(".review.db")
    run(["review", "import", str(table)])
    edit_answers(database, "label = 'all', status = 'confirmed'")
    assert run(["review", "verify", "--database", str(database)]) == 3
    assert "the events lead to" in capsys.readouterr().out


def test_next_says_so_when_no_cell_is_left(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = table.with_suffix(".review.db")
    run(["review", "import", str(table)])
    edit_answers(database, "status = 'confirmed'")
    assert run(["review", "next", "--database", str(database)]) == 0
    assert "no cell of an unsigned case is left to label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify"], "--database"),
        (["verify", "--database", "absent.db"], "no such database"),
        (["absent-folder"], "no such file or folder"),
        (["export-labels", "--database", "absent.db", "--out", "x.csv"], "no such database"),
        (["serve", ".", "--host", "0.0.0.0"], "without encryption"),  # noqa: S104
        (["serve", ".", "--certificate", "a.pem"], "belong together"),
        (["serve", ".", "--oidc-issuer", "https://provider.example"], "belong together"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["review", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_label_export_without_signed_cases_says_what_to_do(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["review", "import", str(table)])
    database = str(table.with_suffix(".review.db"))
    assert run(["review", "export-labels", "--database", database, "--out", str(table.parent / "labels.csv")]) == 2
    assert "--unsigned takes those" in capsys.readouterr().err
