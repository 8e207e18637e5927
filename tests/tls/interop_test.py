#!/usr/bin/env python3
"""Other implementations against ours, both ways: openssl s_client and s_server, socat, Python's ssl.

    interop_test.py ECHO_SERVER TALKING_CLIENT
"""
import contextlib
import os
import pathlib
import re
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

ECHO, TALK = sys.argv[1:3]
LIMIT_S = 60
TEXT = "".join(f"line {i} of what is sent\n" for i in range(2000))


def run(*words: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False, **more)


class House:
    """A folder with an authority and what it issued, made by the openssl program."""

    def __init__(self) -> None:
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="co_wq_tls_"))
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=house", "-keyout", self.at("ca.key"), "-out", self.at("ca.pem"))
        self.issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth")
        self.issue("client", "extendedKeyUsage=clientAuth")

    def at(self, name: str) -> str:
        return str(self.path / name)

    def openssl(self, *words: str) -> None:
        done = run("openssl", *words)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def issue(self, name: str, extensions: str) -> None:
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", self.at(name + ".key"), "-out", self.at(name + ".csr"))
        (self.path / "extensions").write_text(extensions + "\n", encoding="utf-8")
        self.openssl("x509", "-req", "-in", self.at(name + ".csr"), "-CA", self.at("ca.pem"), "-CAkey",
                     self.at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", self.at("extensions"), "-out",
                     self.at(name + ".pem"))
        os.chmod(self.at(name + ".key"), 0o600)
        both = (self.path / (name + ".pem")).read_text() + (self.path / (name + ".key")).read_text()
        (self.path / (name + ".both")).write_text(both, encoding="utf-8")


