//! A slow and obvious decoder of UBF(A), written from the rules and sharing nothing with the codec.
//!
//! The whole input is there at once. Terms of a packet live in one vector and name each other by
//! their index, so that a register shares what it holds and no depth of nesting costs stack. A
//! packet is judged inside a *window*: its first `max_packet_bytes` bytes. A byte past the window
//! is never looked at: when the window is full and no `$` has ended the packet, that is the error.
#![allow(
    clippy::indexing_slicing,
    reason = "an index into one's own vector is obvious, and a wrong one fails a test"
)]

use ubf_conformance::outcome::{End, Outcome};
use ubf_conformance::settings::{Dialect, Settings};

/// Decodes a stream of plain packets.
pub fn decode(input: &[u8], settings: &Settings) -> Outcome {
    packets(input.len(), |start| packet(input, start, start, settings))
}

/// Decodes exactly one packet: after it, only blanks may come (P1).
pub fn decode_one(input: &[u8], settings: &Settings) -> Outcome {
    one(input, settings, packet(input, 0, 0, settings))
}

/// What becomes of a packet that was found together with its end, if it is to be the only one.
pub(crate) fn one<P>(
    input: &[u8],
    settings: &Settings,
    found: Result<(P, usize), Stop>,
) -> Outcome<P> {
    let alone =
        found.and_then(|(packet, end)| match first_that_is_not_blank(input, end, settings) {
            None => Ok(packet),
            Some(offset) => broken("trailing-bytes", offset),
        });
    match alone {
        Ok(packet) => Outcome { packets: vec![packet], end: End::Complete },
        // Where a packet must be, nothing is too little.
        Err(Stop::Blank) => Outcome { packets: Vec::new(), end: End::Incomplete },
        Err(stop) => Outcome { packets: Vec::new(), end: stop.into() },
    }
}

/// W9: what is neither white space nor a well-formed comment.
fn first_that_is_not_blank(input: &[u8], start: usize, settings: &Settings) -> Option<usize> {
    let mut machine = Machine::new(input, start, start, settings);
    loop {
        let at = machine.at;
        match machine.next() {
            Ok(b' ' | b'\t' | b'\n' | b'\r' | b',') => {}
            Ok(b'%') if machine.text(b'%', None).is_ok() => {}
            Ok(_) => return Some(at),
            Err(_) => return None,
        }
    }
}

/// Reads packet after packet. `read` takes the offset where one begins, and returns it with the
/// offset where it ends.
pub(crate) fn packets<P>(
    length: usize,
    mut read: impl FnMut(usize) -> Result<(P, usize), Stop>,
) -> Outcome<P> {
    let mut packets = Vec::new();
    let mut start = 0;
    loop {
        match read(start) {
            Ok((packet, end)) => {
                assert!(
                    start < end && end <= length,
                    "a packet takes bytes, and no more than there are"
                );
                packets.push(packet);
                start = end;
            }
            Err(stop) => return Outcome { packets, end: stop.into() },
        }
    }
}

/// Why no packet came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Only white space was left.
    Blank,
    /// The input ended inside the packet.
    Short,
    /// A rule is broken at that byte.
    Broken { code: &'static str, offset: usize },
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Blank => Self::Complete,
            Stop::Short => Self::Incomplete,
            Stop::Broken { code, offset } => Self::Error { code: code.to_owned(), offset },
        }
    }
}

/// One packet that begins at `start` and whose terms begin at `body` (a header may stand between).
/// Returns the term in postfix, and the offset after the `$`.
pub(crate) fn packet(
    input: &[u8],
    start: usize,
    body: usize,
    settings: &Settings,
) -> Result<(String, usize), Stop> {
    within_window(input, start, settings, |window| {
        let mut machine = Machine::new(window, start, body, settings);
        let root = machine.run()?;
        Ok((machine.postfix(root), machine.at))
    })
}

