//! Bytes of a packet whose lists are written head first, and turned round at the end.
//!
//! On the wire a list has its last element first (W5). Serde brings the head first, and no element
//! can be written before the ones after it are known. So the bytes are kept in the order of serde,
//! with the places where elements begin.
//!
//! ```text
//! [1,[2,3]]      kept:    #1&#2&3&&          packet:  ##3&2&&1&
//!                elements: ^ ^ of the outer, ^ ^ of the inner list
//! ```
//! A list whose elements are short is turned round where it is as soon as it ends, and is bytes
//! like others from then on. The bytes of a list of long elements would be copied again with each
//! list around it: its elements are remembered, and copied once, in the order of the wire, when the
//! packet is complete.

use alloc::vec::Vec;

use bytes::BufMut;

use crate::dialect::Dialect;
use crate::encode::sink::{Kept, Sink as _};
use crate::encode::token;
use crate::term::{Leaf, TextRef};

#[derive(Default)]
pub(super) struct Output {
    /// The packet itself, if it is written into a vector, for what is long: that would be copied
    /// twice otherwise. What is in it stands before all else.
    packet: Option<Vec<u8>>,
    bytes: Kept,
    /// In the order in which they begin.
    lists: Vec<List>,
    /// The elements of closed lists, each list's side by side.
    elements: Vec<Element>,
    /// The elements of open lists, innermost last.
    open: Vec<Element>,
    /// Whether the last byte belongs to an integer: another digit would belong to it too.
    after_integer: bool,
    /// The elements of the list that is being turned round, in the order of the wire.
    scratch: Kept,
}

/// Elements of so many bytes are short, on average. Measured: to remember an element takes as long
/// as to copy about so many bytes. It also bounds what is copied again: no more for each element,
/// however deep lists nest.
const SHORT_ELEMENT: usize = 128;

/// Longer lists are not turned round where they are, which takes as much memory again. Chosen.
const LONGEST_TURNED: usize = 64 << 10;

/// What is longer is written into the packet itself, if it can be. Chosen: to copy so many bytes
/// takes as long as to write some hundred tokens.
pub(super) const LONG: usize = 4 << 10;
/// Room behind what is long, for the tokens that end the packet. Chosen.
const BEHIND_LONG: usize = 256;

/// How a list of pairs is tagged.
#[derive(Clone, Copy)]
pub(super) enum ListTag {
    PropertyList,
    Map,
}

impl ListTag {
    /// The tag on the wire, and how many of the bytes it is.
    const fn token(self) -> ([u8; 8], usize) {
        match self {
            Self::PropertyList => (*b"`plist` ", 7),
            Self::Map => (*b"`map`   ", 5),
        }
    }
}

struct List {
    /// Its bytes, from the `#` to the last `&`.
    start: usize,
    end: usize,
    /// Its elements in `elements`.
    first: usize,
    count: usize,
    /// The first list that begins after its end.
    next_list: usize,
}

#[derive(Clone, Copy)]
struct Element {
    start: usize,
    /// The first list that begins in it, or after it.
    next_list: usize,
}

/// How much was written at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    bytes: usize,
    after_integer: bool,
}

/// A list that is being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenList {
    list: usize,
    /// Where its elements begin in `open`.
    floor: usize,
}

impl Output {
    pub(super) fn clear(&mut self) {
        self.packet = None;
        self.bytes.truncate(0);
        self.lists.clear();
        self.elements.clear();
        self.open.clear();
        self.after_integer = false;
    }

