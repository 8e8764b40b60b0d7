"""Every runtime of the registry computes the method: compared with `predict_ternary`."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.export import SampleCells, export_model, synthetic_cells
from lymphoscope.inference import TernaryRuntime, load
from lymphoscope.inference.backends import explain_auto, export_runtimes, open_network, registry, runtime_names
from lymphoscope.inference.backends.measurement import records_file
from lymphoscope.method import predict_ternary
from lymphoscope.model_file import load_description, load_network, save_model

pytestmark = pytest.mark.slow

RUNTIMES = sorted(runtime_names())
LOWER_PRECISIONS = [(one.name, precision) for one in export_runtimes() for precision in one.precisions[1:]]


@pytest.fixture(autouse=True)
def torch_threads_as_before() -> Iterator[None]:
    """torch's threads are those of the process: another number would change the last digits of later trainings."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cells() -> SampleCells:
    return synthetic_cells(64, 24)


@pytest.fixture(scope="module")
def exported(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, cells: SampleCells) -> Path:
    """The tiny model with its network exported for every runtime, in every precision."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(tiny_model, folder)
    for runtime in export_runtimes():
        for precision in runtime.precisions:
            export_model(folder, runtime.name, cells, precision=precision, calibration=cells, min_label_agreement=0.5)
    return folder


def normalised(folder: Path, pixels: NDArray[np.uint8]) -> torch.Tensor:
    how = load_description(folder).preprocessing
    values = (pixels / 255 - np.array(how.mean)) / np.array(how.std)
    return torch.tensor(values, dtype=torch.float32).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("erase", ["always", "on_disagreement"])
def test_every_runtime_computes_the_method(exported: Path, cells: SampleCells, runtime: str, erase: str) -> None:
    network, _ = load_network(exported)
    wanted = predict_ternary(network, normalised(exported, cells.pixels), erase=erase)
    found = TernaryRuntime(open_network(exported, runtime=runtime, device="cpu", threads=1), erase).predict(
        cells.pixels
    )
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.votes.tolist() == wanted.votes.tolist()
    assert found.boxes is not None
    assert found.boxes.tolist() == wanted.boxes.tolist()
    np.testing.assert_allclose(found.scores, wanted.scores.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.agreement, wanted.agreement.numpy(), atol=1e-6)
    assert found.features is not None
    np.testing.assert_allclose(found.features, wanted.features.numpy(), atol=1e-3)


@pytest.fixture(scope="module")
def averaging(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, which averages over eight views."""
    folder = tmp_path_factory.mktemp("averaging") / "model"
    shutil.copytree(exported, folder)
    content = json.loads((folder / "model.json").read_text())
    content["test_time"]["views"] = 8
    (folder / "model.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_averages_over_views(averaging: Path, cells: SampleCells, runtime: str) -> None:
    network, _ = load_network(averaging)
    wanted = predict_ternary(network, normalised(averaging, cells.pixels), views=8)
    model = load(averaging, runtime=runtime, device="cpu", threads=1).runtime
    found = model.predict(cells.pixels)
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.boxes is not None and found.boxes.tolist() == wanted.boxes.tolist()
    np.testing.assert_allclose(found.probabilities, wanted.probabilities.numpy(), atol=1e-4)
    assert found.features is not None
    np.testing.assert_allclose(found.features, wanted.features.numpy(), atol=1e-3)
    np.testing.assert_array_equal(model.explain(cells.pixels).outputs.scores, found.scores)
    np.testing.assert_array_equal(model.features(cells.pixels), found.features)


def test_lazy_voting_with_views_is_refused(averaging: Path) -> None:
    with pytest.raises(LymphoscopeError, match=r"averages over 8 views of each cell, .*: use --erase always"):
        load(averaging, runtime="onnx", erase="on_disagreement")


@pytest.mark.parametrize(("runtime", "precision"), LOWER_PRECISIONS)
def test_lower_precision_is_near_and_is_not_float32(
    exported: Path, cells: SampleCells, runtime: str, precision: str
) -> None:
    full = load(exported, runtime="torch", device="cpu").runtime.predict(cells.pixels)
    model = load(exported, runtime=runtime, precision=precision)
    found = model.runtime.predict(cells.pixels)
    assert not np.array_equal(found.scores, full.scores)
    assert np.abs(found.probabilities[0] - full.probabilities[0]).mean() < 0.1
    assert model.runtime.options == {
        "runtime": runtime, "device": "cpu", "precision": precision, "erase": "always"
    }  # fmt: skip


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_explains_with_the_same_images(exported: Path, cells: SampleCells, runtime: str) -> None:
    wanted = load(exported, runtime="torch", device="cpu").runtime.explain(cells.pixels[:4])
    seen = load(exported, runtime=runtime, device="cpu").runtime.explain(cells.pixels[:4])
    np.testing.assert_allclose(seen.maps, wanted.maps, atol=1e-4)
    assert seen.boxes.tolist() == wanted.boxes.tolist()
    assert np.abs(seen.crops.astype(int) - wanted.crops).max() <= 1
    assert (np.abs(seen.erased.astype(int) - wanted.erased) <= 1).mean() > 0.999


@pytest.mark.parametrize(("runtime", "precision"), [("onnx", "float32"), ("openvino", "int8")])
def test_reused_buffers_do_not_leak_into_the_next_batch(
    exported: Path, cells: SampleCells, runtime: str, precision: str
) -> None:
    model = load(exported, runtime=runtime, precision=precision, device="cpu")
    alone = [model.runtime.predict(cells.pixels[index : index + 1]).scores[0] for index in range(5)]
    model.runtime.predict(cells.pixels[::-1])
    np.testing.assert_allclose(model.runtime.predict(cells.pixels[:5]).scores, alone, atol=1e-6)


def test_auto_measures_once_and_takes_the_fastest(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = load(exported, device="cpu").runtime.options["runtime"]
    measured = capsys.readouterr().err
    assert re.fullmatch(
        rf"runtime: {first}, float32 \(measured now, per pass of one cell: {first} [0-9.]+ ms, \w+ [0-9.]+ ms\)\n",
        measured,
    )
    ((key, seconds),) = json.loads(records_file().read_text()).items()
    assert seconds.keys() == {"onnx", "openvino"} and min(seconds, key=seconds.__getitem__) == first
    assert load(exported, device="cpu").runtime.options["runtime"] == first
    assert capsys.readouterr().err == measured.replace("measured now", "measured before")
    for slower, faster in (("onnx", "openvino"), ("openvino", "onnx")):
        records_file().write_text(json.dumps({key: {slower: 0.002, faster: 0.001}}))
        assert load(exported, device="cpu").runtime.options["runtime"] == faster
        assert explain_auto(exported) == (
            f"{faster} (measured before, per pass of one cell: {faster} 1.0 ms, {slower} 2.0 ms)"
        )


def test_other_threads_are_measured_anew(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for threads in (1, 2, 1):
        load(exported, device="cpu", threads=threads)
    assert len(json.loads(records_file().read_text())) == 2


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 3}', '{"a": {"onnx": "fast"}}'])
def test_damaged_records_are_measured_anew(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    records_file().parent.mkdir(parents=True)
    records_file().write_text(content)
    assert "measured now" in explain_auto(exported)
    assert "measured before" in explain_auto(exported)


def test_a_cache_that_cannot_be_written_is_no_error(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "measured now" in explain_auto(exported)
    assert "measured now" in explain_auto(exported)


def test_auto_takes_what_is_installed(exported: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "installed", lambda module: module != "openvino")
    assert load(exported, device="cpu").runtime.options["runtime"] == "onnx"
    assert explain_auto(exported) == "onnx (the only one with a network for it)"
    assert load(tiny_model, device="cpu").runtime.options["runtime"] == "torch"
    assert explain_auto(tiny_model) == "torch (from the weights)"
    with pytest.raises(LymphoscopeError, match=r"not installed: pip install 'lymphoscope\[openvino\]'"):
        load(exported, runtime="openvino")


def test_without_torch_a_missing_precision_is_named(
    exported: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "installed", lambda module: module == "onnxruntime")
    with pytest.raises(LymphoscopeError, match=r"holds no bfloat16 network for the installed runtimes: it holds float"):
        load(exported, device="cpu", precision="bfloat16")
    with pytest.raises(LymphoscopeError, match=r"it holds none; .*: pip install"):
        load(tiny_model, device="cpu")


def test_an_unavailable_runtime_precision_or_device_is_one_line(exported: Path, tiny_model: Path) -> None:
    for options, message in [
        ({"runtime": "onnx"}, "holds no float32 network for onnx: lymphoscope export"),
        ({"runtime": "torch", "precision": "int8"}, "torch computes float32 and bfloat16, not int8"),
        ({"precision": "float16"}, "no precision 'float16'"),
    ]:
        with pytest.raises(LymphoscopeError, match=message):
            load(tiny_model, **options)
    with pytest.raises(LymphoscopeError, match="computes on the CPU: use --runtime torch"):
        load(exported, runtime="openvino", device="cuda")


def test_an_export_of_other_weights_is_ignored(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    network, description = load_network(folder)
    torch.nn.init.zeros_(network.classifier.weight)
    save_model(network, description, folder)
    assert load(folder, device="cpu").runtime.options["runtime"] == "torch"


def test_a_changed_file_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    (folder / "network.onnx").write_bytes(b"another")
    with pytest.raises(LymphoscopeError, match="export it again"):
        load(folder, runtime="onnx")
    (folder / "network.onnx").unlink()
    with pytest.raises(LymphoscopeError, match="is missing"):
        load(folder, runtime="onnx")


def test_lazy_voting_gathers_over_batches_and_changes_no_label(exported: Path, cells: SampleCells) -> None:
    always = load(exported, runtime="onnx").runtime.predict(cells.pixels)
    lazy = load(exported, runtime="onnx", erase="on_disagreement").runtime
    batches = [cells.pixels[start : start + 5] for start in range(0, 24, 5)]
    found = list(lazy.predict_batches(iter(batches)))
    assert [len(part.labels) for part in found] == [5, 5, 5, 5, 4]
    assert np.concatenate([part.labels for part in found]).tolist() == always.labels.tolist()
    disagreed = always.votes[0] != always.votes[1]
    skipped = np.concatenate([part.votes[2] for part in found]) == -1
    assert skipped.tolist() == (~disagreed).tolist()
    again = list(lazy.predict_batches(iter(batches)))
    assert all(one.scores.tobytes() == two.scores.tobytes() for one, two in zip(found, again, strict=True))


def test_lazy_voting_needs_a_vote(tiny_model: Path, tmp_path: Path) -> None:
    network, description = load_network(tiny_model)
    settings = description.test_time.model_copy(update={"decision": "mean"})
    save_model(network, description.model_copy(update={"test_time": settings}), tmp_path)
    with pytest.raises(LymphoscopeError, match="decides by the mean"):
        load(tmp_path, erase="on_disagreement")


def test_torch_compiles_or_prints_why_not(
    tiny_model: Path, cells: SampleCells, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(function: object) -> object:
        def failing(images: torch.Tensor) -> None:
            raise RuntimeError("no working C++ compiler\nsecond line")

        return failing

    monkeypatch.setattr(torch, "compile", no_compiler)
    network = open_network(tiny_model, device="cpu", compile=True)
    assert network.options["compiled"] == "yes"
    wanted = open_network(tiny_model, device="cpu")
    found = network.forward_with_features(network.images(cells.pixels[:2]))
    assert capsys.readouterr().err.splitlines() == [
        "torch cannot compile here, the network runs uncompiled: no working C++ compiler"
    ]
    np.testing.assert_allclose(
        found.logits, wanted.forward_with_features(wanted.images(cells.pixels[:2])).logits, atol=1e-5
    )
    assert "compiled" not in network.options
