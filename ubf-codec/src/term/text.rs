//! Strings, atoms and tags: bytes, usually UTF-8 (W1).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::Bytes;
use wide::u8x16;

use crate::node::Node;

/// The bytes of an owned string, atom or tag. Cheap to clone.
///
/// UBF's texts are bytes (W1). Most peers mean UTF-8 by them, some mean Latin-1; both views are
/// there.
///
/// ```
/// use ubf_codec::Text;
///
/// let text = Text::from("smörgås");
/// assert_eq!(text.as_str(), Some("smörgås"));
/// assert_eq!(Text::from(b"sm\xf6rg\xe5s".to_vec()).to_latin1(), "smörgås");
/// ```
#[derive(Clone)]
pub struct Text(Stored);

/// Short texts stand in the text itself: most names and many strings are short, and to share them
/// costs more than to copy them.
#[derive(Clone)]
pub(super) enum Stored {
    Short(ShortText),
    Shared(Bytes),
}

/// At most [`SHORT`] bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortText {
    len: u8,
    /// The text, then zeros.
    bytes: [u8; SHORT],
}

/// The most bytes that fit, with their length, beside what tells the two forms apart where pointers
/// have 64 bits. The same everywhere: tokens are written sixteen and eight bytes at a time.
const SHORT: usize = 23;

// Otherwise a term would grow. Where pointers are shorter `Bytes` is smaller than a short text, and
// a word tells the two apart.
const _: () = assert!(if cfg!(target_pointer_width = "64") {
    size_of::<Text>() == size_of::<Bytes>()
} else {
    size_of::<Text>() <= size_of::<ShortText>() + size_of::<usize>()
});

impl ShortText {
    /// The text, followed by zeros, and its length.
    #[inline(always)]
    pub(crate) const fn padded(&self) -> (&[u8; SHORT], usize) {
        (&self.bytes, self.len as usize)
    }

    #[inline]
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let len = text.len();
        let mut bytes = [0; SHORT];
        // By words, which overlap: a call to copy some bytes would take longer.
        if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            if len > 16 {
                *bytes.get_mut(8..)?.first_chunk_mut()? = *text.get(8..)?.first_chunk::<8>()?;
            }
            *bytes.first_chunk_mut()? = *first;
            *bytes.get_mut(len - 8..)?.first_chunk_mut()? = *last;
        } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>())
        {
            *bytes.first_chunk_mut()? = *first;
            *bytes.get_mut(len - 4..)?.first_chunk_mut()? = *last;
        } else if let (Some(&first), Some(&last)) = (text.first(), text.last()) {
            *bytes.first_mut()? = first;
            *bytes.get_mut(len / 2)? = *text.get(len / 2)?;
            *bytes.get_mut(len - 1)? = last;
        }
        Some(Self { len: u8::try_from(len).ok()?, bytes })
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Text {
    /// A text that is part of the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Stored::Shared(Bytes::from_static(text.as_bytes())))
    }

    /// Where the bytes are.
    #[inline(always)]
    pub(super) const fn stored(&self) -> &Stored {
        &self.0
    }

    /// `text`, out of `share` if it is too long to be copied.
    #[inline]
    pub(crate) fn copied_or(text: &[u8], share: impl FnOnce() -> Bytes) -> Self {
        Self(ShortText::new(text).map_or_else(|| Stored::Shared(share()), Stored::Short))
    }

    /// Whether a text of so many bytes is shared, and not copied.
    pub(crate) const fn is_shared(len: usize) -> bool {
        len > SHORT
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Stored::Short(short) => short.as_bytes(),
            Stored::Shared(bytes) => bytes,
        }
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_bytes()).ok()
    }

    /// The text, each byte being the character of that number: Latin-1.
    #[must_use]
    pub fn to_latin1(&self) -> String {
        latin1(self.as_bytes())
    }

    /// The bytes; shared, unless they are few.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Stored::Short(short) => Bytes::copy_from_slice(short.as_bytes()),
            Stored::Shared(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&TextRef::plain(self.as_bytes()), f)
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        // A vector with room behind its bytes would be kept as it is, and memory taken to say so.
        let share = |bytes: Vec<u8>| Stored::Shared(Bytes::from(bytes.into_boxed_slice()));
        Self(ShortText::new(&bytes).map_or_else(|| share(bytes), Stored::Short))
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self::copied_or(bytes, || Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        let short = ShortText::new(&bytes);
        Self(short.map_or_else(|| Stored::Shared(bytes), Stored::Short))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// The bytes of a string, atom or tag, wherever they are: in an owned term, or in a packet, perhaps
/// with escapes in it.
///
/// Two of them are equal when they mean the same bytes, however they are written.
#[derive(Clone, Copy)]
pub struct TextRef<'a>(Raw<'a>);