/// L1: shows `read` no more than the packet's window. If that is full and holds no whole packet,
/// the packet is too long.
pub(crate) fn within_window<T>(
    input: &[u8],
    start: usize,
    settings: &Settings,
    read: impl FnOnce(&[u8]) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let limit = start + settings.limits.max_packet_bytes as usize;
    match read(input.get(..limit).unwrap_or(input)) {
        Err(Stop::Blank | Stop::Short) if input.len() >= limit => {
            Err(Stop::Broken { code: "limit-packet-bytes", offset: limit })
        }
        other => other,
    }
}

struct Machine<'a> {
    input: &'a [u8],
    at: usize,
    packet_start: usize,
    settings: &'a Settings,
    terms: Vec<Term>,
    stack: Vec<Item>,
    registers: [Option<usize>; 256],
    /// Open tuples on the stack.
    open: u64,
    /// Expanded nodes and bytes of all that is on the stack.
    nodes: u128,
    bytes: u128,
}

#[derive(Clone, Copy)]
enum Item {
    Term(usize),
    Open,
}

struct Term {
    kind: Kind,
    depth: u64,
    /// Expanded sizes. What is pushed has passed the limits (u64), so sums of two fit.
    nodes: u128,
    bytes: u128,
}

enum Kind {
    Undefined,
    /// Decimal, without leading zeros, never `-0`.
    Integer(String),
    Atom(Vec<u8>),
    String(Vec<u8>),
    Binary(Vec<u8>),
    Tuple(Vec<usize>),
    Nil,
    Cons {
        head: usize,
        tail: usize,
    },
    Tagged {
        tag: Vec<u8>,
        term: usize,
    },
}

/// A quoted text: its meaning, and how many bytes stood between the quotes.
struct Text {
    meaning: Vec<u8>,
    wire_bytes: u128,
}

impl<'a> Machine<'a> {
    fn new(input: &'a [u8], packet_start: usize, at: usize, settings: &'a Settings) -> Self {
        Self {
            input,
            at,
            packet_start,
            settings,
            terms: Vec::new(),
            stack: Vec::new(),
            registers: [None; 256],
            open: 0,
            nodes: 0,
            bytes: 0,
        }
    }

    /// Runs to the `$`; the root's index.
    fn run(&mut self) -> Result<usize, Stop> {
        let mut blank = self.at == self.packet_start;
        loop {
            let at = self.at;
            let byte = match self.next() {
                Err(Stop::Short) if blank => return Err(Stop::Blank),
                other => other?,
            };
            match byte {
                // W9
                b' ' | b'\t' | b'\n' | b'\r' | b',' => continue,
                b'%' => {
                    self.text(b'%', None)?;
                    continue;
                }
                b'0'..=b'9' | b'-' => self.integer(at)?,
                b'"' => {
                    let text = self.text(b'"', None)?;
                    self.push_leaf(at, Kind::String(text.meaning), text.wire_bytes)?;
                }
                b'\'' => {
                    let text = self.text(b'\'', None)?;
                    self.push_leaf(at, Kind::Atom(text.meaning), text.wire_bytes)?;
                }
                b'~' => self.binary(at)?,
                b'{' => self.open_tuple(at)?,
                b'}' => self.close_tuple(at)?,
                b'#' => self.push(at, Term { kind: Kind::Nil, depth: 1, nodes: 1, bytes: 0 })?,
                b'&' => self.cons(at)?,
                // W7
                b'`' if self.registers[usize::from(b'`')].is_some() => self.read(at, b'`')?,
                b'`' => self.tag(at)?,
                b'>' => self.store(at)?,
                b'$' => return self.finish(at),
                register => self.read(at, register)?,
            }
            blank = false;
        }
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.input.get(self.at).copied().ok_or(Stop::Short)
    }

    // ---- the stack ----

