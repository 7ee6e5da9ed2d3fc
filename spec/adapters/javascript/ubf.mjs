// UBF(A): a decoder with its limits, versioned packets, the plain encoder.
//
// The rules that a line keeps are named beside it. Terms share what registers hold (W10), and no
// function calls itself (W13). Integers are kept as decimal digits, of any length.

export const DEFAULTS = { // L1
  max_packet_bytes: 16 * 1024 * 1024, max_depth: 512, max_expanded_nodes: 1_048_576,
  max_expanded_bytes: 64 * 1024 * 1024, max_integer_digits: 10_000, max_tag_bytes: 255,
  max_next_ip_bytes: 1_024, max_next_ip_addresses: 16,
};

/** Why no packet came out: `blank`, `incomplete`, or a rule's code with the byte that it names. */
export class Stop extends Error {
  constructor(code, offset) {
    super(code);
    this.code = code;
    this.offset = offset;
  }
}

const code = (character) => character.charCodeAt(0);
const set = (text) => new Set(Buffer.from(text, "latin1"));
const BLANKS = set(" \t\n\r,");
const NOT_REGISTERS = set("%\"~'`{}#&$>-0123456789, \t\n\r"); // W6
const isDigit = (byte) => byte >= 0x30 && byte <= 0x39;

const leaf = (kind, text, bytes) => ({ kind, text, parts: [], depth: 0, nodes: 1, bytes });
const isWord = (digits, negative) => { // of 64 bits
  const most = negative ? "9223372036854775808" : "9223372036854775807";
  return digits.length < most.length || (digits.length === most.length && digits <= most);
};

/** Reads one packet that begins at `start`, and its term at `at`. */
export class Decoder {
  constructor(data, start, at, limits, classic = false, anyEscape = false) {
    const end = start + limits.max_packet_bytes;
    Object.assign(this, { data, start, at, limits, classic, anyEscape });
    this.window = Math.min(data.length, end);
    this.isCut = data.length >= end;
    this.stack = []; // null stands for an open tuple
    this.registers = new Map();
    this.open = this.nodes = this.bytes = 0;
  }

  byte() {
    if (this.at < this.window) return this.data[this.at++];
    throw this.isCut ? new Stop("limit-packet-bytes", this.window) : new Stop("incomplete");
  }

  check(at, depth, nodes, bytes) {
    const { limits } = this;
    if (this.open + depth > limits.max_depth) throw new Stop("limit-depth", at);
    if (this.nodes + nodes > limits.max_expanded_nodes) throw new Stop("limit-expanded-nodes", at);
    if (this.bytes + bytes > limits.max_expanded_bytes) throw new Stop("limit-expanded-bytes", at);
  }

  push(at, term) {
    this.check(at, term.depth, term.nodes, term.bytes);
    this.nodes += term.nodes;
    this.bytes += term.bytes;
    this.stack.push(term);
  }

  top() {
    return this.stack.at(-1) ?? null;
  }

  pop() {
    const term = this.top();
    if (term === null) return null;
    this.stack.pop();
    this.nodes -= term.nodes;
    this.bytes -= term.bytes;
    return term;
  }

  /** The term, at its `$`. */
  run() {
    let blank = this.at === this.start;
    for (;;) {
      const at = this.at;
      if (blank && at >= this.window && !this.isCut) throw new Stop("blank");
      const byte = this.byte();
      if (BLANKS.has(byte)) continue;
      const character = String.fromCharCode(byte);
      if (character === "%") { // W9: a comment
        this.quoted(byte);
        continue;
      }
      blank = false;
      if (isDigit(byte) || character === "-") this.integer(at, character === "-");
      else if (character === '"' || character === "'") {
        const { text, bytes } = this.quoted(byte);
        this.push(at, leaf(character === '"' ? "s" : "a", text, bytes));
      } else if (character === "~") this.binary(at);
      else if (character === "{") {
        this.check(at, 1, 1, 0);
        this.open += 1;
        this.nodes += 1;
        this.stack.push(null);
      } else if (character === "}") this.close(at);
      else if (character === "#") this.push(at, { ...leaf("l", null, 0), depth: 1 });
      else if (character === "&") this.cons(at);
      else if (character === "`" && !this.registers.has(byte)) this.tag(at);
      else if (character === ">") this.store(at);
      else if (character === "$") return this.finish(at);
      else this.read(at, byte);
    }
  }

  integer(at, negative) { // W2
    const first = negative ? at + 1 : at;
    this.at = first;
    while (isDigit(this.byte())) {
      if (this.at - 1 - first === this.limits.max_integer_digits) {
        throw new Stop("limit-integer-digits", this.at - 1);
      }
    }
    this.at -= 1;
    if (this.at === first) throw new Stop("minus-without-digit", first);
    const digits = this.data.toString("latin1", first, this.at).replace(/^0+/, "");
    const text = digits === "" ? "0" : (negative ? "-" : "") + digits;
    this.push(at, leaf("i", text, isWord(digits, negative) ? 0 : digits.length));
  }

