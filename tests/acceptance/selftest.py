#!/usr/bin/env python3
"""The matrix can fail: a cell whose bytes change, that goes past the proxy or leaves something behind is red. And the
columns that a binary may lack work for the quick clients, by stand-ins."""
import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import columns  # noqa: E402
import matrix  # noqa: E402
from clients.curl import Curl  # noqa: E402
from clients.scripts import Requests, Undici  # noqa: E402
from columns import STAND_INS, Column  # noqa: E402
from lanes import Lane, forget_authority  # noqa: E402
from wire import Wire, request  # noqa: E402

unittest.addModuleCleanup(forget_authority)
HTTP = Column("http", "http", lambda: "")
SOCKS = STAND_INS["socks5"]


def faulty(column: Column, fault: str) -> Column:
    return Column(column.name, column.scheme, lambda: "", front=column.front, fault=fault)


class Cells(unittest.TestCase):
    def cell(self, column: Column, kind: str = "http", client=Curl, **how) -> matrix.Cell:
        return matrix.run_cell(client, column, kind, "epoll", **how)

    def assert_fails(self, cell: matrix.Cell, why: str) -> None:
        self.assertEqual(cell.state, "failed", cell)
        self.assertRegex(cell.why, why)

    def test_without_a_fault_it_passes(self):
        cell = self.cell(HTTP)
        self.assertEqual((cell.state, cell.why), ("passed", ""))

    def test_stand_ins_serve_the_quick_clients(self):
        for column in STAND_INS.values():
            for client in (Curl, Requests, Undici):
                if client.missing():
                    continue
                for kind in ("http", "https", "upload"):
                    with self.subTest(client=client.name, column=column.name, kind=kind):
                        cell = self.cell(column, kind, client)
                        self.assertEqual((cell.state, cell.why), ("passed", ""))

    def test_changed_bytes(self):
        self.assert_fails(self.cell(faulty(SOCKS, "changed-bytes")), "/small: .* bytes with SHA-256")

    def test_connections_that_are_not_closed_when_the_client_is_gone(self):
        self.assert_fails(self.cell(faulty(SOCKS, "forgotten-connections"), "https"), "have ended|as at the start")

    def test_a_client_without_its_proxy(self):
        self.assert_fails(self.cell(HTTP, through_proxy=False), "curl ended with 6")

    def test_a_request_that_went_past_the_proxy(self):
        def past(self) -> None:
            with Wire.connect("127.0.0.1", self.lane.plain.port) as wire:
                wire.send(request("GET", "/small", host="a", fields=[("Via", "1.1 somebody")]))
                wire.read_to_end()

        with mock.patch.object(Curl, "do_http", past):
            self.assert_fails(self.cell(HTTP), "no request reached|which is no connection of the proxy")

    def test_a_cell_that_asks_for_nothing(self):
        with mock.patch.object(Curl, "do_http", lambda self: None):
            self.assert_fails(self.cell(HTTP), "no request reached an origin")

    def test_a_column_of_tls_is_not_that_of_plain_http(self):
        self.assert_fails(self.cell(Column("https", "https", lambda: "")), "curl ended with 35")


