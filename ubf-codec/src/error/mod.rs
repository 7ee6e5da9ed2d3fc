//! What can be wrong with the bytes of a peer: what, at which byte, and what was expected there
//! (W15).

mod kind;
mod sentence;
mod term_kind;

use core::fmt;

pub use self::kind::ErrorKind;
pub use self::term_kind::TermKind;

/// Bytes that are not the UBF that was expected.
///
/// It names the first wrong byte by its offset from the start of the stream.
///
/// ```
/// let error = ubf_codec::decode(b"{'person' p}$").unwrap_err();
/// assert_eq!(error.to_string(), "register 'p' is read before it is stored, at byte 10");
/// assert_eq!(error.offset(), 10);
/// assert_eq!(error.kind().code(), "unset-register");
/// assert!(error.is_syntax() && !error.is_limit());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    kind: ErrorKind,
    offset: u64,
}

impl DecodeError {
    pub(crate) const fn new(kind: ErrorKind, offset: u64) -> Self {
        Self { kind, offset }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The wrong byte: its distance in bytes from the start of the stream (of the slice, where a
    /// slice was decoded).
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The input may be well-formed, but costs more than our [`Limits`](crate::Limits) allow.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        matches!(self.kind, ErrorKind::Limit(_))
    }

    /// The input ended inside a packet.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        matches!(self.kind, ErrorKind::UnexpectedEnd)
    }

    /// The input breaks a rule of the format.
    #[must_use]
    pub const fn is_syntax(&self) -> bool {
        !self.is_limit() && !self.is_incomplete()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind, self.offset)
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use crate::{Decoder, ServerHeader, VersionedDecoder};
    use alloc::string::ToString;

    #[test]
    fn every_error_says_which_rule_is_broken_and_what_was_expected() {
        for (input, rule, expected, words) in [
            (&b"-x"[..], "W2", "a digit", "'-' is followed by 'x' and not by a digit"),
            (b"\"\\x\"$", "W3", "the closing quote", "'\\' before 'x' in a string, where it may"),
            (b"'\\x'$", "W3", "the closing quote", "'\\' before 'x' in an atom, where"),
            (b"1`\\x`$", "W3", "the closing quote", "'\\' before 'x' in a tag, where"),
            (b"%\\x%1$", "W3", "the closing quote", "'\\' before 'x' in a comment, where"),
            (b"~a~$", "W4", "a length", "'~' with no length before it"),
            (b"?~", "W4", "a length", "'~' after the undefined value, which is no length"),
            (b"'a'~", "W4", "a length", "'~' after an atom, which"),
            (b"\"a\"~", "W4", "a length", "'~' after a string, which"),
            (b"1~a~~", "W4", "a length", "'~' after a binary, which"),
            (b"{}~", "W4", "a length", "'~' after a tuple, which"),
            (b"#~", "W4", "a length", "'~' after a list, which"),
            (b"1`t`~", "W4", "a length", "'~' after a tagged term, which"),
            (b"-1~", "W4", "a length", "binary of a negative length"),
            (b"1~ab", "W4", "'~' after as many bytes", "'b' where '~' should close the binary"),
            (b"1&", "W5", "a list and", "'&' needs a list and a term"),
            (b"1 2&", "W5", "a list below", "'&' puts a term in front of an integer, which"),
            (b"a", "W6", "a register that", "register 'a' is read before it is stored"),
            (b">a", "W6", "a term to store", "'>' with no term to store"),
            (b"1>}", "W6", "a byte that can name", "'}' cannot name a register"),
            (b"1>?", "W7", "a byte that can name", "'?' is the undefined value"),
            (b"`t`", "W8", "a term to tag", "tag with no term before it"),
            (b"}", "W9", "a tuple that was opened", "'}' with no tuple open"),
            (b"$", "W9", "exactly one term", "'$' ends a packet that holds no term"),
            (b"{$", "W9", "'}' before", "'$' inside a tuple"),
            (b"{{$", "W9", "'}' before", "'$' inside 2 open tuples"),
            (b"1 2$", "W9", "exactly one term", "'$' ends a packet that holds 2 terms"),
            (b"1", "W12", "the rest", "the input ends inside a packet"),
            (b"1$2", "P1", "white space or", "more bytes follow the packet"),
            (b"9999999999999999999999~", "L1", "less", "packet of more than 16777216 bytes"),
        ] {
            let error = Decoder::new().decode(input).unwrap_err();
            let shown = input.escape_ascii();
            assert_eq!(error.kind().rule(), rule, "{shown}");
            assert!(
                error.kind().expected().starts_with(expected),
                "{shown}: {}",
                error.kind().expected()
            );
            assert!(error.to_string().starts_with(words), "{shown}: {error}");
        }
        for (input, rule, expected, words) in [
            (&b"x"[..], "P2", "'0' or a decimal", "'x' in the place of a version number"),
            (b"9999999999 ", "P2", "a version of at most", "version number above 2147483647"),
            (b"1?", "P2", "one space", "'?' where one space should stand"),
            (b"1 \"\" ", "P2", "'?' or a string", "malformed NextIP"),
        ] {
            let error =
                VersionedDecoder::<ServerHeader>::new().decode(&mut input.into()).unwrap_err();
            let shown = input.escape_ascii();
            assert_eq!(error.kind().rule(), rule, "{shown}");
            assert!(
                error.kind().expected().starts_with(expected),
                "{shown}: {}",
                error.kind().expected()
            );
            assert!(error.to_string().starts_with(words), "{shown}: {error}");
        }
    }
}