/// The bytes as they are where the text is.
#[derive(Clone, Copy)]
enum Raw<'a> {
    /// Without escapes, and known to be UTF-8.
    Utf8(&'a str),
    /// Without escapes.
    Plain(&'a [u8]),
    Escaped(&'a [u8]),
}

impl<'a> TextRef<'a> {
    #[inline]
    pub(crate) const fn new(raw: &'a [u8], escaped: bool) -> Self {
        Self(if escaped { Raw::Escaped(raw) } else { Raw::Plain(raw) })
    }

    #[inline]
    pub(crate) const fn plain(raw: &'a [u8]) -> Self {
        Self(Raw::Plain(raw))
    }

    /// The text of a node of a packet, of whose `source` as much as is `text` was found to be
    /// UTF-8.
    #[inline]
    pub(crate) fn in_packet(source: &'a [u8], text: &'a str, node: Node) -> Self {
        let span = node.span();
        if node.flag() {
            return Self(Raw::Escaped(span.slice(source)));
        }
        // Quotes are ASCII: what stands between two of them begins and ends where characters do.
        match text.get(span.start as usize..span.end()) {
            Some(part) => Self(Raw::Utf8(part)),
            None => Self(Raw::Plain(span.slice(source))),
        }
    }

    #[inline]
    const fn raw(&self) -> &'a [u8] {
        match self.0 {
            Raw::Utf8(text) => text.as_bytes(),
            Raw::Plain(raw) | Raw::Escaped(raw) => raw,
        }
    }

    #[inline]
    const fn is_escaped(&self) -> bool {
        matches!(self.0, Raw::Escaped(_))
    }

    /// How many bytes it takes where it is, with its escapes.
    pub(super) const fn written_bytes(&self) -> usize {
        self.raw().len()
    }

    /// The bytes if nothing had to be unescaped to get them; they are part of the packet then.
    #[must_use]
    #[inline]
    pub const fn as_plain(&self) -> Option<&'a [u8]> {
        if self.is_escaped() { None } else { Some(self.raw()) }
    }

    /// The bytes; copied only if the text has escapes.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        if self.is_escaped() { Cow::Owned(self.unescaped()) } else { Cow::Borrowed(self.raw()) }
    }

    /// The text, if it is UTF-8; copied only if it has escapes.
    #[must_use]
    #[inline(always)]
    pub fn to_str(&self) -> Option<Cow<'a, str>> {
        match self.0 {
            Raw::Utf8(text) => Some(Cow::Borrowed(text)),
            Raw::Plain(raw) => from_utf8(raw).map(Cow::Borrowed),
            Raw::Escaped(_) => self.unescaped_str().map(Cow::Owned),
        }
    }

    #[inline(never)]
    fn unescaped_str(&self) -> Option<String> {
        String::from_utf8(self.unescaped()).ok()
    }

    /// The bytes without their escapes, copied sixteen at a time. Those behind an escape that was
    /// copied with them are taken back.
    #[inline(never)]
    fn unescaped(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.raw().len());
        let mut rest = self.raw();
        while let Some((block, after)) = rest.split_first_chunk::<16>() {
            bytes.extend_from_slice(block);
            let escapes = u8x16::new(*block).simd_eq(u8x16::splat(b'\\')).to_bitmask();
            if escapes == 0 {
                rest = after;
                continue;
            }
            let plain = escapes.trailing_zeros() as usize;
            bytes.truncate(bytes.len() - block.len() + plain);
            let Some([_, escaped, after @ ..]) = rest.get(plain..) else { return bytes };
            bytes.push(*escaped);
            rest = after;
        }
        bytes.extend(TextRef::new(rest, true).iter());
        bytes
    }

    /// The text, each byte being the character of that number: Latin-1.
    #[must_use]
    pub fn to_latin1(&self) -> String {
        latin1(&self.to_bytes())
    }

    /// An owned copy.
    #[must_use]
    pub fn to_text(&self) -> Text {
        if self.is_escaped() { Text::from(self.unescaped()) } else { Text::from(self.raw()) }
    }

    /// The bytes one by one, escapes resolved.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + use<'a> {
        let escaped = self.is_escaped();
        let mut raw = self.raw().iter().copied();
        core::iter::from_fn(move || match raw.next()? {
            b'\\' if escaped => raw.next(),
            byte => Some(byte),
        })
    }
}

impl PartialEq for TextRef<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        if self.is_escaped() || other.is_escaped() {
            self.iter().eq(other.iter())
        } else {
            self.raw() == other.raw()
        }
    }
}

impl Eq for TextRef<'_> {}

impl PartialOrd for TextRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TextRef<'_> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        if self.is_escaped() || other.is_escaped() {
            self.iter().cmp(other.iter())
        } else {
            self.raw().cmp(other.raw())
        }
    }
}

impl Hash for TextRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bytes().hash(state);
    }
}

