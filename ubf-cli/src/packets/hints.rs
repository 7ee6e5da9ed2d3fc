//! What a wrong packet may mean and what to do about it: rules in one sentence, hints for what we
//! have seen before.

use ubf_codec::{DecodeError, Dialect, ErrorKind, Limits, Operator, StackItem, Tracer};

use crate::packets::marks::mark_hint;
use crate::packets::side::Side;
use crate::ui::text::{counted, escaped};

/// How the packets are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) side: Option<Side>,
    pub(crate) dialect: Dialect,
    pub(crate) any_escape: bool,
    pub(crate) limits: Limits,
    /// The input was given as hex digits.
    pub(crate) hex: bool,
}

/// What is known of the packet that an error is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    /// The packet from its first byte on, as far as it has come.
    pub(crate) packet: &'a [u8],
    /// How much of that is its header.
    pub(crate) header_bytes: usize,
    /// Offset in the input of the packet's first byte.
    pub(crate) start: u64,
}

/// A rule of the specification in one sentence.
pub(crate) fn rule_sentence(rule: &str) -> &'static str {
    match rule {
        "W2" => "an integer is decimal digits, and - right before them if negative",
        "W3" => r"between quotes, \ stands only before the closing quote or a \",
        "W4" => "a binary is its length N, then ~, exactly N bytes, and ~",
        "W5" => "& takes the top term and puts it in front of the list below it",
        "W6" => "any byte that is no operator names a register, once > stored it",
        "W7" => "? is undefined, and a register only in the classic dialect",
        "W8" => "a tag applies to the term on top of the stack",
        "W9" => "at the $ exactly one term is on the stack, and no tuple is open",
        "W12" | "P1" => "a packet ends with its $",
        "P2" => "a header is a version, a space, and from a server NextIP, a space",
        "L1" => "everything that a packet can make grow has a limit",
        _ => "the packet is not well-formed",
    }
}

