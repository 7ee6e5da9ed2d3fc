//! Which bytes mean what: control bytes, white space, registers.

/// Whether `byte` is white space outside of quotes (W9). A comma is.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',')
}

/// Whether `byte` has a meaning of its own in UBF(A) and can therefore not name a register (W6).
pub(crate) const fn is_control(byte: u8) -> bool {
    is_space(byte)
        || matches!(
            byte,
            b'%' | b'"' | b'~' | b'\'' | b'`' | b'{' | b'}' | b'#' | b'&' | b'$' | b'>' | b'-' | b'0'..=b'9'
        )
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
    fn two_hundred_printable_bytes_are_registers() {
        assert_eq!((0x20..=255).filter(|&byte| !is_control(byte)).count(), 200);
    }
}
