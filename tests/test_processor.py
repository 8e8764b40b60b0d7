"""What Linux says of a processor, from a listing that is written out."""

from pathlib import Path

import pytest

from lymphoscope import processor


def test_name_and_instruction_sets_are_read_from_cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", listing)
    assert processor.processor_name() is None
    assert not processor.has_instructions("avx2")
    listing.write_text("model name\t: A Processor\nflags\t\t: sse avx512_vnni\n\nmodel name\t: Another\n")
    assert processor.processor_name() == "A Processor"
    assert processor.has_instructions("avx_vnni", "avx512_vnni")
    assert not processor.has_instructions("avx512", "vnni")
