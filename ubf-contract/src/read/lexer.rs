//! From bytes to tokens and comments: the lexical level, of nom parsers.
//!
//! A token is the longest that there is. What is no token is reported and left out, so that one bad
//! byte does not hide the next.

use alloc::vec::Vec;

use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::combinator::{opt, recognize, verify};
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};
use num_bigint::BigInt;
use ubf_codec::{Integer, Text};

use super::token::{Keyword, Symbol, Token, TokenKind};
use crate::diagnostic::Problem;
use crate::dialect::ContractDialect;
use crate::model::IntegerLiteral;
use crate::span::Span;

/// The tokens of a text, and what was between them.
#[derive(Debug, Default)]
pub(super) struct Lexed<'t> {
    pub(super) tokens: Vec<Token<'t>>,
    pub(super) comments: Vec<RawComment>,
    /// What is no token: a [`TokenKind::Bad`] stands in its place.
    pub(super) problems: Vec<(Problem, Span)>,
}

/// A comment, from its `%` to the end of the line.
#[derive(Debug)]
pub(super) struct RawComment {
    pub(super) text: Text,
    /// How many tokens stand before it.
    pub(super) tokens_before: usize,
    /// Nothing but blanks is before it on its line.
    pub(super) own_line: bool,
    /// An empty line is before it.
    pub(super) blank_before: bool,
}

type Lex<'t, T> = IResult<&'t [u8], T, ()>;

pub(super) fn lex(text: &[u8], dialect: ContractDialect, max_digits: u32) -> Lexed<'_> {
    let mut lexed = Lexed::default();
    let offset = |rest: &[u8]| u32::try_from(text.len() - rest.len()).unwrap_or(u32::MAX);
    let mut rest = text;
    loop {
        let (after, newlines) = blanks(rest);
        rest = after;
        if rest.is_empty() {
            return lexed;
        }
        if let Ok((after, comment)) = comment(rest) {
            lexed.comments.push(RawComment {
                text: Text::from(comment.trim_ascii_end()),
                tokens_before: lexed.tokens.len(),
                own_line: newlines > 0 || rest.len() == text.len(),
                blank_before: newlines > 1,
            });
            rest = after;
            continue;
        }
        let (after, found) = token(rest, dialect, max_digits);
        let span = Span::new(offset(rest), offset(after));
        let kind = match found {
            Found::Token(kind) => kind,
            Found::Skipped => {
                rest = after;
                continue;
            }
            Found::Problem(problem) => {
                lexed.problems.push((problem, span));
                TokenKind::Bad
            }
        };
        lexed.tokens.push(Token { kind, span, blank_before: newlines > 1 });
        rest = after;
    }
}

enum Found<'t> {
    Token(TokenKind<'t>),
    /// A word that means nothing in 1.12.
    Skipped,
    Problem(Problem),
}

/// The token at the start of a text that is not empty. It always takes at least one byte.
fn token(text: &[u8], dialect: ContractDialect, max_digits: u32) -> (&[u8], Found<'_>) {
    let modern = dialect != ContractDialect::V1_12;
    let [first, more @ ..] = text else { return (text, Found::Skipped) };
    match first {
        b'a'..=b'z' => {
            let (after, name) = bare_atom(text).unwrap_or((more, &[]));
            (after, Found::Token(TokenKind::Atom(name)))
        }
        b'A'..=b'Z' => capital_word(text, dialect),
        b'0'..=b'9' => number(text, modern, max_digits),
        b'-' if modern && more.first().is_some_and(u8::is_ascii_digit) => {
            number(text, modern, max_digits)
        }
        b'"' => quoted(text, b'"', "the string", TokenKind::String),
        b'\'' if modern => quoted(text, b'\'', "the quoted name", TokenKind::Atom),
        b'`' if modern => quoted(text, b'`', "the tag", TokenKind::Tag),
        b'.' if more.first().is_none_or(|next| *next <= b' ' || *next == b'%') => {
            (more, Found::Token(TokenKind::Dot))
        }
        _ => {
            if modern && let Ok((after, bytes)) = binary(text) {
                return (after, Found::Token(TokenKind::Binary(bytes)));
            }
            match Symbol::at_start(text, dialect) {
                Some((symbol, len)) => {
                    (text.get(len..).unwrap_or_default(), Found::Token(TokenKind::Symbol(symbol)))
                }
                None => (more, Found::Problem(Problem::UnexpectedByte(*first))),
            }
        }
    }
}

