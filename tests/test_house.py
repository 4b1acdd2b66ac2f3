"""The rules of the house: names, sizes, directions, pins, and nothing private."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from course_utils.runtime import REPOSITORY

PACKAGE = REPOSITORY / "course_utils"
FORBIDDEN = {"utils.py", "helpers.py", "common.py", "misc.py"}
FORBIDDEN_FOLDERS = {"tools", "scripts", "configs"}
MODULE_LINES, MOST_MODULE_LINES, FUNCTION_LINES = 250, 300, 45
FOUNDATIONS = {  # what they may import of the course
    "runtime.py": set(),
    "augment.py": set(),
    "history.py": set(),
    "precision.py": set(),
    "schedules.py": set(),
    "averaging.py": set(),
    "distributed.py": {"meeting", "runtime"},
    "totals.py": {"distributed"},
    "steps.py": {"distributed", "precision"},
}
LAYERS = {"convolution", "normalization"}  # all that models may import of the course
BINARY = {".gz", ".png", ".jpg", ".ico", ".woff2"}
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts
)
PYTHON = [*MODULES, *sorted((REPOSITORY / "tests").rglob("*.py"))]


class HouseAdvice(UserWarning):
    """Something is larger than the measure of the course."""


def tracked_files():
    """The files of the repository as git knows them; without git, the usual places."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY, capture_output=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        folders = ("course_utils", "tests", "notebooks", "data")
        found = [path for name in folders for path in (REPOSITORY / name).rglob("*")]
        return [p for p in found if p.is_file() and "node_modules" not in p.parts]
    names = done.stdout.decode("utf-8").split("\0")
    paths = [REPOSITORY / name for name in names if name]
    return [path for path in paths if path.is_file()]


