//! JSON to terms, without recursion.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use crate::limits::{Limit, Limits};
use crate::term::{Integer, Term, Text};

/// Reads the one value that a JSON text holds: what [`Json`](super::Json) has written, or JSON from
/// elsewhere.
///
/// ```
/// use ubf_codec::json::{Json, from_str};
/// use ubf_codec::ubf;
///
/// let term = from_str(r#"{"$tuple":[{"$atom":"ok"},[null,7,"Joe"]]}"#)?;
/// assert_eq!(term, ubf!({ok, [?, 7, "Joe"]}));
///
/// let term = from_str(r#"{ "id": 18446744073709551616, "scores": [1.50, true] }"#)?;
/// assert_eq!(term.to_string(), r#"[{"id",18446744073709551616},{"scores",[1.5,true]}]`map`"#);
/// assert_eq!(
///     Json(term.as_ref()).to_string(),
///     r#"{"id":{"$integer":"18446744073709551616"},"scores":[1.5,true]}"#,
/// );
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
///
/// # Errors
/// A text that is not JSON, has objects with keys that begin with `$` and mean nothing, or is
/// beyond the default [`Limits`]. JSON from elsewhere, in which such keys are data, is read by a
/// [`Reader`] [without markers](Reader::with_markers).
pub fn from_str(text: &str) -> Result<Term, Error> {
    Reader::new(text).one()
}

/// Reads the one value that the bytes of a JSON text hold: as [`from_str`].
///
/// ```
/// let term = ubf_codec::json::from_slice(b"[1,null]")?;
/// assert_eq!(term.to_string(), "[1,?]");
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
///
/// # Errors
/// As [`from_str`], and bytes that are no UTF-8.
pub fn from_slice(text: &[u8]) -> Result<Term, Error> {
    match str::from_utf8(text) {
        Ok(text) => from_str(text),
        Err(error) => Err(Error::syntax("bytes that are no UTF-8", error.valid_up_to())),
    }
}

/// Reads the values of a text that holds one after the other, with the default [`Limits`]: as
/// [`Reader::new`].
///
/// ```
/// let mut terms = ubf_codec::json::terms("{\"$atom\":\"ok\"}\n[1]\n");
/// assert_eq!(terms.next().unwrap()?.to_string(), "ok");
/// assert_eq!(terms.next().unwrap()?.to_string(), "[1]");
/// assert!(terms.next().is_none());
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
#[must_use]
pub const fn terms(text: &str) -> Reader<'_> {
    Reader::new(text)
}

/// The values of a text that holds one after the other: JSON lines, or with any white space between
/// them. Ends after an error.
///
/// ```
/// use ubf_codec::Limits;
/// use ubf_codec::json::Reader;
///
/// let limits = Limits::default().with_max_integer_digits(3);
/// let mut reader = Reader::new("[1] 1234").with_limits(limits);
/// assert_eq!(reader.next().unwrap()?.to_string(), "[1]");
/// let error = reader.next().unwrap().unwrap_err();
/// assert_eq!(error.to_string(), "integer of more than 3 digits (max_integer_digits), at byte 4");
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    /// Whether objects with keys that begin with `$` stand for terms that JSON has no word for.
    markers: bool,
    /// What the value that is being read has cost so far, as a decoder would count it.
    nodes: u64,
    bytes: u64,
}

