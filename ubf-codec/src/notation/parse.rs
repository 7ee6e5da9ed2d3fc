//! Parsing: `FromStr` of terms.
//!
//! Tokens are nom parsers. Brackets are kept on a stack of our own, so that no depth exhausts the
//! machine's (W13).

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while_m_n};
use nom::character::complete::{char, digit1, one_of, satisfy};
use nom::combinator::{opt, recognize};
use nom::error::{ErrorKind, ParseError};
use nom::multi::many0;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use num_bigint::BigInt;

use super::error::NotationError;
use crate::limits::Limits;
use crate::term::{Integer, Term};

impl FromStr for Term {
    type Err = NotationError;

    /// Parses one term in Erlang's notation; a `.` may end it.
    fn from_str(text: &str) -> Result<Self, NotationError> {
        let (rest, term) = parse_term(text)?;
        let (rest, _) = blank(rest).unwrap_or((rest, ()));
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        let (rest, _) = blank(rest).unwrap_or((rest, ()));
        if rest.is_empty() {
            Ok(term)
        } else {
            Err(Problem::new(rest, "the end of the text after the term").in_text(text))
        }
    }
}

impl Term {
    /// Parses the term at the beginning of `text`, in Erlang's notation, and tells how many bytes
    /// it takes.
    ///
    /// ```
    /// use ubf_codec::Term;
    ///
    /// let (term, read) = Term::parse_prefix("{ok, 16#ff}. {error}.")?;
    /// assert_eq!((term.to_string().as_str(), read), ("{ok,255}", 11));
    /// # Ok::<(), ubf_codec::NotationError>(())
    /// ```
    ///
    /// # Errors
    /// What was expected, and where.
    ///
    /// # Limits
    /// Integers of 10,000 digits. Nothing else is limited but by the length of the text: limit that
    /// where strangers write it.
    pub fn parse_prefix(text: &str) -> Result<(Self, usize), NotationError> {
        parse_term(text).map(|(rest, term)| (term, text.len() - rest.len()))
    }
}

/// What a parser here says when it fails: where, and what it wanted.
#[derive(Debug)]
struct Problem<'t> {
    at: &'t str,
    expected: &'static str,
}

impl<'t> Problem<'t> {
    const fn new(at: &'t str, expected: &'static str) -> Self {
        Self { at, expected }
    }

    fn in_text(&self, text: &str) -> NotationError {
        let offset = text.len() - self.at.len();
        NotationError::new(offset, self.expected, self.at.chars().next())
    }
}

impl<'t> ParseError<&'t str> for Problem<'t> {
    fn from_error_kind(at: &'t str, _: ErrorKind) -> Self {
        Self::new(at, A_TERM)
    }

    fn append(_: &'t str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

const A_TERM: &str = "a term";

type Parsed<'t, T> = IResult<&'t str, T, Problem<'t>>;

/// No other alternative need be tried.
fn failure<'t, T>(at: &'t str, expected: &'static str) -> Parsed<'t, T> {
    Err(nom::Err::Failure(Problem::new(at, expected)))
}

/// An open bracket, and what has come since.
struct Open {
    bracket: Bracket,
    terms: Vec<Term>,
    expect: Expect,
    /// Lists after `|` that are open too. Their elements go to `terms` like all others:
    /// `[a|[b|[c]]]` is `[a,b,c]`.
    tails: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Tuple,
    List,
    /// Keys and values in turn.
    Map,
}

/// What may come next inside a bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    ElementOrClose,
    Element,
    CommaOrClose,
    /// `=>`, after the key of a map.
    Arrow,
    /// After `|`: a list, whose elements are the rest of this one.
    Tail,
    Close,
}

fn parse_term(text: &str) -> Result<(&str, Term), NotationError> {
    // Windows writes a byte order mark at the beginning of a text.
    parse(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|error| match error {
        nom::Err::Error(problem) | nom::Err::Failure(problem) => problem.in_text(text),
        // The parsers here are all of the complete kind.
        nom::Err::Incomplete(_) => Problem::new("", A_TERM).in_text(text),
    })
}

