"""Public names that come at their first use are the same as if they had come at once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lymphoscope.data

HEAVY = ("pandas", "scipy", "sklearn", "pyarrow", "matplotlib", "torch", "onnxruntime")


def in_a_process(code: str) -> str:
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return answer.stdout.strip()


@pytest.mark.parametrize("package", ["data", "evaluation", "inference", "model_file"])
def test_a_package_alone_brings_nothing_heavy(package: str) -> None:
    code = f"import lymphoscope.{package}, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert in_a_process(code) == "[]"


def test_one_light_name_brings_nothing_heavy() -> None:
    code = f"from lymphoscope.data import read_image; import sys; print([n for n in {HEAVY} if n in sys.modules])"
    assert in_a_process(code) == "[]"


def test_a_cell_on_black_is_predicted_with_the_runtime_alone(tmp_path: Path) -> None:
    """What a cold process waits for: pandas or scipy would be half of it."""
    pixels = np.zeros((300, 300, 3), dtype=np.uint8)
    pixels[100:200, 100:200] = (150, 90, 180)
    Image.fromarray(pixels).save(tmp_path / "cell.png")
    words = ["predict", str(tmp_path / "cell.png"), "--runtime", "onnx", "--out", str(tmp_path / "rows.csv")]
    code = f"""
import sys
from lymphoscope.cli.main import run
assert run({words}) == 0
print([name for name in {HEAVY} if name in sys.modules])
"""
    assert in_a_process(code).splitlines()[-1] == "['onnxruntime']"


def test_a_function_goes_before_the_file_of_the_same_name() -> None:
    code = "import lymphoscope.data.audit; from lymphoscope.data import audit; print(callable(audit))"
    assert in_a_process(code) == "True"
    code = "from lymphoscope.data.audit import audit as one; from lymphoscope.data import audit; print(one is audit)"
    assert in_a_process(code) == "True"


def test_names_are_listed_and_unknown_ones_are_not_there() -> None:
    assert set(lymphoscope.data.__all__) <= set(dir(lymphoscope.data))
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = lymphoscope.data.no_such_name  # type: ignore[attr-defined]
