//! The specification's vectors of packets, read and checked for sense.

use serde::Deserialize;

use crate::files::Files;
use crate::outcome::Side;
use crate::settings::{Dialect, Limits, Settings};

/// The directories of vectors; each must hold some.
pub const DIRECTORIES: [&str; 4] = ["accept", "reject", "incomplete", "packets"];

/// An input and what must become of it.
#[derive(Debug, Clone)]
pub struct Vector {
    /// The file, from the directory of vectors on: `accept/integers.toml`.
    pub file: String,
    /// A sentence that says what is shown.
    pub name: String,
    /// The rules that it shows, the chief one first.
    pub rules: Vec<String>,
    /// The bytes.
    pub input: Vec<u8>,
    /// The dialects in which it holds.
    pub dialects: Vec<Dialect>,
    /// Whether the decoder takes `\x` for x.
    pub any_escape: bool,
    /// The limits.
    pub limits: Limits,
    /// What must become of it.
    pub expected: Expected,
}

impl Vector {
    /// The settings under which it holds, one for each dialect.
    pub fn settings(&self) -> Vec<Settings> {
        let settings = |dialect: &Dialect| Settings {
            dialect: *dialect,
            limits: self.limits.clone(),
            any_escape: self.any_escape,
        };
        self.dialects.iter().map(settings).collect()
    }
}

/// What must become of an input.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Packets with these terms (postfix), and nothing else.
    Accept {
        /// The terms, in order.
        terms: Vec<String>,
        /// What the plain encoder writes for the term.
        plain: Option<Vec<u8>>,
        /// What the cached encoder writes for the term.
        cached: Option<Vec<u8>>,
    },
    /// Packets with these terms, then an error.
    Reject {
        /// The terms before the error.
        terms: Vec<String>,
        /// Its code.
        error: String,
        /// The byte that it names.
        offset: usize,
    },
    /// Where one packet is asked for: a packet, and then something else.
    Trailing {
        /// The first byte that is too many.
        offset: usize,
    },
    /// Packets with these terms, then a packet that has not ended.
    Incomplete {
        /// The terms before it.
        terms: Vec<String>,
    },
    /// A versioned packet.
    Packet(ExpectedPacket),
}

/// What must become of the bytes of a versioned packet.
#[derive(Debug, Clone)]
pub struct ExpectedPacket {
    /// Who has written it.
    pub side: Side,
    /// What it is.
    pub result: PacketResult,
}

/// What a versioned packet is.
#[derive(Debug, Clone)]
pub enum PacketResult {
    /// A good one.
    Accept(crate::outcome::Packet),
    /// Broken.
    Reject {
        /// The error's code.
        error: String,
        /// The byte that it names.
        offset: usize,
    },
    /// Not ended.
    Incomplete,
}

/// All vectors of the files, by file and in the order of each file.
///
/// # Errors
///
/// A sentence that names the file, and the vector if there is one, and what is wrong with it.
pub fn load(files: &Files) -> Result<Vec<Vector>, String> {
    let mut vectors = Vec::new();
    for kind in DIRECTORIES {
        let before = vectors.len();
        for (file, text) in files.folder(kind) {
            vectors.extend(parse(kind, file, text)?);
        }
        if vectors.len() == before {
            return Err(format!("{kind}: there is no vector in this directory"));
        }
    }
    Ok(vectors)
}

fn parse(kind: &str, file: &str, text: &str) -> Result<Vec<Vector>, String> {
    let parsed: File = toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
    let mut vectors: Vec<Vector> = Vec::new();
    for raw in parsed.vector {
        let name = raw.name.clone();
        if vectors.iter().any(|vector| vector.name == name) {
            return Err(format!("{file}: two vectors are called `{name}`"));
        }
        vectors.push(raw.check(kind, file).map_err(|error| format!("{file}: `{name}`: {error}"))?);
    }
    if vectors.is_empty() {
        return Err(format!("{file}: there is no vector in this file"));
    }
    Ok(vectors)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    vector: Vec<Raw>,
}

