"""The tables of hostile.py. ORIGIN is the recording origin's address and port, PORT its port, WRAPPED 65536 more."""

GET = "GET http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n"
POST = "POST http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n"
SMUGGLED = "0\r\n\r\nGET http://ORIGIN/smuggled HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"


def lengths() -> dict:
    """Content-Length in spellings that some parser reads as a number."""
    values = ("4 4", "4;5", "4.0", "4e0", "4_0", "\x0b4", "4\x0b", "\x0c4", "4\x00", "\x004", "0x04", "\xd9\xa4",
              "'4'", '"4"', "4,", ",4", "4,5", "- 4", "+0", "-0", "4a", "a4", "99999999999999999999999999")
    return {f"Content-Length: {value!r}": ((400,), POST + f"Content-Length: {value}\r\n\r\n{SMUGGLED}")
            for value in values}


def encodings() -> dict:
    """Transfer-Encoding in spellings that some parser takes for chunked and another one does not."""
    values = ("\x0bchunked", "chunked\x0b", "\x0cchunked", "chunked\x00", "\x00chunked", "chunked\x7f", "\xa0chunked",
              '"chunked"', "'chunked'", "chunked;q=1", "chunked; a", "chunkedx", "chunked chunked", "chunked-x", "cow",
              "identity", "", ",", "identity, chunked", "chunked, identity", "cow, chunked", "chunked, cow",
              "chunked,chunked", "x-chunked", "chun\tked", "chunk", "Chunked\r", "=chunked", "chunked=", "{chunked}")
    made = {f"Transfer-Encoding: {value!r}": ((400, 501), POST + f"Transfer-Encoding: {value}\r\n\r\n{SMUGGLED}")
            for value in values}
    for first, second in (("chunked", "cow"), ("cow", "chunked"), ("identity", "chunked"), ("chunked", "chunked"),
                          ("chunked", ""), ("", "chunked")):
        made[f"Transfer-Encoding twice: {first!r}, {second!r}"] = (
            (400, 501), POST + f"Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n\r\n{SMUGGLED}")
    return made


def names() -> dict:
    """Names of fields that are none, each with what would frame the body if it counted."""
    made = {}
    for text in ("Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Transfer-Encoding\r: chunked",
                 "Transfer-Encoding\x00: chunked", "Transfer-Encoding\x0b: chunked", " Transfer-Encoding: chunked",
                 "\tTransfer-Encoding: chunked", "\x00Transfer-Encoding: chunked", "\x0bTransfer-Encoding: chunked",
                 "Transfer Encoding: chunked", "Transfer-Encoding chunked", "Transfer-Encoding\xa0: chunked",
                 "Content-Length : 4", "Content-Length\x0b: 4", " Content-Length: 4", "\"Content-Length\": 4",
                 "Content-Length(a): 4", "X: y\rContent-Length: 4", "X: y\nContent-Length: 4", "X: y\n\nGET / HTTP/1.1",
                 "X: y\r\r\nContent-Length: 4", "X\nTransfer-Encoding: chunked", "X:\n Transfer-Encoding: chunked",
                 "[x]: y", "a/b: y", "a@b: y", "\xe4: y", ":", ": :", " : y", "X y", "\x7f: y", " ", "\t"):
        made[f"a line {text!r}"] = ((400,), POST + f"{text}\r\n\r\n{SMUGGLED}")
    for byte in [*range(0x00, 0x09), *range(0x0a, 0x20), 0x7f]:
        made[f"byte {byte:#04x} in a value"] = ((400,), GET + f"X: a{chr(byte)}b\r\n\r\n")
        made[f"byte {byte:#04x} in a target"] = ((400,), f"GET http://ORIGIN/a{chr(byte)}b HTTP/1.1\r\nHost: a\r\n\r\n")
    return made


def both_ways() -> dict:
    """Two lengths of one body, in each order and spelling (RFC 9112 section 6.3)."""
    made = {}
    for one in ("Content-Length: 4", "content-length: 4", "Content-Length:4", "Content-Length:\t4\t"):
        for other in ("Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding:\tchunked",
                      "Content-Length: 4", "Content-Length: 5", "Content-Length: 04"):
            for lines in ((one, other), (other, one), (one, "X: y", other)):
                made["; ".join(lines)] = ((400,), POST + "\r\n".join(lines) + f"\r\n\r\n{SMUGGLED}")
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        head = f"{method} http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n"
        made[f"CL.TE of {method}"] = (
            (400,), f"{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{SMUGGLED}")
    return made


