"""Modules that a command enters, and from where: `python benchmarks/module_entries.py train --data DIR --out RUN`.

Runs any command of Lymphoscope in this process and notes which functions call a public function or property of another
module of the package. Each pair counts once, so that a loop over cells is one entry. Printed are the modules with the
most entries; with `--pairs` first, each of their entries follows.
"""

import sys
import threading
from collections import defaultdict
from types import FrameType
from typing import Any

from lymphoscope.cli.main import run

PACKAGE = "lymphoscope."
MANY = 3
"""A module with more entries than this is printed."""


def main() -> int:
    show_pairs = sys.argv[1:2] == ["--pairs"]
    entries: dict[str, set[str]] = defaultdict(set)

    def note(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(PACKAGE) or not _is_entry(frame):
            return
        caller = _caller(frame)
        if caller is not None and caller.f_globals["__name__"] != module:
            calling = f"{caller.f_globals['__name__']}.{caller.f_code.co_qualname}".removeprefix(PACKAGE)
            entries[module.removeprefix(PACKAGE)].add(f"{frame.f_code.co_qualname} from {calling}")

    threading.setprofile(note)
    sys.setprofile(note)
    status = run(sys.argv[1 + show_pairs :])
    sys.setprofile(None)
    print(f"\n{len(entries)} modules, {sum(map(len, entries.values()))} entries")
    for module in sorted(entries, key=lambda name: (-len(entries[name]), name)):
        if len(entries[module]) > MANY:
            print(f"{len(entries[module]):>4}  {module}")
            for pair in sorted(entries[module]) if show_pairs else ():
                print(f"        {pair}")
    return status


def _is_entry(frame: FrameType) -> bool:
    """Whether a public function starts here, not the body of a class or module, nor a generator that goes on."""
    is_resumed = bool(frame.f_code.co_code[frame.f_lasti + 1])  # the argument of RESUME
    name = frame.f_code.co_qualname
    return not is_resumed and "<" not in name and not frame.f_code.co_name.startswith("_")


def _caller(frame: FrameType) -> FrameType | None:
    """Return the nearest caller that is code of the package, past libraries that call back."""
    caller = frame.f_back
    while caller is not None and not str(caller.f_globals.get("__name__", "")).startswith(PACKAGE):
        caller = caller.f_back
    return caller


if __name__ == "__main__":
    sys.exit(main())
