"""A server of its own process, and headless Chromium that looks at it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

# Where a place of the canvas is on the screen, px of the window.
_PLACE = """
const [name, x, y] = arguments
const find = (view) => {
    if (view.model.name == name && view.frame) return view
    for (const child of view.children_views ? view.children_views() : []) {
        const found = find(child)
        if (found) return found
    }
    return null
}
for (const root of Object.values(Bokeh.index)) {
    const view = find(root)
    if (!view) continue
    const box = view.el.getBoundingClientRect()
    return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)]
}
return null
"""


def chromium_is_missing():
    """Return why the page cannot be driven here, or nothing."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian's packages chromium and chromium-driver)"
    return ""


class Served:
    """`atlalign label` in a process of its own.

    Parameters
    ----------
    words : str or Path
        Arguments of the command.
    """

    def __init__(self, *words, cwd=None):
        code = "import sys; sys.argv[0] = 'atlalign'; from atlalign.cli import main; main()"
        command = [sys.executable, "-c", code, "label", *map(str, words), "--no-browser", "--person", "anna"]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=environment,
            # A shell that runs the tests in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        first = self.process.stdout.readline()
        assert "http://127.0.0.1:" in first, first + self.process.stdout.read()
        self.url = first.split()[-1]

    def kill(self):
        """End it as a power cut does."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """End it as Ctrl-C does; returns what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


class Tab:
    """A page in Chromium, as a person sees it.

    Parameters
    ----------
    driver : selenium.webdriver.Chrome
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        """Open an address and wait until its page is there."""
        self.driver.get(url)
        self.wait_for("window.Bokeh && document.body.classList.contains('ready')")

    def wait_for(self, condition, seconds=60, what=""):
        """Wait until a condition, JavaScript or a function, is true; returns its value."""
        until = time.monotonic() + seconds
        while True:
            value = condition() if callable(condition) else self.run(f"return {condition}")
            if value:
                return value
            assert time.monotonic() < until, f"waited in vain for {what or condition}: {self.news()!r}"
            time.sleep(0.05)

    def run(self, script, *arguments):
        """Run JavaScript in the page."""
        return self.driver.execute_script(script, *arguments)

    def model(self, name, what):
        """Return an attribute of a model of the page, as JavaScript has it."""
        return self.run(f"return Bokeh.documents[0].get_model_by_name({name!r}).{what}")

    def text(self, name):
        """Return the words in a place of the page, without their tags."""
        html = self.model(name, "text")
        return self.run("const e = document.createElement('div'); e.innerHTML = arguments[0]; return e.innerText", html)

    def news(self):
        """Return what the page shows, if it shows nothing that was waited for."""
        return self.run("return document.body.innerText.slice(0, 300)") + self.run(
            "return window.Bokeh?.documents?.[0]?.get_model_by_name('message')?.text ?? ''"
        )

    def message(self):
        """Return the line of news."""
        return self.text("message")

    def saved(self, act):
        """Do something, and wait until the page says that it is saved."""
        self.run("Bokeh.documents[0].get_model_by_name('message').text = ''")
        act()
        self.wait_for(lambda: self.message() == "Saved.", what="Saved.")

    def places(self, name):
        """Return the points of a panel: {number: (x, y)}, px of the canvas; 0 is half a pair."""
        find = (
            "const p = Bokeh.documents[0].get_model_by_name(arguments[0]);"
            "const s = p.renderers.map(r => r.data_source).find(s => s.data.number !== undefined);"
            "return [Array.from(s.data.number), Array.from(s.data.x), Array.from(s.data.y)]"
        )
        return {int(n): (x, y) for n, x, y in zip(*self.run(find, name), strict=True)}

    def brightness(self, name, which):
        """Return a sum that changes with an image of a panel."""
        find = (
            "const p = Bokeh.documents[0].get_model_by_name(arguments[0]);"
            "const images = p.renderers.map(r => r.data_source).filter(s => s.data.image !== undefined);"
            "const image = images[arguments[1]].data.image[0]; let sum = 0;"
            "for (let i = 0; i < image.length; i++) sum = (sum * 31 + image[i]) % 1000003; return sum"
        )
        return self.run(find, name, which)

    def on_screen(self, name, x, y):
        """Return where a place of a panel is in the window."""
        return self.run(_PLACE, name, x, y)

    def mouse(self):
        """Return a chain of actions of the mouse."""
        from selenium.webdriver import ActionChains

        return ActionChains(self.driver, duration=20)

    def click(self, name, x, y):
        """Click a place of a panel."""
        self._move(self.mouse(), self.on_screen(name, x, y)).click().perform()

    def hover(self, name, x, y):
        """Move the pointer to a place of a panel."""
        self._move(self.mouse(), self.on_screen(name, x, y)).perform()

    def drag(self, name, start, end, *, release=True, steps=6):
        """Drag from a place of a panel to another one."""
        first, last = self.on_screen(name, *start), self.on_screen(name, *end)
        chain = self._move(self._move(self.mouse(), [first[0] + 3, first[1]]), first).click_and_hold()
        for i in range(1, steps + 1):
            share = i / steps
            chain = self._move(chain, [a + share * (b - a) for a, b in zip(first, last, strict=True)]).pause(0.05)
        chain = self._move(chain, last)
        (chain.release() if release else chain).perform()

    def release(self):
        """Let the button go."""
        self.mouse().release().perform()

    def press(self, *keys):
        """Press keys, one after the other."""
        for key in keys:
            self.mouse().send_keys(key).perform()

    def press_with_ctrl(self, key):
        """Press a key while Ctrl is held."""
        from selenium.webdriver import Keys

        self.mouse().key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def button(self, command):
        """Click the button of a command."""
        self.driver.find_element("css selector", f'button[data-command="{command}"]').click()

    @staticmethod
    def _move(chain, place):
        chain.w3c_actions.pointer_action.move_to_location(round(place[0]), round(place[1]))
        return chain


@contextmanager
def chromium(size=(1280, 800)):
    """Open headless Chromium with a window whose inside has that size."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False},
        )
        yield Tab(driver)
    finally:
        driver.quit()
