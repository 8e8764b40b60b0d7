"""A float32 network -> int8 by NNCF's post-training quantisation, with cells that show what values to expect.

The head stays in float32: its signed square root and L2 norm give small differences no room (METHOD, Network), and a
box follows from the attention map by a threshold.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lymphoscope.errors import LymphoscopeError
from lymphoscope.files import written_beside
from lymphoscope.model_file.export.head import onnx_head, openvino_head
from lymphoscope.model_file.export.in_bytes import keep_moved_in_bytes, make_unsigned
from lymphoscope.processor import has_instructions


def quantised_onnx(source: Path, cells: NDArray[np.uint8], out: Path) -> None:
    """Write the ONNX network of `source` (uint8 cells in) in int8; `cells` (N, S, S, 3) calibrate it.

    Raises LymphoscopeError where NNCF is not installed.
    """
    nncf = _nncf()
    import onnx

    model = onnx.load(source)
    dataset = nncf.Dataset([{"images": cell[None]} for cell in cells])
    with _quietly(nncf):
        # NNCF's full correction of biases does not come to its end on ONNX, and its fast one moves the scores further.
        options = _options(nncf, onnx_head(model), len(cells), disable_bias_correction=True)
        made = nncf.quantize(model, dataset, **options)
    make_unsigned(made)
    keep_moved_in_bytes(made)
    with written_beside(out) as beside:
        onnx.save(made, beside)


def quantised_openvino(source: Path, cells: NDArray[np.uint8]) -> Any:
    """The OpenVINO model of an ONNX network (uint8 cells in) in int8, as `quantised_onnx` makes it."""
    nncf = _nncf()
    import openvino
    from openvino import passes

    model = openvino.Core().read_model(str(source))
    # Weights of grouped convolutions are read with a reshape before them, through which NNCF takes the wrong axis for
    # the channels: OpenVINO then computes them in floats.
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(model)
    with _quietly(nncf):
        dataset = nncf.Dataset([cell[None] for cell in cells])
        return nncf.quantize(model, dataset, **_options(nncf, openvino_head(model), len(cells)))


def _options(nncf: Any, head: list[str], cells: int, **advanced: Any) -> dict[str, Any]:
    one_scale = nncf.quantization.advanced_parameters.QuantizationParameters(per_channel=False)
    return {
        "advanced_parameters": nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE if _has_vnni() else nncf.OverflowFix.ENABLE,
            # One scale an activation: ONNX Runtime's int8 convolution takes no scale a channel, and OpenVINO gives the
            # same labels with one or many.
            activations_quantization_params=one_scale,
            **advanced,
        ),
        "subset_size": cells,
        "preset": nncf.QuantizationPreset.MIXED,
        "fast_bias_correction": False,  # takes twice as long, and the scores differ half as much
        "ignored_scope": nncf.IgnoredScope(names=head, validate=False),
    }


def _has_vnni() -> bool:
    """Whether products of bytes are summed in 32 bits here; without, sums overflow unless weights keep to 7 bits.

    Measured on the demonstration model and 346 cells: 96 % of labels as in float32 with 8 bits, 89 % with 7.
    """
    return has_instructions("avx512_vnni", "avx_vnni")


def _nncf() -> Any:
    try:
        import nncf
    except ImportError as error:
        raise LymphoscopeError("int8 needs NNCF: pip install 'lymphoscope[openvino]'") from error
    return nncf


@contextlib.contextmanager
def _quietly(nncf: Any) -> Iterator[None]:
    """Keep its progress bars off the terminal."""
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
