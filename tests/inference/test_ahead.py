import threading
import time

import pytest
from hypothesis import given, strategies as st

from lymphoscope.inference.pipeline import prefetch_map


@given(st.lists(st.integers()), st.integers(1, 4), st.integers(1, 8))
def test_it_is_map_whatever_the_threads(items: list[int], workers: int, ahead: int) -> None:
    assert list(prefetch_map(str, items, workers=workers, ahead=ahead)) == list(map(str, items))


def test_no_more_than_ahead_is_held() -> None:
    lock = threading.Lock()
    held = most = 0

    def read(item: int) -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return item

    for item in prefetch_map(read, range(200), workers=3, ahead=5):
        time.sleep(0.0005)  # the readers are faster than who uses what they read
        with lock:
            held -= 1
        assert item >= 0
    assert most == 5


def test_an_error_comes_at_its_place_and_ends_the_readers() -> None:
    def read(item: int) -> int:
        return 6 // item

    results = prefetch_map(read, [3, 2, 0, 1], workers=2, ahead=3)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_what_is_left_unread_is_cancelled() -> None:
    begun = []

    def read(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        return item

    results = prefetch_map(read, range(1000), workers=1, ahead=50)
    next(results)
    results.close()
    assert len(begun) < 60
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]
