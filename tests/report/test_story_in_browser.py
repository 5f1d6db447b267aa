"""The lecture's page in a browser, which loads it from disk."""

from collections.abc import Iterator

import pytest
from helpers.browser import needs_browser, start_browser
from report.test_story import made_up_model, make_page
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    page = tmp_path_factory.mktemp("page") / "story.html"
    page.write_text(make_page(), encoding="utf-8")
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def look(browser: webdriver.Chrome, width: int, height: int, media: str = "screen") -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})


def panels(browser: webdriver.Chrome, name: str) -> list[WebElement]:
    """The biographies of a slider that are seen."""
    return [one for one in browser.find_elements(By.CSS_SELECTOR, f"#{name} figure") if one.is_displayed()]


def test_a_slider_chooses_a_biography(browser: webdriver.Chrome) -> None:
    look(browser, 1280, 900)
    assert browser.get_log("browser") == []
    first, last = made_up_model().filling
    slider = browser.find_element(By.NAME, "filling")
    assert slider.accessible_name == "How often has the model read each biography?"
    (panel,) = panels(browser, "filling")
    assert panel.text.startswith(f"50 readings: {first.bits_learned:,.0f} bits")
    slider.send_keys(Keys.ARROW_RIGHT)
    (panel,) = panels(browser, "filling")
    assert panel.text.startswith(f"1000 readings: {last.bits_learned:,.0f} bits")
    chosen = browser.find_element(By.CSS_SELECTOR, "#filling [aria-current=true]")
    assert chosen.text.startswith("1000 readings")
    assert slider.get_attribute("aria-valuetext") == "1000 readings"
    (panel,) = panels(browser, "rounding")  # the other slider has not moved
    assert panel.text.startswith("32 bits: ")


def test_bars_are_as_long_as_what_is_known(browser: webdriver.Chrome) -> None:
    look(browser, 1280, 900)
    shares = browser.execute_script("""
        return [...document.querySelectorAll("#filling .bar")].map(
            bar => bar.firstChild.getBoundingClientRect().width / bar.clientWidth);""")
    assert shares == pytest.approx([0.1, 0.8], abs=0.005)


def test_a_phone_needs_no_scrolling_sideways(browser: webdriver.Chrome) -> None:
    look(browser, 360, 640)
    needed, there = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert needed <= there


def test_letters_stand_out_from_their_shades(browser: webdriver.Chrome) -> None:
    """In light and dark, 4.5 to 1, as the guidelines for accessible pages ask for."""
    look(browser, 1280, 900)
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        lowest = browser.execute_script("""
            const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
            const light = rgb => rgb.map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
            const page = numbers(getComputedStyle(document.body).backgroundColor);
            return Math.min(...[...document.querySelectorAll(".biography span[style]")].map(span => {
              const style = getComputedStyle(span), [r, g, b, alpha = 1] = numbers(style.backgroundColor);
              const behind = light([r, g, b].map((c, i) => alpha * c + (1 - alpha) * page[i]));
              const ends = [behind, light(numbers(style.color).slice(0, 3))].sort((a, b) => a - b);
              return (ends[1] + .05) / (ends[0] + .05);
            }));""")
        assert lowest > 4.5, scheme


def test_paper_shows_all_biographies(browser: webdriver.Chrome) -> None:
    look(browser, 794, 1123, "print")
    assert len(panels(browser, "filling")) == 2
    assert len(panels(browser, "rounding")) == 3
    assert not browser.find_element(By.NAME, "filling").is_displayed()
    look(browser, 1280, 900)
    assert len(panels(browser, "rounding")) == 1