/// What to do about `error`.
pub(crate) fn hint(
    error: &DecodeError,
    evidence: Evidence<'_>,
    reading: &Reading,
) -> Option<String> {
    let Evidence { packet, start, .. } = evidence;
    if !reading.hex && looks_like_hex(packet) {
        return Some("the input looks like hex digits: read it with --hex".to_owned());
    }
    let at = usize::try_from(error.offset().saturating_sub(start)).unwrap_or(usize::MAX);
    let (before, from) = packet.split_at_checked(at).unwrap_or((packet, b""));
    let text = packet.trim_ascii_start();
    let hint = match error.kind() {
        ErrorKind::Limit(_) => return limit_hint(error.kind().code(), &reading.limits),
        ErrorKind::UnexpectedEnd => return Some(unfinished(evidence, reading)),
        ErrorKind::UnsetRegister { register } => {
            return Some(register_hint(register, before, from));
        }
        ErrorKind::MinusWithoutDigit { .. }
            if from.trim_ascii_start().first().is_some_and(u8::is_ascii_digit) =>
        {
            "no white space stands between - and its digits"
        }
        ErrorKind::MinusWithoutDigit { .. } => "Erlang's decoder reads a lone - as 0; write 0",
        ErrorKind::BadEscape { .. } => {
            r"Erlang and Java read \ and any byte as that byte: so does --any-escape"
        }
        ErrorKind::StoreUndefined if reading.side.is_none() => {
            "Erlang's encoder uses ? as a register: --classic reads such packets"
        }
        ErrorKind::StoreUndefined => {
            "versioned packets are in the extended dialect: ? is no register"
        }
        ErrorKind::StoreControl { .. } => {
            r##"no registers: % " ~ ' ` { } # & $ > - , the digits and white space"##
        }
        ErrorKind::NothingToStore => {
            "> takes the term on top of the stack, and a tuple begins with nothing"
        }
        ErrorKind::NothingToCons => "a list begins with #, as in #2&1& for [1,2]",
        ErrorKind::ConsOntoNonList { .. } => {
            "a list begins with #, as in #2&1& for [1,2]; UBF has proper lists only"
        }
        ErrorKind::NothingToTag => "a tag stands after its term, as in \"1.5\"`f`",
        ErrorKind::CloseWithoutOpen => "a { is missing before it, or a } is too much",
        ErrorKind::BinaryWithoutLength { .. } => "the length stands before the bytes, as in 3~abc~",
        ErrorKind::NegativeBinaryLength => "the length is the number of bytes between the two ~",
        ErrorKind::BinaryNotClosed { .. } if before.windows(2).any(|pair| pair == b"\r\n") => {
            r"Windows line ends, \r\n, have a byte more than \n: the length counts both"
        }
        ErrorKind::BinaryNotClosed { .. } => {
            "is the length right? It counts bytes, and é or 日 are more than one"
        }
        ErrorKind::EmptyPacket => "a $ ends a packet; between quotes it is a byte like any other",
        ErrorKind::OpenTuple { .. } => "a } is missing before the $",
        ErrorKind::ExtraTerms { .. } => match (after_version(text), reading.side) {
            (Some(b'?' | b'"'), None | Some(Side::Client)) => {
                "it looks like a versioned packet from a server: read it with --server"
            }
            (Some(b'{' | b'\''), None) => {
                "it looks like a versioned packet from a client: read it with --client"
            }
            _ => "several terms make one in a tuple, as in {1 2}, or a list, as in #2&1&",
        },
        ErrorKind::TrailingBytes => "white space alone may follow",
        ErrorKind::BadVersion { .. } if text.first().is_some_and(u8::is_ascii_digit) => {
            "a version has no leading zero"
        }
        ErrorKind::BadVersion { .. } => {
            "a plain packet has no version: read it without --client and --server"
        }
        ErrorKind::VersionTooLarge => "versions are 0 (negotiation) to 2147483647",
        ErrorKind::MissingSpace { .. } => {
            "exactly one space stands after a version, and one after a NextIP"
        }
        ErrorKind::BadNextIp if !matches!(after_version(text), Some(b'"')) => {
            "a packet from a client has no NextIP: read it with --client"
        }
        ErrorKind::BadNextIp => {
            r#"addresses look like "192.0.2.7:4000,[2001:db8::1]:4000,b.example:4000""#
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The flag that raises a limit.
fn limit_hint(code: &str, limits: &Limits) -> Option<String> {
    let now = match code {
        "limit-packet-bytes" => u64::from(limits.max_packet_bytes),
        "limit-depth" => u64::from(limits.max_depth),
        "limit-expanded-nodes" => limits.max_expanded_nodes,
        "limit-expanded-bytes" => limits.max_expanded_bytes,
        "limit-integer-digits" => u64::from(limits.max_integer_digits),
        "limit-tag-bytes" => u64::from(limits.max_tag_bytes),
        "limit-next-ip-bytes" => u64::from(limits.max_next_ip_bytes),
        "limit-next-ip-addresses" => u64::from(limits.max_next_ip_addresses),
        _ => return None,
    };
    let flag = code.replacen("limit-", "--max-", 1);
    Some(format!("{flag} raises this limit, which is {now} here"))
}

/// What a register that was never stored may have been meant to be.
fn register_hint(register: u8, before: &[u8], from: &[u8]) -> String {
    if let Some(hint) = mark_hint(from) {
        return hint.to_owned();
    }
    let next = from.get(1);
    let word: Vec<u8> = from
        .iter()
        .copied()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .take(40)
        .collect();
    let hint = match (before.last(), register) {
        (Some(b'0'..=b'9'), b'.' | b'e' | b'E') => {
            "a float is a string with the tag f, as in \"1.5\"`f`"
        }
        (Some(b'0'), b'x' | b'X') => "integers are decimal",
        (_, b'+') if next.is_some_and(u8::is_ascii_digit) => "a positive integer has no sign",
        (Some(b'"'), b':') => "it looks like JSON: ubf from-json reads that",
        (_, b'[' | b']' | b'|') => "UBF writes the list [1,2] as #2&1&; ubf encode does that",
        (_, b'<') if next == Some(&b'<') => {
            "UBF writes the binary <<\"abc\">> as 3~abc~; ubf encode does that"
        }
        _ if word.len() > 1 && register.is_ascii_alphabetic() => {
            return format!(
                "an atom has quotes: '{}'; ubf encode reads terms without them",
                escaped(&word)
            );
        }
        _ => "registers live for one packet and end at its $",
    };
    hint.to_owned()
}

/// What the input stopped in the middle of.
fn unfinished(evidence: Evidence<'_>, reading: &Reading) -> String {
    const CUT: &str = "was the input cut short?";
    let Evidence { packet, header_bytes, start } = evidence;
    let body = packet.get(header_bytes..).unwrap_or_default();
    if reading.side.is_some() && header_bytes == 0 {
        return format!("it stops in the header: {CUT}");
    }
    let mut tracer =
        Tracer::new(body, reading.dialect, reading.limits).with_any_escape(reading.any_escape);
    let mut read = 0;
    while let Ok(Some(step)) = tracer.step() {
        if step.operator != Operator::Blank {
            read = step.end;
        }
    }
    read += blank_bytes(body.get(read..).unwrap_or_default());
    let offset = start + (header_bytes + read) as u64;
    let missing = match body.get(read) {
        Some(b'"') => format!("the string that begins at byte {offset} has no closing quote"),
        Some(b'\'') => format!("the atom that begins at byte {offset} has no closing quote"),
        Some(b'`') => format!("the tag that begins at byte {offset} has no closing quote"),
        Some(b'%') => format!("the comment that begins at byte {offset} has no closing %"),
        Some(b'~') => format!("the binary at byte {offset} is shorter than its length"),
        Some(b'>') => "the name of a register is missing after >".to_owned(),
        Some(_) | None => {
            let open =
                tracer.stack().iter().filter(|item| matches!(item, StackItem::OpenTuple)).count();
            match open {
                0 => "the $ that ends the packet is missing".to_owned(),
                _ => format!("{} not closed, and the $ is missing", counted(open as u64, "tuple")),
            }
        }
    };
    format!("{missing}: {CUT}")
}

/// How many bytes of white space and of whole comments are at the beginning of `text`.
fn blank_bytes(text: &[u8]) -> usize {
    let mut blank = 0;
    let mut rest = text.iter().enumerate();
    while let Some((index, byte)) = rest.next() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => blank = index + 1,
            b'%' => loop {
                match rest.next() {
                    None => return blank,
                    Some((_, b'\\')) => drop(rest.next()),
                    Some((end, b'%')) => {
                        blank = end + 1;
                        break;
                    }
                    Some(_) => {}
                }
            },
            _ => break,
        }
    }
    blank
}

/// Whether someone forgot `--hex`: nothing but hex digits, and among them a letter, or at the end a
/// `$`.
fn looks_like_hex(packet: &[u8]) -> bool {
    let begin: Vec<u8> =
        packet.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
    begin.len() >= 4
        && begin.iter().all(u8::is_ascii_hexdigit)
        && (begin.iter().any(u8::is_ascii_alphabetic) || packet.trim_ascii_end().ends_with(b"24"))
}

/// The byte after digits and one space: what follows the version if `text` begins with a header.
fn after_version(text: &[u8]) -> Option<u8> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match text.get(digits..) {
        Some([b' ', next, ..]) if digits > 0 => Some(*next),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Reading = Reading {
        side: None,
        dialect: Dialect::Extended,
        any_escape: false,
        limits: Limits::new(),
        hex: false,
    };

    #[track_caller]
    fn hint_for(packet: &[u8]) -> String {
        let error = ubf_codec::decode(packet).expect_err("a wrong packet");
        hint(&error, Evidence { packet, header_bytes: 0, start: 0 }, &PLAIN).expect("a hint")
    }

    #[test]
    fn knows_a_forgotten_hex() {
        assert!(hint_for(b"7b7d24\n").contains("--hex"));
        assert!(hint_for(b"27 61 27 24").contains("--hex"), "letters or not");
        assert!(!hint_for(b"abc$").contains("--hex"));
    }

    #[test]
    fn knows_a_versioned_packet_that_is_read_as_a_plain_one() {
        assert!(hint_for(b"10 {'a'}$").contains("--client"));
        assert!(hint_for(b"\n10 ? {'a'}$").contains("--server"));
        assert!(hint_for(b"10 \"a:1\" {'a'}$").contains("--server"));
        assert!(hint_for(b"'a''b'$").contains("tuple"));
        assert!(hint_for(b"1 2$").contains("tuple"));
    }

    #[test]
    fn names_the_flag_of_a_limit() {
        let deep = [vec![b'{'; 600], vec![b'}'; 600], vec![b'$']].concat();
        assert_eq!(hint_for(&deep), "--max-depth raises this limit, which is 512 here");
        assert!(
            hint_for(&[&b"1`"[..], &[b'x'; 300], &b"`$"[..]].concat())
                .starts_with("--max-tag-bytes ")
        );
    }

    #[test]
    fn knows_what_else_than_a_register_may_be_meant() {
        assert!(hint_for(b"{person,1}$").contains("'person'"));
        assert!(hint_for(b"1.5$").contains("`f`"));
        assert!(hint_for(b"1e5$").contains("`f`"));
        assert!(hint_for(b"\xEF\xBB\xBF1$").contains("byte order mark"));
        assert!(hint_for(b"\xFF\xFE1\0$\0").contains("UTF-16"));
        assert!(hint_for(b"4~ab\r\nc~$").contains("Windows line ends"));
        assert!(hint_for(b"{\"a\":1}$").contains("JSON"));
        assert!(hint_for(b"[1,2]$").contains("#2&1&"));
        assert!(hint_for(b"<<1>>$").contains("3~abc~"));
        assert!(hint_for(b"0x10$").contains("decimal"));
        assert!(hint_for(b"+1$").contains("sign"));
        assert!(hint_for(b"{1 p}$").contains("one packet"));
    }

    #[test]
    fn says_what_an_input_stopped_in_the_middle_of() {
        for (packet, part) in [
            (&b"{1 \"ab"[..], "the string that begins at byte 3 has no closing quote"),
            (b"'ab\\'$", "the atom that begins at byte 0"),
            (b"1`t", "the tag that begins at byte 1"),
            (b"1 %a\\%% %c", "the comment that begins at byte 8"),
            (b"5~abc~$", "the binary at byte 1 is shorter"),
            (b"1>", "register is missing"),
            (b"{1 {2", "2 tuples not closed"),
            (b"12", "the $ that ends the packet is missing"),
            (b"-", "the $ that ends the packet is missing"),
        ] {
            assert!(hint_for(packet).contains(part), "{}", hint_for(packet));
        }
    }

    #[test]
    fn every_wrong_packet_has_a_rule_with_a_sentence_and_a_hint() {
        let wrong: [&[u8]; 18] = [
            b"-$", b"- 1$", b"'\\n'$", b"~a~$", b"-1~a~$", b"1~ab~$", b"&$", b"{}1&$", b"q$",
            b">a$", b"1>1$", b"1>?$", b"`t`$", b"}$", b"$", b"{$", b"1 2$", b"1",
        ];
        for packet in wrong {
            let error = ubf_codec::decode(packet).expect_err("a wrong packet");
            assert_ne!(rule_sentence(error.kind().rule()), rule_sentence("?"), "{error}");
            assert!(hint_for(packet).len() <= 74, "{}", hint_for(packet));
        }
    }
}
