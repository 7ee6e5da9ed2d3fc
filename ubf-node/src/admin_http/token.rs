//! The secret of those who may look from another machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::HeaderValue;
use tracing::{error, info};

use crate::options::Wrong;

/// Bytes of a token. Chosen: as many as nobody guesses, and not more than a line.
const BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// A secret that a request shows: `Authorization: Bearer …`. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(Box<[u8]>);

impl Token {
    /// Reads it from the first line of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Wrong> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Wrong::new(format!("{}: cannot be read: {error}", path.display())))?;
        Self::new(text.lines().next().unwrap_or_default().trim())
            .map_err(|wrong| Wrong::new(format!("{}: {wrong}", path.display())))
    }

    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        let is_fit =
            BYTES.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_fit {
            Ok(Self(text.as_bytes().into()))
        } else {
            Err("a token is 16 to 256 printable characters, without white space, on the first line")
        }
    }

    /// What shows it: `Authorization: Bearer …`.
    pub(crate) fn header(&self) -> HeaderValue {
        let shown = [b"Bearer ", &*self.0].concat();
        // A token is printable.
        let mut shown =
            HeaderValue::from_bytes(&shown).unwrap_or(HeaderValue::from_static("Bearer"));
        shown.set_sensitive(true);
        shown
    }

    /// Whether somebody knows it, in a time that does not depend on what is the same.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        let pairs = self.0.iter().zip(shown);
        let difference = pairs.fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs));
        // How long it is, is no secret.
        std::hint::black_box(difference) == 0 && self.0.len() == shown.len()
    }
}

/// The secret of a server, whose file is read again at SIGHUP. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct TokenFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    token: RwLock<Token>,
}

impl TokenFile {
    /// Reads the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Wrong> {
        Ok(Self::new(path, Token::read(path)?))
    }

    /// The token that was in a file.
    pub(super) fn new(path: &Path, token: Token) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), token: RwLock::new(token) }))
    }

    /// Reads the file again. What is no token is said, and changes nothing.
    pub(crate) fn reload(&self) {
        let path = self.0.path.display();
        match Token::read(&self.0.path) {
            Ok(token) => {
                *self.0.token.write().unwrap_or_else(PoisonError::into_inner) = token;
                info!(%path, "token reloaded");
            }
            Err(wrong) => {
                let error = wrong.into_text();
                error!(error, "the token is not reloaded: the one from before stays");
            }
        }
    }

    /// Whether somebody knows it.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        self.0.token.read().unwrap_or_else(PoisonError::into_inner).is(shown)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_whole_or_not_at_all() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for wrong in ["0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", ""] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }

    #[test]
    fn what_can_be_guessed_or_cannot_stand_in_a_header_is_no_token() {
        assert!(Token::new(&"x".repeat(256)).is_ok());
        for text in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé", &"x".repeat(257)]
        {
            assert!(Token::new(text).is_err(), "{text}");
        }
    }
}
