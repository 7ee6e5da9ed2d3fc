"""UBF(A): a decoder with its limits, versioned packets, the plain encoder.

The rules that a line keeps are named beside it. Terms are objects that share what registers hold,
so that a packet never becomes larger in memory than its bytes (W10), and no function calls itself
(W13).
"""

import ipaddress
import re

DEFAULTS = {  # L1
    "max_packet_bytes": 16 * 1024 * 1024, "max_depth": 512, "max_expanded_nodes": 1_048_576,
    "max_expanded_bytes": 64 * 1024 * 1024, "max_integer_digits": 10_000, "max_tag_bytes": 255,
    "max_next_ip_bytes": 1_024, "max_next_ip_addresses": 16,
}
BLANKS = b" \t\n\r,"
NOT_REGISTERS = b"%\"~'`{}#&$>-0123456789, \t\n\r"  # W6


class Incomplete(Exception):
    """The input ends inside the packet."""


class Blank(Exception):
    """The input ends before a packet has begun."""


class Broken(Exception):
    """A rule is broken: its code, and the byte that is named (W15)."""

    def __init__(self, code, offset):
        super().__init__(code, offset)
        self.code, self.offset = code, offset


class Term:
    """The kind is a letter of postfix. The parts are a tuple's, a list's first element and the list
    after it, or the one term of a tag."""

    __slots__ = ("kind", "text", "parts", "depth", "nodes", "bytes")

    def __init__(self, kind, text=b"", parts=(), depth=0, nodes=1, size=0):
        self.kind, self.text, self.parts = kind, text, parts
        self.depth, self.nodes, self.bytes = depth, nodes, size


