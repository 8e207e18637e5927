#!/usr/bin/env python3
"""OpenSSL's own programs against ours, in both directions; and our example against itself.

    interop_test.py PATH-OF-example_dtls_echo
"""
import contextlib
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ECHO = ""
LIMIT_S = 60


def make_certificates(folder: pathlib.Path) -> None:
    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=LIMIT_S)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "own.key",
        "-out", "own.csr", "-subj", "/CN=own")
    (folder / "names").write_text("subjectAltName=DNS:server.test\nextendedKeyUsage=serverAuth\n")
    run("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "names", "-out", "own.pem")
    (folder / "own.key").chmod(0o600)


class Reader:
    """Collects what a program prints, and waits for parts of it."""

    def __init__(self, pipe) -> None:
        self.text = ""
        self.changed = threading.Condition()
        self.ended = False
        threading.Thread(target=self.read, args=(pipe,), daemon=True).start()

    def read(self, pipe) -> None:
        while chunk := pipe.read1(4096):
            with self.changed:
                self.text += chunk.decode(errors="replace")
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, pattern: str) -> re.Match:
        with self.changed:
            found = self.changed.wait_for(lambda: re.search(pattern, self.text) or self.ended, LIMIT_S)
            match = re.search(pattern, self.text)
        if not found or not match:
            raise AssertionError(f"'{pattern}' never came:\n{self.text}")
        return match


class Interop(unittest.TestCase):
    def setUp(self) -> None:
        self.ends = contextlib.ExitStack()
        self.folder = pathlib.Path(self.ends.enter_context(tempfile.TemporaryDirectory()))
        make_certificates(self.folder)

    def tearDown(self) -> None:
        self.ends.close()

    def start(self, *words: str) -> tuple[subprocess.Popen, Reader]:
        program = subprocess.Popen(words, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        self.ends.callback(self.stop, program)
        return program, Reader(program.stdout)

    @staticmethod
    def stop(program: subprocess.Popen) -> None:
        program.kill()
        program.wait(LIMIT_S)
        program.stdin.close()

    def start_ours(self) -> int:
        _, said = self.start(ECHO, "server", "own.pem", "own.key")
        return int(said.wait_for(r"echo on 127\.0\.0\.1:(\d+)").group(1))

    def talk(self, program: subprocess.Popen, said: Reader, word: str) -> None:
        program.stdin.write(f"{word}\n".encode())
        program.stdin.flush()
        said.wait_for(rf"(?m)^{word}$")

    def test_s_client_talks_to_our_server(self) -> None:
        port = self.start_ours()
        for more in ([], ["-mtu", "512"], ["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
                     ["-cipher", "ECDHE-ECDSA-AES128-SHA256"]):
            client, said = self.start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                                      "ca.pem", "-verify_return_error", "-servername", "server.test",
                                      "-verify_hostname", "server.test", *more)
            said.wait_for(r"Verify return code: 0 \(ok\)")
            for word in ("alpha", "beta"):
                self.talk(client, said, word)
            self.stop(client)

    def test_s_client_resumes_with_our_server(self) -> None:
        port = self.start_ours()
        for step in ("-sess_out", "-sess_in"):
            client, said = self.start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                                      "ca.pem", step, "session.pem")
            said.wait_for("Reused, TLSv1.2" if step == "-sess_in" else "New, TLSv1.2")
            self.talk(client, said, "gamma")
            client.stdin.write(b"Q\n")
            client.stdin.flush()
            client.wait(LIMIT_S)

    def test_s_client_that_believes_somebody_else_refuses_us(self) -> None:
        port = self.start_ours()
        (self.folder / "other").mkdir()
        make_certificates(self.folder / "other")
        client, said = self.start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                                  "other/ca.pem", "-verify_return_error")
        said.wait_for("certificate verify failed")
        client.wait(LIMIT_S)
        client, said = self.start("openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-CAfile",
                                  "ca.pem")
        self.talk(client, said, "still there")

    def start_theirs(self, *more: str) -> tuple[subprocess.Popen, Reader, int]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server, said = self.start("openssl", "s_server", "-dtls1_2", "-accept", f"127.0.0.1:{port}", "-cert",
                                  "own.pem", "-key", "own.key", *more)
        said.wait_for("ACCEPT")
        return server, said, port

    def test_our_client_talks_to_s_server(self) -> None:
        for more in ([], ["-listen"], ["-mtu", "512"]):
            server, said, port = self.start_theirs(*more)
            client, heard = self.start(ECHO, "client", str(port), "ca.pem", "server.test", "delta\n")
            said.wait_for("delta")
            server.stdin.write(b"epsilon\n")
            server.stdin.flush()
            heard.wait_for("epsilon")
            self.assertEqual(client.wait(LIMIT_S), 0)
            self.stop(server)

    def test_our_client_refuses_an_s_server_of_another_name(self) -> None:
        _, _, port = self.start_theirs()
        client, heard = self.start(ECHO, "client", str(port), "ca.pem", "other.test", "x")
        heard.wait_for("connect: certificate of another host")
        self.assertNotEqual(client.wait(LIMIT_S), 0)

    def test_our_example_talks_to_itself(self) -> None:
        port = self.start_ours()
        client, heard = self.start(ECHO, "client", str(port), "ca.pem", "server.test", "one", "two")
        heard.wait_for(r"one\s+two")
        self.assertEqual(client.wait(LIMIT_S), 0)


if __name__ == "__main__":
    ECHO = sys.argv.pop(1)
    unittest.main()