impl<'a> Reader<'a> {
    /// The values of `text`, with the default [`Limits`].
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, limits: Limits::new(), markers: true, nodes: 0, bytes: 0 }
    }

    /// This reader with other limits for each value.
    ///
    /// Those of depth, terms, bytes, digits and tags hold for the term that is read, as they would
    /// for its packet; texts count without escapes. The text itself is there already:
    /// [`Limits::max_packet_bytes`] is not about it.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether an object such as `{"$tuple":[]}` stands for the term as which
    /// [`Json`](super::Json) has written it: on by default.
    ///
    /// Turn it off for JSON from elsewhere. Then a key that begins with `$` is a key like others,
    /// every object is a map, and no stranger can write tuples or atoms.
    ///
    /// ```
    /// use ubf_codec::json::Reader;
    ///
    /// let schema = r#"{"$ref":"x","$tuple":[1]}"#;
    /// let term = Reader::new(schema).with_markers(false).one()?;
    /// assert_eq!(term.to_string(), r#"[{"$ref","x"},{"$tuple",[1]}]`map`"#);
    /// assert!(Reader::new(schema).one().is_err());
    /// # Ok::<(), ubf_codec::json::Error>(())
    /// ```
    #[must_use]
    pub const fn with_markers(mut self, markers: bool) -> Self {
        self.markers = markers;
        self
    }

    /// The one value that the text holds.
    ///
    /// # Errors
    /// As [`from_str`], with the limits of this reader.
    pub fn one(mut self) -> Result<Term, Error> {
        let term = self.value()?;
        self.skip_space();
        if self.at < self.text.len() { Err(self.error("expected the end")) } else { Ok(term) }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Term, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_space();
        if self.at == self.text.len() {
            return None;
        }
        let value = self.value();
        if value.is_err() {
            self.at = self.text.len();
        }
        Some(value)
    }
}

/// A term and its depth.
struct Deep {
    term: Term,
    depth: u32,
}