fn parse(text: &str) -> Parsed<'_, Term> {
    let mut open: Vec<Open> = Vec::new();
    let mut rest = text;
    loop {
        (rest, _) = blank(rest)?;
        let expect = open.last().map_or(Expect::Element, |innermost| innermost.expect);
        if expect == Expect::Tail {
            rest = open_tail(rest, &mut open)?;
            continue;
        }
        if matches!(expect, Expect::Element | Expect::ElementOrClose)
            && let Some((after, bracket)) = opening(rest)
        {
            open.push(Open {
                bracket,
                terms: Vec::new(),
                expect: Expect::ElementOrClose,
                tails: 0,
            });
            rest = after;
            continue;
        }
        if is_closing(rest, &open)
            && expect != Expect::Element
            && let Some(innermost) = open.last_mut().filter(|innermost| innermost.tails > 0)
        {
            innermost.tails -= 1;
            innermost.expect = Expect::Close;
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let (after, term) = match expect {
            Expect::ElementOrClose | Expect::CommaOrClose | Expect::Close
                if is_closing(rest, &open) =>
            {
                let Some(closed) = open.pop() else { return failure(rest, A_TERM) };
                let term = match closed.bracket {
                    Bracket::Tuple => Term::tuple(closed.terms),
                    Bracket::List => Term::list(closed.terms),
                    Bracket::Map => map(closed.terms),
                };
                (rest.get(1..).unwrap_or_default(), term)
            }
            Expect::Element | Expect::ElementOrClose => leaf(rest)?,
            Expect::CommaOrClose | Expect::Arrow | Expect::Close | Expect::Tail => {
                rest = separator(rest, &mut open)?;
                continue;
            }
        };
        let (after, term) = tags(after, term)?;
        let Some(innermost) = open.last_mut() else { return Ok((after, term)) };
        innermost.terms.push(term);
        let is_key = innermost.bracket == Bracket::Map && innermost.terms.len() % 2 == 1;
        innermost.expect = if is_key { Expect::Arrow } else { Expect::CommaOrClose };
        rest = after;
    }
}

fn opening(rest: &str) -> Option<(&str, Bracket)> {
    let (bracket, len) = match rest.as_bytes() {
        [b'{', ..] => (Bracket::Tuple, 1),
        [b'[', ..] => (Bracket::List, 1),
        [b'#', b'{', ..] => (Bracket::Map, 2),
        _ => return None,
    };
    Some((rest.get(len..).unwrap_or_default(), bracket))
}

/// A map of Erlang's: a list of pairs tagged `map`, in the order of the text.
fn map(terms: Vec<Term>) -> Term {
    let mut terms = terms.into_iter();
    let pairs = core::iter::from_fn(|| Some(Term::tuple([terms.next()?, terms.next()?])));
    Term::list(pairs.collect::<Vec<_>>()).tagged("map")
}

/// The list after `|`.
fn open_tail<'t>(rest: &'t str, open: &mut [Open]) -> Result<&'t str, nom::Err<Problem<'t>>> {
    match (rest.strip_prefix('['), open.last_mut()) {
        (Some(after), Some(innermost)) => {
            innermost.tails += 1;
            innermost.expect = Expect::ElementOrClose;
            Ok(after)
        }
        _ => Err(nom::Err::Failure(Problem::new(
            rest,
            "a list after '|' (UBF has proper lists only)",
        ))),
    }
}

fn is_closing(rest: &str, open: &[Open]) -> bool {
    open.last().is_some_and(|innermost| {
        rest.starts_with(match innermost.bracket {
            Bracket::Tuple | Bracket::Map => '}',
            Bracket::List => ']',
        })
    })
}

/// `,` or, in a list, `|`.
fn separator<'t>(rest: &'t str, open: &mut [Open]) -> Result<&'t str, nom::Err<Problem<'t>>> {
    let Some(innermost) = open.last_mut() else { return Ok(rest) };
    let expected = match (innermost.bracket, innermost.expect) {
        (Bracket::List, Expect::Close) => "']'",
        (Bracket::List, _) => "',', '|' or ']'",
        (Bracket::Map, Expect::Arrow) => "'=>'",
        (Bracket::Tuple | Bracket::Map, _) => "',' or '}'",
    };
    if innermost.expect == Expect::Arrow
        && let Some(after) = rest.strip_prefix("=>")
    {
        innermost.expect = Expect::Element;
        return Ok(after);
    }
    let may_go_on = innermost.expect == Expect::CommaOrClose;
    innermost.expect = match rest.as_bytes().first() {
        Some(b',') if may_go_on => Expect::Element,
        Some(b'|') if may_go_on && innermost.bracket == Bracket::List => Expect::Tail,
        _ => return Err(nom::Err::Failure(Problem::new(rest, expected))),
    };
    Ok(rest.get(1..).unwrap_or_default())
}

