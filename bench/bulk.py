#!/usr/bin/env python3
"""Bytes without end through tunnels, at a cost that leaves the proxy the bottleneck: bench/proxy.py's bulk columns.

    bench/bulk.py origin                        prints its address; sends to whoever has said something
    bench/bulk.py load PROXY SCHEME ORIGIN TUNNELS SECONDS
                                                prints how many bytes came in how many seconds

The origin sends from memory by sendfile, and the load drops what comes in the kernel (MSG_TRUNC, tcp(7)): neither
copies.
"""
import os
import selectors
import socket
import sys
import time

AT_ONCE = 1 << 20


def origin() -> None:
    body = os.memfd_create("body")
    os.ftruncate(body, AT_ONCE)
    with open(body, "r+b", closefd=False) as file:  # pages of its own, not holes
        file.write(os.urandom(AT_ONCE))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("%s:%d" % listener.getsockname(), flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    while True:
        for key, events in waiting.select():
            if key.fileobj is listener:
                client = listener.accept()[0]
                client.setblocking(False)
                waiting.register(client, selectors.EVENT_READ)
                continue
            try:
                if events & selectors.EVENT_READ:
                    if not key.fileobj.recv(4096):
                        raise ConnectionError
                    waiting.modify(key.fileobj, selectors.EVENT_READ | selectors.EVENT_WRITE)
                if events & selectors.EVENT_WRITE:
                    os.sendfile(key.fd, body, 0, AT_ONCE)
            except BlockingIOError:
                pass
            except OSError:
                waiting.unregister(key.fileobj)
                key.fileobj.close()


def address_of(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def open_tunnel(proxy: str, scheme: str, target: str) -> socket.socket:
    """A tunnel through an HTTP or SOCKS 5 proxy; SystemExit if there is none."""
    one = socket.create_connection(address_of(proxy), 10)
    if scheme == "socks5":
        host, port = address_of(target)
        one.sendall(b"\5\1\0")
        good = one.recv(2) == b"\5\0"
        one.sendall(b"\5\1\0\1" + socket.inet_aton(host) + port.to_bytes(2, "big"))
        good = good and one.recv(10)[1:2] == b"\0"
    else:
        one.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        good = b" 200 " in one.recv(4096)
    if not good:
        raise SystemExit(f"no tunnel through {proxy}")
    return one


def load(proxy: str, scheme: str, target: str, tunnels: str, seconds: str) -> None:
    waiting = selectors.DefaultSelector()
    for _ in range(int(tunnels)):
        one = open_tunnel(proxy, scheme, target)
        waiting.register(one, selectors.EVENT_READ)
    for key in waiting.get_map().values():
        key.fileobj.sendall(b"go\n")
        key.fileobj.setblocking(False)
    unused, total, began = bytearray(AT_ONCE), 0, time.monotonic()
    while time.monotonic() < began + float(seconds):
        for key, _ in waiting.select(1):
            try:
                came = key.fileobj.recv_into(unused, AT_ONCE, socket.MSG_TRUNC)
            except BlockingIOError:
                continue
            if came == 0:
                raise SystemExit(f"a tunnel through {proxy} ended")
            total += came
    print(total, time.monotonic() - began)


if __name__ == "__main__":
    {"origin": origin, "load": load}[sys.argv[1]](*sys.argv[2:])
