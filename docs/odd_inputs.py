"""Write docs/odd_inputs.md: what the commands answer to odd inputs. `python docs/odd_inputs.py`

Every input is made in a temporary folder and given to the real command; a test compares the page with what this writes.
"""

import contextlib
import html
import io
import logging
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lymphoscope.cli.main import run
from lymphoscope.terminal import one_line

PAGE = Path(__file__).with_name("odd_inputs.md")
NOISE = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
HEAD = """# Odd inputs and the answers

What the commands answer to damaged, unusual and hostile inputs, as `python docs/odd_inputs.py` found it; a test runs it
again and compares. Status 0 is done, 2 is an error that you can fix, 3 is done with failed inputs, whose rows say why
([exit status](reference/commands.md#exit-status)). A file that cannot be read is a row and does not stop a run.

"""


class Case(NamedTuple):
    """An odd input: what it is, the words of the command, how to make it in a folder, and which line is the answer."""

    what: str
    command: str
    make: Callable[[Path], object]
    line: str = ""


def save(name: str, image: Image.Image | None = None, **options: object) -> Callable[[Path], object]:
    """Return a function that writes an image."""
    return lambda folder: (image or Image.fromarray(NOISE)).save(folder / name, **options)


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Return a function that writes a file."""
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(data)


def several(*makers: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a function that runs several of them."""
    return lambda folder: [make(folder) for make in makers]


def as_bytes(format_: str, **options: object) -> bytes:
    """Return an image as a file."""
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, format_, **options)
    return stream.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG of a few bytes that promises side x side pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def many_scans() -> bytes:
    """Return a progressive JPEG with 200 more scans."""
    content = as_bytes("JPEG", progressive=True)
    return content[:-2] + (b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)) * 200 + content[-2:]


def classes(*names: str) -> Callable[[Path], object]:
    """Return a function that writes one small image for each name, all different."""

    def make(folder: Path) -> None:
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.roll(NOISE, 17 * number, axis=0)[:40, :40]).save(folder / name)

    return make


def predictions(**changed: object) -> Callable[[Path], object]:
    """Return a function that writes six predictions, the third with other values."""

    def make(folder: Path) -> None:
        from lymphoscope.evaluation import as_predictions

        rows = [
            {"path": f"/cells/{number}.png", "subject": f"S{number}", "label": ("all", "hem")[number % 2],
             "predicted": "all", "score_all": 0.8, "score_hem": 0.2, "agreement": 1.0, "refer": False}
            for number in range(6)
        ]  # fmt: skip
        rows[2] |= changed
        as_predictions(rows, ["all", "hem"]).to_csv(folder / "p.csv", index=False)

    return make


GREY = np.ascontiguousarray(NOISE[..., 0])
TURNED = Image.Exif()
TURNED[274] = 6
BOMB_YAML = "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
CELL = save("cell.png")
ROW = "path,label,subject\ncell.png,all,1\n"


def stack(*pages: np.ndarray) -> Callable[[Path], object]:
    """Return a function that writes a TIFF file of several pages."""
    first, *others = [Image.fromarray(page) for page in pages]
    return save("cell.tif", first, save_all=True, append_images=others)