/// White space, and comments from `%` to the end of the line.
fn blank(text: &str) -> Parsed<'_, ()> {
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix('%') {
        rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    Ok((rest, ()))
}

/// The tags after a term.
fn tags(text: &str, mut term: Term) -> Parsed<'_, Term> {
    let mut end = text;
    loop {
        let (rest, ()) = blank(end)?;
        if !rest.starts_with('`') {
            return Ok((end, term));
        }
        let (rest, tag) = quoted(rest, '`')?;
        term = term.tagged(tag);
        end = rest;
    }
}

/// A term without parts, by its first character.
fn leaf(text: &str) -> Parsed<'_, Term> {
    let Some(first) = text.chars().next() else { return failure(text, A_TERM) };
    match first {
        '"' => strings(text).map(|(rest, bytes)| (rest, Term::string(bytes))),
        '\'' => quoted(text, '\'').map(|(rest, bytes)| (rest, Term::atom(bytes))),
        '<' => binary(text),
        '?' => Ok((text.get(1..).unwrap_or_default(), Term::Undefined)),
        'a'..='z' => bare_atom(text).map(|(rest, name)| (rest, Term::atom(name))),
        '0'..='9' | '-' | '+' | '$' => number(text),
        '#' => failure(text, "a term (UBF has no records; write a tuple)"),
        'A'..='Z' | '_' => failure(
            text,
            "a term (a name that begins with a capital is a variable; quote it to make it an atom)",
        ),
        _ => failure(text, A_TERM),
    }
}

/// Erlang's reserved words: as atoms they have to be quoted.
const RESERVED: &[&str] = &[
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case",
    "catch", "cond", "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or",
    "orelse", "receive", "rem", "try", "when", "xor",
];

fn bare_atom(text: &str) -> Parsed<'_, &str> {
    let tail = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
    recognize((satisfy(|c| c.is_ascii_lowercase()), take_while(tail))).parse(text)
}

/// Whether an atom of this name needs no quotes.
pub(super) fn is_bare_atom(name: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(name) else { return false };
    !RESERVED.contains(&name) && matches!(bare_atom(name), Ok(("", _)))
}

/// Strings that stand side by side are one, as in Erlang.
fn strings(text: &str) -> Parsed<'_, Vec<u8>> {
    let (mut end, mut bytes) = quoted(text, '"')?;
    loop {
        let (rest, ()) = blank(end)?;
        if !rest.starts_with('"') {
            return Ok((end, bytes));
        }
        let (rest, more) = quoted(rest, '"')?;
        bytes.extend(more);
        end = rest;
    }
}

/// Text between quotes, as bytes: characters become UTF-8, `\xHH` becomes that byte.
fn quoted(text: &str, quote: char) -> Parsed<'_, Vec<u8>> {
    let (mut rest, _) = char(quote).parse(text)?;
    let mut bytes = Vec::new();
    loop {
        let stop = rest.find([quote, '\\']).unwrap_or(rest.len());
        let (plain, at) = rest.split_at_checked(stop).unwrap_or((rest, ""));
        bytes.extend_from_slice(plain.as_bytes());
        if let Some(after) = at.strip_prefix(quote) {
            return Ok((after, bytes));
        }
        if at.is_empty() {
            return failure(at, "the closing quote");
        }
        (rest, _) = escape(at, &mut bytes)?;
    }
}