/// A vector as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    rules: Vec<String>,
    input: Option<String>,
    hex: Option<String>,
    parts: Option<Vec<Part>>,
    #[serde(default)]
    dialect: RawDialect,
    #[serde(default)]
    any_escape: bool,
    #[serde(default)]
    limits: Limits,
    term: Option<String>,
    terms: Option<Vec<String>>,
    plain: Option<String>,
    cached: Option<String>,
    error: Option<String>,
    offset: Option<usize>,
    side: Option<Side>,
    version: Option<u32>,
    next_ip: Option<String>,
    body: Option<String>,
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    text: Option<String>,
    hex: Option<String>,
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum RawDialect {
    Extended,
    Classic,
    #[default]
    Both,
}

impl Raw {
    fn check(mut self, kind: &str, file: &str) -> Result<Vector, String> {
        if self.rules.is_empty() {
            return Err("it shows no rule".to_owned());
        }
        let input = self.input()?;
        let expected = match kind {
            "accept" => self.accept()?,
            "reject" => self.reject(input.len())?,
            "incomplete" => Expected::Incomplete { terms: self.terms.take().unwrap_or_default() },
            "packets" => Expected::Packet(self.packet()?),
            other => return Err(format!("there are no vectors in `{other}`")),
        };
        self.has_no_more_fields()?;
        Ok(Vector {
            file: file.to_owned(),
            name: self.name,
            rules: self.rules,
            input,
            dialects: match self.dialect {
                RawDialect::Extended => vec![Dialect::Extended],
                RawDialect::Classic => vec![Dialect::Classic],
                RawDialect::Both => Dialect::ALL.to_vec(),
            },
            any_escape: self.any_escape,
            limits: self.limits,
            expected,
        })
    }

    fn input(&mut self) -> Result<Vec<u8>, String> {
        match (self.input.take(), self.hex.take(), self.parts.take()) {
            (Some(text), None, None) => Ok(text.into_bytes()),
            (None, Some(digits), None) => bytes_of_hex(&digits),
            (None, None, Some(parts)) => {
                let mut input = Vec::new();
                for part in parts {
                    let bytes = match (part.text, part.hex) {
                        (Some(text), None) => text.into_bytes(),
                        (None, Some(digits)) => bytes_of_hex(&digits)?,
                        (Some(_), Some(_)) | (None, None) => {
                            return Err("a part is either `text` or `hex`".to_owned());
                        }
                    };
                    input.extend(bytes.repeat(part.times));
                }
                Ok(input)
            }
            _ => Err("its input is one of `input`, `hex`, `parts`".to_owned()),
        }
    }

    fn accept(&mut self) -> Result<Expected, String> {
        let (plain, cached) = (self.plain.take(), self.cached.take());
        let terms = match (self.term.take(), self.terms.take()) {
            (Some(term), None) => vec![term],
            (None, Some(terms)) => terms,
            (Some(_), Some(_)) | (None, None) => {
                return Err("it needs one of `term` and `terms`".to_owned());
            }
        };
        if terms.len() != 1 && (plain.is_some() || cached.is_some()) {
            return Err("`plain` and `cached` are for a single term".to_owned());
        }
        Ok(Expected::Accept {
            terms,
            plain: plain.map(String::into_bytes),
            cached: cached.map(String::into_bytes),
        })
    }

    fn reject(&mut self, length: usize) -> Result<Expected, String> {
        let (error, offset) = self.error()?.ok_or("it needs `error` and `offset`")?;
        let terms = self.terms.take().unwrap_or_default();
        match error.as_str() {
            "trailing-bytes" => Ok(Expected::Trailing { offset }),
            // Only a caller who knows that nothing follows sees the error; here every input is all
            // there is (W12).
            "unexpected-end" if offset == length => Ok(Expected::Incomplete { terms }),
            "unexpected-end" => Err("`unexpected-end` stands at the end of the input".to_owned()),
            _ => Ok(Expected::Reject { terms, error, offset }),
        }
    }

