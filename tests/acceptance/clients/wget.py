"""wget, which is told of its proxy by variables, and knows proxies of plain HTTP only."""
from clients.client import Client
from lanes import same
from sites import BODIES, RAW_GZIP, Web, digest


class Wget(Client):
    name, packages, program, quick = "wget", "wget", "wget", True
    columns = ("http",)

    def wget(self, *arguments: str) -> bytes:
        return self.lane.run("wget", "--no-config", "-nv", "--no-hsts", "--tries=1", "--timeout=60",
                             f"--ca-certificate={self.lane.ca}", "-O", "-", *arguments,
                             variables=self.lane.proxies()).stdout

    def get_all(self, site: Web) -> None:
        for path, expected in BODIES.items():
            same(self.wget(site.url(path)), RAW_GZIP if path == "/gzip" else expected, path)
        same(self.wget("--compression=gzip", site.url("/gzip")), BODIES["/gzip"], "/gzip unpacked")
        self.wget("--spider", site.url("/large"))
        assert site.seen[-1].method == "HEAD", site.seen[-1]

    def put_all(self, site: Web) -> None:
        body = self.lane.uploads.read_bytes()
        said = f"{digest(body)} {len(body)}".encode()
        same(self.wget("--method=PUT", f"--body-file={self.lane.uploads}", site.url("/upload")), said, "PUT")
        same(self.wget(f"--post-file={self.lane.uploads}", site.url("/upload")), said, "POST")

    def do_http(self) -> None:
        self.get_all(self.lane.plain)

    def do_https(self) -> None:
        self.get_all(self.lane.secure)

    def do_upload(self) -> None:
        self.put_all(self.lane.plain)

    def do_https_upload(self) -> None:
        self.put_all(self.lane.secure)

    def do_keep_alive(self) -> None:
        for site in (self.lane.plain, self.lane.secure):
            same(self.wget(*[site.url("/large")] * 5), BODIES["/large"] * 5, f"{site.name}: five in one run")
            assert site.accepted == 1, f"{site.name}: {site.accepted} connections to the origin"
