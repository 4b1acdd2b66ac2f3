"""What no test and no notebook may do: reach the network, or write into the repository.

Both are enforced through Python's audit events, which also see what libraries do. The
test processes call `close_network()`; notebook kernels run this file at their start
(see kernels.py) and close everything.
"""

import ipaddress
import os
import sys
import warnings
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ADDRESS_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
NAME_EVENTS = ("socket.getaddrinfo", "socket.gethostbyname")
CHANGE_EVENTS = ("os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link")
CACHES = ("__pycache__", ".pytest_cache", ".hypothesis")


class NetworkClosed(ConnectionError):
    """Something wanted to leave this machine; libraries see it as a missing network."""


def is_local(host):
    """Whether a host name or number means this machine."""
    if host in (None, "", "localhost", b"localhost", "<broadcast>"):
        return host != "<broadcast>"
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def close_network():
    """From now on this process reaches only loopback addresses and Unix sockets."""

    def watch(event, arguments):
        if event in ADDRESS_EVENTS and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event in NAME_EVENTS:
            host = arguments[0]
        else:
            return
        if not is_local(host):
            raise NetworkClosed(f"the tests have no network; {host} was asked for")

    sys.addaudithook(watch)


def close_repository():
    """From now on this process cannot write below the folder of the repository."""

    def watch(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                return
        elif event in CHANGE_EVENTS:
            path = arguments[0]
        else:
            return
        if isinstance(path, (str, bytes, os.PathLike)):
            check(Path(os.path.abspath(os.fsdecode(path))))

    def check(path):
        if path.is_relative_to(REPOSITORY) and not set(CACHES) & set(path.parts):
            raise PermissionError(
                f"a notebook wrote {path.relative_to(REPOSITORY)}; "
                "let it use a folder from tempfile"
            )

    sys.addaudithook(watch)


def reject_deprecated():
    """Make it an error when the course's own code uses something deprecated."""
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings(
            "error", category=category, module=r"course_utils(\..*)?$|__main__$"
        )


if __name__ == "__kernel__":
    close_network()
    close_repository()
    reject_deprecated()
