"""The page in Debian's Chromium: at the widths of a phone and a desk, in light and dark, with 0, 1 and 400 runs.

What can be told without a browser is told in `test_report_page`.
"""

import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest
from ifs_bi_core.report.page import page

PATIENCE = 90  # seconds; a machine that runs other tests starts a browser slowly
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LAUNCH = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts the browser with its two pipes where it looks for them."""
CONTRAST = """
(() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parts = css => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const found = parts(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const told = [];
  for (const node of document.querySelectorAll("body *")) {
    const words = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
    const drawn = node.matches("svg .fill") && !getComputedStyle(node).fill.startsWith("url");
    if (!words && !drawn || node.closest("title, desc, script")) continue;
    const style = getComputedStyle(node);
    const colour = node instanceof SVGElement ? style.fill : style.color;
    told.push([ratio(light(parts(colour)), light(ground(node))), drawn, node.outerHTML.slice(0, 80)]);
  }
  return told;
})()
"""


class Chromium:
    """A browser that is spoken to through two pipes: https://chromedevtools.github.io/devtools-protocol/."""

    def __init__(self, profile):
        ours_in, theirs_out = os.pipe()
        theirs_in, self._out = os.pipe()
        self._in, self._rest, self._number, self._session = ours_in, b"", 0, None
        self.events = []
        options = [
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(theirs_in), str(theirs_out), CHROMIUM, *options, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """What the browser answers."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": params}
        said |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(said).encode() + b"\0")
        while (heard := self._heard()).get("id") != self._number:
            self.events.append(heard)
        assert "error" not in heard, heard
        return heard["result"]

    def open(self, path, *, width, scheme, zone):
        """Load a page; what happened meanwhile is in `events`."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setTimezoneOverride", timezoneId=zone)
        self.events = []
        self.call("Page.navigate", url=path.as_uri())
        while not self.happened("Page.loadEventFired"):
            self.events.append(self._heard())

    def happened(self, method):
        """What the browser told of this."""
        return [one["params"] for one in self.events if one.get("method") == method]

    def asked(self, expression):
        """The value of an expression on the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def close(self):
        """End it."""
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _heard(self):
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0, until - time.monotonic()))
            more = os.read(self._in, 1 << 20) if ready else b""
            assert more, "the browser fell silent"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        sentence = (
            "NO BROWSER: the report's page was NOT looked at. Install Debian's package chromium, then run this again."
        )
        if os.environ.get("IFS_BI_BROWSER") == "required":
            pytest.fail(sentence)
        pytest.skip(sentence)
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module", params=["none", "one", "week", "many"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(request.getfixturevalue(request.param).report()), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_and_asks_nobody_for_anything(browser, file, width, scheme):
    browser.open(file, width=width, scheme=scheme, zone="Asia/Kolkata")
    assert [one["request"]["url"] for one in browser.happened("Network.requestWillBeSent")] == [file.as_uri()]
    assert browser.happened("Log.entryAdded") == []
    assert browser.happened("Runtime.exceptionThrown") == []
    assert browser.asked("document.documentElement.scrollWidth") <= width
    told = browser.asked(CONTRAST)
    assert len(told) > 20
    assert [one for one in told if one[0] < (3 if one[1] else 4.5)] == []  # WCAG 2.2, 1.4.3 and 1.4.11
    ground = browser.asked("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, ground[4:-1].split(","))) < 60) is (scheme == "dark")


def test_times_are_those_of_the_viewer_with_utc_in_their_title(browser, week, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page(week.report()), encoding="utf-8")
    browser.open(path, width=1440, scheme="light", zone="Asia/Kolkata")
    shown, title = browser.asked("(t => [t.textContent, t.title])(document.querySelector('time'))")
    assert title == "2026-11-15 09:00 UTC"
    assert "2:30" in shown  # 09:00 UTC in Kolkata is 14:30
