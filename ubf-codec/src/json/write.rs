//! Terms to JSON, without recursion.

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hashbrown::HashSet;

use crate::term::{IntegerRef, ListIter, ListRef, Term, TermRef, Text, TextRef, TupleIter, View};

/// A term whose `Display` is JSON on one line. [`from_str`](super::from_str) reads the same term.
///
/// ```
/// let packet = ubf_codec::decode(b"{'ok',#\"Joe\"&7&?&}$")?;
/// assert_eq!(
///     ubf_codec::json::Json(packet.root()).to_string(),
///     r#"{"$tuple":[{"$atom":"ok"},[null,7,"Joe"]]}"#,
/// );
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub TermRef<'a>);

/// A term whose `Display` is JSON on one line, for people and for programs that know nothing of
/// UBF. The term cannot be had back.
///
/// Atoms and strings are strings, tuples and lists are arrays, integers are numbers however large,
/// and tags are left out, but that a list tagged `map` or `plist` is an object where all its keys
/// are different texts or integers. A text that is no UTF-8 is taken for Latin-1. A binary is a
/// string if it is UTF-8, else base64.
///
/// ```
/// let packet = ubf_codec::decode(b"{'ok',#{'age',68}&{\"name\",3~Joe~}&`plist`}$")?;
/// assert_eq!(
///     ubf_codec::json::Plain(packet.root()).to_string(),
///     r#"["ok",{"name":"Joe","age":68}]"#,
/// );
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub TermRef<'a>);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, Form::Exact, f)
    }
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, Form::Plain, f)
    }
}

/// A term as JSON on one line, as [`Json`] writes it.
///
/// ```
/// use ubf_codec::json::to_string;
/// use ubf_codec::ubf;
///
/// assert_eq!(to_string(&ubf!([1, "a", ?])), r#"[1,"a",null]"#);
/// ```
#[must_use]
pub fn to_string<'a>(term: impl Into<TermRef<'a>>) -> String {
    Json(term.into()).to_string()
}

/// Writes a term as JSON on one line to `writer`, as [`Json`] does.
///
/// ```
/// let mut line = Vec::new();
/// ubf_codec::json::to_writer(&mut line, &ubf_codec::ubf!([1, "a", ?]))?;
/// assert_eq!(line, br#"[1,"a",null]"#);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of `writer`.
pub fn to_writer<'a>(
    mut writer: impl std::io::Write,
    term: impl Into<TermRef<'a>>,
) -> std::io::Result<()> {
    write!(writer, "{}", Json(term.into()))
}

/// Integers up to here are exact in every JSON reader that keeps numbers as doubles.
const MAX_EXACT: u64 = (1 << 53) - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Exact,
    Plain,
}

/// An array or an object that has been begun.
struct Open<'a> {
    parts: Parts<'a>,
    is_first: bool,
    close: &'static str,
}

enum Parts<'a> {
    Tuple(TupleIter<'a>),
    List(ListIter<'a>),
    /// Pairs, of which the first is the key.
    Map(ListIter<'a>),
    /// The term in an object with its tag.
    Tagged(Option<TermRef<'a>>),
}

impl<'a> Open<'a> {
    const fn new(parts: Parts<'a>, close: &'static str) -> Self {
        Self { parts, is_first: true, close }
    }
}

impl<'a> Iterator for Parts<'a> {
    /// Perhaps a key, and a term.
    type Item = (Option<TermRef<'a>>, TermRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Tuple(elements) => elements.next().map(|element| (None, element)),
            Self::List(elements) => elements.next().map(|element| (None, element)),
            Self::Map(entries) => entries.find_map(entry).map(|(key, value)| (Some(key), value)),
            Self::Tagged(term) => term.take().map(|term| (None, term)),
        }
    }
}

fn write(root: TermRef<'_>, form: Form, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut open = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(term) = next.take() {
            open.extend(begin(term, form, f)?);
        }
        let Some(innermost) = open.last_mut() else { return Ok(()) };
        let Some((key, part)) = innermost.parts.next() else {
            f.write_str(innermost.close)?;
            open.pop();
            continue;
        };
        if !innermost.is_first {
            f.write_char(',')?;
        }
        innermost.is_first = false;
        if let Some(key) = key {
            quoted(f, &key_text(key, form).unwrap_or_default())?;
            f.write_char(':')?;
        }
        next = Some(part);
    }
}

