"""apt with a configuration of its own: update, download and the fetching half of install, from a local repository."""
import hashlib
import re
import subprocess
from pathlib import Path

from clients.client import Client
from lanes import same
from sites import BODIES, Web, digest

CONTROL = """Package: co-wq-acceptance
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@acceptance.test>
Description: a package for a test
"""


class Apt(Client):
    name, packages, program = "apt", "apt", "apt-get"

    def make_repository(self, payload: bytes) -> bytes:
        """One package, and the lists that lead to it. Returns the package."""
        root, tree = self.lane.file_root, self.lane.folder / "package"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(CONTROL)
        (tree / "payload").write_bytes(payload)
        package = root / "pool/co-wq-acceptance_1.0_all.deb"
        package.parent.mkdir()
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", tree, package], check=True,
                       stdout=subprocess.DEVNULL)
        data = package.read_bytes()
        lists = root / "dists/test/main/binary-all/Packages"
        lists.parent.mkdir(parents=True)
        lists.write_text(f"{CONTROL}Filename: pool/{package.name}\nSize: {len(data)}\nSHA256: {digest(data)}\n\n")
        index = lists.read_bytes()
        (root / "dists/test/Release").write_text(
            f"Suite: test\nCodename: test\nArchitectures: {self.architecture()} all\nComponents: main\n"
            f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n"
            f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-all/Packages\n")
        return data

    @staticmethod
    def architecture() -> str:
        return subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True,
                              text=True).stdout.strip()

    def configure(self, site: Web) -> Path:
        """Nothing of the system's own apt is read or written."""
        lane, folder = self.lane, self.lane.folder / "apt"
        for each in ("etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d", "etc/sources.list.d",
                     "etc/auth.conf.d", "state/lists/partial", "cache/archives/partial", "log"):
            (folder / each).mkdir(parents=True)
        (folder / "status").write_text("")
        (folder / "etc/sources.list").write_text(f"deb [trusted=yes] {site.url('/files/')} test main\n")
        scheme = "https" if site.tls else "http"
        settings = {"Dir": "/", "Dir::Etc": folder / "etc", "Dir::State": folder / "state",
                    "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache", "Dir::Log": folder / "log",
                    "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "0",
                    "Acquire::https::CaInfo": lane.ca, "Acquire::Check-Date": "false"}
        if lane.through_proxy:
            settings[f"Acquire::{scheme}::Proxy"] = lane.url
        path = folder / "apt.conf"
        path.write_text("#clear DPkg::Post-Invoke;\n" +
                        "".join(f'{name} "{value}";\n' for name, value in settings.items()))
        return path

    def fetch(self, site: Web) -> None:
        # apt 2.6 stalls when two records of TLS in TLS come at once, whatever the proxy: one record there
        nested = site.tls and self.lane.column.scheme == "https"
        data = self.make_repository(BODIES["/large"][:4096 if nested else None])
        variables = {"APT_CONFIG": str(self.configure(site)), "DEBIAN_FRONTEND": "noninteractive"}
        folder = self.lane.folder / "downloads"
        folder.mkdir()
        said = self.lane.run("apt-get", "update", "-o", "APT::Update::Error-Mode=any", variables=variables)
        assert not re.search(rb"^(W|E|Err):", said.stdout + said.stderr, re.MULTILINE), said.stdout + said.stderr
        self.lane.run("apt-get", "download", "co-wq-acceptance", variables=variables, cwd=folder)
        same(next(folder.iterdir()).read_bytes(), data, "the downloaded package")
        self.lane.run("apt-get", "install", "-y", "--download-only", "co-wq-acceptance", variables=variables)
        kept = self.lane.folder / "apt/cache/archives/co-wq-acceptance_1.0_all.deb"
        same(kept.read_bytes(), data, "the package that install fetched")

    def do_http(self) -> None:
        self.fetch(self.lane.plain)

    def do_https(self) -> None:
        self.fetch(self.lane.secure)