class Decoder:
    """Reads one packet that begins at `start`, and its term at `at`."""

    def __init__(self, data, start, at, limits, classic=False, any_escape=False):
        self.window = min(len(data), start + limits["max_packet_bytes"])
        self.is_cut = len(data) >= start + limits["max_packet_bytes"]
        self.data, self.start, self.at, self.limits = data, start, at, limits
        self.classic, self.any_escape = classic, any_escape
        self.stack, self.registers = [], {}
        self.open = self.nodes = self.bytes = 0

    def byte(self):
        if self.at >= self.window:
            if self.is_cut:
                raise Broken("limit-packet-bytes", self.window)
            raise Incomplete
        self.at += 1
        return self.data[self.at - 1]

    def check(self, at, depth, nodes, size):
        if self.open + depth > self.limits["max_depth"]:
            raise Broken("limit-depth", at)
        if self.nodes + nodes > self.limits["max_expanded_nodes"]:
            raise Broken("limit-expanded-nodes", at)
        if self.bytes + size > self.limits["max_expanded_bytes"]:
            raise Broken("limit-expanded-bytes", at)

    def push(self, at, term):
        self.check(at, term.depth, term.nodes, term.bytes)
        self.nodes += term.nodes
        self.bytes += term.bytes
        self.stack.append(term)

    def top(self):
        """None stands for an open tuple."""
        return self.stack[-1] if self.stack else None

    def pop(self):
        term = self.top()
        if term is not None:
            self.stack.pop()
            self.nodes -= term.nodes
            self.bytes -= term.bytes
        return term

    def run(self):
        """The term, at its `$`."""
        blank = self.at == self.start
        while True:
            at = self.at
            if blank and at >= self.window and not self.is_cut:
                raise Blank
            byte = self.byte()
            if byte in BLANKS:
                continue
            if byte == 0x25:  # W9: a comment
                self.quoted(byte)
                continue
            blank = False
            if byte in b"0123456789-":
                self.integer(at, byte == 0x2D)
            elif byte == 0x22:
                text, size = self.quoted(byte)
                self.push(at, Term("s", text, size=size))
            elif byte == 0x27:
                text, size = self.quoted(byte)
                self.push(at, Term("a", text, size=size))
            elif byte == 0x7E:
                self.binary(at)
            elif byte == 0x7B:
                self.check(at, 1, 1, 0)
                self.open += 1
                self.nodes += 1
                self.stack.append(None)
            elif byte == 0x7D:
                self.close(at)
            elif byte == 0x23:
                self.push(at, Term("l", depth=1))
            elif byte == 0x26:
                self.cons(at)
            elif byte == 0x60 and byte not in self.registers:
                self.tag(at)
            elif byte == 0x3E:
                self.store(at)
            elif byte == 0x24:
                return self.finish(at)
            else:
                self.read(at, byte)

    def integer(self, at, negative):  # W2
        first = self.at = at + 1 if negative else at
        most = self.limits["max_integer_digits"]
        while True:
            byte = self.byte()
            if not 0x30 <= byte <= 0x39:
                self.at -= 1
                break
            if self.at - 1 - first == most:
                raise Broken("limit-integer-digits", self.at - 1)
        if self.at == first:
            raise Broken("minus-without-digit", self.at)
        digits = bytes(self.data[first:self.at]).lstrip(b"0")
        text = (b"-" if negative and digits else b"") + (digits or b"0")
        is_word = len(digits) <= 19 and -(2**63) <= int(text) < 2**63
        self.push(at, Term("i", text, size=0 if is_word else len(digits)))

    def quoted(self, quote, limit=None):
        """W3: what a text means, and its bytes between the quotes."""
        start, meaning = self.at, bytearray()
        run = re.compile(b"[^%b\\\\]*" % re.escape(bytes([quote])))
        while True:
            if limit is None:  # a run without quotes and escapes at once
                end = run.match(self.data, self.at, self.window).end()
                meaning += self.data[self.at:end]
                self.at = end
            at = self.at
            byte = self.byte()
            if byte == quote:
                return bytes(meaning), at - start
            if limit is not None and at - start >= limit:
                raise Broken("limit-tag-bytes", at)
            if byte == 0x5C:
                at = self.at
                byte = self.byte()
                if byte not in (quote, 0x5C) and not self.any_escape:
                    raise Broken("bad-escape", at)
                if limit is not None and at - start >= limit:
                    raise Broken("limit-tag-bytes", at)
            meaning.append(byte)

    def binary(self, at):  # W4
        length = self.top()
        if length is None or length.kind != "i":
            raise Broken("binary-without-length", at)
        if length.text.startswith(b"-"):
            raise Broken("negative-binary-length", at)
        length = int(length.text) if len(length.text) < 20 else 10**20
        if self.at - self.start + length + 2 > self.limits["max_packet_bytes"]:
            raise Broken("limit-packet-bytes", at)
        self.pop()
        self.check(at, 0, 1, length)
        start, self.at = self.at, self.at + length
        if self.at > self.window:
            raise Incomplete
        if self.byte() != 0x7E:
            raise Broken("binary-not-closed", self.at - 1)
        self.push(at, Term("b", bytes(self.data[start:start + length]), size=length))

    def close(self, at):
        if not self.open:
            raise Broken("close-without-open", at)
        parts, depth, nodes, size = [], 1, 1, 0
        while self.top() is not None:
            part = self.pop()
            parts.append(part)
            depth, nodes, size = max(depth, 1 + part.depth), nodes + part.nodes, size + part.bytes
        self.stack.pop()
        self.open -= 1
        self.nodes -= 1
        self.push(at, Term("t", b"", parts[::-1], depth, nodes, size))

    def cons(self, at):  # W5: a list is its first element and the list after it
        head = self.pop()
        tail = self.pop() if head is not None else None
        if tail is None:
            raise Broken("nothing-to-cons", at)
        if tail.kind != "l":
            raise Broken("cons-onto-non-list", at)
        depth = max(tail.depth, 1 + head.depth)
        nodes, size = tail.nodes + head.nodes, tail.bytes + head.bytes
        self.push(at, Term("l", b"", (head, tail), depth, nodes, size))

    def tag(self, at):  # W8
        term = self.top()
        if term is None:
            raise Broken("nothing-to-tag", at)
        self.check(at, 1 + term.depth, 1, 0)
        text, size = self.quoted(0x60, self.limits["max_tag_bytes"])
        self.pop()
        depth, nodes, size = 1 + term.depth, 1 + term.nodes, size + term.bytes
        self.push(at, Term("g", text, (term,), depth, nodes, size))

    def store(self, at):  # W6, W7
        if self.top() is None:
            raise Broken("nothing-to-store", at)
        at = self.at
        register = self.byte()
        if register == 0x3F and not self.classic:
            raise Broken("store-undefined", at)
        if register in NOT_REGISTERS and not (register == 0x60 and self.classic):
            raise Broken("store-control", at)
        self.registers[register] = self.pop()

    def read(self, at, register):  # W6, W7
        if register in self.registers:
            self.push(at, self.registers[register])
        elif register == 0x3F:
            self.push(at, Term("u"))
        else:
            raise Broken("unset-register", at)

    def finish(self, at):  # W9
        if self.open:
            raise Broken("open-tuple", at)
        if len(self.stack) != 1:
            raise Broken("extra-terms" if self.stack else "empty-packet", at)
        return self.stack[0]


def postfix(root):
    """The term in postfix: parts before the whole."""
    out, work = [], [root]
    while work:
        term = work.pop()
        if isinstance(term, str):
            out.append(term)
        elif term.kind == "u":
            out.append("u")
        elif term.kind == "i":
            out.append("i:" + term.text.decode())
        elif term.kind in "asb":
            out.append(f"{term.kind}:{term.text.hex()}")
        else:
            parts = term.parts
            if term.kind == "l":
                parts = []
                while term.parts:
                    parts.append(term.parts[0])
                    term = term.parts[1]
            end = "g:" + term.text.hex() if term.kind == "g" else f"{term.kind}:{len(parts)}"
            work.append(end)
            work.extend(reversed(parts))
    return " ".join(out)