/// Skips white space and counts its line ends.
fn blanks(text: &[u8]) -> (&[u8], usize) {
    let parsed: Lex<'_, &[u8]> = take_while(|byte| byte <= b' ').parse(text);
    let (rest, blanks) = parsed.unwrap_or((text, &[]));
    (rest, blanks.iter().filter(|byte| **byte == b'\n').count())
}

fn comment(text: &[u8]) -> Lex<'_, &[u8]> {
    recognize(pair(tag("%"), take_till(|byte| byte == b'\n'))).parse(text)
}

fn bare_atom(text: &[u8]) -> Lex<'_, &[u8]> {
    verify(take_while1(is_name_byte), |name: &[u8]| {
        name.first().is_some_and(u8::is_ascii_lowercase)
    })
    .parse(text)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@')
}

/// Whether an atom of this name needs no quotes.
pub(crate) fn is_bare_atom(name: &[u8]) -> bool {
    matches!(bare_atom(name), Ok(([], _)))
}

/// A keyword, or else a word that 1.12 skips and the others do not know.
fn capital_word(text: &[u8], dialect: ContractDialect) -> (&[u8], Found<'_>) {
    let skip = dialect == ContractDialect::V1_12;
    let capitals: Lex<'_, &[u8]> = take_while1(|byte: u8| byte.is_ascii_uppercase()).parse(text);
    let (after, word) = capitals.unwrap_or((&[], text));
    let keyword = Keyword::ALL
        .iter()
        .find(|(spelling, _)| if skip { *spelling == word } else { text.starts_with(spelling) });
    if let Some((spelling, keyword)) = keyword {
        let after = text.get(spelling.len()..).unwrap_or_default();
        return (after, Found::Token(TokenKind::Keyword(*keyword)));
    }
    if skip {
        return (after, Found::Skipped);
    }
    let whole: Lex<'_, &[u8]> = take_while1(is_name_byte).parse(text);
    let (after, word) = whole.unwrap_or((after, word));
    (after, Found::Problem(Problem::UnknownWord(Text::from(word))))
}

/// Text between two quotes, without escapes, perhaps over several lines.
fn quoted<'t>(
    text: &'t [u8],
    quote: u8,
    what: &'static str,
    token: fn(&'t [u8]) -> TokenKind<'t>,
) -> (&'t [u8], Found<'t>) {
    let body = text.get(1..).unwrap_or_default();
    match body.iter().position(|byte| *byte == quote) {
        Some(end) => {
            let after = body.get(end + 1..).unwrap_or_default();
            (after, Found::Token(token(body.get(..end).unwrap_or_default())))
        }
        None => (&[], Found::Problem(Problem::Unterminated(what))),
    }
}

fn binary(text: &[u8]) -> Lex<'_, &[u8]> {
    delimited(tag("<<\""), take_till(|byte| byte == b'"'), tag("\">>")).parse(text)
}

fn digits(text: &[u8]) -> Lex<'_, &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_digit()).parse(text)
}

/// An integer or a float. 1.12 has neither floats nor bases.
fn number(text: &[u8], modern: bool, max_digits: u32) -> (&[u8], Found<'_>) {
    let whole: Lex<'_, &[u8]> = recognize(pair(opt(tag("-")), digits)).parse(text);
    let Ok((after, whole)) = whole else {
        return (
            text.get(1..).unwrap_or_default(),
            Found::Problem(Problem::BadNumber("no number")),
        );
    };
    let fraction: Lex<'_, &[u8]> = preceded(tag("."), digits).parse(after);
    let hex: Lex<'_, &[u8]> =
        preceded(tag("#"), take_while1(|byte: u8| byte.is_ascii_hexdigit())).parse(after);
    let (after, found) = match (fraction, hex) {
        (Ok((after, fraction)), _) if modern => (after, whole.len() + 1 + fraction.len()),
        (_, Ok((after, digits))) if modern && whole.first() != Some(&b'-') => {
            (after, whole.len() + 1 + digits.len())
        }
        _ => (after, whole.len()),
    };
    if found > max_digits as usize {
        return (after, Found::Problem(Problem::TooManyDigits(max_digits)));
    }
    let literal = str::from_utf8(text.get(..found).unwrap_or_default()).unwrap_or_default();
    let value = if literal.contains('.') { float(literal) } else { integer(literal) };
    (after, value.map_or_else(|why| Found::Problem(Problem::BadNumber(why)), Found::Token))
}

