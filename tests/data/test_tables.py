from pathlib import Path

import pandas as pd
import pytest

from lymphoscope.data.tables import read_table_file, refuse_misspelled_columns
from lymphoscope.errors import LymphoscopeError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_common_delimiters_are_read(tmp_path: Path, delimiter: str) -> None:
    text = "path,label,subject\na.png,all,007\nb.png,,NA\n".replace(",", delimiter)
    table = read_table_file(write(tmp_path / "m.csv", text))
    assert table.to_dict("list") == {"path": ["a.png", "b.png"], "label": ["all", None], "subject": ["007", "NA"]}


def test_quoted_fields_marks_and_blank_lines_are_read(tmp_path: Path) -> None:
    text = '\ufeffpath,label\r\n"a, b.png","say ""all"""\r\n\r\nc.png,hem\r\n'
    table = read_table_file(write(tmp_path / "m.csv", text))
    assert table.to_numpy().tolist() == [["a, b.png", 'say "all"'], ["c.png", "hem"]]


def test_column_names_are_stripped_and_an_index_column_is_kept(tmp_path: Path) -> None:
    table = read_table_file(write(tmp_path / "m.csv", ", path ,label\n0,a.png,all\n"))
    assert list(table.columns) == ["Unnamed: 0", "path", "label"]


def test_table_without_rows_is_read(tmp_path: Path) -> None:
    assert read_table_file(write(tmp_path / "m.csv", "path,label\n")).shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,all\nb.png,all,\n", r"row 2 after the header \(up to line 3\) has 3 fields, .* has 2"),
        ("path,label\na.png\n", r"row 1 .* has 1 fields, but the header has 2"),
        (
            'path,label\na.png,"all\nb.png,hem\nc.png,"hem\n',
            r"row 1 after the header \(up to line 4\): .* a quote is missing",
        ),
        ('path,label\n"a\n.png",all\n', "row 1 .* has a line break in column path"),
        ('path,label\n"a,all\nb,hem\n', r"row 1 .* unexpected end of data: a quote is missing"),
        ('path,label\na,all\n"a"b,all\n', r"row 2 .* a quote is missing, or one too many"),
        ("path,label,label\na,b,c\n", "has two columns `label`: rename or remove one"),
        ("path, label,label \na,b,c\n", "has two columns `label`"),
        ("", "it has no header"),
        ("path\na\0b\n", "zero bytes"),
    ],
)
def test_damaged_table_is_refused_with_the_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LymphoscopeError, match=message) as caught:
        read_table_file(write(tmp_path / "m.csv", text))
    assert "\n" not in str(caught.value)


def test_parquet_columns_are_stripped_and_doubles_refused(tmp_path: Path) -> None:
    pd.DataFrame({" path": ["a"], "label": ["b"]}).to_parquet(tmp_path / "m.parquet")
    assert list(read_table_file(tmp_path / "m.parquet").columns) == ["path", "label"]
    pd.DataFrame({"label ": ["a"], "label": ["b"]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(LymphoscopeError, match="two columns `label`"):
        read_table_file(tmp_path / "m.parquet")


@pytest.mark.parametrize("name", ["Split", "SPLIT", "s plit", "data-source", "Subject"])
def test_nearly_known_column_is_refused_with_its_right_name(name: str) -> None:
    known = ("path", "split", "subject", "data_source")
    with pytest.raises(LymphoscopeError, match=rf"the table: column `{name}`: write it `\w+`"):
        refuse_misspelled_columns(["path", name], known, "the table")
    refuse_misspelled_columns(["path", "split", "splitting", "notes"], known, "the table")
