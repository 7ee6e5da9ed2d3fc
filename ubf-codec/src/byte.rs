//! Which bytes mean what: control bytes, white space, registers.

/// What a byte means outside of quotes and binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// White space (W9). A comma is.
    Space,
    Digit,
    Minus,
    /// `"`.
    String,
    /// `'`.
    Atom,
    /// `` ` ``.
    Tag,
    /// `%`.
    Comment,
    /// `~`.
    Binary,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `#`.
    Nil,
    /// `&`.
    Cons,
    /// `>`.
    Store,
    /// `$`.
    End,
    /// `?`, which is a register or the undefined value (W7).
    Question,
    /// Every other byte (W6).
    Register,
}

impl Class {
    /// The class of `byte`.
    #[inline(always)]
    pub(crate) fn of(byte: u8) -> Self {
        CLASSES.get(usize::from(byte)).copied().unwrap_or(Self::Register)
    }

    const fn new(byte: u8) -> Self {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => Self::Space,
            b'0'..=b'9' => Self::Digit,
            b'-' => Self::Minus,
            b'"' => Self::String,
            b'\'' => Self::Atom,
            b'`' => Self::Tag,
            b'%' => Self::Comment,
            b'~' => Self::Binary,
            b'{' => Self::Open,
            b'}' => Self::Close,
            b'#' => Self::Nil,
            b'&' => Self::Cons,
            b'>' => Self::Store,
            b'$' => Self::End,
            b'?' => Self::Question,
            _ => Self::Register,
        }
    }
}

/// The class of each byte: one look here saves the comparisons of a `match` on bytes.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "runs in the compiler, from 0 to 255"
)]
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Register; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = Class::new(byte as u8);
        byte += 1;
    }
    classes
};

/// Whether `byte` is white space outside of quotes (W9). A comma is.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(Class::new(byte), Class::Space)
}

/// Whether `byte` has a meaning of its own in UBF(A) and can therefore not name a register (W6).
pub(crate) const fn is_control(byte: u8) -> bool {
    !matches!(Class::new(byte), Class::Question | Class::Register)
}

/// A byte for people: itself where it can be seen, its name or number where not.
#[derive(Clone, Copy)]
pub(crate) struct Shown(pub(crate) u8);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            b' ' => f.write_str("a space"),
            b'\n' => f.write_str("a line feed"),
            b'\t' => f.write_str("a tab"),
            b'\r' => f.write_str("a carriage return"),
            b'\'' => f.write_str("a single quote"),
            b'`' => f.write_str("a backtick"),
            byte if byte.is_ascii_graphic() => write!(f, "'{}'", char::from(byte)),
            byte => write!(f, "byte 0x{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_seven_bytes_are_control_bytes() {
        assert_eq!((0..=255).filter(|&byte| is_control(byte)).count(), 27);
    }

    #[test]
    fn every_byte_but_the_control_bytes_names_a_register() {
        let count = |dialect| {
            let mut decoder = crate::Decoder::new().with_dialect(dialect);
            let mut is_register =
                |byte: u8| decoder.decode(&[b'{', b'1', b'>', byte, byte, b'}', b'$']).is_ok();
            (0..=u8::MAX).filter(|&byte| is_register(byte)).count()
        };
        assert_eq!(count(crate::Dialect::Extended), 228);
        assert_eq!(count(crate::Dialect::Classic), 230);
    }

    #[test]
    fn two_hundred_printable_bytes_are_registers() {
        assert_eq!((0x20..=255).filter(|&byte| !is_control(byte)).count(), 200);
    }

    #[test]
    fn the_table_has_the_class_of_each_byte() {
        for byte in 0..=255 {
            assert_eq!(Class::of(byte), Class::new(byte), "{byte}");
        }
    }

    #[test]
    fn bytes_are_shown_as_themselves_where_they_can_be_seen() {
        use alloc::string::ToString;

        let shown = |byte| Shown(byte).to_string();
        assert_eq!([b'a', b'~', b'!', b'"'].map(shown), ["'a'", "'~'", "'!'", "'\"'"]);
        assert_eq!(
            [0, 0x1f, 0x7f, 0x80, 0xff].map(shown),
            ["byte 0x00", "byte 0x1F", "byte 0x7F", "byte 0x80", "byte 0xFF"]
        );
        assert_eq!(
            [b' ', b'\n', b'\'', b'`'].map(shown),
            ["a space", "a line feed", "a single quote", "a backtick"]
        );
        assert_eq!([b'\t', b'\r'].map(shown), ["a tab", "a carriage return"]);
    }
}
