"""A client whose TLS 1.3 records are made by hand: messages in pieces, new keys, what no library sends."""
import ctypes
import fcntl
import hashlib
import hmac
import re
import socket
import ssl
import struct
import tempfile
import termios
from pathlib import Path

from wire import wait_until

ALERT, HANDSHAKE, DATA = 21, 22, 23  # RFC 8446 section 5.1
CLIENT_HELLO, TICKET, FINISHED, KEY_UPDATE = 1, 4, 20, 24  # section 4
CLOSE_NOTIFY, USER_CANCELED = b"\1\0", b"\1\x5a"  # section 6.1
MOST = 1 << 14  # of a record's content

SIOCOUTQNSD = 0x894B  # linux/sockios.h: what is not sent yet
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20  # linux/netlink.h, linux/sock_diag.h
GET_TAG = 0x10  # EVP_CTRL_AEAD_GET_TAG
SUITES = {"TLS_AES_128_GCM_SHA256": ("EVP_aes_128_gcm", 16, "sha256"),
          "TLS_AES_256_GCM_SHA384": ("EVP_aes_256_gcm", 32, "sha384"),
          "TLS_CHACHA20_POLY1305_SHA256": ("EVP_chacha20_poly1305", 32, "sha256")}


def message(kind: int, content: bytes) -> bytes:
    """Of the handshake protocol."""
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def key_update(ask: bool = False) -> bytes:
    return message(KEY_UPDATE, bytes([ask]))


def unread(here: tuple[str, int], there: tuple[str, int]) -> int:
    """Bytes that lie in the socket of this machine that is connected from here to there: sock_diag(7), which finds one
    among many thousands at once, or else /proc/net/tcp. 0: there is none."""
    hosts = b"".join(socket.inet_aton(end[0]) + bytes(12) for end in (here, there))
    ends = struct.pack("!HH", here[1], there[1]) + hosts
    asked = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xffffffff) + ends + bytes(4) + b"\xff" * 8
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.send(struct.pack("=IHHII", 16 + len(asked), SOCK_DIAG_BY_FAMILY, 1, 0, 0) + asked)  # 1: NLM_F_REQUEST
        told = link.recv(4096)
    if struct.unpack_from("=H", told, 4)[0] == SOCK_DIAG_BY_FAMILY:
        return struct.unpack_from("=I", told, 16 + 56)[0]  # inet_diag_msg.idiag_rqueue
    ports = rf":{here[1]:04X} \w+:{there[1]:04X}"
    row = re.search(rf"{ports} \w\w \w+:(\w+)", Path("/proc/net/tcp").read_text())
    return int(row[1], 16) if row else 0


def taken(sender: socket.socket) -> bool:
    """Whether the peer, on this machine, has read everything that was sent. (Acknowledged would be late.)"""
    not_sent = struct.unpack("i", fcntl.ioctl(sender, SIOCOUTQNSD, bytes(4)))[0]
    return not_sent == 0 and unread(sender.getpeername(), sender.getsockname()) == 0