class Columns(unittest.TestCase):
    def missing(self, name: str) -> str:
        return next(each.missing() for each in columns.COLUMNS if each.name == name)

    def test_the_binary_is_asked(self):
        self.assertEqual(self.missing("http"), "")
        for greeting, text in ((False, "usage"), (True, "usage: --socks")):
            with mock.patch.object(columns, "_socks", [greeting]), mock.patch.object(columns, "_help", [text]):
                self.assertEqual(bool(self.missing("socks5")), not greeting)
        for text in ("usage", "usage: --tls-port PORT"):
            with mock.patch.object(columns, "_help", [text]):
                self.assertEqual(bool(self.missing("https")), "--tls-port" not in text)

    def test_a_binary_that_only_says_that_it_speaks_socks_is_a_failure(self):
        with mock.patch.object(columns, "_socks", [False]), mock.patch.object(columns, "_help", ["SOCKS4, 4a and 5"]):
            with self.assertRaisesRegex(AssertionError, "answers no SOCKS5 greeting"):
                self.missing("socks5")

    def test_the_greeting_is_a_real_one(self):
        answers = []

        class Answering:
            """A proxy that answers 05 00 to a greeting, or nothing."""
            host = "127.0.0.1"

            def __init__(self, **_):
                self.listener = socket.create_server((self.host, 0))
                self.port = self.listener.getsockname()[1]
                self.pid = os.fork()
                if self.pid == 0:
                    client, _ = self.listener.accept()
                    client.sendall(answers[0] if client.recv(3) == b"\x05\x01\x00" else b"")
                    client.close()
                    os._exit(0)

            def finish(self, leftovers: bool) -> None:
                self.listener.close()
                os.waitpid(self.pid, 0)

        with mock.patch.object(columns, "Proxy", Answering):
            for answer, speaks in ((b"\x05\x00", True), (b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"", False)):
                answers[:] = [answer]
                self.assertEqual(columns.speaks_socks5(), speaks)


class Tables(unittest.TestCase):
    CELLS = [matrix.Cell("curl", "http", "http", "epoll", "passed", 1.5),
             matrix.Cell("curl", "http", "http", "uring", "failed", 0.2, "why"),
             matrix.Cell("curl", "socks5", "http", "epoll", "skipped", why="no SOCKS")]

    def test_what_a_field_says(self):
        self.assertEqual(matrix.table(self.CELLS), [["client", "proxy as", "http"], ["curl", "http", "1.50 / FAILED"]])
        self.assertEqual(matrix.skipped(self.CELLS), ["the column socks5: no SOCKS"])
        text = matrix.markdown(self.CELLS, "./dev acceptance")
        self.assertIn("| curl   | http     | 1.50 / FAILED |", text)
        self.assertIn("1 passed, 1 failed, 1 skipped.", text)

    def test_the_exit_status(self):
        for state, arguments, status in (("passed", [], 0), ("failed", [], 1), ("skipped", [], 1),
                                         ("needs", [], 1), ("needs", ["--need-all"], 1)):
            steps = [matrix.Cell("curl", "http", "http", "epoll", "skipped" if state == "needs" else state,
                                 why="needs curl" if state == "needs" else "why")]
            with mock.patch.object(matrix, "plan", lambda chosen: steps), mock.patch("builtins.print"):
                self.assertEqual(matrix.main(arguments), status, (state, arguments))
        steps = [self.CELLS[0], matrix.Cell("go", "http", "http", "epoll", "skipped", why="needs golang-go")]
        with mock.patch.object(matrix, "plan", lambda chosen: steps), mock.patch("builtins.print"):
            self.assertEqual([matrix.main(words) for words in ([], ["--need-all"])], [0, 1])
        steps = [self.CELLS[0], self.CELLS[2]]
        with mock.patch.object(matrix, "plan", lambda chosen: steps), mock.patch("builtins.print"):
            self.assertEqual([matrix.main(["--need-column", name]) for name in ("http", "socks5")], [0, 1])


class HostileCanFail(unittest.TestCase):
    def test_a_proxy_without_checks_is_noticed(self):
        fake = str(HERE.parent / "e2e/fake_proxy.py")
        variables = os.environ | {"CO_WQ_PROXY": fake, "CO_WQ_FAKE_FAULT": "no-checks"}
        done = subprocess.run([sys.executable, "hostile.py", "Heads.test_each_with_a_good_request_behind_it"], cwd=HERE,
                              env=variables, capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 1, done.stderr[-2000:])
        self.assertRegex(done.stderr, "unexpectedly found in|: forwarded")


class Names(unittest.TestCase):
    def test_they_mean_nothing_here(self):
        Lane.check_names()


if __name__ == "__main__":
    unittest.main()
