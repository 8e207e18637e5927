"""Report mode: everything is carried, and what would have been denied is told apart, once, in both logs."""
import json
import signal
import unittest

from name_server import NameServer
from origins import echo, refusing_port
from settings import PROMPT
from socks import SocksTest, datagram
from wire import request, response, wait_until

DEFAULT = 'default of policy "command line" (command line)'
GUARD = "address guard (built in)"


class Report(SocksTest):
    form = "json"

    def setUp(self) -> None:
        self.path = self.folder() / "access.log"
        self.names = self.enterContext(NameServer(inner=[["127.0.0.1"]]))
        self.site_ = self.site(lambda asked: response("ok"))

    def start(self, *options: str):
        self.proxy = self.start_proxy("--sandbox", "--report", "--dns-servers", self.names.address, "--access-log",
                                      str(self.path), "--access-log-format", self.form, *options, threads=1)
        return self.proxy

    def lines(self, count: int) -> list[str]:
        wait_until(lambda: self.path.read_bytes().count(b"\n") >= count, f"{count} records")
        found = self.path.read_text().splitlines()
        self.assertEqual(len(found), count, found)
        return found

    def decided(self, count: int) -> list[tuple[str, str, int]]:
        found = [json.loads(line) for line in self.lines(count)]
        return [(one["decision"], one["rule"], one["status"]) for one in found]

    def told(self) -> list[str]:
        """What the whole log says would be denied."""
        self.proxy.signal(signal.SIGTERM)
        self.assertEqual(self.proxy.wait(PROMPT), 0)
        return [line.partition(" would be denied by rule ")[2].partition(":")[0] for line in self.proxy.log
                if " would be denied " in line]

    def test_a_numeric_destination_is_told_once(self):
        self.start()
        self.assertEqual(self.get(self.site_.url()).body, b"ok")
        self.assertEqual(self.decided(1), [("report", DEFAULT, 200)])
        self.assertEqual(self.told(), [DEFAULT])

    def test_a_name_that_leads_inside(self):
        self.start("--allow", "*.test.example")
        url = f"http://inner.test.example:{self.site_.port}/"
        with self.client() as client:
            for _ in range(2):  # the second time by the kept connection
                client.send(request("GET", url))
                self.assertEqual(client.read_response().body, b"ok")
        self.assertEqual(self.decided(2), [("report", GUARD, 200)] * 2)
        self.assertEqual(self.site_.accepted, 1)
        self.assertEqual(self.told(), [GUARD] * 2)

    def test_tunnels(self):
        origin = self.origin(echo)
        self.start("--connect-ports", str(origin.port))
        with self.tunnel(origin.authority, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        with self.tunnel5("127.0.0.1", origin.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        with self.tunnel5("inner.test.example", origin.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        self.assertEqual(self.decided(3), [("report", DEFAULT, 200)] * 3)
        self.assertEqual(self.told(), [DEFAULT] * 3)

    def test_the_first_of_several_rules_is_the_records(self):
        origin = self.origin(echo)
        self.start("--allow", "127.0.0.1")
        with self.tunnel5("127.0.0.1", origin.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        ports = 'connect_ports of policy "command line" (command line)'
        self.assertEqual(self.decided(1), [("report", ports, 200)])
        self.assertEqual(self.told(), [ports, GUARD])

    def test_datagrams(self):
        self.start()
        target = self.datagram_socket()
        port = target.getsockname()[1]
        control, relay = self.associate()
        client = self.datagram_socket()
        for _ in range(2):
            client.sendto(datagram("127.0.0.1", port, b"x"), relay)
            self.assertEqual(target.recv(10), b"x")
        client.sendto(datagram("inner.test.example", port, b"y"), relay)
        self.assertEqual(target.recv(10), b"y")
        control.close()
        ports = 'connect_ports of policy "command line" (command line)'
        self.assertEqual(self.decided(1), [("report", ports, 200)])
        self.assertEqual(self.told(), [ports, DEFAULT] * 2)

    def test_what_is_allowed_is_allowed(self):
        self.start("--allow", "127.0.0.1", "--allow-address", "127.0.0.0/8")
        self.assertEqual(self.get(self.site_.url()).body, b"ok")
        self.assertEqual(self.decided(1), [("allow", "--allow 127.0.0.1 (command line)", 200)])
        self.assertEqual(self.told(), [])

    def test_what_fails_by_itself(self):
        self.start("--allow", "*.test.example")
        with refusing_port() as port:
            self.assertEqual(self.get(f"http://inner.test.example:{port}/").status, 502)
        self.assertEqual(self.decided(1), [("report", GUARD, 502)])

    def test_what_report_mode_does_not_open_is_denied(self):
        self.start()
        self.assertEqual(self.get(f"http://127.0.0.1:{self.proxy.port}/").status, 403)
        self.assertEqual(self.decided(1), [("deny", "own address (built in)", 403)])

    def test_the_next_request_begins_anew(self):
        self.start("--allow", "inner.test.example", "--allow-address", "127.0.0.0/8")
        with self.client() as client:
            for host in ("127.0.0.1", "inner.test.example"):
                client.send(request("GET", f"http://{host}:{self.site_.port}/"))
                self.assertEqual(client.read_response().body, b"ok")
        self.assertEqual([one[0] for one in self.decided(2)], ["report", "allow"])


class Text(Report):
    form = "text"

    def decided(self, count: int) -> list[tuple[str, str, int]]:
        found = []
        for line in self.lines(count):
            words = line.split(" ")
            found.append((words[7], words[8].replace(r"\x20", " "), int(words[9])))
        return found


if __name__ == "__main__":
    unittest.main()