def ident(path):
    return path.relative_to(REPOSITORY).as_posix() if isinstance(path, Path) else None


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_by(path):
    """The modules that a file imports, as dotted names."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
        cwd=REPOSITORY, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_say_what_is_inside():
    for path in tracked_files():
        parts = path.relative_to(REPOSITORY).parts
        assert path.name not in FORBIDDEN, path
        assert not FORBIDDEN_FOLDERS & set(parts[:-1]), path
        if path.suffix == ".py":
            assert not re.match(r"(chapter_?)?\d", path.name), (
                f"{path}: named by number"
            )


@pytest.mark.parametrize("path", PYTHON, ids=ident)
@pytest.mark.filterwarnings("default::test_house.HouseAdvice")
def test_modules_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    count = len(text.splitlines())
    if path in MODULES:
        assert count <= MOST_MODULE_LINES, f"{count} lines, at most {MOST_MODULE_LINES}"
        if count > MODULE_LINES:
            warnings.warn(f"{ident(path)} has {count} lines", HouseAdvice, stacklevel=1)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=ident)
def test_public_definitions_have_docstrings(path):
    tree = tree_of(path)
    assert ast.get_docstring(tree) or not tree.body, "the module has no docstring"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
            assert ast.get_docstring(node) or node.name == "main", node.name


@pytest.mark.parametrize("path", MODULES, ids=ident)
def test_dependencies_go_one_way(path):
    found = set(imported_by(path))
    own = {name.split(".")[1] for name in found if name.startswith("course_utils.")}
    assert not {name for name in found if name.split(".")[0] in ("tests", "notebooks")}
    if path.name in ("training.py", "steps.py", "data.py", "augment.py", "history.py"):
        forbidden = {"models", "plots", "explore", "explorables", "lecture"}
        assert not own & forbidden, f"{path.name} imports {own & forbidden}"
        libraries = {name.split(".")[0] for name in found}
        assert not libraries & {"matplotlib", "ipywidgets", "anywidget"}
    if path.parent.name == "models":
        assert own <= LAYERS | {"models"}, f"a model imports {own - LAYERS}"
    if path.name in FOUNDATIONS:
        assert own <= FOUNDATIONS[path.name], f"{path.name} imports {own}"


def test_pins_lie_in_the_tested_ranges():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    pins = dict(pinned("requirements.txt"))
    constraints = dict(pinned("constraints.txt"))
    for text in project["project"]["dependencies"]:
        wanted = Requirement(text)
        version = pins.get(wanted.name) or constraints.get(wanted.name)
        assert version, f"{wanted.name} is not pinned"
        assert version in wanted.specifier, f"{wanted} does not hold {version}"
    for name, version in pins.items():
        assert constraints.get(name, version) == version, f"{name} is pinned twice"


def pinned(name):
    """The (package, version) pairs of a file of pins."""
    for line in (REPOSITORY / name).read_text("utf-8").splitlines():
        if found := re.match(r"([\w.-]+)==([\w.+!-]+)", line):
            yield found[1].lower().replace("_", "-"), found[2]


def test_requirements_hold_pins_alone():
    text = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    assert lines[-1] == "-e ."
    for line in lines:
        assert re.fullmatch(r"-e \.|-c constraints\.txt|[\w.-]+==[\w.]+", line), line


def test_nothing_names_a_machine_or_an_inner_address():
    own = re.escape(str(REPOSITORY)) + r"(?=[/\\\s'\"])"
    private = re.compile(
        rf"{own}|/(?:home|Users)/(?!ann|me\b|you\b|x\b)\w+/|[A-Z]:\\Users\\\w"
        r"|https?://(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+"
    )
    for path in tracked_files():
        if path.suffix not in BINARY and path.parent.name != "tests":
            found = private.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{ident(path)}: {found[0]}"


def test_lock_files_name_no_registry():
    for path in tracked_files():
        if "lock" in path.name:
            found = re.search(
                r'"resolved"|https?://[^"]*registry', path.read_text("utf-8")
            )
            assert not found, f"{ident(path)}: {found[0]}"


def test_checksums_of_the_data_are_those_of_its_readme():
    readme = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    files = sorted((REPOSITORY / "data" / "FashionMNIST" / "raw").glob("*.gz"))
    assert len(files) == 4
    for path in files:
        content = path.read_bytes()
        lines = [line for line in readme.splitlines() if path.name in line]
        digests = re.findall(r"\b[0-9a-f]{32,128}\b", " ".join(lines))
        kinds = {32: hashlib.md5, 64: hashlib.sha256, 128: hashlib.sha512}
        assert digests, f"data/README.md gives no checksum of {path.name}"
        for digest in digests:
            assert kinds[len(digest)](content).hexdigest() == digest, path.name


def test_files_have_unix_line_ends_and_no_byte_order_mark():
    for path in tracked_files():
        if path.suffix in {".py", ".md", ".ipynb", ".toml", ".js", ".css", ".txt"}:
            content = path.read_bytes()
            assert b"\r" not in content and not content.startswith(b"\xef\xbb\xbf"), (
                path
            )


# Every rule can fail


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A function that makes a house of one file, and returns its path."""

    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        module = sys.modules[__name__]
        monkeypatch.setattr(module, "REPOSITORY", tmp_path)
        monkeypatch.setattr(module, "MODULES", [path])
        monkeypatch.setattr(module, "tracked_files", lambda: [path])
        return path

    return make


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 45
BAD_FILES = [
    (test_modules_and_functions_are_short, "course_utils/a.py", "x = 1\n" * 301),
    (test_modules_and_functions_are_short, "course_utils/a.py", LONG_FUNCTION),
    (test_public_definitions_have_docstrings, "course_utils/a.py", "x = 1\n"),
    (test_public_definitions_have_docstrings, "a.py", '"""A."""\ndef f(): pass\n'),
    (test_dependencies_go_one_way, "training.py", "import course_utils.plots"),
    (test_dependencies_go_one_way, "training.py", "import matplotlib.pyplot"),
    (test_dependencies_go_one_way, "data.py", "from course_utils import plots"),
    (test_dependencies_go_one_way, "models/vgg.py", "import course_utils.data"),
    (test_dependencies_go_one_way, "steps.py", "import course_utils.training"),
    (test_dependencies_go_one_way, "bench.py", "from tests import fence"),
]
BAD_HOUSES = [
    (test_names_say_what_is_inside, "course_utils/utils.py", ""),
    (test_names_say_what_is_inside, "scripts/run.py", ""),
    (test_names_say_what_is_inside, "course_utils/chapter_01.py", ""),
    (test_nothing_names_a_machine_or_an_inner_address, "a.md", "see /home/ben/x"),
    (
        test_nothing_names_a_machine_or_an_inner_address,
        "a.md",
        "http://10.1.2.3/simple",
    ),
    (test_nothing_names_a_machine_or_an_inner_address, "a.md", "C:\\Users\\Ben"),
    (test_lock_files_name_no_registry, "package-lock.json", '{"resolved": "x"}'),
    (test_files_have_unix_line_ends_and_no_byte_order_mark, "a.md", "a\r\n"),
    (test_files_have_unix_line_ends_and_no_byte_order_mark, "a.md", "\ufeffa\n"),
]


@pytest.mark.parametrize(("rule", "name", "text"), BAD_FILES)
def test_a_bad_file_is_noticed(rule, name, text, house):
    path = house(name, text)
    with pytest.raises(AssertionError):
        rule(path)


@pytest.mark.parametrize(("rule", "name", "text"), BAD_HOUSES)
def test_a_bad_house_is_noticed(rule, name, text, house):
    house(name, text)
    with pytest.raises(AssertionError):
        rule()


def test_wrong_pins_and_checksums_are_noticed(house, tmp_path):
    dependencies = '[project]\ndependencies = ["torch>=2.8,<2.16"]\n'
    house("pyproject.toml", dependencies)
    house("constraints.txt", "")
    house("requirements.txt", "torch==2.16.0\n-e .\n")
    with pytest.raises(AssertionError, match=r"does not hold 2\.16\.0"):
        test_pins_lie_in_the_tested_ranges()
    house("requirements.txt", "-e .\n")
    with pytest.raises(AssertionError, match="torch is not pinned"):
        test_pins_lie_in_the_tested_ranges()
    house("requirements.txt", "torch @ https://host/torch.whl\n-e .\n")
    with pytest.raises(AssertionError):
        test_requirements_hold_pins_alone()
    for number in range(4):
        house(f"data/FashionMNIST/raw/{number}.gz", str(number))
    lines = [f"{hashlib.md5(b'x').hexdigest()}  {number}.gz" for number in range(4)]
    house("data/README.md", "\n".join(lines))
    with pytest.raises(AssertionError, match=r"0\.gz"):
        test_checksums_of_the_data_are_those_of_its_readme()
