"""A pytest plugin: how notebooks run under nbval.

Kernels get the smoke scale, a profile of their own that closes the network and the
repository (fence.py), and on Linux Unix sockets instead of ports. nbval 0.11 itself is
changed in two points: a trailing `;` hides a value as it does in Jupyter, and after
the first cell of a notebook that fails the others are skipped, so that one mistake is
reported once.
"""

import functools
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import fence
import pytest
from nbval import kernel

first_failures = {}


def pytest_configure(config):
    os.environ.setdefault("COURSE_SCALE", "smoke")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many processes as cores
    if not hasattr(config, "workerinput"):  # workers inherit what is set here
        make_profile(config)
    fence.close_network()
    kernel.RunningKernel.execute_cell_input = execute_cell_input
    kernel.start_new_kernel = start_new_kernel


def make_profile(config):
    """A temporary home for kernels, whose start-up runs fence.py."""
    home = tempfile.mkdtemp(prefix="course-")
    config.add_cleanup(functools.partial(shutil.rmtree, home, ignore_errors=True))
    startup = Path(home, "ipython", "profile_default", "startup")
    startup.mkdir(parents=True)
    line = f"__import__('runpy').run_path({fence.__file__!r}, run_name='__kernel__')"
    Path(startup, "fence.py").write_text(f"{line}\n", encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(Path(home, "ipython"))
    os.environ["JUPYTER_RUNTIME_DIR"] = runtime = str(Path(home, "runtime"))
    os.mkdir(runtime, 0o700)


def start_new_kernel(startup_timeout, kernel_name, stderr, **options):
    """As nbval's own, but reached through Unix sockets where paths may be long."""
    specs = kernel.NbvalKernelspecManager()
    manager = kernel.KernelManager(kernel_name=kernel_name, kernel_spec_manager=specs)
    if sys.platform == "linux":
        manager.transport = "ipc"
        manager.ip = str(Path(os.environ["JUPYTER_RUNTIME_DIR"], uuid.uuid4().hex[:12]))
    with stderr:
        manager.start_kernel(stderr=stderr, **options)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=startup_timeout)
    except RuntimeError:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        raise
    return manager, client


def execute_cell_input(self, cell_input, allow_stdin=None):
    """As nbval's own, but with a history: without one IPython ignores a trailing `;`
    and calls every cell of a traceback "Cell In[1]"."""
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


def is_cell(item):
    """Whether a test item is a cell of a notebook."""
    return type(item).__name__ == "IPyNbCell"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if is_cell(item) and report.failed:
        first_failures.setdefault(item.path, item.name)
    return report


def pytest_runtest_setup(item):
    first = is_cell(item) and first_failures.get(item.path)
    if first:
        pytest.skip(f"{first} of this notebook failed")
