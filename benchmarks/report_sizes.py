"""How large a report of many cases is, and how fast it answers in Chromium.

The cases are made up (``tests/made_up_cases.py``): documents of 260 words, each attacked ten times. Prints one line for
each number of cases: size of ``summary.json``, of ``report.html`` and of the explorer's data in it; seconds to render;
milliseconds in the browser until the page can be used (the explorer's last step, since the start of navigation) and of
them in the explorer's own script; and the slowest of a filter, a search, a sort and a step, each until the next frame.

    python benchmarks/report_sizes.py [CASES ...]
"""

from __future__ import annotations

import runpy
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

from robustrank.report import explorer
from robustrank.report import html as report
from robustrank.results import summary

TESTS = Path(__file__).parents[1] / "tests"
REPEATS = 5

READY = """() => {
  const at = name => performance.getEntriesByName(name)[0].startTime;
  return [at('explorer-ready'), at('explorer-ready') - at('explorer-begins')];
}"""

ANSWER = """async ([kind, name, value]) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const control = document.querySelector(`[data-filter=${name}]`);
  await frame();
  const began = performance.now();
  if (kind === 'step') document.getElementById('next').click();
  else { control.value = value; control.dispatchEvent(new Event('input')); }
  if (kind === 'search') await new Promise(done => setTimeout(done, 120));
  await frame();
  await frame();
  return performance.now() - began - (kind === 'search' ? 120 : 0);
}"""
ACTIONS = (
    ("filter", "attack", "query typos"), ("filter", "attack", ""), ("sort", "order", "harm"),
    ("search", "search", "ba"), ("search", "search", ""), ("step", "order", ""),
)  # fmt: skip


def main(sizes: list[int]) -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    made_up = runpy.run_path(str(TESTS / "made_up_cases.py"))["made_up_cases"]
    realistic = runpy.run_path(str(TESTS / "summaries.py"))["realistic"]()
    heads = ("cases", "summary MB", "report MB", "data MB", "render s", "ready ms", "script ms", "slowest answer ms")
    print(" | ".join(heads))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), headless=True, args=flags)
        for n in sizes:
            whole = replace(realistic, cases=made_up(n))
            page, data = Path(folder) / "report.html", Path(folder) / "summary.json"
            began = process_time()
            report.write(whole, page)
            rendered = process_time() - began
            summary.write(whole, data)
            embedded = len(explorer.embed(whole, {}))
            ready, script, slowest = _browse(browser, page)
            sizes_mb = [path / 1e6 for path in (data.stat().st_size, page.stat().st_size, embedded)]
            figures = [*(f"{size:.2f}" for size in sizes_mb), f"{rendered:.1f}"]
            print(" | ".join([f"{n:,}", *figures, *(f"{ms:.0f}" for ms in (ready, script, slowest))]), flush=True)
        browser.close()


def _browse(browser: Any, path: Path) -> tuple[float, float, float]:
    """Medians over :data:`REPEATS` loads; of the answers the slowest kind's median."""
    loads, answers = [], []
    for _ in range(REPEATS):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.as_uri())
        loads.append(page.evaluate(READY))
        answers.append([page.evaluate(ANSWER, list(action)) for action in ACTIONS])
        page.close()
    ready, script = (statistics.median(column) for column in zip(*loads, strict=True))
    return ready, script, max(statistics.median(column) for column in zip(*answers, strict=True))


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [100, 1_000, 10_000])
