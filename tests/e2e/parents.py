"""Tests with proxies that go through other proxies."""
import base64
import json

from harness import Proxy
from socks import SocksTest
from wire import request, wait_until

# openssl passwd -6 -salt saltsalt secret
SECRET = ("$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDe"
          "hy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1")
BASIC = "Basic " + base64.b64encode(b"alice:secret").decode()
CHECKS = 'check_interval = "100ms"\ncheck_timeout = "1s"\nrise = 1\nfall = 1\n'


class ParentsTest(SocksTest):
    def setUp(self) -> None:
        self.records_path = self.folder() / "access.log"

    def start(self, text: str, *options: str, **more) -> Proxy:
        """A proxy with this file."""
        folder = self.folder()
        (folder / "hosts").write_text("127.0.0.1 site.test other.test\n192.0.2.80 far.test\n")
        self.file = folder / "proxy.toml"
        self.file.write_text(text + '\n[dns]\nhosts_file = "hosts"\n[limits]\npool_idle_timeout = "2s"\n')
        self.proxy = self.start_proxy("--config", str(self.file), "--access-log", str(self.records_path),
                                      "--access-log-format", "json", *options, **more)
        self.proxy.sockets_at_start = self.proxy.tcp_states()["0A"]  # a check may be under way
        return self.proxy

    def through(self, *urls: str, options: tuple[str, ...] = (), **more) -> Proxy:
        """A proxy of which everything goes through these parents."""
        words = [word for url in urls for word in ("--parent", url)]
        return self.start("", *words, *options, **more)

    def parent_with_users(self) -> Proxy:
        users = self.folder() / "users"
        users.write_text(f"alice:{SECRET}\n")
        return self.start_proxy("--users", str(users), "--connect-ports", "1-65535")

    def records(self, count: int) -> list[dict]:
        wait_until(lambda: self.records_path.exists() and self.records_path.read_bytes().count(b"\n") >= count,
                   f"{count} records")
        return [json.loads(line) for line in self.records_path.read_text().splitlines()]

    def refused_connect(self, target: str, proxy: Proxy | None = None):
        with self.client(proxy) as client:
            client.send(request("CONNECT", target))
            return client.read_response("CONNECT")
