"""The fence around the tests: no network but this machine's own."""

import os
import socket
import urllib.request

import pytest
from fence import NetworkClosed, is_local


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.3.2.1", "localhost", "::1", "", None]
)
def test_this_machine_is_local(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["192.0.2.1", "0.0.0.0", "example.org", "localhost.example.org", "2001:db8::1",
     b"example.org", "<broadcast>"],
)  # fmt: skip
def test_other_machines_are_not(host):
    assert not is_local(host)


def test_connections_are_refused():
    with pytest.raises(NetworkClosed, match=r"192\.0\.2\.1 was asked for"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(NetworkClosed, match=r"example\.org was asked for"):
        socket.getaddrinfo("example.org", 80)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets,
        pytest.raises(NetworkClosed),
    ):
        packets.sendto(b"x", ("192.0.2.1", 53))


def test_libraries_see_a_missing_network():
    with pytest.raises(OSError, match=r"example\.org was asked for"):
        urllib.request.urlopen("https://example.org/")


def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
        socket.create_connection(("localhost", server.getsockname()[1])).close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no Unix sockets in Python")
def test_unix_sockets_are_open():
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
