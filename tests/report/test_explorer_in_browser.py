"""The explorer's page in a browser: Debian's chromium, which loads it from disk."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import SECONDS, needs_browser, start_browser
from knowledge_capacity.report import explorer, progress
from report.test_explorer import EVIL, content, measured
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

pytestmark = needs_browser


def page_of(folder: Path, rows: list[dict[str, Any]], **others: Any) -> Path:
    page = folder / "explorer.html"
    page.write_text(explorer.render_page(content(rows, **others)), encoding="utf-8")
    return page


def many(count: int) -> list[dict[str, Any]]:
    """Measurements made up from real ones, of many sizes and kinds."""
    real, draw = measured(), random.Random(0)  # noqa: S311 (no secret)
    rows = []
    for seed in range(count):
        people, family = draw.choice([10_000, 100_000, 1_000_000]), draw.choice(["gpt2", "llama", "mistral"])
        row = {**draw.choice(real), "n_people": people, "family": family, "seed": seed}
        row |= {"dataset": f"bioS-{people // 1000}K", "architecture": f"{family}-{seed}"}
        row |= {"n_parameters": int(10 ** draw.uniform(5, 8)), "bits_max": 47.6 * people}
        row["bits_learned"] = min(draw.uniform(0.5, 2) * row["n_parameters"], row["bits_max"])
        row["data_limited"] = row["bits_learned"] > 0.9 * row["bits_max"]
        row["run"] = f"{row['dataset']}/{row['architecture']}/{row['recipe']}/seed{seed}"
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("real"), measured())


def look(browser: webdriver.Chrome, page: Path, width: int = 1280, height: int = 900) -> float:
    """Open a page, and how many seconds it took until its charts were drawn."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    began = time.monotonic()
    browser.get(page.as_uri())
    WebDriverWait(browser, SECONDS, 0.02).until(
        lambda b: b.execute_script("return document.body.dataset.ready")
    )
    return time.monotonic() - began


def dots(browser: webdriver.Chrome) -> int:
    """How many marks the capacity chart has drawn as dots."""
    return int(
        browser.execute_script("""
            const marks = [];
            const visit = item => {
              if (item.marktype === "symbol" && item.name?.startsWith("layer")) marks.push(...item.items);
              for (const below of item.items ?? []) visit(below);
            };
            visit(views.measurements.scenegraph().root);
            return marks.length;""")
    )


def rows_in_table(browser: webdriver.Chrome) -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, "#rows tr"))


def test_a_page_from_disk_draws_its_measurements(browser: webdriver.Chrome, real_page: Path) -> None:
    look(browser, real_page)
    assert browser.get_log("browser") == []
    assert browser.title == "Knowledge capacity: explorer"
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    drawn = sum(row["bits_learned"] > 0 for row in measured())
    assert dots(browser) == drawn
    assert rows_in_table(browser) == min(len(measured()), explorer.MOST_ROWS)
    status = browser.find_element(By.ID, "status").text
    assert status.startswith(f"{drawn:,} of {len(measured()):,} measurements drawn")
    assert f"{len(measured()) - drawn} learned no bits" in status


def test_filters_work_by_keyboard(browser: webdriver.Chrome, real_page: Path) -> None:
    look(browser, real_page)
    for label in browser.find_elements(By.CSS_SELECTOR, "#controls select"):
        assert label.accessible_name
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    dataset = browser.switch_to.active_element
    assert dataset.accessible_name == "Dataset"
    dataset.send_keys(Keys.ARROW_DOWN)
    chosen = dataset.get_attribute("value")
    some = [row for row in measured() if row["dataset"] == chosen]
    drawn = sum(row["bits_learned"] > 0 for row in some)
    assert 0 < len(some) < len(measured())
    WebDriverWait(browser, SECONDS).until(lambda b: dots(b) == drawn)
    assert rows_in_table(browser) == min(len(some), explorer.MOST_ROWS)
    precision = Select(browser.find_element(By.NAME, "variant"))
    precision.select_by_value("fp32")
    fewer = [row for row in some if row["variant"] == "fp32"]
    WebDriverWait(browser, SECONDS).until(lambda b: rows_in_table(b) == len(fewer))
    browser.find_element(By.CSS_SELECTOR, "#controls button").send_keys(Keys.ENTER)
    WebDriverWait(browser, SECONDS).until(lambda b: dots(b) > drawn)
    assert dataset.get_attribute("value") == ""