/// Writes a term without parts, or the beginning of one with parts.
fn begin<'a>(
    mut term: TermRef<'a>,
    form: Form,
    f: &mut fmt::Formatter<'_>,
) -> Result<Option<Open<'a>>, fmt::Error> {
    loop {
        let view = term.view();
        let (tag, inner) = match view {
            View::Tuple(tuple) => {
                let (start, close) =
                    if form == Form::Exact { ("{\"$tuple\":[", "]}") } else { ("[", "]") };
                f.write_str(start)?;
                return Ok(Some(Open::new(Parts::Tuple(tuple.iter()), close)));
            }
            View::List(list) => {
                f.write_char('[')?;
                return Ok(Some(Open::new(Parts::List(list.iter()), "]")));
            }
            View::Tagged(tag, inner) => (tag, inner),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Binary(_) => {
                leaf(view, form, f)?;
                return Ok(None);
            }
        };
        // W8: peers write floats in other digits; the value is what they mean.
        if let Some(digits) = term.as_f64().and_then(crate::float::write) {
            f.write_str(&digits)?;
            return Ok(None);
        }
        if let Some(list) = map(tag, inner, form) {
            f.write_char('{')?;
            return Ok(Some(Open::new(Parts::Map(list.iter()), "}")));
        }
        if form == Form::Exact {
            f.write_str("{\"$tag\":")?;
            exact_text(tag, f)?;
            f.write_str(",\"$term\":")?;
            return Ok(Some(Open::new(Parts::Tagged(Some(inner)), "}")));
        }
        term = inner;
    }
}

fn leaf(view: View<'_>, form: Form, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (view, form) {
        (View::Undefined, _) => f.write_str("null"),
        (View::Integer(value), Form::Exact) if !is_exact(value) => {
            write!(f, "{{\"$integer\":\"{value}\"}}")
        }
        (View::Integer(value), _) => write!(f, "{value}"),
        (View::Atom(name), _) if name == "true" => f.write_str("true"),
        (View::Atom(name), _) if name == "false" => f.write_str("false"),
        (View::Atom(name), Form::Exact) => {
            f.write_str("{\"$atom\":")?;
            exact_text(name, f)?;
            f.write_char('}')
        }
        (View::String(text), Form::Exact) => exact_text(text, f),
        (View::Atom(text) | View::String(text), Form::Plain) => quoted(f, &plain_text(text)),
        (View::Binary(bytes), Form::Exact) => {
            write!(f, "{{\"$binary\":\"{}\"}}", STANDARD.encode(bytes))
        }
        (View::Binary(bytes), Form::Plain) => match str::from_utf8(bytes) {
            Ok(text) => quoted(f, text),
            Err(_) => write!(f, "\"{}\"", STANDARD.encode(bytes)),
        },
        (View::Tuple(_) | View::List(_) | View::Tagged(..), _) => Ok(()),
    }
}

fn is_exact(value: IntegerRef<'_>) -> bool {
    value.to_i64().is_some_and(|small| small.unsigned_abs() <= MAX_EXACT)
}

/// The entries of a term that is an object in JSON.
fn map<'a>(tag: TextRef<'a>, inner: TermRef<'a>, form: Form) -> Option<ListRef<'a>> {
    if tag != "map" && (tag != "plist" || form == Form::Exact) {
        return None;
    }
    let View::List(list) = inner.view() else { return None };
    let mut keys = HashSet::with_capacity(list.len());
    list.iter()
        .all(|item| {
            let is_pair = form == Form::Plain || matches!(item.view(), View::Tuple(_));
            let key = entry(item).and_then(|(key, _)| key_text(key, form));
            is_pair && key.is_some_and(|key| keys.insert(key))
        })
        .then_some(list)
}

/// A pair, or an atom that stands for itself and `'true'`, as in Erlang's property lists.
fn entry(item: TermRef<'_>) -> Option<(TermRef<'_>, TermRef<'_>)> {
    static TRUE: Term = Term::Atom(Text::from_static("true"));
    match item.view() {
        View::Tuple(pair) => pair.to_array().map(|[key, value]| (key, value)),
        View::Atom(_) => Some((item, TRUE.as_ref())),
        View::Undefined
        | View::Integer(_)
        | View::String(_)
        | View::Binary(_)
        | View::List(_)
        | View::Tagged(..) => None,
    }
}

/// A term as the key of an object, if it can be one.
fn key_text(key: TermRef<'_>, form: Form) -> Option<Cow<'_, str>> {
    match (key.view(), form) {
        (View::String(text), Form::Exact) => text.to_str().filter(|text| !text.starts_with('$')),
        (View::String(text) | View::Atom(text), Form::Plain) => Some(plain_text(text)),
        (View::Integer(value), Form::Plain) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

fn plain_text(text: TextRef<'_>) -> Cow<'_, str> {
    text.to_str().unwrap_or_else(|| Cow::Owned(text.to_latin1()))
}

fn exact_text(text: TextRef<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match text.to_str() {
        Some(utf8) => quoted(f, &utf8),
        None => {
            f.write_str("{\"$latin1\":")?;
            quoted(f, &text.to_latin1())?;
            f.write_char('}')
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}
