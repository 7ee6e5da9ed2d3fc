//! Bytes of a contract in messages for people.

use core::fmt;

/// Bytes as text, what cannot be shown as `\xHH`, shortened if they are many.
pub(crate) struct Shown<'a> {
    bytes: &'a [u8],
    quoted: bool,
}

/// Longer names are cut: a message stays one line.
const MAX_SHOWN: usize = 60;

impl<'a> Shown<'a> {
    pub(crate) fn of(text: &'a ubf_codec::Text) -> Self {
        Self { bytes: text.as_bytes(), quoted: false }
    }

    pub(crate) const fn quoted(bytes: &'a [u8]) -> Self {
        Self { bytes, quoted: true }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.quoted { "'" } else { "" };
        f.write_str(quote)?;
        let shown = self.bytes.get(..MAX_SHOWN).unwrap_or(self.bytes);
        for byte in shown {
            match byte {
                b' '..=b'~' => fmt::Write::write_char(f, char::from(*byte))?,
                0xa1.. => fmt::Write::write_char(f, char::from(*byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str(if shown.len() < self.bytes.len() { "…" } else { "" })?;
        f.write_str(quote)
    }
}