def only_blanks(data, at, any_escape):
    """None, or the first byte that is neither a blank nor of a good comment (W9)."""
    while at < len(data):
        begin = at
        if data[at] in BLANKS:
            at += 1
            continue
        if data[at] != 0x25:
            return begin
        at += 1
        while at < len(data) and data[at] != 0x25:
            if data[at] == 0x5C:
                at += 1
                if at < len(data) and data[at] not in b"%\\" and not any_escape:
                    return begin
            at += 1
        at += 1
    return None


# Versioned packets (P1, P2).


def header(side, data, start, limits):
    """The version, NextIP or None, and where the body begins."""
    window = min(len(data), start + limits["max_packet_bytes"])
    at = start

    def byte():
        if at < window:
            return data[at]
        if len(data) >= start + limits["max_packet_bytes"]:
            raise Broken("limit-packet-bytes", window)
        raise Incomplete

    while at < window and data[at] in b" \t\n\r":
        at += 1
    if at == len(data) and len(data) < start + limits["max_packet_bytes"]:
        raise Blank
    if byte() not in b"0123456789":
        raise Broken("bad-version", at)
    version, first = 0, at
    while byte() in b"0123456789":
        if at > first and version == 0:
            raise Broken("bad-version", at)
        version = version * 10 + data[at] - 48
        if version > 2_147_483_647:
            raise Broken("version-too-large", at)
        at += 1
    if byte() != 0x20:
        raise Broken("missing-space", at)
    at += 1
    if side == "client":
        return version, None, at
    if byte() == 0x3F:
        next_ip, at = "?", at + 1
    elif byte() == 0x22:
        at += 1
        first, begin, addresses = at, at, []
        while True:
            here = byte()
            if here in b',"':
                address = canonical(bytes(data[begin:at]))
                if address is None:
                    raise Broken("bad-next-ip", begin)
                addresses.append(address)
            if here == 0x22:
                next_ip, at = ",".join(addresses), at + 1
                break
            if at - first == limits["max_next_ip_bytes"]:
                raise Broken("limit-next-ip-bytes", at)
            if at == begin and len(addresses) == limits["max_next_ip_addresses"]:
                raise Broken("limit-next-ip-addresses", at)
            at += 1
            if here == 0x2C:
                begin = at
    else:
        raise Broken("bad-next-ip", at)
    if byte() != 0x20:
        raise Broken("missing-space", at)
    return version, next_ip, at + 1


LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
NUMBER = re.compile(r"([0-9]+|0[xX][0-9a-fA-F]*)\Z")


def canonical(text):
    """`host:port` with an IP address as RFC 5952 writes it; None if it is no address."""
    match = re.fullmatch(rb"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):([1-9][0-9]{0,4})", text)
    if match is None or int(match[2]) > 65_535:
        return None
    host, port = match[1].decode(), match[2].decode()
    try:
        if host.startswith("["):
            address = ipaddress.IPv6Address(host[1:-1])
            mapped = address.ipv4_mapped
            return f"[::ffff:{mapped}]:{port}" if mapped else f"[{address}]:{port}"
        return f"{ipaddress.IPv4Address(host)}:{port}"
    except ValueError:
        labels = host.split(".")
        good = not host.startswith("[") and all(map(LABEL.match, labels))
        return f"{host}:{port}" if good and not NUMBER.match(labels[-1]) else None


# W14, plain.


def encode(term, classic=False):
    """A term in postfix as a packet."""
    stack = []  # what kind of term each is, and how it is written
    for token in term.split(" "):
        kind, _, value = token.partition(":")
        if kind == "u":
            stack.append(("a", b"'undefined'") if classic else ("u", b"?"))
        elif kind == "i":
            stack.append(("i", value.encode()))
        elif kind in "as":
            quote = b"'" if kind == "a" else b'"'
            text = bytes.fromhex(value).replace(b"\\", b"\\\\").replace(quote, b"\\" + quote)
            stack.append((kind, quote + text + quote))
        elif kind == "b":
            data = bytes.fromhex(value)
            stack.append(("b", b"%d~%b~" % (len(data), data)))
        elif kind == "g":
            inner, written = stack.pop()
            tag = bytes.fromhex(value).replace(b"\\", b"\\\\").replace(b"`", b"\\`")
            # A tagged integer ends with a tag, but it begins with a digit.
            stack.append(("gi" if inner in ("i", "b", "gi") else "g", b"%b`%b`" % (written, tag)))
        else:
            count = int(value)
            parts = stack[len(stack) - count:]
            del stack[len(stack) - count:]
            if kind == "l":
                stack.append(("l", b"#" + b"".join(part + b"&" for _, part in reversed(parts))))
                continue
            out, last = bytearray(b"{"), ""
            for inner, written in parts:
                if last == "i" and inner in ("i", "b", "gi"):
                    out += b" "
                out += written
                last = inner
            stack.append(("t", bytes(out + b"}")))
    return stack[0][1] + b"$"