  /** W3: what a text means, and its bytes between the quotes. */
  quoted(quote, limit = Infinity) {
    const start = this.at;
    const pieces = [];
    let run = start; // where bytes begin that mean themselves
    for (;;) {
      let at = this.at;
      let byte = this.byte();
      if (byte === quote) {
        pieces.push(this.data.subarray(run, at));
        return { text: Buffer.concat(pieces), bytes: at - start };
      }
      if (at - start >= limit) throw new Stop("limit-tag-bytes", at);
      if (byte !== 0x5c) continue;
      pieces.push(this.data.subarray(run, at));
      at = run = this.at;
      byte = this.byte();
      if (byte !== quote && byte !== 0x5c && !this.anyEscape) throw new Stop("bad-escape", at);
      if (at - start >= limit) throw new Stop("limit-tag-bytes", at);
    }
  }

  binary(at) { // W4
    const top = this.top();
    if (top === null || top.kind !== "i") throw new Stop("binary-without-length", at);
    if (top.text.startsWith("-")) throw new Stop("negative-binary-length", at);
    const length = Number(top.text);
    if (this.at - this.start + length + 2 > this.limits.max_packet_bytes) {
      throw new Stop("limit-packet-bytes", at);
    }
    this.pop();
    this.check(at, 0, 1, length);
    const start = this.at;
    this.at += length;
    if (this.at > this.window) throw new Stop("incomplete");
    if (this.byte() !== 0x7e) throw new Stop("binary-not-closed", this.at - 1);
    this.push(at, leaf("b", this.data.subarray(start, start + length), length));
  }

  close(at) {
    if (this.open === 0) throw new Stop("close-without-open", at);
    const term = { kind: "t", text: null, parts: [], depth: 1, nodes: 1, bytes: 0 };
    for (let part = this.pop(); part !== null; part = this.pop()) {
      term.parts.push(part);
      term.depth = Math.max(term.depth, 1 + part.depth);
      term.nodes += part.nodes;
      term.bytes += part.bytes;
    }
    term.parts.reverse();
    this.stack.pop();
    this.open -= 1;
    this.nodes -= 1;
    this.push(at, term);
  }

  cons(at) { // W5: a list is its first element and the list after it
    const head = this.pop();
    const tail = head === null ? null : this.pop();
    if (tail === null) throw new Stop("nothing-to-cons", at);
    if (tail.kind !== "l") throw new Stop("cons-onto-non-list", at);
    this.push(at, {
      kind: "l", text: null, parts: [head, tail], depth: Math.max(tail.depth, 1 + head.depth),
      nodes: tail.nodes + head.nodes, bytes: tail.bytes + head.bytes,
    });
  }

  tag(at) { // W8
    const term = this.top();
    if (term === null) throw new Stop("nothing-to-tag", at);
    this.check(at, 1 + term.depth, 1, 0);
    const { text, bytes } = this.quoted(0x60, this.limits.max_tag_bytes);
    this.pop();
    this.push(at, {
      kind: "g", text, parts: [term], depth: 1 + term.depth, nodes: 1 + term.nodes,
      bytes: bytes + term.bytes,
    });
  }

  store(at) { // W6, W7
    if (this.top() === null) throw new Stop("nothing-to-store", at);
    const offset = this.at;
    const register = this.byte();
    if (register === 0x3f && !this.classic) throw new Stop("store-undefined", offset);
    if (NOT_REGISTERS.has(register) && !(register === 0x60 && this.classic)) {
      throw new Stop("store-control", offset);
    }
    this.registers.set(register, this.pop());
  }

  read(at, register) { // W6, W7
    const stored = this.registers.get(register);
    if (stored !== undefined) this.push(at, stored);
    else if (register === 0x3f) this.push(at, leaf("u", null, 0));
    else throw new Stop("unset-register", at);
  }

  finish(at) { // W9
    if (this.open > 0) throw new Stop("open-tuple", at);
    if (this.stack.length === 0) throw new Stop("empty-packet", at);
    if (this.stack.length > 1) throw new Stop("extra-terms", at);
    return this.stack[0];
  }
}

/** The term in postfix: parts before the whole. */
export function postfix(root) {
  const out = [];
  const work = [root];
  while (work.length > 0) {
    let term = work.pop();
    if (typeof term === "string") out.push(term);
    else if (term.kind === "u") out.push("u");
    else if (term.kind === "i") out.push(`i:${term.text}`);
    else if ("asb".includes(term.kind)) out.push(`${term.kind}:${term.text.toString("hex")}`);
    else {
      let { parts } = term;
      const { kind } = term;
      if (kind === "l") {
        parts = [];
        for (; term.parts.length > 0; term = term.parts[1]) parts.push(term.parts[0]);
      }
      work.push(kind === "g" ? `g:${term.text.toString("hex")}` : `${kind}:${parts.length}`);
      for (let index = parts.length - 1; index >= 0; index -= 1) work.push(parts[index]);
    }
  }
  return out.join(" ");
}

