"""Headless Chromium for the tests of pages: Debian's, with nothing of its own to fetch, and no way but to loopback."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-first-run", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server",
    "--force-color-profile=srgb", "--font-render-hinting=none", "--lang=en",
)  # fmt: skip


class Page:
    """A page in the browser, and what a test asks of it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> None:
        """Load an address anew, in a window of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")
        self.driver.get(url)
        self._wait_until_drawn()

    def reload(self) -> None:
        """Load the page that is open anew."""
        self.js("document.documentElement.dataset.old = ''")
        self.driver.refresh()
        self._wait_until_drawn()

    def _wait_until_drawn(self) -> None:
        """Wait for the page: Chromium 150 may still be at it when it says that it is done."""
        self.wait(
            "location.href !== 'about:blank' && document.readyState === 'complete' "
            "&& document.documentElement.dataset.old === undefined"
        )

    def view(self, fragment: str) -> None:
        """Another view of the page that is open."""
        with self._turned(self.js("new URL('#' + arguments[0], location).hash", fragment.removeprefix("#"))):
            self.js("location.hash = arguments[0]", fragment)

    @contextmanager
    def _turned(self, fragment: str) -> Iterator[None]:
        """Wait until the page has shown another view: it does so on an event, which comes after the click has returned.

        The page listens from its beginning, so this listener is called after it.
        """
        turns = self.js("location.hash !== arguments[0]", fragment)
        if turns:
            self.js(
                "(delete document.documentElement.dataset.turned, addEventListener('hashchange', "
                "() => { document.documentElement.dataset.turned = ''; }, {once: true}))"
            )
        yield
        if turns:
            self.wait("document.documentElement.dataset.turned === ''")

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return ({code})", *arguments)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        return self.js("[...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", css)

    def click(self, css: str) -> None:
        element = self.find(css)
        self.js("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", element)
        fragment = self.js("arguments[0].closest('a[href^=\"#\"]')?.hash", element)
        with nullcontext() if fragment is None else self._turned(fragment):
            element.click()

    def wait(self, code: str, *arguments: Any) -> Any:
        """Until an expression is true."""
        return WebDriverWait(self.driver, 15, 0.05).until(lambda _: self.js(code, *arguments), code)

    def rows(self) -> list[str]:
        """Names in the table, from the top."""
        return self.texts("table.runs tbody th.name")

    def graph(self, column: str) -> list[dict[str, Any]]:
        """The traces of a graph, once it is drawn."""
        self.js(f"{_PLOT}.scrollIntoView({{block: 'center'}})", column)
        self.wait(f"{_PLOT}?.data", column)
        return self.js(
            f"{_PLOT}.data.map((t) => ({{run: t.meta, name: t.name, x: [...t.x], y: [...t.y], opacity: t.opacity ?? 1, "
            "colour: t.line.color, dash: t.line.dash}))",
            column,
        )

    def layout(self, column: str) -> dict[str, Any]:
        return self.js(f"(({{xaxis, yaxis}}) => ({{x: xaxis.title.text, y: yaxis.type}}))({_PLOT}.layout)", column)

    def troubles(self) -> list[str]:
        """What the console holds of errors and refusals since the last look."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def requests(self) -> list[str]:
        """What the page has asked of any network since the last look."""
        asked = []
        for entry in self.driver.get_log("performance"):
            message = entry["message"]
            if '"Network.requestWillBeSent"' in message:
                asked.append(self.js("JSON.parse(arguments[0]).message.params.request.url", message))
        own = ("file:", "data:", "about:", "chrome:", "chrome-untrusted:")  # the browser's own among them
        return [url for url in asked if not url.startswith(own)]

    def shot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))


_PLOT = (
    "[...document.querySelectorAll('main:not([hidden]) figure')].find((f) => f.dataset.column === arguments[0])"
    "?.querySelector('.plot')"
)


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser of its own. Where there is none, ``CI=true`` makes that a failure, which otherwise is a skip."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        message = "the tests of pages need a browser: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver, env={**os.environ, "TZ": "UTC"}))
    try:
        yield Page(started)
    finally:
        started.quit()
