#!/usr/bin/env python3
"""Answers the line protocol of ubf-conformance: requests from standard input, answers to standard
output, a line each. To examine another codec, put it where `ubf` is called."""

import sys

import ubf


def limits(words):
    """`default`, or those that differ: `max_depth=3,max_tag_bytes=1`."""
    values = dict(ubf.DEFAULTS)
    if words != "default":
        for word in words.split(","):
            name, _, value = word.partition("=")
            values[name] = int(value)
    return values


def data(word):
    return b"" if word == "-" else bytes.fromhex(word)


def packets(read):
    """Every packet of a stream, each followed by ` ; `, then how the stream ends. `read` takes the
    byte where one begins, and returns what is said of it and the byte behind it."""
    out, at = [], 0
    while True:
        try:
            said, at = read(at)
            out.append(said)
        except ubf.Blank:
            out.append("complete")
        except ubf.Incomplete:
            out.append("incomplete")
        except ubf.Broken as broken:
            out.append(f"error {broken.code} {broken.offset}")
        else:
            continue
        return " ; ".join(out)


def plain(line, only_one):
    dialect, escapes, words, word = line.split(" ")
    options = (limits(words), dialect == "classic", escapes == "any")
    stream = data(word)

    def read(at):
        if only_one and at > 0:
            beyond = ubf.only_blanks(stream, at, options[2])
            if beyond is not None:
                raise ubf.Broken("trailing-bytes", beyond)
            raise ubf.Blank
        decoder = ubf.Decoder(stream, at, at, *options)
        try:
            return ubf.postfix(decoder.run()), decoder.at
        except ubf.Blank:
            # Where a packet must be, nothing is too little.
            raise ubf.Incomplete if only_one else ubf.Blank from None

    return packets(read)


def versioned(side, line):
    words, word = line.split(" ")
    values, stream = limits(words), data(word)

    def read(at):
        version, next_ip, body = ubf.header(side, stream, at, values)
        decoder = ubf.Decoder(stream, at, body, values)
        term = ubf.postfix(decoder.run())
        where = "" if next_ip is None else next_ip + " "
        return f"{version} {where}{stream[body:decoder.at].hex()} {term}", decoder.at

    return packets(read)


def answer(request):
    word, _, rest = request.partition(" ")
    if word in ("decode", "one"):
        return plain(rest, word == "one")
    if word in ("client", "server"):
        return versioned(word, rest)
    if word == "encode":
        style, dialect, term = rest.split(" ", 2)
        return ubf.encode(term, dialect == "classic").hex() if style == "plain" else "unsupported"
    return "unsupported"  # `begin` and `tell`: this is a codec alone


for request in sys.stdin:
    print(answer(request.rstrip("\n")), flush=True)
