"""Work done ahead in threads, in order, and never further ahead than said."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """Yield `function(item)` in the order of the items, computed by `workers` threads.

    At most `ahead` results, finished or not, wait at any moment, so memory does not grow with the number of items.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="reader") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def computed_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items, the next one in the works, in a thread of its own, while the last one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="compute") as pool:
        end = object()
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]
