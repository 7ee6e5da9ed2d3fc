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
        self.bytes.slice(term);
        // Only integers end in a digit.
        self.after_integer = term.last().is_some_and(u8::is_ascii_digit);
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
