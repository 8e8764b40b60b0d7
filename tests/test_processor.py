"""What Linux says of a processor, from a listing that is written out."""

import platform
import subprocess
import sys
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


def test_freed_memory_is_kept_where_the_allocator_is_glibc() -> None:
    code = "from lymphoscope.processor import keep_freed_memory; print(keep_freed_memory())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == str(platform.libc_ver()[0] == "glibc")