    /// Pushes a term that the token at `at` has made, if the limits allow it.
    fn push(&mut self, at: usize, term: Term) -> Result<(), Stop> {
        self.check(at, term.depth, term.nodes, term.bytes)?;
        self.nodes += term.nodes;
        self.bytes += term.bytes;
        self.stack.push(Item::Term(self.terms.len()));
        self.terms.push(term);
        Ok(())
    }

    fn push_leaf(&mut self, at: usize, kind: Kind, bytes: u128) -> Result<(), Stop> {
        self.push(at, Term { kind, depth: 0, nodes: 1, bytes })
    }

    /// L1: would a further term of these sizes pass the limits?
    fn check(&self, at: usize, depth: u64, nodes: u128, bytes: u128) -> Result<(), Stop> {
        let limits = &self.settings.limits;
        if self.open + depth > limits.max_depth.into() {
            return broken("limit-depth", at);
        }
        if self.nodes + nodes > limits.max_expanded_nodes.into() {
            return broken("limit-expanded-nodes", at);
        }
        if self.bytes + bytes > limits.max_expanded_bytes.into() {
            return broken("limit-expanded-bytes", at);
        }
        Ok(())
    }

    /// The term on top, if one was pushed since the last `{`.
    fn top(&self) -> Option<usize> {
        match self.stack.last() {
            Some(Item::Term(term)) => Some(*term),
            Some(Item::Open) | None => None,
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let term = self.top()?;
        self.stack.pop();
        self.nodes -= self.terms[term].nodes;
        self.bytes -= self.terms[term].bytes;
        Some(term)
    }

    // ---- tokens; `at` is the offset of the first byte, which has been read ----

    /// W2
    fn integer(&mut self, at: usize) -> Result<(), Stop> {
        let negative = self.input[at] == b'-';
        let first_digit = if negative { at + 1 } else { at };
        self.at = first_digit;
        if !self.peek()?.is_ascii_digit() {
            return broken("minus-without-digit", self.at);
        }
        // The integer ends at the first byte that is no digit: until that has come, nobody knows.
        while self.peek()?.is_ascii_digit() {
            if self.at - first_digit == self.settings.limits.max_integer_digits as usize {
                return broken("limit-integer-digits", self.at);
            }
            self.at += 1;
        }
        let digits = String::from_utf8_lossy(&self.input[first_digit..self.at]).into_owned();
        let magnitude = digits.trim_start_matches('0');
        let canonical = match (magnitude, negative) {
            ("", _) => "0".to_owned(),
            (magnitude, true) => format!("-{magnitude}"),
            (magnitude, false) => magnitude.to_owned(),
        };
        let bytes = if canonical.parse::<i64>().is_ok() { 0 } else { magnitude.len() as u128 };
        self.push_leaf(at, Kind::Integer(canonical), bytes)
    }

    /// The rest of a text after its opening quote, the closing quote included (W3).
    fn text(&mut self, quote: u8, limit: Option<u32>) -> Result<Text, Stop> {
        let start = self.at;
        let mut meaning = Vec::new();
        loop {
            let at = self.at;
            let byte = self.next()?;
            if byte == quote {
                return Ok(Text { meaning, wire_bytes: (at - start) as u128 });
            }
            let past = |offset: usize| limit.is_some_and(|limit| offset - start >= limit as usize);
            if past(at) {
                return broken("limit-tag-bytes", at);
            }
            if byte != b'\\' {
                meaning.push(byte);
                continue;
            }
            let at = self.at;
            let escaped = self.next()?;
            if escaped != quote && escaped != b'\\' && !self.settings.any_escape {
                return broken("bad-escape", at);
            }
            if past(at) {
                return broken("limit-tag-bytes", at);
            }
            meaning.push(escaped);
        }
    }

    /// W4. The length has been pushed as an integer; `at` is the opening `~`.
    fn binary(&mut self, at: usize) -> Result<(), Stop> {
        let Some(Kind::Integer(length)) = self.top().map(|term| &self.terms[term].kind) else {
            return broken("binary-without-length", at);
        };
        if length.starts_with('-') {
            return broken("negative-binary-length", at);
        }
        // Too large for a usize is too large for every limit.
        let length = length.parse::<usize>().unwrap_or(usize::MAX);
        // L1: the bytes so far, the binary's, its `~` and the `$`.
        let least = (self.at - self.packet_start) as u128 + length as u128 + 2;
        if least > self.settings.limits.max_packet_bytes.into() {
            return broken("limit-packet-bytes", at);
        }
        self.pop();
        self.check(at, 0, 1, length as u128)?;
        let start = self.at;
        let end = start + length;
        let body = self.input.get(start..end).ok_or(Stop::Short)?.to_vec();
        self.at = end;
        if self.next()? != b'~' {
            return broken("binary-not-closed", end);
        }
        self.push_leaf(at, Kind::Binary(body), length as u128)
    }

    fn open_tuple(&mut self, at: usize) -> Result<(), Stop> {
        self.check(at, 1, 1, 0)?;
        self.open += 1;
        self.nodes += 1;
        self.stack.push(Item::Open);
        Ok(())
    }

    fn close_tuple(&mut self, at: usize) -> Result<(), Stop> {
        if self.open == 0 {
            return broken("close-without-open", at);
        }
        let mut elements = Vec::new();
        let (mut depth, mut nodes, mut bytes) = (1, 1, 0);
        while let Some(element) = self.pop() {
            let term = &self.terms[element];
            depth = depth.max(1 + term.depth);
            nodes += term.nodes;
            bytes += term.bytes;
            elements.push(element);
        }
        elements.reverse();
        self.stack.pop();
        self.open -= 1;
        self.nodes -= 1;
        self.push(at, Term { kind: Kind::Tuple(elements), depth, nodes, bytes })
    }

    /// W5
    fn cons(&mut self, at: usize) -> Result<(), Stop> {
        let (Some(head), Some(tail)) = (self.pop(), self.pop()) else {
            return broken("nothing-to-cons", at);
        };
        let (item, list) = (&self.terms[head], &self.terms[tail]);
        if !matches!(list.kind, Kind::Nil | Kind::Cons { .. }) {
            return broken("cons-onto-non-list", at);
        }
        let depth = list.depth.max(1 + item.depth);
        let (nodes, bytes) = (list.nodes + item.nodes, list.bytes + item.bytes);
        self.push(at, Term { kind: Kind::Cons { head, tail }, depth, nodes, bytes })
    }

    /// W8
    fn tag(&mut self, at: usize) -> Result<(), Stop> {
        let Some(term) = self.top() else {
            return broken("nothing-to-tag", at);
        };
        self.check(at, 1 + self.terms[term].depth, 1, 0)?;
        let tag = self.text(b'`', Some(self.settings.limits.max_tag_bytes))?;
        self.pop();
        let Term { depth, nodes, bytes, .. } = self.terms[term];
        let (depth, nodes, bytes) = (1 + depth, 1 + nodes, tag.wire_bytes + bytes);
        self.push(at, Term { kind: Kind::Tagged { tag: tag.meaning, term }, depth, nodes, bytes })
    }

    /// W6, W7
    fn store(&mut self, at: usize) -> Result<(), Stop> {
        if self.top().is_none() {
            return broken("nothing-to-store", at);
        }
        let at = self.at;
        let register = self.next()?;
        if register == b'?' && self.settings.dialect == Dialect::Extended {
            return broken("store-undefined", at);
        }
        let is_backtick = register == b'`' && self.settings.dialect == Dialect::Classic;
        if b"%\"~'`{}#&$>-0123456789, \t\n\r".contains(&register) && !is_backtick {
            return broken("store-control", at);
        }
        self.registers[usize::from(register)] = self.pop();
        Ok(())
    }

    /// W6, W7
    fn read(&mut self, at: usize, register: u8) -> Result<(), Stop> {
        match self.registers[usize::from(register)] {
            Some(stored) => {
                let Term { depth, nodes, bytes, .. } = self.terms[stored];
                self.check(at, depth, nodes, bytes)?;
                self.nodes += nodes;
                self.bytes += bytes;
                self.stack.push(Item::Term(stored));
                Ok(())
            }
            None if register == b'?' => self.push_leaf(at, Kind::Undefined, 0),
            None => broken("unset-register", at),
        }
    }

    /// W9
    fn finish(&mut self, at: usize) -> Result<usize, Stop> {
        if self.open > 0 {
            return broken("open-tuple", at);
        }
        match *self.stack.as_slice() {
            [Item::Term(root)] => Ok(root),
            [] => broken("empty-packet", at),
            _ => broken("extra-terms", at),
        }
    }

    // ---- rendering ----

    /// The term in postfix. Its length is bounded by the expanded sizes, which have passed the
    /// limits.
    fn postfix(&self, root: usize) -> String {
        enum Work {
            Term(usize),
            Write(String),
        }
        let mut out: Vec<String> = Vec::new();
        let mut work = vec![Work::Term(root)];
        while let Some(next) = work.pop() {
            let term = match next {
                Work::Term(term) => term,
                Work::Write(token) => {
                    out.push(token);
                    continue;
                }
            };
            // What is pushed last is written first.
            match &self.terms[term].kind {
                Kind::Undefined => out.push("u".to_owned()),
                Kind::Integer(decimal) => out.push(format!("i:{decimal}")),
                Kind::Atom(text) => out.push(format!("a:{}", hex::encode(text))),
                Kind::String(text) => out.push(format!("s:{}", hex::encode(text))),
                Kind::Binary(bytes) => out.push(format!("b:{}", hex::encode(bytes))),
                Kind::Tuple(elements) => {
                    work.push(Work::Write(format!("t:{}", elements.len())));
                    work.extend(elements.iter().rev().map(|element| Work::Term(*element)));
                }
                Kind::Nil | Kind::Cons { .. } => {
                    let elements = self.list_elements(term);
                    work.push(Work::Write(format!("l:{}", elements.len())));
                    work.extend(elements.iter().rev().map(|element| Work::Term(*element)));
                }
                Kind::Tagged { tag, term } => {
                    work.push(Work::Write(format!("g:{}", hex::encode(tag))));
                    work.push(Work::Term(*term));
                }
            }
        }
        out.join(" ")
    }

    fn list_elements(&self, mut list: usize) -> Vec<usize> {
        let mut elements = Vec::new();
        while let Kind::Cons { head, tail } = self.terms[list].kind {
            elements.push(head);
            list = tail;
        }
        elements
    }
}

pub(crate) fn broken<T>(code: &'static str, offset: usize) -> Result<T, Stop> {
    Err(Stop::Broken { code, offset })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ubf_conformance::settings::Limits;

    fn read(input: &[u8], change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        decode(input, &settings).to_string()
    }

    #[test]
    fn reads_terms_of_every_kind() {
        let input = br#"{'a\'b',"c",3~d$~~,-007,?,#1&2&,{}}`t`$"#;
        assert_eq!(
            read(input, |_| {}),
            "a:612762 s:63 b:64247e i:-7 u i:2 i:1 l:2 t:0 t:7 g:74 ; complete"
        );
    }

    #[test]
    fn a_register_lives_for_one_packet() {
        assert_eq!(read(b"1>a{aa}$a$", |_| {}), "i:1 i:1 t:2 ; error unset-register 8");
    }

    #[test]
    fn the_question_mark_depends_on_the_dialect() {
        assert_eq!(read(b"1>?{?}$", |_| {}), "error store-undefined 2");
        assert_eq!(read(b"1>?{?}$?$", |s| s.dialect = Dialect::Classic), "i:1 t:1 ; u ; complete");
    }

    #[test]
    fn names_the_first_wrong_byte() {
        for (input, end) in [
            ("-x", "error minus-without-digit 1"),
            ("\"\\x", "error bad-escape 2"),
            ("1>{", "error store-control 2"),
            ("1{>", "error nothing-to-store 2"),
            ("#{1&", "error nothing-to-cons 3"),
            ("1 2&", "error cons-onto-non-list 3"),
            ("{`", "error nothing-to-tag 1"),
            ("}", "error close-without-open 0"),
            ("~", "error binary-without-length 0"),
            ("-1~", "error negative-binary-length 2"),
            ("1~ab", "error binary-not-closed 3"),
            (" $", "error empty-packet 1"),
            ("1{2$", "error open-tuple 3"),
            ("1 2$", "error extra-terms 3"),
            ("99999999999999999999999~", "error limit-packet-bytes 23"),
        ] {
            assert_eq!(read(input.as_bytes(), |_| {}), end, "{input}");
        }
    }

    #[test]
    fn each_limit_is_met_exactly_and_then_passed() {
        let at = |name: &str, value, input: &[u8]| {
            read(input, |settings| assert!(settings.limits.set(name, value), "{name}"))
        };
        for (name, value, good, bad, end) in [
            ("max_packet_bytes", 3, "12$", "123$", "error limit-packet-bytes 3"),
            ("max_packet_bytes", 6, "1~$~ $", "1~$~  $", "error limit-packet-bytes 6"),
            ("max_packet_bytes", 5, "1~$~$", "2~$$~$", "error limit-packet-bytes 1"),
            ("max_depth", 2, "{{1}}$", "{{{", "error limit-depth 2"),
            ("max_depth", 2, "{#}$", "#{{#", "error limit-depth 3"),
            ("max_depth", 1, "#1&$", "##&$", "error limit-depth 2"),
            ("max_depth", 1, "1`a`$", "1`a``", "error limit-depth 4"),
            ("max_depth", 2, "#>a{a}$", "#>a{{a", "error limit-depth 5"),
            ("max_expanded_nodes", 3, "{1 2}$", "{1 2 3}$", "error limit-expanded-nodes 5"),
            ("max_expanded_nodes", 3, "1>a{aa}$", "1>a{aaa", "error limit-expanded-nodes 6"),
            ("max_expanded_bytes", 3, "\"abc\"$", "\"\\\\\\\\\"", "error limit-expanded-bytes 0"),
            ("max_integer_digits", 2, "-07$", "-007$", "error limit-integer-digits 3"),
            ("max_tag_bytes", 1, "1`a`$", "1`ab", "error limit-tag-bytes 3"),
            ("max_tag_bytes", 1, "1`a`$", "1`\\`", "error limit-tag-bytes 3"),
        ] {
            assert!(at(name, value, good.as_bytes()).ends_with("; complete"), "{name}: {good}");
            assert_eq!(at(name, value, bad.as_bytes()), end, "{name}: {bad}");
        }
    }

    #[test]
    fn a_bomb_of_registers_fails_early_and_cheaply() {
        let bomb = format!("1>a{}a$", "{aa}>a".repeat(10_000));
        let end = read(bomb.as_bytes(), |settings| {
            settings.limits = Limits {
                max_depth: u32::MAX,
                max_expanded_nodes: u64::MAX,
                max_expanded_bytes: u64::MAX,
                ..Limits::default()
            };
        });
        assert!(end.starts_with("error limit-expanded-nodes"), "{end}");
    }

    #[test]
    fn survives_any_depth() {
        let input = format!("{}{}$", "{".repeat(100_000), "}".repeat(100_000));
        let end = read(input.as_bytes(), |settings| settings.limits.max_depth = u32::MAX);
        assert!(end.ends_with("; complete"));
    }

    #[test]
    fn tells_a_pause_from_a_stop() {
        for (input, end) in
            [("", "complete"), (" %a%\n", "complete"), ("%a", "incomplete"), ("1", "incomplete")]
        {
            assert_eq!(read(input.as_bytes(), |_| {}), end, "{input}");
        }
    }
}
