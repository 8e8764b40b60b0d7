"""Memory of a review server and of a browser's page over an hour of scripted work at one action per second.

    python benchmarks/review_memory.py RESULTS... [--minutes 60] [--rate 1] [--every 2] [--idle] [--unattended]
                                       [--json FILE]

RESULTS are results folders of `lymphoscope smear`. The server is a process of its own on a database in a temporary
folder. Debian's Chromium keeps the gallery of the first case open all the time: it labels, undoes, moves, scrolls and
sorts; a second tab visits a field, the report and the list of cases. In turn with it a client works on the last case as
another browser would: list, cells, thumbnails, tiles, labels, undo, lease, report, PDF and export.

Each row has the memory of the server process (RSS), of the browser's processes by kind (PSS: shared pages count in
proportion), and the heap of the page of the gallery after a forced collection. `anonymous` is the part of the pages
that no file backs: what their programs allocated. With `--idle` the gallery and the list of cases are opened and left
alone, as a control. The last row is after a signal of critical memory pressure, which empties caches: what it frees did
not leak. The lines below compare the mean of the first quarter of the other rows with that of the last.

The connection by which Playwright drives a browser makes the page's process grow. With `--unattended` nothing is
connected while the browser works: a timer in the gallery of the first case labels, undoes, moves, scrolls and sorts,
and there is neither a second tab nor another client. The heap and the number of actions are then known only at the
end; `events` is what the server has stored. Garbage is not collected by force before the last row, which shows how
much of the rest was garbage.
"""

import argparse
import itertools
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import httpx
import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright
from timing import write

PASSWORD = "a password of the benchmark"  # noqa: S105
CHROMIUM = "/usr/bin/chromium"
KEYS = ("1", "2", "Enter", "j", "3", "ArrowDown", "Control+z", "k", "PageDown", "4", "Shift+ArrowRight", "5")
SORTS = ("class", "uncertainty", "learning", "blast_score", "referral", "size")
READY = "#case[data-open]"
"""What matches once a gallery is open."""
ALWAYS_AWAKE = (
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)
TIMER = """
([keys, sorts, milliseconds]) => {
  const any = (list) => list[Math.floor(Math.random() * list.length)];
  let turn = 0;
  window.actions = 0;
  setInterval(() => {
    turn += 1;
    window.actions += 1;
    if (turn % 13 === 0) {
      const gallery = document.getElementById("gallery");
      gallery.scrollTop = Math.random() * gallery.scrollHeight;
    } else if (turn % 53 === 0) {
      const sort = document.getElementById("sort");
      sort.value = any(sorts);
      sort.dispatchEvent(new Event("change", {bubbles: true}));
    } else {
      const tile = document.querySelector(".tile.focus") ?? document.activeElement;
      const parts = any(keys).split("+");
      const key = parts.pop();
      const [ctrlKey, shiftKey] = [parts.includes("Control"), parts.includes("Shift")];
      tile.focus();
      tile.dispatchEvent(new KeyboardEvent("keydown", {key, ctrlKey, shiftKey, bubbles: true, cancelable: true}));
    }
  }, milliseconds);
}
"""
"""Works in the page as `browse` does from outside."""


@dataclass(frozen=True)
class Sample:
    """Memory after some minutes of work."""

    minutes: float
    actions: int | None
    events: int
    """Stored by the server for the case of the gallery."""
    server_megabytes: float
    server_seconds: float
    """Processor time of the server since its start."""
    main_megabytes: float
    """The process of the browser itself."""
    gpu_megabytes: float
    renderer_megabytes: float
    """All pages."""
    network_megabytes: float
    """Network, storage and other services."""
    other_megabytes: float
    """The processes that start others."""
    anonymous_megabytes: float
    """Of the pages, without files and shared memory."""
    gallery_megabytes: float
    """The same of the page of the gallery alone; the others are the second tab, and processes that are kept ready."""
    heap_megabytes: float | None
    elements: int | None
    """Elements in the document of the gallery."""

    @property
    def browser_megabytes(self) -> float:
        """All processes of the browser."""
        return sum(getattr(self, f"{kind}_megabytes") for kind in BROWSER_KINDS)