impl PartialEq<str> for TextRef<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        *self == TextRef::plain(other.as_bytes())
    }
}

impl PartialEq<&str> for TextRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<[u8]> for TextRef<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        *self == TextRef::plain(other)
    }
}

impl PartialEq<&[u8]> for TextRef<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl fmt::Debug for TextRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.iter() {
            write!(f, "{}", byte.escape_ascii())?;
        }
        f.write_str("\"")
    }
}

/// As much of a packet of so many nodes as is found to be UTF-8 at once, so that its texts need not
/// be checked one by one. Nothing where there is much for each node: that is in long texts, which
/// gain little, or in binaries, which nobody wants checked.
pub(crate) fn utf8_of_packet(source: &[u8], nodes: usize) -> &str {
    const MUCH: usize = 128;
    if source.len() / MUCH > nodes { "" } else { utf8_prefix(source) }
}

/// The longest beginning of `bytes` that is UTF-8.
fn utf8_prefix(bytes: &[u8]) -> &str {
    if let Some(text) = from_utf8(bytes) {
        return text;
    }
    let end = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    bytes.get(..end).and_then(from_utf8).unwrap_or_default()
}

/// Checks UTF-8.
#[inline]
pub(crate) fn from_utf8(bytes: &[u8]) -> Option<&str> {
    /// What is shorter gains nothing, and loses a call.
    const SHORT_ENOUGH: usize = 64;
    if bytes.len() < SHORT_ENOUGH { str::from_utf8(bytes).ok() } else { long_from_utf8(bytes) }
}

/// Where ASCII and other characters are mixed, this is ten times as fast as the standard library.
#[inline(never)]
fn long_from_utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_change_what_a_text_is() {
        let escaped = TextRef::new(br#"a\"b\\c"#, true);
        let plain = TextRef::plain(br#"a"b\c"#);
        assert_eq!(escaped, plain);
        assert_eq!(escaped.cmp(&plain), core::cmp::Ordering::Equal);
        assert_eq!(escaped, "a\"b\\c");
        assert_eq!(escaped.to_text(), "a\"b\\c");
        assert_eq!(escaped.as_plain(), None);
        assert!(matches!(plain.to_bytes(), Cow::Borrowed(_)));
    }

    #[test]
    fn escapes_stand_anywhere_in_texts_of_any_length() {
        for len in 0..70 {
            for first in 0..len {
                for second in first + 1..len {
                    let plain: Vec<u8> = (b'a'..=b'z').cycle().take(len).collect();
                    let mut raw = plain.clone();
                    // The later one first, so that it does not move.
                    raw.insert(second, b'\\');
                    raw.insert(first, b'\\');
                    assert_eq!(
                        TextRef::new(&raw, true).to_bytes(),
                        plain,
                        "{first}, {second} of {len}"
                    );
                }
            }
        }
        // Those of a backslash itself, at the end of a block and behind it.
        for before in 10..20 {
            let raw = [&b"x".repeat(before)[..], br"\\\\"].concat();
            assert_eq!(
                TextRef::new(&raw, true).to_bytes(),
                [&b"x".repeat(before)[..], br"\\"].concat(),
                "{before}"
            );
        }
    }

    #[test]
    fn short_and_long_texts_are_the_same_texts() {
        for len in [0, 1, SHORT, SHORT + 1, 100] {
            let bytes = alloc::vec![b'x'; len];
            let shared = Text(Stored::Shared(Bytes::from(bytes.clone())));
            let text = Text::from(bytes.clone());
            assert_eq!(matches!(text.0, Stored::Shared(_)), Text::is_shared(len));
            assert_eq!(text, shared);
            assert_eq!(text.cmp(&shared), core::cmp::Ordering::Equal);
            assert_eq!(text.as_bytes(), bytes);
            assert_eq!(text.into_bytes(), bytes);
        }
    }

    #[test]
    fn utf8_ends_where_something_else_begins() {
        assert_eq!(utf8_prefix(b"a\xc3\xa4\xff\"b\""), "a\u{e4}");
        assert_eq!(utf8_prefix(b"a\xc3"), "a");
        assert_eq!(utf8_prefix(b""), "");
    }

    #[test]
    fn texts_beside_large_binaries_are_checked_one_by_one() {
        let packet = [&b"{5000~"[..], &[b'x'; 5000], b"~\"text\"}$"].concat();
        assert_eq!(utf8_of_packet(&packet, 3), "");
        assert_eq!(utf8_of_packet(b"{1\"text\"}$", 3), "{1\"text\"}$");
    }

    #[test]
    fn a_text_need_not_be_utf8() {
        let text = TextRef::plain(b"\xff\xe9");
        assert_eq!(text.to_str(), None);
        assert_eq!(text.to_latin1(), "\u{ff}\u{e9}");
    }
}
