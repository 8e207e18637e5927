"""curl: every way it has to use a proxy."""
from pathlib import Path

from clients.client import Client
from lanes import same
from sites import BODIES, RAW_GZIP, Web, digest


class Curl(Client):
    name, packages, program, quick = "curl", "curl", "curl", True

    @classmethod
    def can(cls, kind: str, column: str) -> bool:
        only = {"tunnel": ("http", "https"), "socks4a": ("socks5",)}
        return column in only.get(kind, cls.columns)

    def curl(self, *arguments: str | Path, data: bytes | None = None, proxy: str = "") -> bytes:
        lane = self.lane
        through = ("--proxy", proxy or lane.url, "--proxy-cacert", lane.ca) if lane.through_proxy else ()
        return lane.run("curl", "-q", "-sS", "--fail", "--max-time", "60", "--noproxy", "", "--cacert", lane.ca,
                        *through, *arguments, data=data).stdout

    def get_all(self, site: Web, *arguments: str) -> None:
        for path, expected in BODIES.items():
            same(self.curl(*arguments, site.url(path)), RAW_GZIP if path == "/gzip" else expected, path)
        same(self.curl(*arguments, "--compressed", site.url("/gzip")), BODIES["/gzip"], "/gzip unpacked")
        head = self.curl(*arguments, "--head", site.url("/large")).decode().lower()
        assert f"content-length: {len(BODIES['/large'])}" in head, head

    def put_all(self, site: Web, *arguments: str) -> None:
        body = self.lane.uploads.read_bytes()
        url, said = site.url("/upload"), f"{digest(body)} {len(body)}".encode()
        ways = {
            "PUT with a length": ("-T", self.lane.uploads),
            "PUT in chunks": ("-T", "-"),
            "POST": ("--data-binary", f"@{self.lane.uploads}"),
            "POST in chunks": ("--data-binary", f"@{self.lane.uploads}", "-H", "Transfer-Encoding: chunked"),
            "POST after 100": ("--data-binary", f"@{self.lane.uploads}", "-H", "Expect: 100-continue",
                               "--expect100-timeout", "100"),
        }
        for name, way in ways.items():
            same(self.curl(*arguments, *way, url, data=body if "-" in way else None), said, name)
        framings = [each.framing for each in site.seen if each.target == "/upload"]
        assert framings == ["length", "chunked", "length", "chunked", "length"], framings

    def do_http(self) -> None:
        self.get_all(self.lane.plain)

    def do_https(self) -> None:
        self.get_all(self.lane.secure)

    def do_upload(self) -> None:
        self.put_all(self.lane.plain)

    def do_https_upload(self) -> None:
        self.put_all(self.lane.secure)

    def do_tunnel(self) -> None:
        """--proxytunnel: CONNECT for plain HTTP, too; and the request line of HTTP/1.0."""
        self.get_all(self.lane.plain, "--proxytunnel")
        self.put_all(self.lane.plain, "--proxytunnel")
        if self.lane.column.name == "http":
            old = ("--proxy1.0", self.lane.url.removeprefix("http://"), "--proxytunnel")
            same(self.curl(*old, self.lane.plain.url("/small")), BODIES["/small"], "CONNECT of HTTP/1.0")

    def do_socks4a(self) -> None:
        """Older than SOCKS5, on the same port; the proxy resolves the name here, too."""
        url = self.lane.url.replace("socks5h:", "socks4a:")
        for site in (self.lane.plain, self.lane.secure):
            same(self.curl(site.url("/large"), proxy=url), BODIES["/large"], site.name)

    def do_keep_alive(self) -> None:
        """Ten resources of each origin, one after the other: one connection to the proxy for each."""
        for site in (self.lane.plain, self.lane.secure):
            before = site.accepted
            urls = [word for _ in range(10) for word in (site.url("/large"), "-o", "/dev/null")]
            opened = self.curl("--write-out", "%{num_connects}\n", *urls).split()
            assert sum(map(int, opened)) == 1, f"{site.name}: connections to the proxy {opened}"
            assert site.accepted == before + 1, f"{site.name}: {site.accepted - before} connections to the origin"
