#!/usr/bin/env python3
"""A small proxy that is right, or wrong in the one way that CO_WQ_FAKE_FAULT names: it shows that the tests can fail.

No pool, no time limits, bodies of messages whole in memory. selftest.py names the tests that it passes.
"""
import argparse
import os
import signal
import socket
import sys
import threading
import time

from wire import Malformed, Message, Truncated, Wire, chunked, response, wait_quietly

FAULT = os.environ.get("CO_WQ_FAKE_FAULT", "")
HOP = {"connection", "proxy-connection", "keep-alive", "te", "upgrade", "http2-settings", "proxy-authorization",
       "transfer-encoding", "content-length", "host"}
kept: list[Wire] = []  # what the faults forget to close
live: set[threading.Thread] = set()


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def refuse(client: Wire, status: str, reason: str) -> None:
    body = f"{status}: {reason}\n"
    client.send(response(body, status=status, fields=[("Content-Type", "text/plain"), ("Connection", "close")]))
    client.half_close()
    client.drained(1)


def connect(authority: str) -> Wire:
    host, _, port = authority.rpartition(":")
    return Wire.connect(host.strip("[]"), int(port))


# -- tunnels


def one_way(source: Wire, target: Wire, broken: threading.Event) -> None:
    try:
        while data := source.read_some(1 << 16):
            if FAULT == "changed-bytes":
                data = data.replace(b"GET", b"get")
            target.send(data)
        if FAULT == "lost-half-close":
            source.wake()
            target.wake()
        else:
            target.half_close()
            if FAULT == "forgotten-half-closes":
                kept.append(Wire(source.socket.dup()))
    except TimeoutError:
        pass
    except OSError:
        broken.set()
        for wire in (source, target):
            if FAULT == "reset-as-half-close":
                threading.Thread(target=lambda wire=wire: wire.drained(5), daemon=True).start()
            else:
                wire.wake()


def tunnel(client: Wire, origin: Wire) -> None:
    client.send("HTTP/1.1 200 Connection established\r\n\r\n")
    if FAULT == "lost-early-data":
        client.buffer = b""
    broken = threading.Event()
    back = threading.Thread(target=one_way, args=(origin, client, broken), daemon=True)
    back.start()
    one_way(client, origin, broken)
    back.join()
    if FAULT == "forgotten-sockets":
        kept.append(origin)
    elif broken.is_set() and FAULT != "reset-as-half-close":
        origin.reset()
        client.reset()
    else:
        origin.close()


# -- requests


def forwarded(head: Message, path: str, host: str) -> bytes:
    named = head.options()
    lines = [f"{head.method} {path} HTTP/1.1", f"Host: {host}"]
    for name, value in head.fields:
        secret = FAULT == "forwarded-credentials" and name.lower() == "proxy-authorization"
        if secret or (name.lower() not in HOP and name.lower() not in named - {"via"}):
            lines.append(f"{name}: {value}")
    lines.append("Via: 1.1 fake")
    body = b""
    if head.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = chunked(head.body, trailers=[] if FAULT == "lost-trailers" else head.trailers)
    elif head.framing == "length":
        lines.append(f"Content-Length: {len(head.body)}")
        body = head.body
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answer(client: Wire, origin: Wire, method: str) -> None:
    while (head := origin.read_head()) and head.status < 200:
        if FAULT != "lost-interim":
            client.send(head.raw_head)
    if head is None:
        raise Truncated(b"")
    origin.buffer = head.raw_head + origin.buffer
    try:
        got = origin.read_response(method)
    except Truncated as short:
        if FAULT != "completed-bodies":
            raise
        client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(short.received))
        return
    lines = [got.start, *(f"{name}: {value}" for name, value in got.fields if name.lower() not in HOP - {"host"})]
    body = got.body
    if got.framing in ("chunked", "eof"):
        lines.append("Transfer-Encoding: chunked")
        body = chunked(body, trailers=got.trailers)
    elif got.get("Content-Length") is not None:
        lines.append(f"Content-Length: {got.get('Content-Length')}")
    client.send("\r\n".join([*lines, "Via: 1.1 fake"]).encode("latin-1") + b"\r\n\r\n" + body)


def check(head: Message) -> str:
    if FAULT == "no-checks":
        return ""
    if len(head.all("Host")) != 1:
        return "Host"
    lengths, encodings = head.all("Content-Length"), head.all("Transfer-Encoding")
    if len(lengths) + len(encodings) > 1 or not all(each.isdecimal() for each in lengths):
        return "framing"
    if head.method != "CONNECT" and not head.target.startswith("http://"):
        return "target"
    return ""


def one_request(client: Wire) -> bool:
    try:
        head = client.read_head()
    except Malformed as error:
        refuse(client, "400 Bad Request", str(error))
        return False
    if head is None:
        return False
    if problem := check(head):
        refuse(client, "400 Bad Request", problem)
        return False
    if head.method == "CONNECT":
        try:
            origin = connect(head.target)
        except OSError as error:
            refuse(client, "502 Bad Gateway", f"{head.target}: {error}")
            return False
        tunnel(client, origin)
        return False
    host, slash, path = head.target[7:].partition("/")
    try:
        client.read_body(head)
    except Malformed:
        head.framing = "none"
    with connect(host) as origin:
        origin.send(forwarded(head, slash + path or "/", host))
        try:
            answer(client, origin, head.method)
        except (Malformed, OSError, Truncated):
            refuse(client, "502 Bad Gateway", "what the origin sent")
            return False
    return True


def serve(client: Wire) -> None:
    try:
        while one_request(client):
            pass
    except (OSError, Truncated):
        pass
    finally:
        if FAULT == "forgotten-sockets":
            kept.append(client)
        else:
            client.close()
        live.discard(threading.current_thread())


# -- the program


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    for name in ("host", "port", "threads", "reactor", "drain-timeout-ms", "connect-timeout-ms"):
        parser.add_argument(f"--{name}")
    return parser.parse_args()


def accept(listener: socket.socket) -> None:
    try:
        while True:
            made, _ = listener.accept()
            thread = threading.Thread(target=serve, args=(Wire(made),), daemon=True)
            live.add(thread)
            thread.start()
    except OSError:
        pass


def main() -> None:
    options = arguments()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    listener = socket.create_server((options.host or "127.0.0.1", int(options.port)), backlog=1024)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    log("info listening on %s:%d" % listener.getsockname()[:2])
    if FAULT == "trace-lines":
        log("trace something was posted")
    if FAULT == "sanitizer-report":
        log("x.cpp:1:2: runtime error: signed integer overflow")
    if FAULT == "wake-ups":
        threading.Thread(target=lambda: [wait_quietly(0.1) for _ in range(10_000)], daemon=True).start()
    signal.sigwait(ends)
    listener.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + (0 if FAULT == "no-drain" else int(options.drain_timeout_ms or 10_000) / 1000)
    while live and time.monotonic() < deadline and not signal.sigtimedwait(ends, 0.02):
        pass
    os._exit(3 if FAULT == "exit-code" else 0)


if __name__ == "__main__":
    main()