/// An escape of Erlang's, from its `\` on.
fn escape<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Parsed<'t, ()> {
    let mut push = |char: char| bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    let rest = text.get(1..).unwrap_or_default();
    let Some(letter) = rest.chars().next() else { return failure(rest, "the rest of the escape") };
    let after = rest.get(letter.len_utf8()..).unwrap_or_default();
    match letter {
        'n' => push('\n'),
        'r' => push('\r'),
        't' => push('\t'),
        'b' => push('\u{8}'),
        'd' => push('\u{7f}'),
        'e' => push('\u{1b}'),
        'f' => push('\u{c}'),
        's' => push(' '),
        'v' => push('\u{b}'),
        '0'..='7' => {
            let (after, digits) = take_while_m_n(1, 3, |c: char| c.is_digit(8)).parse(rest)?;
            return match u8::from_str_radix(digits, 8) {
                Ok(byte) => {
                    bytes.push(byte);
                    Ok((after, ()))
                }
                Err(_) => failure(rest, "an octal number up to 377"),
            };
        }
        '^' => return control(after, bytes),
        'x' if after.starts_with('{') => return code_point(after, bytes),
        'x' => {
            let hex = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
            let parsed: Parsed<'_, &str> = { hex }.parse(after);
            return match parsed.map(|(after, digits)| (after, u8::from_str_radix(digits, 16))) {
                Ok((after, Ok(byte))) => {
                    bytes.push(byte);
                    Ok((after, ()))
                }
                Ok((_, Err(_))) | Err(_) => {
                    failure(after, "two hexadecimal digits, or a character number in braces")
                }
            };
        }
        other => push(other),
    }
    Ok((after, ()))
}

/// `A` of `\^A`: the control character that a keyboard makes of it.
fn control<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Parsed<'t, ()> {
    match text.bytes().next() {
        Some(b'?') => bytes.push(0x7f),
        Some(letter @ (b'@'..=b'_' | b'a'..=b'z')) => bytes.push(letter & 0x1f),
        _ => return failure(text, "a letter after '\\^'"),
    }
    Ok((text.get(1..).unwrap_or_default(), ()))
}

/// `{1F600}` of `\x{1F600}`: the character of that number, as UTF-8.
fn code_point<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Parsed<'t, ()> {
    let hex = take_while_m_n(1, 6, |c: char| c.is_ascii_hexdigit());
    let parsed: Parsed<'t, &str> = delimited(char('{'), hex, char('}')).parse(text);
    let character = |digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    match parsed.map(|(after, digits)| (after, character(digits))) {
        Ok((after, Some(character))) => {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            Ok((after, ()))
        }
        Ok((_, None)) | Err(_) => failure(text, "the number of a character in braces"),
    }
}

/// `<<"text">>`, `<<"text"/utf8>>`, `<<1,2,255>>`, and segments of both kinds.
fn binary(text: &str) -> Parsed<'_, Term> {
    let Some(mut rest) = text.strip_prefix("<<") else { return failure(text, "'<<'") };
    let mut bytes = Vec::new();
    (rest, _) = blank(rest)?;
    if let Some(after) = rest.strip_prefix(">>") {
        return Ok((after, Term::binary(bytes)));
    }
    loop {
        (rest, _) = segment(rest, &mut bytes)?;
        (rest, _) = blank(rest)?;
        if let Some(after) = rest.strip_prefix(">>") {
            return Ok((after, Term::binary(bytes)));
        }
        let Some(after) = rest.strip_prefix(',') else { return failure(rest, "',' or '>>'") };
        (rest, _) = blank(after)?;
    }
}

fn segment<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Parsed<'t, ()> {
    if !text.starts_with('"') {
        let Ok((rest, Term::Integer(number))) = number(text) else {
            return failure(text, "a byte (0 to 255) or a string");
        };
        return match number.to_i64().and_then(|number| u8::try_from(number).ok()) {
            Some(byte) => {
                bytes.push(byte);
                Ok((rest, ()))
            }
            None => failure(text, "a byte (0 to 255)"),
        };
    }
    let (rest, content) = strings(text)?;
    if let Some(rest) = rest.strip_prefix("/utf8") {
        bytes.extend(content);
        return Ok((rest, ()));
    }
    // Without /utf8, Erlang writes one byte for each character.
    match String::from_utf8(content) {
        Ok(string) => {
            for character in string.chars() {
                match u8::try_from(character) {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => {
                        return failure(
                            text,
                            "\"…\"/utf8 for a text with characters beyond Latin-1",
                        );
                    }
                }
            }
        }
        Err(raw) => bytes.extend(raw.into_bytes()),
    }
    Ok((rest, ()))
}

