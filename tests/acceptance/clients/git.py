"""git over http and https: clone, fetch and push, against git http-backend."""
from pathlib import Path

from clients.client import Client
from lanes import same
from sites import BODIES, Web


class Git(Client):
    name, packages, program, quick = "git", "git", "git", True

    def git(self, *arguments: str | Path, through: bool = True) -> str:
        lane = self.lane
        settings = {"user.name": "client", "user.email": "client@acceptance.test", "init.defaultBranch": "main",
                    "http.sslCAInfo": lane.ca, "http.postBuffer": 65536, "gc.auto": 0}
        if through and lane.through_proxy:
            settings |= {"http.proxy": lane.url, "http.proxySSLCAInfo": lane.ca}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        variables = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        return lane.run("git", *words, *arguments, variables=variables).stdout.decode().strip()

    def make_repository(self) -> Path:
        """With two commits and a file that does not pack, as large as a proxy's buffers are not."""
        work = self.lane.folder / "work"
        self.git("init", "-q", work)
        for name in ("/large", "/gzip"):
            (work / name[1:]).write_bytes(BODIES[name])
            self.git("-C", work, "add", ".")
            self.git("-C", work, "commit", "-q", "-m", name)
        bare = self.lane.git_root / "project.git"
        self.git("clone", "-q", "--bare", work, bare, through=False)
        self.git("-C", bare, "config", "http.receivepack", "true")
        return bare

    def clone(self, site: Web) -> Path:
        bare, copy = self.make_repository(), self.lane.folder / "copy"
        self.git("clone", "-q", site.url("/git/project.git"), copy)
        self.git("-C", copy, "fsck", "--strict")
        for name in ("/large", "/gzip"):
            same((copy / name[1:]).read_bytes(), BODIES[name], name)
        heads = {self.git("-C", folder, "rev-parse", "main") for folder in (bare, copy)}
        assert len(heads) == 1, heads
        return copy

    def push(self, site: Web) -> None:
        copy, bare = self.clone(site), self.lane.git_root / "project.git"
        (copy / "more").write_bytes(BODIES["/large"][::-1])
        self.git("-C", copy, "add", ".")
        self.git("-C", copy, "commit", "-q", "-m", "more")
        self.git("-C", copy, "push", "-q", "origin", "main")
        self.git("-C", bare, "fsck", "--strict")
        heads = {self.git("-C", folder, "rev-parse", "main") for folder in (bare, copy)}
        assert len(heads) == 1, heads
        sent = [each for each in site.seen if each.target.endswith("git-receive-pack") and each.length > 1 << 20]
        assert [each.framing for each in sent] == ["chunked"], sent

    def do_http(self) -> None:
        self.clone(self.lane.plain)

    def do_https(self) -> None:
        self.clone(self.lane.secure)

    def do_upload(self) -> None:
        self.push(self.lane.plain)

    def do_https_upload(self) -> None:
        self.push(self.lane.secure)
