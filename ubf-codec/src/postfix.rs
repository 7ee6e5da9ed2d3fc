//! Postfix rendering: the canonical, exact form of a term, one line of tokens.

use core::fmt;

use crate::term::{Step, TermRef, View, Walk};

/// A term as postfix tokens: see [`TermRef::postfix`].
#[derive(Clone, Copy, Debug)]
pub struct Postfix<'a>(TermRef<'a>);

impl<'a> TermRef<'a> {
    /// The canonical rendering that the vectors of the specification use: parts first, everything
    /// exact, nothing to escape.
    ///
    /// | token | meaning |
    /// |---|---|
    /// | `u` | undefined |
    /// | `i:DEC` | integer |
    /// | `a:HEX` | atom |
    /// | `s:HEX` | string |
    /// | `b:HEX` | binary |
    /// | `t:N` | tuple of the last N |
    /// | `l:N` | list of the last N, its head being the first of them |
    /// | `g:HEX` | semantic tag on the last |
    ///
    /// ```
    /// let packet = ubf_codec::decode(b"{'ok',#2&1&}$")?;
    /// assert_eq!(packet.root().postfix().to_string(), "a:6f6b i:1 i:2 l:2 t:2");
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub const fn postfix(&self) -> Postfix<'a> {
        Postfix(*self)
    }
}

impl fmt::Display for Postfix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for step in Walk::new(self.0) {
            let (Step::Leaf(view) | Step::Leave(view)) = step else { continue };
            f.write_str(separator)?;
            separator = " ";
            match view {
                View::Undefined => f.write_str("u")?,
                View::Integer(value) => write!(f, "i:{value}")?,
                View::Atom(text) => write_hex(f, "a:", text.iter())?,
                View::String(text) => write_hex(f, "s:", text.iter())?,
                View::Binary(bytes) => write_hex(f, "b:", bytes.iter().copied())?,
                View::Tuple(tuple) => write!(f, "t:{}", tuple.len())?,
                View::List(list) => write!(f, "l:{}", list.len())?,
                View::Tagged(tag, _) => write_hex(f, "g:", tag.iter())?,
            }
        }
        Ok(())
    }
}

fn write_hex(
    f: &mut fmt::Formatter<'_>,
    prefix: &str,
    bytes: impl Iterator<Item = u8>,
) -> fmt::Result {
    f.write_str(prefix)?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}