/// An array or an object that is not closed yet, with what is in it so far.
enum Open {
    Array(Vec<Deep>),
    /// Keys and values, and the key of the value that comes next.
    Object(Vec<(Text, Deep)>, Text, usize),
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Term, Error> {
        (self.nodes, self.bytes) = (0, 0);
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.begin(self.markers && is_counted_later(open.last()))? {
                Ok(leaf) => leaf,
                Err(container) => {
                    if open.len() >= self.max_open() {
                        return Err(self.too_deep());
                    }
                    open.push(container);
                    continue;
                }
            };
            // A value is complete, and with it perhaps what it is in.
            loop {
                match open.pop() {
                    None => return Ok(value.term),
                    Some(Open::Array(mut elements)) => {
                        elements.push(value);
                        if self.next_or_close(b']')? {
                            open.push(Open::Array(elements));
                            break;
                        }
                        value = self.array(elements)?;
                    }
                    Some(Open::Object(mut entries, key, start)) => {
                        entries.push((key, value));
                        if self.next_or_close(b'}')? {
                            let key = self.key()?;
                            open.push(Open::Object(entries, key, start));
                            break;
                        }
                        value = self.object(entries, start)?;
                    }
                }
            }
        }
    }

    /// Reads a value without parts, or up to the first value in it. A string may be counted when it
    /// is known what it stands for.
    fn begin(&mut self, counted_later: bool) -> Result<Result<Deep, Open>, Error> {
        self.skip_space();
        let start = self.at;
        let term = match self.peek() {
            Some(b'[') => {
                self.at += 1;
                if !self.eat(b']') {
                    return Ok(Err(Open::Array(Vec::new())));
                }
                return self.array(Vec::new()).map(Ok);
            }
            Some(b'{') => {
                self.at += 1;
                if !self.eat(b'}') {
                    return Ok(Err(Open::Object(Vec::new(), self.key()?, start)));
                }
                return self.object(Vec::new(), start).map(Ok);
            }
            Some(b'"') => {
                let text = self.string()?;
                if !counted_later {
                    self.charge(1, text.len(), start)?;
                }
                return Ok(Ok(Deep { term: Term::string(text), depth: 0 }));
            }
            Some(b'-' | b'0'..=b'9') => return self.number().map(Ok),
            _ if self.eat_word("null") => Term::Undefined,
            _ if self.eat_word("true") => Term::from(true),
            _ if self.eat_word("false") => Term::from(false),
            _ => return Err(self.error("expected a value")),
        };
        // Booleans are atoms.
        self.charge(1, if term == Term::Undefined { 0 } else { self.at - start }, start)?;
        Ok(Ok(Deep { term, depth: 0 }))
    }

    /// Whether another value follows; else the end was read.
    fn next_or_close(&mut self, close: u8) -> Result<bool, Error> {
        if self.eat(b',') {
            return Ok(true);
        }
        match (self.eat(close), close) {
            (true, _) => Ok(false),
            (false, b']') => Err(self.error("expected ',' or ']'")),
            (false, _) => Err(self.error("expected ',' or '}'")),
        }
    }

    fn key(&mut self) -> Result<Text, Error> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.error("expected a key in quotes"));
        }
        let key = self.string()?;
        if self.eat(b':') { Ok(Text::from(key)) } else { Err(self.error("expected ':'")) }
    }

    fn array(&mut self, elements: Vec<Deep>) -> Result<Deep, Error> {
        let depth = deepest(elements.iter());
        self.charge(1, 0, self.at)?;
        self.deep(Term::list(elements.into_iter().map(|element| element.term)), 1 + depth)
    }

    /// An object whose first byte is at `start`: a map, or one of the forms with `$`.
    fn object(&mut self, entries: Vec<(Text, Deep)>, start: usize) -> Result<Deep, Error> {
        let inner = deepest(entries.iter().map(|(_, value)| value));
        let is_marker = |(key, _): &(Text, Deep)| key.as_bytes().starts_with(b"$");
        if !self.markers || !entries.iter().any(is_marker) {
            // The tag, the list, and the pairs if there are any.
            let depth = if entries.is_empty() { 2 } else { 3 + inner };
            let key_bytes: usize = entries.iter().map(|(key, _)| key.as_bytes().len()).sum();
            self.charge(2 + 2 * entries.len() as u64, "map".len() + key_bytes, start)?;
            let pairs = entries
                .into_iter()
                .map(|(key, value)| Term::tuple([Term::String(key), value.term]));
            return self.deep(Term::list(pairs).tagged("map"), depth);
        }
        let wrong = |message| Error::no_term(message, start);
        let mut entries = entries;
        entries.sort_by(|(one, _), (two, _)| one.cmp(two));
        let mut parts = entries.into_iter().map(|(key, value)| (key, value.term));
        match (parts.next(), parts.next(), parts.next()) {
            (Some((tag_key, Term::String(tag))), Some((term_key, term)), None)
                if tag_key == "$tag" && term_key == "$term" =>
            {
                if tag.as_bytes().len() > self.limits.max_tag_bytes as usize {
                    return Err(Error::exceeds(Limit::TagBytes(self.limits.max_tag_bytes), start));
                }
                self.deep(term.tagged(tag), 1 + inner)
            }
            (Some((key, Term::List(elements))), None, _) if key == "$tuple" => {
                self.deep(Term::Tuple(elements), inner)
            }
            (Some((key, Term::String(text))), None, _) => {
                let term = match key.as_bytes() {
                    b"$atom" => Term::Atom(text),
                    b"$integer" => Term::Integer(self.integer(&text, start)?),
                    b"$binary" => match STANDARD.decode(text.as_bytes()) {
                        Ok(bytes) => Term::binary(bytes),
                        Err(_) => {
                            return Err(wrong("'$binary' that is not base64 with its padding"));
                        }
                    },
                    b"$latin1" => Term::string(
                        latin1(&text)
                            .ok_or_else(|| wrong("'$latin1' with a character beyond U+00FF"))?,
                    ),
                    _ => return Err(wrong(NO_FORM)),
                };
                if key != "$atom" {
                    self.charge(1, leaf_bytes(&term), start)?;
                }
                self.deep(term, 0)
            }
            _ => Err(wrong(NO_FORM)),
        }
    }

    fn deep(&self, term: Term, depth: u32) -> Result<Deep, Error> {
        if depth > self.limits.max_depth { Err(self.too_deep()) } else { Ok(Deep { term, depth }) }
    }

    const fn too_deep(&self) -> Error {
        Error::exceeds(Limit::Depth(self.limits.max_depth), self.at)
    }

    /// Arrays and objects one in another that can still make a term within the limit: a tuple takes
    /// two for one level, and an atom that is no UTF-8 two for none.
    const fn max_open(&self) -> usize {
        (self.limits.max_depth as usize).saturating_mul(2).saturating_add(2)
    }

    /// Counts as a decoder does (L1).
    fn charge(&mut self, nodes: u64, bytes: usize, offset: usize) -> Result<(), Error> {
        self.nodes += nodes;
        self.bytes += bytes as u64;
        if self.nodes > self.limits.max_expanded_nodes {
            return Err(Error::exceeds(
                Limit::ExpandedNodes(self.limits.max_expanded_nodes),
                offset,
            ));
        }
        if self.bytes > self.limits.max_expanded_bytes {
            return Err(Error::exceeds(
                Limit::ExpandedBytes(self.limits.max_expanded_bytes),
                offset,
            ));
        }
        Ok(())
    }

    fn integer(&self, text: &Text, offset: usize) -> Result<Integer, Error> {
        let Some(text) = text.as_str() else { return Err(Error::no_term(NO_INTEGER, offset)) };
        // Arithmetic takes time that grows with the square of the digits.
        if text.trim_start_matches('-').len() > self.limits.max_integer_digits as usize {
            return Err(Error::exceeds(
                Limit::IntegerDigits(self.limits.max_integer_digits),
                offset,
            ));
        }
        text.parse().map_err(|_| Error::no_term(NO_INTEGER, offset))
    }

    /// `-?(0|[1-9][0-9]*)`, with a fraction or an exponent a float.
    fn number(&mut self) -> Result<Deep, Error> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        self.digits()?;
        if self.at > first + 1 && self.text.as_bytes().get(first) == Some(&b'0') {
            return Err(Error::syntax("number with a leading zero", first));
        }
        let mut is_float = false;
        if self.peek() == Some(b'.') {
            is_float = true;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            is_float = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        if !is_float {
            let term = Term::Integer(self.integer(&Text::from(number), start)?);
            self.charge(1, leaf_bytes(&term), start)?;
            return Ok(Deep { term, depth: 0 });
        }
        match number.parse().ok().and_then(Term::float) {
            Some(term) => {
                self.charge(2, leaf_bytes(&term), start)?;
                self.deep(term, 1)
            }
            None => Err(Error::no_term("number too large for a float", start)),
        }
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    /// A string, whose opening quote comes next.
    fn string(&mut self) -> Result<String, Error> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match memchr::memchr2(b'"', b'\\', bytes.get(end..).unwrap_or_default()) {
                None => return Err(Error::syntax("string that does not end", start)),
                Some(place) if bytes.get(end + place) == Some(&b'"') => {
                    end += place + 1;
                    break;
                }
                // Whatever is escaped, it is not the end.
                Some(place) => end += place + 2,
            }
        }
        self.at = end;
        let quoted = self.text.get(start..end).unwrap_or_default();
        // Its columns are bytes, and begin with 1.
        serde_json::from_str(quoted).map_err(|error| {
            Error::syntax("malformed string", start + error.column().saturating_sub(1))
        })
    }

    fn skip_space(&mut self) {
        // RFC 8259 lets a reader pass over a byte order mark; Windows writes it.
        if self.at == 0 && self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips white space and then `byte`, if it is there.
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self
            .text
            .as_bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn error(&self, message: &'static str) -> Error {
        Error::syntax(message, self.at)
    }
}

