//! The name of a service.

use alloc::sync::Arc;
use core::fmt::{self, Write as _};

use ubf_codec::{Term, Text};

/// What a client wants to talk to: a named service, or `?`, the default one.
///
/// Each message has it, so that it is one word, and cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service(Option<Arc<Text>>);

impl Service {
    /// The default service, `?` on the wire.
    pub const DEFAULT: Self = Self(None);

    /// The most bytes of a name on the wire (L1). Chosen: as many as a tag may have.
    pub const MAX_NAME_BYTES: usize = 255;

    /// The service of this name. A longer one than [`MAX_NAME_BYTES`](Self::MAX_NAME_BYTES) is
    /// understood by nobody.
    #[must_use]
    pub fn named(name: impl Into<Text>) -> Self {
        Self(Some(Arc::new(name.into())))
    }

    /// The name; `None` is the default service.
    #[must_use]
    pub fn name(&self) -> Option<&Text> {
        self.0.as_deref()
    }

    pub(crate) fn to_term(&self) -> Term {
        self.name().cloned().map_or(Term::Undefined, Term::String)
    }
}

impl From<&str> for Service {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// On one line: a name comes from strangers and goes into logs, so its control characters are shown
/// as `\n` or `\u{1b}`.
impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = &self.0 else { return f.write_str("?") };
        for letter in name.to_latin1().chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line_of_a_log() {
        assert_eq!(
            Service::from("kv\nERROR \x1b[31mforged").to_string(),
            "kv\\nERROR \\u{1b}[31mforged"
        );
        assert_eq!(Service::DEFAULT.to_string(), "?");
    }
}