BROWSER_KINDS = ("main", "gpu", "renderer", "network", "other")
KIND_OF_TYPE = {"": "main", "gpu-process": "gpu", "renderer": "renderer", "utility": "network"}
"""Chromium's `--type=` -> a kind; the rest is `other`."""
MEASURES = (
    "server_megabytes",
    "browser_megabytes",
    *(f"{kind}_megabytes" for kind in BROWSER_KINDS),
    "anonymous_megabytes",
    "gallery_megabytes",
    "heap_megabytes",
    "elements",
)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1, help="actions per second")
    parser.add_argument("--every", type=float, default=2, help="minutes between two rows")
    parser.add_argument("--idle", action="store_true", help="open the pages and leave them alone")
    parser.add_argument("--unattended", action="store_true", help="a timer in the page works, nothing is connected")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        server(given.results, Path(folder)) as (url, process),
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        log_in(client)
        samples = (
            unattended(client, process, given, Path(folder)) if given.unattended else driven(client, process, given)
        )
    quarters = compare(samples[:-1])
    write(given.json, {**vars_of(given), "samples": [asdict(one) for one in samples], "quarters": quarters})


def vars_of(given: argparse.Namespace) -> dict[str, float]:
    """Return the numbers that say what was done."""
    return {"minutes": given.minutes, "rate": given.rate, "idle": given.idle, "unattended": given.unattended}