fn number(text: &str) -> Parsed<'_, Term> {
    if let Some(rest) = text.strip_prefix('$') {
        return character(rest);
    }
    let (rest, sign) = opt(one_of("+-")).parse(text)?;
    let negative = sign == Some('-');
    match alt((recognized_float, recognized_integer)).parse(rest) {
        Ok((after, Number::Float(digits))) => {
            let sign = if negative { "-" } else { "" };
            let value: Option<f64> = [sign, digits].concat().parse().ok();
            match value.and_then(Term::float) {
                Some(term) => Ok((after, term)),
                None => failure(rest, "a float that a double can hold"),
            }
        }
        Ok((_, Number::Integer { digits, .. })) if digits.len() > MAX_DIGITS => failure(
            rest.get(MAX_DIGITS..).unwrap_or_default(),
            "an integer of at most 10000 digits",
        ),
        Ok((after, Number::Integer { base, digits })) => {
            let digits: Vec<u8> = digits.bytes().filter(|&digit| digit != b'_').collect();
            let value = match base {
                None => {
                    let sign = if negative { "-" } else { "" };
                    let digits = str::from_utf8(&digits).unwrap_or_default();
                    [sign, digits].concat().parse().ok()
                }
                Some(base) => BigInt::parse_bytes(&digits, base)
                    .map(|value| Integer::from(if negative { -value } else { value })),
            };
            match value {
                Some(value) => Ok((after, Term::Integer(value))),
                None => failure(rest, "digits of that base"),
            }
        }
        Err(nom::Err::Failure(problem)) => Err(nom::Err::Failure(problem)),
        Err(_) => failure(rest, "a digit"),
    }
}

/// Digits of an integer: what a decoder accepts by default. Conversion from another base takes time
/// that grows with the square of the digits.
const MAX_DIGITS: usize = Limits::new().max_integer_digits as usize;

enum Number<'t> {
    Integer { base: Option<u32>, digits: &'t str },
    Float(&'t str),
}

/// `1.5`, `1.0e-7`.
fn float(text: &str) -> Parsed<'_, &str> {
    recognize((digit1, char('.'), digit1, opt((one_of("eE"), opt(one_of("+-")), digit1))))
        .parse(text)
}

fn recognized_float(text: &str) -> Parsed<'_, Number<'_>> {
    float.map(Number::Float).parse(text)
}

/// `42`, `1_000`, `16#ff`.
fn recognized_integer(text: &str) -> Parsed<'_, Number<'_>> {
    let underscored = recognize((digit1, many0(preceded(char('_'), digit1))));
    let (rest, digits) = { underscored }.parse(text)?;
    let Some(after) = rest.strip_prefix('#') else {
        return Ok((rest, Number::Integer { base: None, digits }));
    };
    let Some(base) = digits.parse().ok().filter(|base| (2..=36).contains(base)) else {
        return failure(text, "a base from 2 to 36");
    };
    let (rest, digits) = take_while(|c: char| c.is_ascii_alphanumeric()).parse(after)?;
    if digits.is_empty() {
        return failure(after, "digits");
    }
    Ok((rest, Number::Integer { base: Some(base), digits }))
}

