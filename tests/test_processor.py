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


CHURN = """
import resource, threading
def allocate():
    for _ in range(20):
        [bytearray(20_000_000) for _ in range(5)]  # more than a heap of glibc; a page fault clears 4,096 bytes
def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
page_faults()
print(page_faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_memory_freed_by_a_thread_is_kept() -> None:
    keep = "from lymphoscope.processor import keep_freed_memory; keep_freed_memory()"
    assert faults_after(keep) < 2_000 < 100_000 < faults_after("")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_a_model_on_torch_keeps_freed_memory(tiny_model: Path) -> None:
    load = f"from lymphoscope import load; load({str(tiny_model)!r}, runtime='torch', device='cpu')"
    assert faults_after(load) < 2_000


def faults_after(first: str) -> int:
    """Page faults of a thread that allocates and frees 2 GB, in a process that ran `first`."""
    code = first + CHURN
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
