//! Words of a peer in a log: cut, since a packet may be a log's worth.

use core::fmt::{self, Write};

/// Bytes of a peer's that a line of a log shows. Chosen: a line or two.
const MAX_BYTES: usize = 200;

/// Shows the first 200 bytes of what it holds, for logs. The rest is not even written.
///
/// ```
/// use ubf_codec::Term;
/// use ubf_proto::Truncated;
///
/// assert_eq!(Truncated(Term::atom("crash")).to_string(), "crash");
/// assert_eq!(Truncated(Term::string("x".repeat(1 << 20))).to_string().len(), 200 + "…".len());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Truncated<T>(pub T);

impl<T: fmt::Display> fmt::Display for Truncated<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cut = Cut { text: f, room: MAX_BYTES };
        match write!(cut, "{}", self.0) {
            Err(fmt::Error) if cut.room == 0 => f.write_str("…"),
            written => written,
        }
    }
}

/// Takes no more than there is room for.
struct Cut<'a, 'b> {
    text: &'a mut fmt::Formatter<'b>,
    room: usize,
}

impl Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() <= self.room {
            self.room -= text.len();
            return self.text.write_str(text);
        }
        let end = (0..=self.room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        self.room = 0;
        self.text.write_str(text.get(..end).unwrap_or_default())?;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString as _;

    use ubf_codec::{Term, ubf};

    use super::*;

    #[test]
    fn short_words_are_shown_whole_and_long_ones_cut() {
        assert_eq!(Truncated(ubf!({oops, 1})).to_string(), "{oops,1}");
        let long = Truncated(Term::string("é".repeat(1 << 20))).to_string();
        assert_eq!(long, format!("\"{}…", "é".repeat(99)));
    }

    #[test]
    fn what_cannot_be_shown_is_no_long_word() {
        struct Broken;
        impl fmt::Display for Broken {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        let mut shown = alloc::string::String::new();
        assert!(write!(shown, "{}", Truncated(Broken)).is_err());
        assert_eq!(shown, "half");
    }
}