fn float(literal: &str) -> Result<TokenKind<'static>, &'static str> {
    match literal.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(TokenKind::Float(value)),
        Ok(_) | Err(_) => Err("a float so large that there is none like it"),
    }
}

fn integer(literal: &str) -> Result<TokenKind<'static>, &'static str> {
    let (value, base) = match literal.split_once('#') {
        None => (literal.parse::<Integer>().ok(), 10),
        Some((base, digits)) => {
            let base = base
                .parse::<u8>()
                .ok()
                .filter(|base| matches!(base, 2..=36))
                .ok_or("the base of a number is from 2 to 36")?;
            let value = BigInt::parse_bytes(digits.as_bytes(), u32::from(base));
            (value.map(Integer::from), base)
        }
    };
    let value = value.ok_or("a digit that its base does not have")?;
    Ok(TokenKind::Integer(IntegerLiteral { value, base }))
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};
    use alloc::vec;

    use super::*;

    fn kinds(text: &str, dialect: ContractDialect) -> Vec<String> {
        let lexed = lex(text.as_bytes(), dialect, 100);
        lexed
            .tokens
            .iter()
            .map(|token| {
                let is_bad = token.kind == TokenKind::Bad;
                if is_bad { "!" } else { text.get(token.span.range()).unwrap() }.to_string()
            })
            .collect()
    }

    #[test]
    fn takes_the_longest_token() {
        for (text, tokens) in [
            ("1..5", vec!["1", "..", "5"]),
            ("5...", vec!["5", "..", "."]),
            ("5.", vec!["5", "."]),
            ("-0.5", vec!["-0.5"]),
            ("..-1.", vec!["..", "-1", "."]),
            ("1.5e3", vec!["1.5", "e3"]),
            ("16#ff..2#101", vec!["16#ff", "..", "2#101"]),
            ("36#zz", vec!["36", "#", "zz"]),
            ("##r", vec!["##", "r"]),
            ("<<\"a\">> <<\"a\"", vec!["<<\"a\">>", "<", "<", "\"a\""]),
            ("a.b. c.% x", vec!["a", "!", "b", ".", "c", "."]),
            ("STATEs", vec!["STATE", "s"]),
            ("'a b'`t`\"s\"", vec!["'a b'", "`t`", "\"s\""]),
            ("16#FG", vec!["16#F", "!"]),
            ("2#9 1#0", vec!["!", "!"]),
        ] {
            assert_eq!(kinds(text, ContractDialect::V2), tokens, "{text}");
        }
    }

    #[test]
    fn the_first_dialect_knows_less_and_skips_words() {
        for (text, tokens) in [
            ("FOO a STATE", vec!["a", "STATE"]),
            ("-5", vec!["!", "5"]),
            ("1.5", vec!["1", "!", "5"]),
            ("1..5", vec!["1", "!", "!", "5"]),
            ("'a'", vec!["!", "a", "!"]),
            ("a()?", vec!["a", "(", ")", "!"]),
            ("<=", vec!["<", "="]),
        ] {
            assert_eq!(kinds(text, ContractDialect::V1_12), tokens, "{text}");
        }
        assert_eq!(kinds("::", ContractDialect::V1_16), ["!", "!"]);
    }

    #[test]
    fn what_is_never_closed_takes_the_rest() {
        let lexed = lex(b"a \"b\nc.", ContractDialect::V2, 100);
        assert_eq!(lexed.problems, [(Problem::Unterminated("the string"), Span::new(2, 7))]);
    }

    #[test]
    fn digits_are_limited() {
        for (text, max_digits, ok) in [("123", 3, true), ("1234", 3, false), ("1.25", 3, false)] {
            let lexed = lex(text.as_bytes(), ContractDialect::V2, max_digits);
            assert_eq!(lexed.problems.is_empty(), ok, "{text}");
        }
    }

    #[test]
    fn comments_know_their_place() {
        let lexed = lex(b"% one\na. % two\n\n% three\nb", ContractDialect::V2, 100);
        let comments: Vec<_> = lexed
            .comments
            .iter()
            .map(|comment| {
                let text = comment.text.as_str().unwrap();
                (text, comment.tokens_before, comment.own_line, comment.blank_before)
            })
            .collect();
        assert_eq!(
            comments,
            [("% one", 0, true, false), ("% two", 2, false, false), ("% three", 2, true, true)]
        );
    }
}