def pictures() -> list[Case]:
    """Return the cases of single files."""
    failed = "cannot be read"
    read = "cell, 0 failed"
    return [
        Case("words in a file named .png", "predict note.png", write("note.png", "a note"), failed),
        Case("an empty file", "predict empty.png", write("empty.png", b""), failed),
        Case("a PNG cut off", "predict cut.png", write("cut.png", as_bytes("PNG")[:9000]), failed),
        Case("a JPEG cut off", "predict cut.jpg", write("cut.jpg", as_bytes("JPEG")[:-900]), failed),
        Case("an image of 1 x 1 pixels", "predict one.png", save("one.png", Image.new("RGB", (1, 1))), failed),
        Case("a PNG of 100 bytes for 900 megapixels", "predict bomb.png", write("bomb.png", bomb(30_000)), failed),
        Case("32-bit floating-point TIFF", "predict cell.tif", stack(GREY.astype(np.float32)), failed),
        Case("a z-stack of five pages", "predict cell.tif", stack(*[GREY] * 5), failed),
        Case("R, G and B as three pages", "predict cell.tif", stack(*[GREY] * 3), failed),
        Case("a pyramid of three levels", "predict cell.tif", stack(NOISE, NOISE[::2, ::2], NOISE[::4, ::4]), read),
        Case("12 bits in 16", "predict cell.tif", stack(GREY.astype(np.uint16) * 16), "12 bits"),
        Case("a JPEG with 210 scans", "predict scans.jpg", write("scans.jpg", many_scans()), failed),
        Case("CMYK JPEG", "predict cell.jpg", save("cell.jpg", Image.fromarray(NOISE).convert("CMYK")), read),
        Case("a JPEG to be turned by its EXIF orientation", "predict cell.jpg", save("cell.jpg", exif=TURNED), read),
        Case("a PNG named .bmp", "predict cell.bmp", write("cell.bmp", as_bytes("PNG")), read),
        Case("a PostScript program", "predict p.png", write("p.png", "%!PS-Adobe-3.0 EPSF-3.0\nshowpage"), failed),
        Case("a FIFO", "predict pipe.png", lambda folder: os.mkfifo(folder / "pipe.png"), failed),
        Case("a file that does not exist", "predict gone.png", lambda _: None),
        Case("a link to nothing", "predict link.png", lambda folder: (folder / "link.png").symlink_to("gone")),
        Case("a name that begins with a dash", "predict -cell.png", save("-cell.png")),
        Case("a line break in a file name", "predict folder", several(
            lambda folder: (folder / "folder").mkdir(), write("folder/two\nlines.png", "a note")), failed),
    ]  # fmt: skip


def folders() -> list[Case]:
    """Return the cases of folders."""
    return [
        Case("files that are no images", "predict .", several(CELL, write("a.zip", b""), write("b.svs", b""),
             write("README", "words")), "not read"),
        Case("a link to the folder itself", "predict .", several(CELL, lambda folder: (folder / "loop").symlink_to(
             folder)), "not read"),
        Case("an image without suffix", "predict .", write("cell", as_bytes("PNG")), "cell, 0 failed"),
        Case("a folder without images", "predict .", write("a.zip", b"")),
        Case("a folder without class folders", "data audit .", classes("1.png", "2.png"), "no cell has a label"),
        Case("parts of a split as classes", "data audit .", classes("TRAIN/all/1.png", "TEST/all/2.png",
             "TEST_SIMPLE/all/3.png")),
        Case("a class folder without images", "data audit .", several(classes("a/1.png"), lambda folder: (
             folder / "b").mkdir())),
        Case("classes one folder too deep", "data audit .", classes("images/all/1.png", "images/hem/2.png"),
             "ONE CLASS"),
        Case("a C-NMC cell moved to the other class", "data audit .", classes(
             "fold_0/all/UID_1_1_1_all.png", "fold_0/hem/UID_2_1_1_all.png"), "LABELLED AGAIN"),
        Case("a pattern that takes exponential time", "data audit . --subject-pattern ^a/((x|xx)+)(?<!x)",
             classes(f"a/{'x' * 60}.png")),
        Case("a pattern without a group", "data audit . --subject-pattern S1", classes("a/S1.png")),
        Case("an invalid pattern", "data audit . --subject-pattern ([", classes("a/S1.png")),
    ]  # fmt: skip


def tables() -> list[Case]:
    """Return the cases of tables of cells."""

    def table(what: str, content: str | bytes, line: str = "", command: str = "predict cells.csv") -> Case:
        return Case(what, command, several(CELL, write("cells.csv", content)), line)

    split = "data split cells.csv --out split.csv"
    return [
        table("no column `path`", "file,label\ncell.png,all\n"),
        table("a column `Path`", "Path,label\ncell.png,all\n"),
        table("a column `Split`", "path,Split\ncell.png,test\n"),
        table("two columns of one name", "path,label,label\ncell.png,all,hem\n"),
        table("a header only", "path,label\n"),
        table("a stray quote", 'path,label\ncell.png,"all\ncell.png,hem\n'),
        table("a comma too many", "path,label\ncell.png,all,\n"),
        table("semicolons", "path;label\ncell.png;all\n", "cell, 0 failed"),
        table("a line break in a path", 'path,label\n"cell\n.png",all\n'),
        table("Latin-1 instead of UTF-8", "path,label\ncell.png,é\n".encode("latin-1")),
        table("zero bytes", b"path\ncell\0.png\n"),
        table("one path with two labels", "path,label\ncell.png,all\ncell.png,hem\n"),
        table("a row twice", ROW + "cell.png,all,1\n", "with the path of"),
        table("an address in a table", "path\ns3://bucket/cell.png\n", "cannot be read"),
        table("a formula as a subject", ROW.replace(",1", ",=1+1"), "formula"),
        table("subjects P01 and p1", "path,label,subject\na.png,all,P01\nb.png,hem,p1\n", command=split),
        table("a split named `holdout`", "path,split\ncell.png,holdout\n"),
    ]