@contextmanager
def server(results: list[Path], folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the results in a process of its own; yield its address and the process."""
    database = folder / "review.db"
    program = [str(Path(sys.executable).with_name("lymphoscope")), "review"]
    add = [*program, "users", "add", "ada", "--role", "senior_reader", "--password-stdin", "--database", str(database)]
    subprocess.run(add, input=f"{PASSWORD}\n", text=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*program, "serve", *map(str, results), "--port", str(port), "--database", str(database)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", psutil.Process(started.pid)
    finally:
        started.kill()
        started.wait()


def log_in(client: httpx.Client) -> None:
    """Log the client in; later changes carry its token."""
    answer = client.post("/api/login", json={"name": "ada", "password": PASSWORD})
    client.headers["X-CSRF-Token"] = answer.raise_for_status().json()["csrf_token"]


def driven(client: httpx.Client, process: psutil.Process, given: argparse.Namespace) -> list[Sample]:
    """Work by Playwright and by a client; return a sample every `every` minutes."""
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        context = browser.new_context(base_url=str(client.base_url))
        log_in_browser(context, client)
        return work(client, context, process, given)


def log_in_browser(context: BrowserContext, client: httpx.Client) -> None:
    """Log the browser in at the server of the client."""
    context.set_default_timeout(120_000)
    account = {"name": "ada", "password": PASSWORD}
    context.request.post(f"{client.base_url}/api/login", data=account, fail_on_status_code=True)


def cases_of(client: httpx.Client) -> list[dict[str, int]]:
    """Return the cases in the order of their import."""
    return sorted(client.get("/api/cases").json()["cases"], key=lambda one: int(one["id"]))


def unattended(client: httpx.Client, process: psutil.Process, given: argparse.Namespace, folder: Path) -> list[Sample]:
    """Let a timer in the page work while nothing is connected; return a sample every `every` minutes."""
    case, samples = cases_of(client)[0], []
    with browser_alone(folder / "profile") as address:
        with connected(address) as page:
            log_in_browser(page.context, client)
            page.goto(f"{client.base_url}/cases/{case['id']}")
            page.wait_for_selector(READY)
            page.locator(".tile.focus").focus()
            if not given.idle:
                page.evaluate(TIMER, [KEYS, SORTS, 1000 / given.rate])
            gallery = process_of(page)
        start = time.monotonic()
        time.sleep(15 * given.every)
        while (passed := time.monotonic() - start) <= 60 * given.minutes:
            samples.append(sample(process, gallery, stored(client, case), passed / 60))
            show(samples)
            time.sleep(max(0.0, start + 60 * given.every * len(samples) - time.monotonic()))
        with connected(address) as page:
            actions = page.evaluate("window.actions ?? 0")
            relieve(page)
            minutes = (time.monotonic() - start) / 60
            relieved = sample(process, gallery, stored(client, case), minutes, actions, page)
    show([*samples, relieved])
    return [*samples, relieved]


@contextmanager
def browser_alone(profile: Path) -> Iterator[str]:
    """Start a browser that nothing is connected to; yield the address for connecting."""
    options = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command = [CHROMIUM, *options, *ALWAYS_AWAKE, "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:  # noqa: S603
        try:
            addresses = (re.search(r"ws://\S+", line) for line in browser.stderr or ())
            yield next(found[0] for found in addresses if found)
        finally:
            browser.kill()


@contextmanager
def connected(address: str) -> Iterator[Page]:
    """Connect to the browser for a while; yield its page."""
    with sync_playwright() as playwright:
        yield playwright.chromium.connect_over_cdp(address).contexts[0].pages[0]


def stored(client: httpx.Client, case: dict[str, int]) -> int:
    """Return how many events the first reading of a case has."""
    return int(client.get(f"/api/readings/{case['reading']}").raise_for_status().json()["version"])


def work(
    client: httpx.Client, context: BrowserContext, process: psutil.Process, given: argparse.Namespace
) -> list[Sample]:
    """Work until the time is up, at most `rate` actions per second; return a sample every `every` minutes."""
    minutes, rate, every = given.minutes, given.rate, given.every
    gallery, other = context.new_page(), context.new_page()
    cases = cases_of(client)
    draw = random.Random(1)  # noqa: S311 - a script
    turns = zip(browse(gallery, other, cases[0]["id"], draw), requests_of(client, cases[-1], draw), strict=False)
    actions = idle(gallery, other, cases[0]["id"]) if given.idle else itertools.chain.from_iterable(turns)
    samples: list[Sample] = []
    start = time.monotonic()
    for number, _ in enumerate(actions, start=1):
        passed = time.monotonic() - start
        if passed >= 60 * every * (len(samples) + (0 if samples else 0.25)):
            events = stored(client, cases[0])
            samples.append(sample(process, process_of(gallery), events, passed / 60, number, gallery))
            show(samples)
        if passed > 60 * minutes:
            break
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
    relieve(gallery)
    minutes_passed = (time.monotonic() - start) / 60
    relieved = sample(process, process_of(gallery), stored(client, cases[0]), minutes_passed, number, gallery)
    show([*samples, relieved])
    return [*samples, relieved]


def relieve(page: Page) -> None:
    """Tell the browser that memory is short, and wait until it has emptied its caches."""
    session = page.context.new_cdp_session(page)
    session.send("Memory.simulatePressureNotification", {"level": "critical"})
    session.detach()
    time.sleep(15)


def sample(
    process: psutil.Process,
    gallery: int,
    events: int,
    minutes: float,
    actions: int | None = None,
    page: Page | None = None,
) -> Sample:
    """Measure now; if connected to the page, also its heap after a forced collection."""
    heap = heap_after_collection(page) if page else None
    used = process.cpu_times()
    browser, pages = browser_memory()
    return Sample(
        minutes=round(minutes, 1),
        actions=actions,
        events=events,
        server_megabytes=round(process.memory_info().rss / 1e6, 1),
        server_seconds=round(used.user + used.system, 1),
        **{f"{kind}_megabytes": round(browser[kind] / 1e6, 1) for kind in BROWSER_KINDS},
        anonymous_megabytes=round(sum(pages.values()) / 1e6, 1),
        gallery_megabytes=round(pages.get(gallery, 0) / 1e6, 1),
        heap_megabytes=None if heap is None else round(heap / 1e6, 2),
        elements=page.evaluate("document.getElementsByTagName('*').length") if page else None,
    )


def heap_after_collection(page: Page) -> float:
    """Return the bytes that the scripts of a page use after a forced collection."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return float(metrics["JSHeapUsedSize"])


def browser_memory() -> tuple[Counter[str], dict[int, int]]:
    """Return the bytes (PSS) of the browser's processes by kind, and what each process of pages has allocated."""
    total: Counter[str] = Counter()
    pages = {}
    for process, kind in browser_processes():
        with suppress(FileNotFoundError, ProcessLookupError):
            kibibytes = rollup_of(process.pid)
            total[kind] += 1024 * kibibytes["Pss"]
            if kind == "renderer":
                pages[process.pid] = 1024 * kibibytes["Pss_Anon"]
    return total, pages


def browser_processes() -> Iterator[tuple[psutil.Process, str]]:
    """Yield the processes of the browser that this script started, each with its kind."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "chrom" in process.name():
                options = [option for option in process.cmdline() if option.startswith("--type=")]
                yield process, KIND_OF_TYPE.get(options[0].partition("=")[2] if options else "", "other")


def process_of(page: Page) -> int:
    """Return the process of a page: the one that spends the most time while the page computes."""

    def spent() -> dict[int, float]:
        return {one.pid: sum(one.cpu_times()[:2]) for one, kind in browser_processes() if kind == "renderer"}

    before = spent()
    page.evaluate("() => { const end = performance.now() + 500; while (performance.now() < end); }")
    return max(spent().items(), key=lambda one: one[1] - before.get(one[0], one[1]))[0]


def rollup_of(pid: int) -> dict[str, int]:
    """Return the sums of the memory of a process, in kibibytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


COLUMNS = {
    "minutes": "minutes",
    "actions": "actions",
    "events": "events",
    "server_megabytes": "server",
    "server_seconds": "s",
    "browser_megabytes": "browser",
    "main_megabytes": "main",
    "gpu_megabytes": "gpu",
    "renderer_megabytes": "pages",
    "anonymous_megabytes": "anonymous",
    "gallery_megabytes": "gallery",
    "network_megabytes": "network",
    "other_megabytes": "other",
    "heap_megabytes": "heap",
    "elements": "elements",
}
"""Measure -> the head of its column; memory is in MB."""


def show(samples: list[Sample]) -> None:
    """Print the last sample, before the first one the names of the columns."""
    if len(samples) == 1:
        print("".join(f"{title:>10}" for title in COLUMNS.values()))
    one = {**vars(samples[-1]), "browser_megabytes": round(samples[-1].browser_megabytes, 1)}
    print("".join(f"{'-' if one[name] is None else one[name]:>10}" for name in COLUMNS), flush=True)


def compare(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    """Print and return the mean of each measure in the first and in the last quarter of the rows."""
    size = max(1, len(samples) // 4)
    quarters = {}
    for name in MEASURES:
        if getattr(samples[0], name) is None:
            continue
        first, last = (mean(getattr(one, name) for one in part) for part in (samples[:size], samples[-size:]))
        quarters[name] = (round(first, 2), round(last, 2))
        print(f"{name:<20} first quarter {first:>8.1f}, last quarter {last:>8.1f} ({100 * (last / first - 1):+.1f} %)")
    return quarters


def idle(gallery: Page, other: Page, case: int) -> Iterator[None]:
    """Open the gallery and the list of cases, and do nothing for ever."""
    gallery.goto(f"/cases/{case}")
    gallery.wait_for_selector(READY)
    other.goto("/")
    while True:
        yield


def browse(gallery: Page, other: Page, case: int, draw: random.Random) -> Iterator[None]:
    """Do what a reader does in a browser for ever, and yield after each action. The gallery is opened once."""
    gallery.goto(f"/cases/{case}")
    gallery.wait_for_selector(READY)
    gallery.locator(".tile.focus").focus()
    yield
    fields = gallery.evaluate(f"fetch('/api/cases/{case}').then((one) => one.json())")["fields"]
    for turn in itertools.count():
        gallery.bring_to_front()
        for key in draw.sample(KEYS, len(KEYS)):
            gallery.locator(".tile.focus").focus()
            gallery.keyboard.press(key)
            yield
        gallery.evaluate(
            "(share) => { const one = document.getElementById('gallery'); one.scrollTop = share * one.scrollHeight; }",
            draw.random(),
        )
        yield
        if turn % 4 == 0:
            gallery.select_option("#sort", draw.choice(SORTS))
            yield
        field = draw.choice(fields)["id"]
        other.bring_to_front()
        other.goto(draw.choice([f"/cases/{case}/fields/{field}", f"/cases/{case}/report", "/"]))
        yield


def requests_of(client: httpx.Client, case: dict[str, int], draw: random.Random) -> Iterator[None]:
    """Send requests of a reader for ever, and yield after each cell: six requests."""

    def get(path: str) -> httpx.Response:
        return client.get(path).raise_for_status()

    reading, number = f"/api/readings/{case['reading']}", case["id"]
    for turn in itertools.count():
        get("/api/cases")
        get(f"/cases/{number}")
        index = get(f"{reading}/index?sort={draw.choice(SORTS)}").json()
        version, cells = index["version"], index["cells"]["id"]
        client.post(f"{reading}/lease").raise_for_status()
        yield
        for cell in draw.sample(cells, min(40, len(cells))):
            found = get(f"{reading}/cells/{cell}").json()
            get(f"/images/cases/{number}/thumbs/{cell}")
            get(f"/images/cases/{number}/cells/{cell}")
            get(f"/images/cases/{number}/fields/{found['field']}/tiles/9/0-0.jpg")
            headers = {"If-Match": f'"{version}"'}
            body = {"cells": [cell], "label": draw.choice(["lymphocyte", "monocyte"])}
            version = client.post(f"{reading}/labels", json=body, headers=headers).raise_for_status().json()["version"]
            headers = {"If-Match": f'"{version}"'}
            version = client.post(f"{reading}/undo", json={}, headers=headers).raise_for_status().json()["version"]
            yield
        if turn % 2 == 0:
            get(f"/cases/{number}/report")
            get(f"/cases/{number}/report.pdf")
            get(f"/api/cases/{number}/export/fhir")
            yield


if __name__ == "__main__":
    main()