def test_a_choice_without_measurements_is_no_error(browser: webdriver.Chrome, tmp_path: Path) -> None:
    rows = measured()
    odd = {**rows[0], "dataset": "odd", "family": "odd", "bits_learned": None, "diverged": "the loss is nan"}
    look(browser, page_of(tmp_path, [*rows, odd]))
    Select(browser.find_element(By.NAME, "dataset")).select_by_value("odd")
    WebDriverWait(browser, SECONDS).until(lambda b: dots(b) == 0)
    assert "1 diverged" in browser.find_element(By.ID, "status").text
    assert "the loss is nan" in browser.find_element(By.CSS_SELECTOR, "#rows tr").text
    Select(browser.find_element(By.NAME, "family")).select_by_value("gpt2")
    WebDriverWait(browser, SECONDS).until(lambda b: rows_in_table(b) == 0)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    browser.find_element(By.CSS_SELECTOR, "#controls button").click()
    WebDriverWait(browser, SECONDS).until(lambda b: dots(b) > 0)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 640)])
def test_pointing_at_a_dot_tells_its_run(
    browser: webdriver.Chrome, tmp_path: Path, width: int, height: int
) -> None:
    rows = [row for row in measured() if row["bits_learned"] > 0][:1]
    look(browser, page_of(tmp_path, rows), width, height)
    browser.execute_script("document.getElementById('capacity').scrollIntoView()")
    x, y = browser.execute_script(
        """
        const view = views.measurements, canvas = document.querySelector("#capacity canvas").getBoundingClientRect();
        const [left, top] = view.origin(), padding = view.padding();
        return [canvas.left + padding.left + left + view.scale("x")(arguments[0]),
                canvas.top + padding.top + top + view.scale("y")(arguments[1])];""",
        rows[0]["n_parameters"],
        rows[0]["bits_learned"],
    )
    actions = ActionChains(browser)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.perform()
    shown = (By.CSS_SELECTOR, "#vg-tooltip-element.visible")
    tooltip = WebDriverWait(browser, SECONDS).until(lambda b: b.find_element(*shown))
    assert rows[0]["run"] in tooltip.text
    assert f"{rows[0]['bits_learned']:,.1f}" in tooltip.text
    box = tooltip.rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_a_phone_needs_no_scrolling_sideways(browser: webdriver.Chrome, tmp_path: Path) -> None:
    claims = [{key: "many words and a_very_long_one_without_any_space_in_it" for key in explorer.SCORES}]
    failure = progress.Failure("train", measured()[0]["run"], "out of memory", "results/logs/train/a.log")
    under_way = progress.StudyProgress(2, 1, 1, 0, 60.0, {}, [failure])
    look(browser, page_of(tmp_path, measured(), scorecard=claims, progress=under_way), width=360, height=640)
    widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    needed, there = browser.execute_script(widths)
    assert needed <= there
    assert browser.find_element(By.CSS_SELECTOR, "#capacity canvas").rect["width"] > 250


def test_five_thousand_measurements(browser: webdriver.Chrome, tmp_path: Path) -> None:
    rows = many(5000)
    page = page_of(tmp_path, rows)
    seconds = look(browser, page)
    print(f"{page.stat().st_size / 1e6:.1f} MB, ready after {seconds:.2f} s")
    assert page.stat().st_size < 5e6
    assert dots(browser) == len(rows)
    assert rows_in_table(browser) == explorer.MOST_ROWS
    exposures = browser.find_element(By.NAME, "exposures")
    exposures.send_keys("1")
    chosen = (exposures.get_attribute("value") or "").replace(",", "")
    some = sum(str(row["exposures"]) == chosen for row in rows)
    WebDriverWait(browser, SECONDS).until(lambda b: dots(b) == some)


def test_what_the_page_says_of_the_evil_is_text(browser: webdriver.Chrome, tmp_path: Path) -> None:
    row = {**measured()[0], "run": EVIL, "dataset": EVIL, "family": EVIL, "bits_learned": 5.0}
    look(browser, page_of(tmp_path, [row]))
    assert browser.title == "Knowledge capacity: explorer"
    assert EVIL in browser.find_element(By.CSS_SELECTOR, "#rows th").text