    pub(super) const fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), after_integer: self.after_integer }
    }

    /// Takes back what was written since, in which no list may have begun.
    pub(super) fn take_back(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.after_integer = mark.after_integer;
    }

    #[inline]
    pub(super) fn integer(&mut self, value: i64) {
        if self.after_integer {
            self.bytes.byte(b' ');
        }
        token::small_integer(value, &mut self.bytes);
        self.after_integer = true;
    }

    /// W8: the digits of a float as a string tagged `f`.
    #[inline]
    pub(super) fn float(&mut self, digits: &str) {
        token::float(digits, &mut self.bytes);
        self.after_integer = false;
    }

    /// A text without a look at whether it is short, or an integer stands before it.
    #[inline]
    pub(super) fn text(&mut self, text: &str, quote: u8) {
        token::quoted(TextRef::plain(text.as_bytes()), quote, &mut self.bytes);
        self.after_integer = false;
    }

    pub(super) fn leaf(&mut self, leaf: Leaf<'_>, dialect: Dialect) {
        if self.after_integer && token::begins_with_digit(&leaf) {
            self.bytes.byte(b' ');
        }
        token::leaf(leaf, dialect, &mut self.bytes);
        self.after_integer = matches!(leaf, Leaf::Integer(_));
    }

    /// A term that is encoded already: a packet without its `$`.
    pub(super) fn splice(&mut self, term: &[u8]) {
        if self.after_integer
            && term.first().is_some_and(|&byte| byte == b'-' || byte.is_ascii_digit())
        {
            self.bytes.byte(b' ');
        }
        self.long(term);
        // Only integers end in a digit.
        self.after_integer = term.last().is_some_and(u8::is_ascii_digit);
    }

    /// A binary that is long.
    pub(super) fn long_binary(&mut self, value: &[u8]) {
        // W4: its length, and it between two `~`.
        self.integer(i64::try_from(value.len()).unwrap_or(i64::MAX));
        self.operator(b'~');
        self.long(value);
        self.operator(b'~');
    }

    /// Bytes of which there may be many.
    fn long(&mut self, long: &[u8]) {
        match &mut self.packet {
            // Where a list is open, or has to be turned round, it is not known yet where they go.
            Some(packet) if long.len() >= LONG && self.lists.is_empty() => {
                packet.reserve(self.bytes.len() + long.len() + BEHIND_LONG);
                packet.extend_from_slice(self.bytes.as_slice());
                packet.extend_from_slice(long);
                self.bytes.truncate(0);
            }
            Some(_) | None => self.bytes.slice(long),
        }
    }

    /// What is written from here on goes behind what is in `packet`.
    pub(super) fn begin_in(&mut self, packet: Vec<u8>) {
        self.packet = Some(packet);
    }

    /// The packet, with all that is written.
    pub(super) fn finish_in(&mut self) -> Vec<u8> {
        let mut packet = self.packet.take().unwrap_or_default();
        // With room for what a caller has to write behind it, the `$` at least.
        packet.reserve(self.bytes.len() + self.bytes.len() / 64 + 1);
        self.finish(&mut packet);
        packet
    }

    /// The packet, with what was long before there was an error.
    pub(super) fn give_up(&mut self) -> Vec<u8> {
        self.packet.take().unwrap_or_default()
    }

    pub(super) fn open_tuple(&mut self) {
        self.operator(b'{');
    }

    pub(super) fn close_tuple(&mut self) {
        self.operator(b'}');
    }

    #[inline]
    pub(super) fn tag(&mut self, tag: ListTag) {
        let (token, len) = tag.token();
        self.bytes.short(token, len);
        self.after_integer = false;
    }

    #[inline]
    fn operator(&mut self, operator: u8) {
        self.bytes.byte(operator);
        self.after_integer = false;
    }

    pub(super) fn open_list(&mut self) -> OpenList {
        let open = OpenList { list: self.lists.len(), floor: self.open.len() };
        self.lists.push(List { start: self.bytes.len(), end: 0, first: 0, count: 0, next_list: 0 });
        self.operator(b'#');
        open
    }

    /// A field of a property list: `{'name'`, to which the value comes.
    #[inline]
    pub(super) fn begin_field(&mut self, name: &str) {
        self.begin_element();
        token::field(name, &mut self.bytes);
        self.after_integer = false;
    }

    /// An entry of a map: `{`, to which key and value come.
    #[inline]
    pub(super) fn begin_entry(&mut self) {
        self.begin_element();
        self.operator(b'{');
    }

    #[inline]
    pub(super) fn end_entry(&mut self) {
        self.bytes.short(*b"}&      ", 2);
        self.after_integer = false;
    }

    #[inline]
    pub(super) fn begin_element(&mut self) {
        self.open.push(Element { start: self.bytes.len(), next_list: self.lists.len() });
    }

    #[inline]
    pub(super) fn end_element(&mut self) {
        self.operator(b'&');
    }

    pub(super) fn close_list(&mut self, open: OpenList) {
        let next_list = self.lists.len();
        if next_list == open.list + 1 && self.turn_round(open.floor) {
            // No list is remembered for this one, nor for those in it.
            self.lists.pop();
            self.open.truncate(open.floor);
            return;
        }
        let first = self.elements.len();
        let count = self.open.len() - open.floor;
        self.elements.extend(self.open.drain(open.floor..));
        if let Some(list) = self.lists.get_mut(open.list) {
            *list = List { end: self.bytes.len(), first, count, next_list, start: list.start };
        }
    }

    /// Turns the list round that ends here and whose elements are the open ones from `floor` on, if
    /// that is fast. No list in it is remembered.
    fn turn_round(&mut self, floor: usize) -> bool {
        let elements = self.open.get(floor..).unwrap_or_default();
        let [Element { start: first, .. }, _, ..] = *elements else { return true };
        let end = self.bytes.len();
        if end - first > LONGEST_TURNED.min(SHORT_ELEMENT * elements.len()) {
            return false;
        }
        self.scratch.truncate(0);
        let mut element_end = end;
        for &Element { start, .. } in elements.iter().rev() {
            self.scratch.part(self.bytes.with_room(), start..element_end);
            element_end = start;
        }
        self.bytes.truncate(first);
        self.bytes.slice(self.scratch.as_slice());
        true
    }

    /// Moves everything to `buffer`, in the order of the wire.
    pub(super) fn finish(&mut self, buffer: &mut impl BufMut) {
        /// Bytes to be copied, and the first list that may be among them.
        struct Part {
            start: usize,
            end: usize,
            next_list: usize,
        }
        if self.lists.is_empty() {
            buffer.put_slice(self.bytes.as_slice());
            return self.clear();
        }
        let mut parts = alloc::vec![Part { start: 0, end: self.bytes.len(), next_list: 0 }];
        while let Some(Part { start, end, next_list }) = parts.pop() {
            let Some(list) = self.lists.get(next_list).filter(|list| list.start < end) else {
                buffer.put_slice(self.bytes.as_slice().get(start..end).unwrap_or_default());
                continue;
            };
            // What stands before its elements, then these from the last to the first, then what
            // follows.
            buffer.put_slice(self.bytes.as_slice().get(start..=list.start).unwrap_or_default());
            parts.push(Part { start: list.end, end, next_list: list.next_list });
            let elements =
                self.elements.get(list.first..list.first + list.count).unwrap_or_default();
            let ends = elements.iter().skip(1).map(|next| next.start).chain([list.end]);
            parts.extend(
                elements.iter().zip(ends).map(|(&Element { start, next_list }, end)| Part {
                    start,
                    end,
                    next_list,
                }),
            );
        }
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_core::{Serialize, Serializer as _};

    use super::*;
    use crate::serde::Serializer;
    use crate::{Encoder, Term};

    struct Binary(usize);

    impl Serialize for Binary {
        fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&alloc::vec![b'~'; self.0])
        }
    }

    impl From<Binary> for Term {
        fn from(binary: Binary) -> Self {
            Self::Binary(alloc::vec![b'~'; binary.0].into())
        }
    }

    /// What the serializer writes into a vector, and elsewhere, is what the encoder writes.
    fn is_written(serializer: &mut Serializer, value: &impl Serialize, term: impl Into<Term>) {
        let term = term.into();
        let expected = Encoder::new().encode(&term);
        let mut packet = b"before".to_vec();
        serializer.append_to(value, &mut packet).unwrap();
        assert!(packet.strip_prefix(b"before") == Some(&expected), "{} bytes", expected.len());
        let mut buffer = bytes::BytesMut::new();
        serializer.encode_to(value, &mut buffer).unwrap();
        assert!(buffer == expected, "{} bytes", expected.len());
        // A term goes as its bytes.
        assert!(serializer.encode(&term).unwrap() == expected, "{} bytes", expected.len());
    }

    #[test]
    fn what_is_long_stands_where_it_belongs() {
        let mut serializer = Serializer::new();
        for len in [0, LONG - 1, LONG, 3 * LONG, 100 * LONG] {
            let binary = || Binary(len);
            is_written(&mut serializer, &binary(), binary());
            is_written(
                &mut serializer,
                &(7, binary(), 8, binary(), 9),
                Term::tuple([7.into(), binary().into(), 8.into(), binary().into(), Term::from(9)]),
            );
            is_written(
                &mut serializer,
                &("a", [1, 2].as_slice(), binary(), [binary(), binary()].as_slice(), binary(), 3),
                Term::tuple([
                    Term::from("a"),
                    Term::List([1.into(), Term::from(2)].into_iter().collect()),
                    binary().into(),
                    Term::List([binary().into(), Term::from(binary())].into_iter().collect()),
                    binary().into(),
                    3.into(),
                ]),
            );
        }
    }

    #[test]
    fn after_an_error_nothing_of_what_was_long_is_left() {
        let mut serializer = Serializer::new();
        let mut packet = b"before".to_vec();
        serializer.append_to(&(Binary(LONG), f64::NAN), &mut packet).unwrap_err();
        assert_eq!(packet, b"before");
        serializer.append_to(&1, &mut packet).unwrap();
        assert_eq!(packet, b"before1$");
        // What is written without a packet of its own goes nowhere else.
        serializer.serialize_bytes(&[b'a'; LONG]).unwrap();
        let mut other = Vec::new();
        serializer.finish_to(&mut other);
        assert_eq!((packet.len(), other.len()), (8, LONG + b"4096~~$".len()));
    }

    #[test]
    fn a_long_binary_is_copied_once() {
        let mut packet = Vec::new();
        Serializer::new().append_to(&("a", Binary(100 * LONG), "b"), &mut packet).unwrap();
        // It was made room for, with little behind it.
        assert!(packet.capacity() < packet.len() + 2 * BEHIND_LONG, "{}", packet.capacity());
    }
}