class Sealer:
    """Makes records with the keys that follow from a traffic secret, and from the next ones: RFC 8446 section 7."""

    _crypto = ctypes.CDLL("libcrypto.so.3")  # ssl has no cipher of its own to offer

    def __init__(self, suite: str, secret: bytes):
        cipher, self._key_size, self._hash = SUITES[suite]
        for name in (cipher, "EVP_CIPHER_CTX_new"):
            getattr(self._crypto, name).restype = ctypes.c_void_p
        self._cipher = ctypes.c_void_p(getattr(self._crypto, cipher)())
        self._use(secret)

    def _expand(self, label: str, size: int) -> bytes:
        what = struct.pack("!HB", size, 6 + len(label)) + b"tls13 " + label.encode() + b"\0"
        return hmac.digest(self._secret, what + b"\1", self._hash)[:size]

    def _use(self, secret: bytes) -> None:
        self._secret, self._number = secret, 0
        self._key, self._iv = self._expand("key", self._key_size), self._expand("iv", 12)

    def next_key(self) -> None:
        self._use(self._expand("traffic upd", hashlib.new(self._hash).digest_size))

    def seal(self, kind: int, content: bytes) -> bytes:
        text = content + bytes([kind])
        head = struct.pack("!BHH", DATA, 0x303, len(text) + 16)
        nonce = (int.from_bytes(self._iv, "big") ^ self._number).to_bytes(12, "big")
        self._number += 1
        out, tag, size = ctypes.create_string_buffer(len(text)), ctypes.create_string_buffer(16), ctypes.c_int()
        crypto, made = self._crypto, ctypes.c_void_p(self._crypto.EVP_CIPHER_CTX_new())
        try:
            if not (crypto.EVP_EncryptInit_ex(made, self._cipher, None, self._key, nonce) == 1
                    and crypto.EVP_EncryptUpdate(made, None, ctypes.byref(size), head, len(head)) == 1
                    and crypto.EVP_EncryptUpdate(made, out, ctypes.byref(size), text, len(text)) == 1
                    and crypto.EVP_EncryptFinal_ex(made, tag, ctypes.byref(size)) == 1
                    and crypto.EVP_CIPHER_CTX_ctrl(made, GET_TAG, len(tag), tag) == 1):
                raise RuntimeError("libcrypto does not seal")
        finally:
            crypto.EVP_CIPHER_CTX_free(made)
        return head + out.raw + tag.raw


class Records:
    """Stands in for a connected socket. What it sends it seals itself; what it receives the ssl module reads, new keys
    of the peer's included."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, name: str = "localhost"):
        self._plain, self._incoming = plain, ssl.MemoryBIO()
        outgoing = ssl.MemoryBIO()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        with tempfile.TemporaryDirectory(prefix="co_wq_keys_") as folder:
            context.keylog_filename = str(Path(folder) / "keys")
            self._tls = context.wrap_bio(self._incoming, outgoing, server_hostname=name)
            while not self._shake(outgoing):
                self._feed()
            keys = dict(line.split(" ", 1) for line in (Path(folder) / "keys").read_text().splitlines() if " " in line)
        self._sealer = Sealer(self._tls.cipher()[0], bytes.fromhex(keys["CLIENT_TRAFFIC_SECRET_0"].split()[1]))

    def __getattr__(self, name: str):
        return getattr(self._plain, name)

    def _shake(self, outgoing: ssl.MemoryBIO) -> bool:
        try:
            self._tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            self._plain.sendall(outgoing.read())

    def _feed(self) -> None:
        if data := self._plain.recv(1 << 16):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def recv(self, most: int) -> bytes:
        """b"": close_notify. Another end raises ssl.SSLEOFError, an alert ssl.SSLError."""
        while True:
            try:
                return self._tls.read(most)
            except ssl.SSLWantReadError:
                self._feed()

    def sendall(self, data: bytes) -> None:
        self._plain.sendall(b"".join(self.sealed(DATA, data[at:at + MOST]) for at in range(0, len(data), MOST)))

    # -- by hand

    def sealed(self, kind: int, content: bytes) -> bytes:
        """A record: whoever makes one sends it, before the next."""
        return self._sealer.seal(kind, content)

    def send_raw(self, data: bytes) -> None:
        self._plain.sendall(data)

    def send_record(self, kind: int, content: bytes) -> None:
        self.send_raw(self.sealed(kind, content))

    def next_key(self) -> None:
        self._sealer.next_key()

    def update_key(self, ask: bool = False) -> bytes:
        """The record that says so; what is sealed from now on has the new key."""
        record = self.sealed(HANDSHAKE, key_update(ask))
        self.next_key()
        return record

    def send_half(self, whole: bytes, cut: int) -> None:
        """The first bytes of a message, in a record that the peer has read when this returns."""
        self.send_record(HANDSHAKE, whole[:cut])
        self.wait_until_taken()

    def wait_until_taken(self) -> None:
        wait_until(lambda: taken(self._plain), "the peer has read all", pause=0.001)

    def waiting(self) -> int:
        """Bytes that have come and were not read."""
        return struct.unpack("i", fcntl.ioctl(self._plain, termios.FIONREAD, bytes(4)))[0]

    def say_end(self) -> None:
        self.send_record(ALERT, CLOSE_NOTIFY)
