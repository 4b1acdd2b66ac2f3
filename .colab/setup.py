# Paste this into a first cell of a chapter that is opened in Colab, put the address of
# the repository into the first line of code, and run it. Then go on with the chapter.
#
# It fetches the course and adds what Colab lacks. Colab's own torch, torchvision and
# NumPy stay as they are; the table at the end says whether they are in the range that
# was tested.
import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ADDRESS = "https://github.com/OWNER/REPO"
FOLDER = Path("/content/course")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def is_missing(requirement):
    name = requirement.partition(">")[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return True
    return False


if not FOLDER.exists():
    run("git", "clone", "--depth", "1", ADDRESS, str(FOLDER))
project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
lacking = [item for item in project["project"]["dependencies"] if is_missing(item)]
pip = [sys.executable, "-m", "pip", "install", "--quiet"]
if lacking:
    run(*pip, *lacking)
run(*pip, "--no-deps", "--editable", str(FOLDER))
if str(FOLDER) not in sys.path:  # the kernel that runs now does not see the new package
    sys.path.insert(0, str(FOLDER))
os.chdir(FOLDER / "notebooks")

from course_utils.checkup import check_environment  # noqa: E402

check_environment()