    fn packet(&mut self) -> Result<ExpectedPacket, String> {
        let side = self.side.take().ok_or("it needs a `side`")?;
        let incomplete = std::mem::take(&mut self.incomplete);
        let result = match (self.error()?, incomplete) {
            (Some((error, offset)), false) => PacketResult::Reject { error, offset },
            (None, true) => PacketResult::Incomplete,
            (None, false) => {
                let next_ip = self.next_ip.take();
                if next_ip.is_some() != (side == Side::Server) {
                    return Err(
                        "`next_ip` is for the packets of a server, and needed there".to_owned()
                    );
                }
                PacketResult::Accept(crate::outcome::Packet {
                    version: self.version.take().ok_or("it needs a `version`")?,
                    next_ip,
                    body: self.body.take().ok_or("it needs a `body`")?.into_bytes(),
                    term: self.term.take().ok_or("it needs a `term`")?,
                })
            }
            (Some(_), true) => return Err("it is either broken or incomplete".to_owned()),
        };
        Ok(ExpectedPacket { side, result })
    }

    fn error(&mut self) -> Result<Option<(String, usize)>, String> {
        match (self.error.take(), self.offset.take()) {
            (Some(error), Some(offset)) => Ok(Some((error, offset))),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err("`error` and `offset` go together".to_owned()),
        }
    }

    /// What its kind asks for has been taken out; what is left has no meaning there.
    fn has_no_more_fields(&self) -> Result<(), String> {
        let left = [
            ("term", self.term.is_some()),
            ("terms", self.terms.is_some()),
            ("plain", self.plain.is_some()),
            ("cached", self.cached.is_some()),
            ("error", self.error.is_some()),
            ("offset", self.offset.is_some()),
            ("side", self.side.is_some()),
            ("version", self.version.is_some()),
            ("next_ip", self.next_ip.is_some()),
            ("body", self.body.is_some()),
            ("incomplete", self.incomplete),
        ];
        match left.iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(format!("`{name}` has no meaning here")),
            None => Ok(()),
        }
    }
}

/// Hexadecimal digits, white space between them allowed.
fn bytes_of_hex(digits: &str) -> Result<Vec<u8>, String> {
    let digits: String = digits.split_ascii_whitespace().collect();
    hex::decode(&digits).map_err(|error| format!("`{digits}` is not hexadecimal: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_vector() {
        let text = r##"
            [[vector]]
            name = "a list of two"
            rules = ["W5"]
            parts = [{ text = "#" }, { hex = "31 26", times = 2 }, { text = "$" }]
            dialect = "classic"
            limits = { max_depth = 1 }
            term = "i:1 i:1 l:2"
            plain = "#1&1&$"
        "##;
        let vectors = parse("accept", "accept/lists.toml", text).unwrap();
        let [vector] = vectors.as_slice() else { panic!("one vector") };
        assert_eq!(vector.input, b"#1&1&$");
        assert_eq!(vector.dialects, [Dialect::Classic]);
        assert_eq!(vector.limits, Limits { max_depth: 1, ..Limits::default() });
        assert!(
            matches!(&vector.expected, Expected::Accept { plain: Some(plain), cached: None, .. } if plain == b"#1&1&$")
        );
    }

    #[test]
    fn names_the_file_and_the_vector_that_is_wrong() {
        for (kind, fields, complaint) in [
            ("accept", "term = 'i:1'\nerror = 'x'\noffset = 1", "`error` has no meaning here"),
            ("accept", "", "it needs one of `term` and `terms`"),
            ("reject", "error = 'x'", "`error` and `offset` go together"),
            ("packets", "term = 'i:1'", "it needs a `side`"),
            (
                "packets",
                "side = 'server'\nversion = 1\nbody = '1$'\nterm = 'i:1'",
                "`next_ip` is for",
            ),
        ] {
            let text = format!("[[vector]]\nname = 'n'\nrules = ['W1']\ninput = '1$'\n{fields}");
            let error = parse(kind, "f.toml", &text).unwrap_err();
            assert!(error.starts_with(&format!("f.toml: `n`: {complaint}")), "{error}");
        }
    }
}
