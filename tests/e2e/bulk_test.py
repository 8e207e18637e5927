"""100 MiB in every way, with equal checksums; memory stays flat when a reader is slow."""
import hashlib
import threading
import unittest

import settings
from harness import ProxyTest
from origins import BLOCK, bulk, bulk_digest, digest_of
from settings import BULK, TIMEOUT
from wire import Wire, request, response, wait_quietly


def give(wire: Wire) -> None:
    """Answers GET with BULK bytes; with chunks if the path says so. Answers uploads with their SHA-256."""
    while head := wire.read_head():
        if head.method == "GET":
            in_chunks = head.target == "/chunked"
            framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {BULK}"
            wire.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")
            for piece in bulk(BULK):
                wire.send(b"%x\r\n%s\r\n" % (len(piece), piece) if in_chunks else piece)
            if in_chunks:
                wire.send(b"0\r\n\r\n")
        elif head.get("Content-Length"):
            wire.send(response(digest_of(wire, int(head.get("Content-Length")))[0]))
        else:
            if (head.get("Expect") or "").lower() == "100-continue":
                wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            total = hashlib.sha256()
            while piece := wire.read_chunk():
                total.update(piece)
            wire.read_trailers()
            wire.send(response(total.hexdigest()))


class Bulk(ProxyTest):
    def setUp(self) -> None:
        super().setUp()
        self.digest = bulk_digest(BULK)

    def download(self, *arguments: str) -> str:
        target = self.folder() / "got"
        self.curl("-o", str(target), *arguments)
        self.assertEqual(target.stat().st_size, BULK)
        with open(target, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def source(self) -> str:
        path = self.folder() / "source"
        with open(path, "wb") as file:
            for piece in bulk(BULK):
                file.write(piece)
        return str(path)

    def test_http_down(self):
        self.assertEqual(self.download(self.origin(give).url()), self.digest)

    def test_http_down_in_chunks(self):
        self.assertEqual(self.download(self.origin(give).url("/chunked")), self.digest)

    def test_http_up(self):
        self.assertEqual(self.curl(self.origin(give).url(), "-H", "Expect:", "-T", self.source()).decode(), self.digest)

    def test_http_up_in_chunks(self):
        done = self.curl(self.origin(give).url(), "-H", "Transfer-Encoding: chunked", "-T", self.source())
        self.assertEqual(done.decode(), self.digest)

    def test_connect_down(self):
        origin = self.origin(give, tls=self.authority().server())
        self.assertEqual(self.download("--cacert", str(self.authority().certificate), origin.url()), self.digest)

    def test_connect_up(self):
        origin = self.origin(give, tls=self.authority().server())
        done = self.curl("--cacert", str(self.authority().certificate), origin.url(), "-H", "Expect:",
                         "-T", self.source())
        self.assertEqual(done.decode(), self.digest)

    def test_tunnel_in_both_directions_at_once(self):
        received = []

        def both(wire: Wire) -> None:
            sender = threading.Thread(target=lambda: [wire.send(piece) for piece in bulk(BULK)])
            sender.start()
            received.append(digest_of(wire, BULK))
            sender.join()

        with self.tunnel(self.origin(both).authority) as client:
            sender = threading.Thread(target=lambda: [client.send(piece) for piece in bulk(BULK)])
            sender.start()
            self.assertEqual(digest_of(client, BULK), (self.digest, BULK))
            sender.join()
            self.assertEqual(client.ended(), "eof")
        self.assertEqual(received, [(self.digest, BULK)])


class SlowReaders(ProxyTest):
    """50 MB wait for a reader that comes late: all of it arrives, and meanwhile the proxy holds only a little."""

    size = 50_000_000
    limit = settings.memory(8)

    def stalled(self, progress) -> None:
        """Waits until progress() stays the same for a while: all buffers are full."""
        before = -1
        while (now := progress()) != before:
            before = now
            wait_quietly(0.4 * settings.SCALE)

    def read_late(self, client: Wire, progress) -> None:
        before = self.proxy.rss()
        self.stalled(progress)
        self.assertLess(progress(), self.size, "nobody read, so not everything can have been sent")
        self.assertLess(self.proxy.rss() - before, self.limit, "KiB more while the reader waits")
        self.assertEqual(digest_of(client, self.size), (bulk_digest(self.size), self.size))
        self.assertLess(self.proxy.rss() - before, self.limit, "KiB more afterwards")

    def counted(self, wire: Wire, sent: list[int]) -> None:
        for piece in bulk(self.size):
            for at in range(0, len(piece), 1 << 16):
                wire.send(piece[at:at + (1 << 16)])
                sent[0] += min(1 << 16, len(piece) - at)

    def test_tunnel_down(self):
        sent = [0]
        origin = self.origin(lambda wire: self.counted(wire, sent))
        with self.tunnel(origin.authority, receive_buffer=1 << 16) as client:
            self.read_late(client, lambda: sent[0])
            self.assertEqual(client.ended(), "eof")

    def test_tunnel_up(self):
        begin, sent, received = threading.Event(), [0], []

        def late(wire: Wire) -> None:
            begin.wait(TIMEOUT)
            received.append(digest_of(wire))

        origin = self.origin(late, receive_buffer=1 << 16)
        with self.tunnel(origin.authority) as client:
            before = self.proxy.rss()
            sender = threading.Thread(target=lambda: (self.counted(client, sent), client.half_close()))
            sender.start()
            self.stalled(lambda: sent[0])
            self.assertLess(sent[0], self.size)
            self.assertLess(self.proxy.rss() - before, self.limit)
            begin.set()
            sender.join()
            self.assertEqual(client.ended(TIMEOUT), "eof")
        self.assertEqual(received, [(bulk_digest(self.size), self.size)])

    def http_down(self, in_chunks: bool) -> None:
        sent = [0]

        def serve(wire: Wire) -> None:
            wire.read_request()
            if not in_chunks:
                wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {self.size}\r\n\r\n")
                self.counted(wire, sent)
                return
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in bulk(self.size):
                wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent[0] += len(piece)
            wire.send(b"0\r\n\r\n")

        origin = self.origin(serve)
        with self.client(receive_buffer=1 << 16) as client:
            client.send(request("GET", origin.url()))
            before = self.proxy.rss()
            self.stalled(lambda: sent[0])
            self.assertLess(sent[0], self.size)
            self.assertLess(self.proxy.rss() - before, self.limit)
            answer = client.read_response()
            self.assertEqual(hashlib.sha256(answer.body).hexdigest(), bulk_digest(self.size))
            self.assertLess(self.proxy.rss() - before, self.limit)

    def test_http_down(self):
        self.http_down(in_chunks=False)

    def test_http_down_in_chunks(self):
        self.http_down(in_chunks=True)

    def test_http_up(self):
        begin, sent = threading.Event(), [0]

        def late(wire: Wire) -> None:
            head = wire.read_head()
            begin.wait(TIMEOUT)
            wire.send(response(digest_of(wire, int(head.get("Content-Length")))[0]))

        origin = self.origin(late, receive_buffer=1 << 16)
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=[("Content-Length", str(self.size))]))
            before = self.proxy.rss()
            sender = threading.Thread(target=lambda: self.counted(client, sent))
            sender.start()
            self.stalled(lambda: sent[0])
            self.assertLess(sent[0], self.size)
            self.assertLess(self.proxy.rss() - before, self.limit)
            begin.set()
            self.assertEqual(client.read_response().body.decode(), bulk_digest(self.size))
            sender.join()

    def test_a_flood_into_a_tunnel_nobody_reads_is_held_back_until_the_client_leaves(self):
        def flood(wire: Wire) -> None:
            while True:
                wire.send(BLOCK)

        origins = [self.origin(flood) for _ in range(8)]
        clients = [self.tunnel(origin.authority, receive_buffer=1 << 16) for origin in origins]
        before = self.proxy.rss()
        wait_quietly(1)
        self.assertLess(self.proxy.rss() - before, 2 * self.limit)
        for client in clients:
            client.close()
        for origin in origins:
            origin.wait_until_free()


if __name__ == "__main__":
    unittest.main()
