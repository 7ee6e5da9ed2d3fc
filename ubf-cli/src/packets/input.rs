//! The one way in: files and stdin, as they are or as hex, a piece at a time.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use bytes::BytesMut;

use crate::ui::text::{byte_name, printable};

/// Bytes asked for at a time. Chosen: a pipe holds as many on Linux.
const PIECE_BYTES: usize = 1 << 16;

/// Where bytes come from.
pub(crate) struct Input {
    name: String,
    reader: Box<dyn Read>,
    hex: Option<HexText>,
    /// Reported by the next `fill`: what stood before it was good.
    pending: Option<InputError>,
}

/// Why there are no more bytes although the input has not ended.
#[derive(Debug)]
pub(crate) enum InputError {
    Io(io::Error),
    Hex(HexError),
}

impl Input {
    /// Opens a file, or stdin if the path is `-`.
    pub(crate) fn open(path: &Path, hex: bool) -> io::Result<Self> {
        let reader: Box<dyn Read> =
            if is_stdin(path) { Box::new(io::stdin().lock()) } else { Box::new(File::open(path)?) };
        Ok(Self::new(name(path), reader, hex))
    }

    pub(crate) fn new(name: String, reader: Box<dyn Read>, hex: bool) -> Self {
        Self { name, reader, hex: hex.then(HexText::default), pending: None }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for more bytes and puts them at the end of `buffer`. False when there are no more.
    pub(crate) fn fill(&mut self, buffer: &mut BytesMut) -> Result<bool, InputError> {
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        loop {
            let start = buffer.len();
            buffer.resize(start + PIECE_BYTES, 0);
            let (_, room) = buffer.split_at_mut(start);
            let read = match self.reader.read(room) {
                Ok(read) => read,
                Err(error) => {
                    buffer.truncate(start);
                    if error.kind() == io::ErrorKind::Interrupted {
                        continue;
                    }
                    return Err(InputError::Io(error));
                }
            };
            let Some(hex) = &mut self.hex else {
                buffer.truncate(start + read);
                return Ok(read > 0);
            };
            if read == 0 {
                buffer.truncate(start);
                return hex.finish().map(|()| false).map_err(InputError::Hex);
            }
            let (text, _) = room.split_at_mut(read);
            let (decoded, error) = hex.decode_in_place(text);
            buffer.truncate(start + decoded);
            self.pending = error.map(InputError::Hex);
            if decoded > 0 {
                return Ok(true);
            }
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
        }
    }
}

/// Whether `path` stands for stdin.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The inputs that the command line names: stdin if it names none.
pub(crate) fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec![PathBuf::from("-")] } else { files.to_vec() }
}

/// Whether someone would have to type what stdin gives.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// What people call the input at a path.
pub(crate) fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { shown(path) }
}

/// A path as people may see it.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// Pairs of hex digits with white space between, in any pieces.
#[derive(Debug)]
struct HexText {
    /// The first digit of a byte, and where it stood.
    half: Option<(u8, Place)>,
    place: Place,
}

/// A byte of a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    line: u64,
    column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A text that is no hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HexError {
    /// A byte that is neither hex digit nor white space.
    NoDigit(u8, At),
    /// The text ends after the first digit of a byte.
    HalfByte(u8, At),
}

/// Where in the text, for the message alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(Place);

impl HexError {
    /// The byte that is wrong, or has no other one.
    pub(crate) const fn byte(&self) -> u8 {
        match self {
            Self::NoDigit(byte, _) | Self::HalfByte(byte, _) => *byte,
        }
    }
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDigit(byte, At(place)) => {
                write!(f, "'{}' is no hex digit, at {place}", byte_name(*byte))
            }
            Self::HalfByte(digit, At(place)) => {
                let digit = char::from(*digit);
                write!(f, "hex digit '{digit}' has no second digit to make a byte, at {place}")
            }
        }
    }
}

impl Default for HexText {
    fn default() -> Self {
        Self { half: None, place: Place { line: 1, column: 1 } }
    }
}

impl HexText {
    /// Overwrites the front of `text` with the bytes that it spells; says how many, and what
    /// stopped it early.
    fn decode_in_place(&mut self, text: &mut [u8]) -> (usize, Option<HexError>) {
        let mut decoded = 0;
        for index in 0..text.len() {
            let Some(&byte) = text.get(index) else { break };
            let place = self.place;
            match byte {
                b'\n' => self.place = Place { line: place.line + 1, column: 1 },
                _ => self.place.column += 1,
            }
            if byte.is_ascii_whitespace() {
                continue;
            }
            let Some(value) = nibble(byte) else {
                return (decoded, Some(HexError::NoDigit(byte, At(place))));
            };
            let Some((first, _)) = self.half.take() else {
                self.half = Some((byte, place));
                continue;
            };
            // Two digits make one byte: what is written stays behind what is read.
            if let (Some(slot), Some(high)) = (text.get_mut(decoded), nibble(first)) {
                *slot = high << 4 | value;
                decoded += 1;
            }
        }
        (decoded, None)
    }

    /// The text has ended.
    fn finish(&self) -> Result<(), HexError> {
        match self.half {
            None => Ok(()),
            Some((digit, place)) => Err(HexError::HalfByte(digit, At(place))),
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives `piece` bytes at a time.
    struct Dripping(Vec<u8>, usize);

    impl Read for Dripping {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(room.len());
            room[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn read_hex(text: &str, piece: usize) -> (Vec<u8>, Option<String>) {
        let mut input = Input::new("t".to_owned(), Box::new(Dripping(text.into(), piece)), true);
        let mut buffer = BytesMut::new();
        loop {
            match input.fill(&mut buffer) {
                Ok(true) => {}
                Ok(false) => return (buffer.to_vec(), None),
                Err(InputError::Hex(error)) => return (buffer.to_vec(), Some(error.to_string())),
                Err(InputError::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn reads_hex_over_lines_and_in_any_pieces() {
        for piece in 1..8 {
            assert_eq!(read_hex("7b 7D\r\n\t2\n4\n", piece), (b"{}$".to_vec(), None));
        }
    }

    #[test]
    fn keeps_what_stands_before_a_wrong_digit() {
        for piece in 1..8 {
            let (bytes, error) = read_hex("7b\n7d0x24", piece);
            assert_eq!(bytes, b"{}");
            assert_eq!(error.as_deref(), Some("'x' is no hex digit, at line 2, column 4"));
        }
    }

    #[test]
    fn names_the_digit_that_stands_alone() {
        let (bytes, error) = read_hex("7b7d2", 64);
        assert_eq!(bytes, b"{}");
        let message = "hex digit '2' has no second digit to make a byte, at line 1, column 5";
        assert_eq!(error.as_deref(), Some(message));
    }
}