const NO_FORM: &str = "object with a key that begins with '$' and means nothing";

const NO_INTEGER: &str = "'$integer' that is not digits, perhaps after a '-'";

fn deepest<'a>(values: impl Iterator<Item = &'a Deep>) -> u32 {
    values.map(|value| value.depth).max().unwrap_or_default()
}

/// Whether a string here is not what will count: it is longer than the integer, binary or text for
/// which it stands.
fn is_counted_later(around: Option<&Open>) -> bool {
    let Some(Open::Object(_, key, _)) = around else { return false };
    matches!(key.as_bytes(), b"$integer" | b"$binary" | b"$latin1")
}

/// What a term without parts, or a float, counts towards the bytes.
fn leaf_bytes(term: &Term) -> usize {
    match term {
        Term::Integer(value) if value.to_i64().is_none() => {
            value.to_string().trim_start_matches('-').len()
        }
        Term::Atom(text) | Term::String(text) => text.as_bytes().len(),
        Term::Binary(bytes) => bytes.len(),
        Term::Tagged(tagged) => tagged.tag().as_bytes().len() + leaf_bytes(tagged.term()),
        Term::Undefined | Term::Integer(_) | Term::Tuple(_) | Term::List(_) => 0,
    }
}

/// The bytes of a text whose characters stand for one byte each.
fn latin1(text: &Text) -> Option<Vec<u8>> {
    text.as_str()?.chars().map(|character| u8::try_from(character).ok()).collect()
}