def start_lines() -> dict:
    host = "\r\nHost: ORIGIN\r\n\r\n"
    lines = {
        "tab for a blank": "GET\thttp://ORIGIN/ HTTP/1.1", "tab before the version": "GET http://ORIGIN/\tHTTP/1.1",
        "a blank at the start": " GET http://ORIGIN/ HTTP/1.1", "a blank at the end": "GET http://ORIGIN/ HTTP/1.1 ",
        "two versions": "GET http://ORIGIN/ HTTP/1.1 HTTP/1.1", "lower-case version": "GET http://ORIGIN/ http/1.1",
        "no minor version": "GET http://ORIGIN/ HTTP/1.", "two digits": "GET http://ORIGIN/ HTTP/1.10",
        "leading zero": "GET http://ORIGIN/ HTTP/01.1", "a sign": "GET http://ORIGIN/ HTTP/+1.1",
        "another protocol": "GET http://ORIGIN/ HTTPS/1.1", "a comma": "GET http://ORIGIN/ HTTP/1,1",
        "bare CR inside": "GET http://ORIGIN/\rX HTTP/1.1", "CR CR LF": "GET http://ORIGIN/ HTTP/1.1\r",
        "LF inside": "GET http://ORIGIN/ HTTP/1.1\nX: y", "no method": " http://ORIGIN/ HTTP/1.1",
        "no target": "GET  HTTP/1.1", "NUL first": "\0GET http://ORIGIN/ HTTP/1.1",
        "a colon": "GET: http://ORIGIN/ HTTP/1.1",
        "a byte-order mark": "\xef\xbb\xbfGET http://ORIGIN/ HTTP/1.1", "a curly": "{GET} http://ORIGIN/ HTTP/1.1",
        "DEL": "GET http://ORIGIN/\x7f HTTP/1.1", "a quote in the host": "GET http://OR\"IGIN/ HTTP/1.1",
    }
    return {f"start line: {name}": ((400, 505), text + host) for name, text in lines.items()}