/** null, or the first byte that is neither a blank nor of a good comment (W9). */
export function beyondBlanks(data, start, anyEscape) {
  for (let at = start; at < data.length; at += 1) {
    if (BLANKS.has(data[at])) continue;
    const begin = at;
    if (data[at] !== code("%")) return begin;
    for (at += 1; at < data.length && data[at] !== code("%"); at += 1) {
      if (data[at] !== 0x5c) continue;
      at += 1;
      const isGood = at >= data.length || data[at] === code("%") || data[at] === 0x5c;
      if (!isGood && !anyEscape) return begin;
    }
  }
  return null;
}

/** Versioned packets (P1, P2): the version, NextIP or null, and where the body begins. */
export function header(side, data, start, limits) {
  const end = start + limits.max_packet_bytes;
  const window = Math.min(data.length, end);
  let at = start;
  const byte = () => {
    if (at < window) return data[at];
    throw data.length >= end ? new Stop("limit-packet-bytes", window) : new Stop("incomplete");
  };
  const space = () => {
    if (byte() !== 0x20) throw new Stop("missing-space", at);
    at += 1;
  };
  while (at < window && BLANKS.has(data[at]) && data[at] !== code(",")) at += 1;
  if (at === data.length && data.length < end) throw new Stop("blank");
  if (!isDigit(byte())) throw new Stop("bad-version", at);
  let version = 0;
  for (const first = at; isDigit(byte()); at += 1) {
    if (at > first && version === 0) throw new Stop("bad-version", at);
    version = version * 10 + data[at] - 0x30;
    if (version > 2_147_483_647) throw new Stop("version-too-large", at);
  }
  space();
  if (side === "client") return { version, nextIp: null, body: at };
  let nextIp = "?";
  if (byte() === code("?")) at += 1;
  else if (byte() === code('"')) {
    at += 1;
    const first = at;
    const addresses = [];
    for (let begin = at; ; at += 1) {
      const here = byte();
      const ends = here === code('"');
      if (ends || here === code(",")) {
        const address = canonical(data.toString("latin1", begin, at));
        if (address === null) throw new Stop("bad-next-ip", begin);
        addresses.push(address);
      }
      if (ends) break;
      if (at - first === limits.max_next_ip_bytes) throw new Stop("limit-next-ip-bytes", at);
      if (at === begin && addresses.length === limits.max_next_ip_addresses) {
        throw new Stop("limit-next-ip-addresses", at);
      }
      if (here === code(",")) begin = at + 1;
    }
    nextIp = addresses.join(",");
    at += 1;
  } else throw new Stop("bad-next-ip", at);
  space();
  return { version, nextIp, body: at };
}

const OCTET = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
const IPV4 = new RegExp(`^(?:${OCTET}\\.){3}${OCTET}$`);
const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;
const NUMBER = /^(?:[0-9]+|0[xX][0-9a-fA-F]*)$/;

/** `host:port` in lower case if it is an IPv6 address; null if it is no address. */
function canonical(text) {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]{1,253}):([1-9][0-9]{0,4})$/.exec(text);
  if (match === null || Number(match[2]) > 65_535) return null;
  const [, host, port] = match;
  if (host.startsWith("[")) {
    // An address of version 6 is what a URL has in brackets.
    if (!URL.canParse(`http://${host}/`) || /\.\d+\.\d+\.\d+\.|\.0\d/.test(host)) return null;
    return `${new URL(`http://${host}/`).hostname}:${port}`;
  }
  if (IPV4.test(host)) return text;
  const labels = host.split(".");
  return labels.every((label) => LABEL.test(label)) && !NUMBER.test(labels.at(-1)) ? text : null;
}

/** W14, plain: a term in postfix as a packet. */
export function encode(term, classic = false) {
  const escaped = (hex, quote) => {
    const text = Buffer.from(hex, "hex").toString("latin1");
    return quote + text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote;
  };
  const stack = []; // what kind of term each is, and how it is written, a character a byte
  for (const token of term.split(" ")) {
    const [kind, value = ""] = token.split(":");
    if (kind === "u") stack.push(["u", classic ? "'undefined'" : "?"]);
    else if (kind === "i") stack.push(["i", value]);
    else if (kind === "a") stack.push(["a", escaped(value, "'")]);
    else if (kind === "s") stack.push(["s", escaped(value, '"')]);
    else if (kind === "b") {
      const text = Buffer.from(value, "hex").toString("latin1");
      stack.push(["b", `${text.length}~${text}~`]);
    } else if (kind === "g") {
      // A tagged integer ends with a tag, but it begins with a digit.
      const [inner, written] = stack.pop();
      stack.push([["i", "b", "gi"].includes(inner) ? "gi" : "g", written + escaped(value, "`")]);
    } else {
      const count = Number(value);
      const parts = stack.splice(stack.length - count, count);
      if (kind === "l") {
        stack.push(["l", `#${parts.reverse().map(([, written]) => `${written}&`).join("")}`]);
        continue;
      }
      const spaced = parts.map(([inner, written], index) => {
        const isAfterInteger = index > 0 && parts[index - 1][0] === "i";
        return isAfterInteger && ["i", "b", "gi"].includes(inner) ? ` ${written}` : written;
      });
      stack.push(["t", `{${spaced.join("")}}`]);
    }
  }
  return Buffer.from(`${stack[0][1]}$`, "latin1");
}
