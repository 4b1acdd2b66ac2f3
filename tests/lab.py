"""Real JupyterLab for tests: a server of its own, and a notebook driven in Chromium.

    with jupyter_lab(folder, scratch) as server, chromium() as browser:
        with open_notebook(browser, server, "01_the_training_loop.ipynb") as notebook:
            notebook.run_all()
            notebook.cell(3).locator("button").click()

Settings, workspaces, runtime files and configuration live in `scratch`: nothing of the
user's own JupyterLab is read or written.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from browser import open_page
from nbformat.sign import NotebookNotary

PLUGIN = "@jupyterlab/{}.jupyterlab-settings"
SETTINGS = {  # no first-run question covers the notebook, and every cell is rendered
    PLUGIN.format("apputils-extension/notification"): {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    PLUGIN.format("notebook-extension/tracker"): {"windowingMode": "none"},
}
NOISE = "Could not restore the debugger state"
START_SECONDS = 90
WAIT = 120_000  # milliseconds for what the kernel does
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
IDLE = "#jp-main-statusbar >> text=/\\| Idle/"
ALL_RAN = r"""
    ([selector, count]) => {
      const prompts = [...document.querySelectorAll(selector)];
      const ran = prompts.filter((prompt) => /\[\d+\]/.test(prompt.innerText));
      return prompts.length === count && ran.length === count;
    }
"""
WAITING = r"(prompt) => !/\d/.test(prompt.innerText)"
RAN_AGAIN = r"""
    ([prompt, before]) =>
      /\[\d+\]/.test(prompt.innerText) && prompt.innerText !== before
"""


@dataclass
class Server:
    """A running JupyterLab: its address and the token that opens it."""

    address: str
    token: str

    def ask(self, path, method="GET"):
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def lab_environment(scratch):
    """The environment of a server that keeps everything in `scratch`."""
    folders = {
        name: scratch / name.lower()
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
        )
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    for name, values in SETTINGS.items():
        path = folders["JUPYTERLAB_SETTINGS_DIR"] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name != "JUPYTER_PATH"}
    return {
        "IPYTHONDIR": str(scratch / "ipython"),
        **kept,  # under pytest: the profile that fences kernels in, see kernels.py
        **{name: str(folder) for name, folder in folders.items()},
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment
        "COURSE_SCALE": "smoke",
    }


@contextmanager
def jupyter_lab(folder, scratch):
    """A JupyterLab server for the notebooks in `folder`; always shut down again."""
    token, port = secrets.token_hex(16), free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    log = Path(scratch) / "lab.log"
    environment = lab_environment(Path(scratch))
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    server = Server(f"http://127.0.0.1:{port}", token)
    try:
        _wait_until_up(server, process, log)
        yield server
    finally:
        _shut_down(server, process)


def _wait_until_up(server, process, log):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return server.ask("/api/status")
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(encoding="utf-8").splitlines()[-20:]
                raise RuntimeError(
                    "JupyterLab did not start:\n" + "\n".join(lines)
                ) from None
            time.sleep(0.1)


def _shut_down(server, process):
    """Ask first, so that the kernels are shut down as well, on every system."""
    try:
        server.ask("/api/shutdown", "POST")
    except (urllib.error.URLError, OSError):
        process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class OpenNotebook:
    """A notebook that is open in JupyterLab in the browser."""

    visit: object
    page: object

    @property
    def errors(self):
        """What went wrong in the page, but for JupyterLab's own noise at a restart."""
        return [error for error in self.visit.errors if NOISE not in error]

    def cell(self, index):
        """The index-th cell, code or text, counted from 0 as in the file."""
        return self.page.locator(f"{PANEL} .jp-Notebook .jp-Cell").nth(index)

    def choose(self, menu, item):
        """Choose an item of JupyterLab's menu."""
        self.page.click(f"#jp-MainMenu >> text={menu}")
        self.page.click(f".lm-Menu >> text=/^{item}/")

    def run_all(self):
        """Run all cells in a fresh kernel and wait for the last one."""
        self.choose("Kernel", "Restart Kernel and Run All Cells")
        self.page.click(".jp-Dialog-button.jp-mod-accept")
        last = self.page.locator(f"{PANEL} .jp-CodeCell .jp-InputPrompt").last
        self.page.wait_for_function(WAITING, arg=last.element_handle(), timeout=WAIT)
        prompts = f"{PANEL} .jp-CodeCell .jp-InputPrompt"
        count = self.page.locator(prompts).count()
        self.page.wait_for_function(ALL_RAN, arg=[prompts, count], timeout=WAIT)
        self.wait_until_idle()

    def wait_until_idle(self):
        self.page.wait_for_selector(IDLE, timeout=WAIT)

    def replace(self, index, source):
        """Type `source` in place of what the cell holds."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(source)

    def run(self, index):
        """Run one cell with Ctrl+Enter and wait for it; returns the text it shows."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            RAN_AGAIN, arg=[prompt.element_handle(), before], timeout=WAIT
        )
        self.wait_until_idle()
        return self.output(index)

    def output(self, index):
        """The text that the cell shows below its code."""
        outputs = self.cell(index).locator(".jp-OutputArea-output")
        return "\n".join(outputs.all_inner_texts()).strip()


def trust(path, scratch):
    """Mark a notebook as trusted, as running and saving it in this JupyterLab does."""
    notary = NotebookNotary(data_dir=str(Path(scratch) / "jupyter_data_dir"))
    notary.sign(nbformat.read(path, as_version=4))
    notary.store.close()


@contextmanager
def open_notebook(browser, server, name, width=1400, height=1000):
    """The notebook `name` in a fresh workspace, its kernel started, nothing run."""
    size = {"width": width, "height": height}
    with open_page(browser, allow=[server.address], **size) as visit:
        page = visit.page
        page.goto(f"{server.address}/lab/tree/{name}?reset&token={server.token}")
        page.wait_for_selector(f"{PANEL} .jp-Cell", timeout=WAIT)
        page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=WAIT)
        notebook = OpenNotebook(visit, page)
        notebook.wait_until_idle()
        yield notebook


@contextmanager
def run_cells(browser, sources, folder, scratch):
    """A new notebook of these code cells, open in JupyterLab, after Run All.

    At the end no cell may have failed, and nothing may have come from outside.
    """
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(made, folder / "cells.ipynb")
    with (
        jupyter_lab(folder, scratch) as server,
        open_notebook(browser, server, "cells.ipynb") as opened,
    ):
        opened.run_all()
        yield opened
        assert opened.errors == [] and opened.visit.external == []