def authorities() -> dict:
    """Hosts and ports that two readers take for different ones (RFC 3986 section 3.2, RFC 9110 section 4.2)."""
    hosts = ("a@ORIGIN", "a:b@ORIGIN", "ORIGIN@evil.invalid", "@ORIGIN", "a%40ORIGIN@ORIGIN", "evil.invalid\\@ORIGIN",
             "evil.invalid#@ORIGIN", "ORIGIN\\", "\\ORIGIN", "ORIGIN,evil.invalid", "ORIGIN;evil.invalid", "<ORIGIN>",
             "[::1%25lo]:PORT", "[::1%lo]:PORT", "[::1%25]:PORT", "[127.0.0.1]:PORT", "[::ffff:127.0.0.1%0]:PORT",
             "[::1]PORT", "[::1:PORT", "::1:PORT", "[]:PORT", "[::1]]:PORT", "[[::1]]:PORT", "[v1.a]:PORT",
             "[::127.0.0.1.]:PORT", "[1::2::3]:PORT", "[00001::1]:PORT", "[:::1]:PORT", "[::g]:PORT",
             "0x7f.0.0.1:PORT", "0x7f000001:PORT", "0X7F.0x0.0x0.0x1:PORT", "0177.0.0.1:PORT", "017700000001:PORT",
             "127.0.0.01:PORT", "127.0.0.1.:PORT", "127.0.1:PORT", "127.1:PORT", "2130706433:PORT", "127.0.0.256:PORT",
             "127.0.0.1.1:PORT", "127..0.1:PORT", ".127.0.0.1:PORT", "0:PORT", "127.0.0.0x1:PORT", "1.2.3:PORT",
             "%31%32%37.0.0.1:PORT", "127.0.0.1%00:PORT", "127.0.0.1%20:PORT", "localhost%2e:PORT",
             "b\xc3\xbccher.invalid:PORT", "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1:PORT",
             "127\xe3\x80\x820.0.1:PORT", "127.0.0.1:+PORT", "127.0.0.1: PORT", "127.0.0.1:PORT:PORT",
             "127.0.0.1:0x50", "127.0.0.1:80a", "127.0.0.1:-80", "127.0.0.1:WRAPPED", "127.0.0.1:4294967376",
             "127.0.0.1:18446744073709551696", "127.0.0.1:99999999999999999999999", "127.0.0.1:0", "127.0.0.1:000000",
             "127.0.0.1:0PORT",
             "127.0.0.1:65536", ":PORT", "", ".", "..", "a..b.invalid:PORT", "*:PORT", "local host:PORT",
             "x" * 64 + ".invalid:PORT", ".".join(["y" * 60] * 5) + ":PORT")
    made = {}
    for host in hosts:
        made[f"GET http://{host[:70]}/"] = ((400,), f"GET http://{host}/ HTTP/1.1\r\nHost: a\r\n\r\n")
        if host:
            made[f"CONNECT {host[:70]}"] = ((400,), f"CONNECT {host} HTTP/1.1\r\nHost: a\r\n\r\n")
    for target in ("http:ORIGIN/", "http:/ORIGIN/", "http:\\\\ORIGIN/", "http//ORIGIN/", "//ORIGIN/", "http://",
                   "http:", "://ORIGIN/", " http://ORIGIN/", "file:///x", "gopher://ORIGIN/", "ws://ORIGIN/",
                   "url:http://ORIGIN/", "http://ORIGIN#x", "http://ORIGIN/a#x", "javascript:1", "unix:/x", "/", "*",
                   "?", "http+unix://ORIGIN/"):
        made[f"target {target!r}"] = ((400,), f"GET {target} HTTP/1.1\r\nHost: ORIGIN\r\n\r\n")
    for target in ("127.0.0.1:PORT?", "127.0.0.1:PORT#", "//127.0.0.1:PORT", "https://127.0.0.1:PORT", "*", "/",
                   "127.0.0.1:PORT 127.0.0.1:PORT", "127.0.0.1:PORT\t", "127.0.0.1", "127.0.0.1:"):
        made[f"CONNECT {target!r}"] = ((400,), f"CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    for value in ("a b", "a,b", "a@b", "a/b", "http://a", "a:b", "a:99999", "[::1", "a\\b", "a#", "a?b", "%00", "\xe4"):
        made[f"Host: {value!r}"] = ((400,), f"GET http://ORIGIN/ HTTP/1.1\r\nHost: {value}\r\n\r\n")
    return made


HEADS: dict[str, tuple[tuple[int, ...], str]] = {
    **lengths(), **encodings(), **names(), **both_ways(), **start_lines(), **authorities(),
    "CONNECT with chunks": (
        (400,), "CONNECT ORIGIN HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "10,000 fields": ((431,), GET + "a:b\r\n" * 10_000 + "\r\n"),
    "10,000 empty fields": ((431,), GET + "a:\r\n" * 10_000 + "\r\n"),
    "40 KiB in a name": ((431,), GET + "x" * 40_000 + ": y\r\n\r\n"),
    "40 KiB of blanks before a value": ((431,), GET + "x:" + " " * 40_000 + "y\r\n\r\n"),
    "40 KiB of empty lines": ((400,), "\r\n" * 20_000),
}

# Bodies of a request with Transfer-Encoding: chunked.
BODIES: dict[str, str] = {
    "blank before a size": " 3\r\nabc\r\n0\r\n\r\n",
    "a sign": "+3\r\nabc\r\n0\r\n\r\n",
    "negative": "-3\r\nabc\r\n0\r\n\r\n",
    "0x": "0x3\r\nabc\r\n0\r\n\r\n",
    "an underscore": "0_3\r\nabc\r\n0\r\n\r\n",
    "empty": "\r\nabc\r\n0\r\n\r\n",
    "no hexadecimal": "g\r\nabc\r\n0\r\n\r\n",
    "a size of 2^64": "10000000000000000\r\nabc\r\n0\r\n\r\n",
    "a size of 2^64 + 3": "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a size of 2^63": "8000000000000000\r\nabc\r\n0\r\n\r\n",
    "a size of 2^64 - 1": "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "many digits": "f" * 300 + "\r\nabc\r\n0\r\n\r\n",
    "LF after a size": "3\nabc\r\n0\r\n\r\n",
    "CR after a size": "3\rabc\r\n0\r\n\r\n",
    "CR CR LF": "3\r\r\nabc\r\n0\r\n\r\n",
    "LF after data": "3\r\nabc\n0\r\n\r\n",
    "CR after data": "3\r\nabc\r0\r\n\r\n",
    "nothing after data": "3\r\nabc0\r\n\r\n",
    "junk after data": "3\r\nabcX\r\n0\r\n\r\n",
    "LF in an extension": "3;a\nabc\r\n0\r\n\r\n",
    "LF hides a size in an extension": "3;\n\n5\r\nabc\r\n0\r\n\r\n",
    "CR in an extension": "3;a\rb\r\nabc\r\n0\r\n\r\n",
    "NUL in an extension": "3;a\0\r\nabc\r\n0\r\n\r\n",
    "an extension without ;": "3 a\r\nabc\r\n0\r\n\r\n",
    "a comma": "3,4\r\nabc\r\n0\r\n\r\n",
    "a long extension": "3;" + "a" * 5000 + "\r\nabc\r\n0\r\n\r\n",
    "extensions without end": "".join("1;" + "a" * 200 + "\r\nx\r\n" for _ in range(200)) + "0\r\n\r\n",
    "a bad last chunk": "3\r\nabc\r\n0\n\r\n",
    "LF after the trailers": "3\r\nabc\r\n0\r\n\n",
    "a trailer without colon": "0\r\nX\r\n\r\n",
    "a trailer that is folded": "0\r\nX: y\r\n z\r\n\r\n",
    "a blank before a colon in a trailer": "0\r\nX : y\r\n\r\n",
    "NUL in a trailer": "0\r\nX: \0\r\n\r\n",
    "LF in a trailer": "0\r\nX: y\nZ: z\r\n\r\n",
    "101 trailers": "0\r\n" + "X: y\r\n" * 101 + "\r\n",
    "40 KiB of trailers": "0\r\nX: " + "y" * 40_000 + "\r\n\r\n",
    **{f"a trailer {name}": f"0\r\n{name}: {value}\r\n\r\n" for name, value in
       (("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Host", "evil.invalid"))},
}
# After these the client says no more.
CUT_BODIES: dict[str, str] = {
    "nothing": "", "in a size": "3", "after a size": "3\r\n", "in data": "3\r\na", "after data": "3\r\nabc",
    "after a chunk": "3\r\nabc\r\n", "in the last size": "3\r\nabc\r\n0", "in the last line": "3\r\nabc\r\n0\r\n",
    "in a trailer": "0\r\nX", "after a trailer": "0\r\nX: y\r\n", "in the end": "0\r\nX: y\r\n\r",
}

# What is odd but means one thing: how it must reach the origin.
ALLOWED: dict[str, tuple[str, dict[str, str | None]]] = {
    "an upper-case scheme": ("GET HTTP://ORIGIN/x HTTP/1.1\r\nHost: a\r\n\r\n", {"target": "/x", "Host": "ORIGIN"}),
    "no path": ("GET http://ORIGIN HTTP/1.1\r\nHost: a\r\n\r\n", {"target": "/", "Host": "ORIGIN"}),
    "a query without path": ("GET http://ORIGIN?q HTTP/1.1\r\nHost: a\r\n\r\n", {"target": "/?q", "Host": "ORIGIN"}),
    "zeros before a length": (POST + "Content-Length: 0004\r\n\r\nbody", {"body": "body", "Content-Length": "4"}),
    "blanks around a length": (POST + "Content-Length:    4  \r\n\r\nbody", {"body": "body", "Content-Length": "4"}),
    "chunked in capitals": (POST + "Transfer-Encoding: CHUNKED\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
                            {"body": "body", "Transfer-Encoding": "chunked", "Content-Length": None}),
    "zeros before a size": (POST + "Transfer-Encoding: chunked\r\n\r\n0004\r\nbody\r\n00\r\n\r\n", {"body": "body"}),
    "an extension": (POST + "Transfer-Encoding: chunked\r\n\r\n4;a=\"b\"\r\nbody\r\n0\r\n\r\n", {"body": "body"}),
    "bytes above ASCII in a value": (GET + "X: \xe4\r\n\r\n", {"X": "\xe4"}),
    "an underscore": (POST + "Content_Length: 9\r\nContent-Length: 4\r\n\r\nbody",
                      {"body": "body", "Content-Length": "4"}),
    "a target that looks like two": ("GET http://ORIGIN/http://evil.invalid/ HTTP/1.1\r\nHost: a\r\n\r\n",
                                     {"target": "/http://evil.invalid/", "Host": "ORIGIN"}),
    "dots in a path": ("GET http://ORIGIN/../a/./b HTTP/1.1\r\nHost: a\r\n\r\n", {"target": "/../a/./b"}),
}