def results() -> list[Case]:
    """Return the cases of predictions, outputs, recipes and models."""
    train = "train --data . --out run --config recipe.yaml"
    score = "score p.csv --out scored"
    broken_model = several(lambda folder: (folder / "model").mkdir(), write("model/model.json", '{"a": NaN}'), CELL)
    return [
        Case("a score of 1.4", score, predictions(score_all=1.4)),
        Case("an infinite score", score, predictions(score_all=float("inf"))),
        Case("scores that sum to 1.1", score, predictions(score_all=0.9)),
        Case("an agreement of 3", score, predictions(agreement=3.0)),
        Case("an empty box", score, predictions(box_top=5, box_bottom=5, box_left=1, box_right=9)),
        Case("a prediction of an unknown class", score, predictions(predicted="basophil")),
        Case("one cell predicted twice", score, predictions(path="/cells/0.png")),
        Case("an output that exists", "predict cell.png --out p.csv", several(CELL, write("p.csv", "mine"))),
        Case("an output of another kind", "predict cell.png --out p.txt", CELL),
        Case("an output that is a folder", "predict cell.png --out d.csv", several(CELL, lambda folder: (
             folder / "d.csv").mkdir())),
        Case("an output that is a FIFO", "predict cell.png --out f.csv", several(CELL, lambda folder: os.mkfifo(
             folder / "f.csv"))),
        Case("an output that is its input", "predict cells.csv --out cells.csv", write("cells.csv", ROW)),
        Case("a YAML bomb as a recipe", train, write("recipe.yaml", BOMB_YAML)),
        Case("a recipe nested 5,000 deep", train, write("recipe.yaml", "a: " + "[" * 5000)),
        Case("a recipe that is not UTF-8", train, write("recipe.yaml", b"name: \xe9\n")),
        Case("a misspelled key in a recipe", train, write("recipe.yaml", "optimisation: {epoch: 3}\n")),
        Case("a recipe of two megabytes", train, write("recipe.yaml", "#" * 2_000_000)),
        Case("a class named `vote`", "train --data . --out run --set model.pretrained=false --set model.freeze=false",
             classes("vote/1.png", "all/2.png")),
        Case("a folder that is not a model", "predict cell.png --model .", CELL),
        Case("NaN in model.json", "predict model cell.png", broken_model),
    ]  # fmt: skip


def cases() -> list[Case]:
    """Return all cases."""
    return [*pictures(), *folders(), *tables(), *results()]


def answer(case: Case) -> tuple[int, str]:
    """Run a case in its own folder; return the exit status and the line of the answer."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        case.make(folder)
        os.chdir(folder)
        shown = io.StringIO()
        handler = logging.StreamHandler(shown)
        logging.getLogger("lymphoscope").addHandler(handler)
        try:
            with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
                status = run(case.command.split(" "))
        finally:
            logging.getLogger("lymphoscope").removeHandler(handler)
            os.chdir(before)
        return status, _line(shown.getvalue().replace(f"{folder}/", "").replace(str(folder), "."), case.line)


def _line(text: str, wanted: str) -> str:
    lines = text.splitlines()
    found = [line for line in lines if wanted and wanted in line]
    line = found[0] if found else lines[-1]
    return one_line(re.sub(r"\s+", " ", line.strip().removeprefix("lymphoscope: error: ")))


def page() -> str:
    """Return the page."""
    _reset_warnings()
    rows = ["| input | command | status | answer |", "|---|---|---|---|"]
    for case in cases():
        status, line = answer(case)
        command = _code(f"lymphoscope {case.command}")
        shortened = line if len(line) <= 300 else f"{line[:300]} ..."
        rows.append(f"| {case.what} | {command} | {status} | {_escaped(shortened)} |")
    return HEAD + "\n".join(rows) + "\n"


def _reset_warnings() -> None:
    from lymphoscope.data import images

    images._warn_of_few_bits_once().clear()


def _code(text: str) -> str:
    """Code in a cell. In backticks the backslash of an escaped pipe would be shown, so code with a pipe is HTML."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _escaped(text: str) -> str:
    return re.sub(r"([|*_<>\[\]\\])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
