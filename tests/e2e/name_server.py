"""A name server of the test's own: answers A as it was told, one list of addresses after the other; AAAA has none."""
import socket
import struct
import threading


class NameServer:
    """For each name the answers in turn, of which the last one stays. asked: how often each was asked for."""

    def __init__(self, **names: list[list[str]]):
        self.answers = {name.replace("_", ".") + ".test.example": list(lists) for name, lists in names.items()}
        self.asked = {name: 0 for name in self.answers}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "NameServer":
        return self

    def __exit__(self, *_) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        name, found, status = ".".join(labels), [], 0
        if name not in self.answers:
            status = 3
        elif kind == 1:
            lists = self.answers[name]
            self.asked[name] += 1
            found = lists.pop(0) if len(lists) > 1 else lists[0]
        records = b"".join(struct.pack("!HHHIH", 0xc00c, 1, 1, 0, 4) + socket.inet_aton(one) for one in found)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | status, 1, len(found), 0, 0) + question + records