class Ours:
    """The echo server of examples/."""

    def __init__(self, house: House, *more: str) -> None:
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([ECHO, house.at("server.pem"), house.at("server.key"), *more],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        found = re.search(r":(\d+)$", self.process.stdout.readline().strip())
        if not found:
            raise RuntimeError(self.process.stderr.read())
        self.port = int(found.group(1))

    def end(self) -> str:
        self.process.terminate()
        said = self.process.communicate(timeout=LIMIT_S)[1]
        return said


class Interop(unittest.TestCase):
    house: House
    server: Ours
    strict: Ours

    @classmethod
    def setUpClass(cls) -> None:
        cls.house = House()
        cls.server = Ours(cls.house)
        cls.strict = Ours(cls.house, cls.house.at("ca.pem"))

    @classmethod
    def tearDownClass(cls) -> None:
        for one in (cls.server, cls.strict):
            said = one.end()
            if "Sanitizer" in said:
                raise AssertionError(said)
        shutil.rmtree(cls.house.path)

    def context(self, *own: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.house.at("ca.pem"))
        if own:
            made.load_cert_chain(*own)
        return made

    def talk(self, port: int, *more: str, text: str = TEXT, name: str = "localhost") -> subprocess.CompletedProcess:
        return run(TALK, str(port), name, self.house.at("ca.pem"), text, *more)

    # ---- their clients, our server

    def exchange(self, context: ssl.SSLContext, port: int) -> str:
        """Both ways at once, on one thread: Python's ssl loses records when two use a socket (seen with 3.11)."""
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as raw:
            with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as stream:
                stream.setblocking(False)
                left, got = TEXT.encode(), b""
                while len(got) < len(TEXT):
                    writing = [stream] if left else []
                    ready = select.select([stream], writing, [], LIMIT_S)
                    self.assertTrue(ready[0] or ready[1], f"{len(got)} bytes came back, and then nothing")
                    if ready[1]:
                        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                            left = left[stream.send(left[:16384]):]
                    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        while piece := stream.recv(65536):
                            got += piece
                        break
                stream.setblocking(True)
                raw = stream.unwrap()  # close_notify both ways
                raw.close()
                return got.decode()

    def test_python_client(self) -> None:
        for most in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context()
            context.maximum_version = most
            self.assertEqual(self.exchange(context, self.server.port), TEXT)

    def test_python_client_with_a_certificate(self) -> None:
        own = self.house.at("client.pem"), self.house.at("client.key")
        self.assertEqual(self.exchange(self.context(*own), self.strict.port), TEXT)
        with self.assertRaises(ssl.SSLError):
            self.exchange(self.context(), self.strict.port)

    def test_openssl_s_client(self) -> None:
        for version in ("-tls1_2", "-tls1_3"):
            words = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-servername", "localhost",
                     "-CAfile", self.house.at("ca.pem"), "-verify_return_error", "-verify_hostname", "localhost",
                     "-alpn", "echo", version, "-quiet", "-no_ign_eof"]
            self.say(words, (("hello", "hello"), ("over TLS", "over TLS")))

    def test_openssl_s_client_updates_keys_and_resumes(self) -> None:
        session = self.house.at("session")
        common = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-servername", "localhost",
                  "-CAfile", self.house.at("ca.pem")]
        # a line K sends a key update that asks for ours; the first echo comes before it, so that tickets are there
        self.say([*common, "-sess_out", session], (("one", "one"), ("K", "KEYUPDATE"), ("two", "two"), ("Q", "DONE")))
        again = run(*common, "-sess_in", session, input="Q\n")
        self.assertIn("Reused, TLSv1.3", again.stdout, again.stderr)

    def say(self, words: list[str], lines: tuple[tuple[str, str], ...]) -> None:
        """Gives the program each line when it has answered the one before; its input stays open until then, for it
        ends at once with it, and it takes a line for a command only when it reads it alone."""
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as program:
            watchdog = threading.Timer(LIMIT_S, program.kill)
            watchdog.start()
            said = []
            for line, answer in lines:
                program.stdin.write(line + "\n")
                program.stdin.flush()
                while not said or said[-1] != answer + "\n":
                    said.append(program.stdout.readline())
                    self.assertTrue(said[-1], "".join(said))
                said.append("")
            program.stdin.close()
            program.stdout.read()
            watchdog.cancel()

    def test_socat_client(self) -> None:
        done = run("socat", "-t", "30", "-", f"OPENSSL:127.0.0.1:{self.server.port},cafile={self.house.at('ca.pem')},"
                   "commonname=localhost", input=TEXT[:4000])
        self.assertEqual(done.stdout, TEXT[:4000], done.stderr)

    # ---- our client, their servers

    def test_our_client_with_our_server(self) -> None:
        done = self.talk(self.server.port)
        self.assertEqual((done.stdout, done.returncode), (TEXT, 0), done.stderr)
        self.assertIn("CN=server", done.stderr)
        wrong = self.talk(self.server.port, name="example.net")
        self.assertEqual((wrong.stdout, wrong.returncode), ("", 1))
        self.assertIn("certificate of another host", wrong.stderr)
        done = self.talk(self.strict.port, self.house.at("client.pem"), self.house.at("client.key"))
        self.assertEqual((done.stdout, done.returncode), (TEXT, 0), done.stderr)

    def test_python_server(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.house.at("server.pem"), self.house.at("server.key"))
        for cuts in (False, True):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                serving = threading.Thread(target=self.serve_once, args=(context, listener, cuts))
                serving.start()
                done = self.talk(listener.getsockname()[1], text="hello" * 1000)
                serving.join()
            self.assertEqual(done.stdout, "hello" * 1000, done.stderr)
            # an end without close_notify is not taken for one
            self.assertEqual(done.returncode, 1 if cuts else 0)
            self.assertEqual("connection was cut" in done.stderr, cuts, done.stderr)

    @staticmethod
    def serve_once(context: ssl.SSLContext, listener: socket.socket, cuts: bool) -> None:
        raw, _ = listener.accept()
        raw.settimeout(LIMIT_S)
        stream = context.wrap_socket(raw, server_side=True)
        while piece := stream.recv(65536):
            stream.sendall(piece)
        if not cuts:
            stream.unwrap()
        stream.close()

    def test_openssl_s_server(self) -> None:
        for more in (["-tls1_2"], ["-tls1_3"], ["-Verify", "1", "-verify_return_error", "-CAfile",
                                                self.house.at("ca.pem")]):
            words = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", self.house.at("server.pem"), "-key",
                     self.house.at("server.key"), "-rev", "-naccept", "1", *more]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True) as server:
                port = 0
                while not port:
                    line = server.stdout.readline()
                    self.assertTrue(line, "s_server has ended")
                    found = re.match(r"ACCEPT .*:(\d+)", line)
                    port = int(found.group(1)) if found else 0
                done = self.talk(port, self.house.at("client.pem"), self.house.at("client.key"), text="hello\n")
                server.kill()
            self.assertEqual(done.stdout, "olleh\n", done.stderr)

    def test_socat_server(self) -> None:
        with subprocess.Popen(["socat", "-d", "-d", f"OPENSSL-LISTEN:0,bind=127.0.0.1,verify=0,"
                               f"cert={self.house.at('server.both')}", "EXEC:cat"], stderr=subprocess.PIPE,
                              text=True) as server:
            port = 0
            while not port:
                line = server.stderr.readline()
                self.assertTrue(line, "socat has ended")
                found = re.search(r"listening on .*:(\d+)", line)
                port = int(found.group(1)) if found else 0
            done = self.talk(port, text=TEXT[:4000])
            server.terminate()
            server.stderr.read()
        self.assertEqual(done.stdout, TEXT[:4000], done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
