//! JSON to terms, without recursion.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use crate::limits::Limits;
use crate::term::{Integer, Term, Text};

/// The deepest term that is read, so that what is read can be sent to anyone.
const MAX_DEPTH: u32 = Limits::new().max_depth;

/// Arrays and objects one in another that can still make a term within [`MAX_DEPTH`]: a tuple takes two for one level, and an atom
/// that is no UTF-8 two for none.
const MAX_OPEN: usize = 2 * MAX_DEPTH as usize + 2;

/// Conversion takes time that grows with the square of the digits.
const MAX_DIGITS: usize = Limits::new().max_integer_digits as usize;

/// Reads the one value that a JSON text holds: what [`Json`](super::Json) has written, or JSON from elsewhere.
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
/// assert_eq!(Json(term.as_ref()).to_string(), r#"{"id":{"$integer":"18446744073709551616"},"scores":[1.5,true]}"#);
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
///
/// # Errors
/// A text that is not JSON, has objects with keys that begin with `$` and mean nothing, or is beyond the limits that the
/// [module](super) names.
pub fn from_str(text: &str) -> Result<Term, Error> {
    let mut reader = Reader { text, at: 0 };
    let term = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() { Err(reader.error("expected the end")) } else { Ok(term) }
}

/// Reads the values of a text that holds one after the other: JSON lines, or with any white space between them. Ends after an error.
///
/// ```
/// let mut terms = ubf_codec::json::terms("{\"$atom\":\"ok\"}\n[1]\n");
/// assert_eq!(terms.next().unwrap()?.to_string(), "ok");
/// assert_eq!(terms.next().unwrap()?.to_string(), "[1]");
/// assert!(terms.next().is_none());
/// # Ok::<(), ubf_codec::json::Error>(())
/// ```
#[must_use]
pub const fn terms(text: &str) -> Terms<'_> {
    Terms { reader: Reader { text, at: 0 } }
}

/// The values of a text: see [`terms`].
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    reader: Reader<'a>,
}

impl Iterator for Terms<'_> {
    type Item = Result<Term, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.skip_space();
        if self.reader.at == self.reader.text.len() {
            return None;
        }
        let value = self.reader.value();
        if value.is_err() {
            self.reader.at = self.reader.text.len();
        }
        Some(value)
    }
}

#[derive(Clone, Debug)]
struct Reader<'a> {
    text: &'a str,
    at: usize,
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
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut value = match self.begin()? {
                Ok(leaf) => leaf,
                Err(container) => {
                    if open.len() >= MAX_OPEN {
                        return Err(self.error("nested too deep"));
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

    /// Reads a value without parts, or up to the first value in it.
    fn begin(&mut self) -> Result<Result<Deep, Open>, Error> {
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
            Some(b'"') => Term::string(self.string()?),
            Some(b'-' | b'0'..=b'9') => return self.number().map(Ok),
            _ if self.eat_word("null") => Term::Undefined,
            _ if self.eat_word("true") => Term::from(true),
            _ if self.eat_word("false") => Term::from(false),
            _ => return Err(self.error("expected a value")),
        };
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

    fn array(&self, elements: Vec<Deep>) -> Result<Deep, Error> {
        let depth = deepest(elements.iter());
        self.deep(Term::list(elements.into_iter().map(|element| element.term)), 1 + depth)
    }

    /// An object whose first byte is at `start`: a map, or one of the forms with `$`.
    fn object(&self, entries: Vec<(Text, Deep)>, start: usize) -> Result<Deep, Error> {
        let inner = deepest(entries.iter().map(|(_, value)| value));
        if !entries.iter().any(|(key, _)| key.as_bytes().starts_with(b"$")) {
            // The tag, the list, and the pairs if there are any.
            let depth = if entries.is_empty() { 2 } else { 3 + inner };
            let pairs = entries.into_iter().map(|(key, value)| Term::tuple([Term::String(key), value.term]));
            return self.deep(Term::list(pairs).tagged("map"), depth);
        }
        let wrong = |message| Error::new(message, start);
        let mut entries = entries;
        entries.sort_by(|(one, _), (two, _)| one.cmp(two));
        let mut parts = entries.into_iter().map(|(key, value)| (key, value.term));
        match (parts.next(), parts.next(), parts.next()) {
            (Some((tag_key, Term::String(tag))), Some((term_key, term)), None)
                if tag_key == "$tag" && term_key == "$term" =>
            {
                self.deep(term.tagged(tag), 1 + inner)
            }
            (Some((key, Term::List(elements))), None, _) if key == "$tuple" => self.deep(Term::Tuple(elements), inner),
            (Some((key, Term::String(text))), None, _) => {
                let term = match key.as_bytes() {
                    b"$atom" => Term::Atom(text),
                    b"$integer" => Term::Integer(integer(&text).map_err(wrong)?),
                    b"$binary" => match STANDARD.decode(text.as_bytes()) {
                        Ok(bytes) => Term::binary(bytes),
                        Err(_) => return Err(wrong("'$binary' that is not base64 with its padding")),
                    },
                    b"$latin1" => {
                        Term::string(latin1(&text).ok_or_else(|| wrong("'$latin1' with a character beyond U+00FF"))?)
                    }
                    _ => return Err(wrong(NO_FORM)),
                };
                self.deep(term, 0)
            }
            _ => Err(wrong(NO_FORM)),
        }
    }

    fn deep(&self, term: Term, depth: u32) -> Result<Deep, Error> {
        if depth > MAX_DEPTH { Err(self.error("nested too deep")) } else { Ok(Deep { term, depth }) }
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
            return Err(Error::new("number with a leading zero", first));
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
            let value = integer(&Text::from(number)).map_err(|message| Error::new(message, start))?;
            return Ok(Deep { term: Term::Integer(value), depth: 0 });
        }
        match number.parse().ok().and_then(Term::float) {
            Some(term) => Ok(Deep { term, depth: 1 }),
            None => Err(Error::new("number too large for a float", start)),
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
                None => return Err(Error::new("string that does not end", start)),
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
        serde_json::from_str(quoted)
            .map_err(|error| Error::new("malformed string", start + error.column().saturating_sub(1)))
    }

    fn skip_space(&mut self) {
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
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn error(&self, message: &'static str) -> Error {
        Error::new(message, self.at)
    }
}

const NO_FORM: &str = "object with a key that begins with '$' and means nothing";

const NO_INTEGER: &str = "'$integer' that is not digits, perhaps after a '-'";

fn deepest<'a>(values: impl Iterator<Item = &'a Deep>) -> u32 {
    values.map(|value| value.depth).max().unwrap_or_default()
}

fn integer(text: &Text) -> Result<Integer, &'static str> {
    let Some(text) = text.as_str() else { return Err(NO_INTEGER) };
    if text.trim_start_matches('-').len() > MAX_DIGITS {
        return Err("integer of too many digits");
    }
    text.parse().map_err(|_| NO_INTEGER)
}

/// The bytes of a text whose characters stand for one byte each.
fn latin1(text: &Text) -> Option<Vec<u8>> {
    text.as_str()?.chars().map(|character| u8::try_from(character).ok()).collect()
}