/// The number of a character: what follows `$`.
fn character(text: &str) -> Parsed<'_, Term> {
    if text.starts_with('\\') {
        let mut bytes = Vec::new();
        let (rest, ()) = escape(text, &mut bytes)?;
        let number = match (bytes.as_slice(), str::from_utf8(&bytes)) {
            ([byte], _) => u32::from(*byte),
            (_, Ok(text)) => text.chars().next().map_or(0, u32::from),
            (_, Err(_)) => 0,
        };
        return Ok((rest, Term::from(number)));
    }
    match text.chars().next() {
        Some(character) => Ok((
            text.get(character.len_utf8()..).unwrap_or_default(),
            Term::from(u32::from(character)),
        )),
        None => failure(text, "a character"),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::ubf;

    fn parsed(text: &str) -> Term {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> (usize, &'static str) {
        let error = text.parse::<Term>().unwrap_err();
        (error.offset(), error.expected())
    }

    #[test]
    fn reads_what_erlang_programmers_write() {
        assert_eq!(parsed(" { foo , \"bar\" , [ 1 , -2 ] } . "), ubf!({foo, "bar", [1, -2]}));
        assert_eq!(parsed("[a, b | [c]]"), ubf!([a, b, c]));
        assert_eq!(parsed("[$a, $\\n, 16#fF, 2#101, 1_000, +3]"), ubf!([97, 10, 255, 5, 1000, 3]));
        assert_eq!(parsed("-16#8000000000000000"), Term::from(i64::MIN));
        assert_eq!(
            parsed("<<\"ab\", 0, \"\u{e9}\", \"\u{e9}\"/utf8>>"),
            Term::from(b"ab\x00\xe9\xc3\xa9")
        );
        assert_eq!(parsed("% a comment\n{ok % another\n}"), ubf!({ ok }));
        assert_eq!(parsed(r#""\x41\102\x{43}\d\^A\^?""#), Term::from("ABC\u{7f}\u{1}\u{7f}"));
        assert_eq!(parsed(r#""\n\r\t\b\e\f\s\v\q""#), Term::from("\n\r\t\u{8}\u{1b}\u{c} \u{b}q"));
        assert_eq!(parsed("-1.5e3"), Term::float(-1500.0).unwrap());
        assert_eq!(parsed("foo@bar_1"), Term::atom("foo@bar_1"));
        assert_eq!(parsed("{\"one \"\n % and\n \"string\", \"b\"}"), ubf!({"one string", "b"}));
        assert_eq!(parsed("<<\"a\" \"b\", \"c\">>"), Term::from(b"abc"));
        assert_eq!(parsed("\u{feff}{sample,1}.\r\n"), ubf!({sample, 1}));
    }

    #[test]
    fn reads_the_maps_of_erlang() {
        assert_eq!(parsed("#{}"), ubf!([]).tagged("map"));
        let labels = ubf!([{b"zone", [1, {a}]}]).tagged("map");
        let map = ubf!([{connections, 100}, {labels, (labels)}, {3, 4}]).tagged("map");
        let text = "#{connections => 100, labels=>#{<<\"zone\">> => [1,{a}]}, 3 => 4}";
        assert_eq!(parsed(text), map);
        assert_eq!(parsed(&map.to_string()), map);
        assert_eq!(parsed("{#{a=>1}`t`}"), ubf!({ (ubf!([{a, 1}]).tagged("map").tagged("t")) }));
        for (text, offset, expected) in [
            ("#{a}", 3, "'=>'"),
            ("#{a,1}", 3, "'=>'"),
            ("#{a => }", 7, "a term"),
            ("#{a => 1", 8, "',' or '}'"),
            ("#{a => 1 => 2}", 9, "',' or '}'"),
            ("#{a => 1,}", 9, "a term"),
            ("#{a => 1]", 8, "',' or '}'"),
            ("{a => 1}", 3, "',' or '}'"),
            ("#{a := 1}", 4, "'=>'"),
            ("#rec{a}", 0, "a term (UBF has no records; write a tuple)"),
        ] {
            assert_eq!(refused(text), (offset, expected), "{text}");
        }
        let open = "#{1=>".repeat(100_000);
        let close = ["2".into(), "}".repeat(100_000)].concat();
        assert!(parsed(&[open, close].concat()).to_string().starts_with("[{1,[{1,"));
    }

    #[test]
    fn says_where_and_what_was_expected() {
        assert_eq!(refused(""), (0, "a term"));
        assert_eq!(refused("{a"), (2, "',' or '}'"));
        assert_eq!(refused("{a,}"), (3, "a term"));
        assert_eq!(refused("[a b]"), (3, "',', '|' or ']'"));
        assert_eq!(refused("[a|b]"), (3, "a list after '|' (UBF has proper lists only)"));
        assert_eq!(refused("[a|[b],c]"), (6, "']'"));
        assert_eq!(refused("\"abc"), (4, "the closing quote"));
        assert_eq!(refused("<<256>>"), (2, "a byte (0 to 255)"));
        assert_eq!(refused("1 2"), (2, "the end of the text after the term"));
        assert_eq!(refused("37#1"), (0, "a base from 2 to 36"));
        assert_eq!(refused("2#12"), (0, "digits of that base"));
        assert_eq!(refused("-"), (1, "a digit"));
        assert_eq!(refused("\"\\^1\"").0, 3);
        assert_eq!(refused(&"9".repeat(10_001)), (10_000, "an integer of at most 10000 digits"));
        assert_eq!(refused("1.0e999"), (0, "a float that a double can hold"));
    }

    #[test]
    fn a_hundred_thousand_brackets_are_no_trouble() {
        let text = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert_eq!(parsed(&text).to_string(), text);
        assert_eq!(refused(&"{".repeat(100_000)).0, 100_000);
        let tails = ["[1|".repeat(100_000), "[]".into(), "]".repeat(100_000)].concat();
        assert_eq!(parsed(&tails), Term::list((0..100_000).map(|_| Term::from(1))));
    }
}
