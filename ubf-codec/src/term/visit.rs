//! All of a term, shown to a visitor in reading order, without recursion (W13).

use alloc::vec::Vec;
use core::mem;
use core::slice;

use super::integer::IntegerRef;
use super::owned::Term;
use super::text::TextRef;
use super::view::{Arena, Place, TermRef};
use crate::node::{Node, NodeKind, Span};

/// A visitor is shown a term: its parts in reading order, the elements of a list from its head on.
/// What a visitor does not mention is passed over.
///
/// This is the fastest way to look at much of a packet, and one that no depth can exhaust.
///
/// ```
/// use ubf_codec::{Parts, TermRef, TextRef, Visitor};
///
/// /// Adds all integers, and counts all text; not that in comments.
/// #[derive(Default)]
/// struct Survey {
///     total: i64,
///     letters: usize,
/// }
///
/// impl<'a> Visitor<'a> for Survey {
///     fn integer(&mut self, value: ubf_codec::IntegerRef<'a>) {
///         self.total += value.to_i64().unwrap_or_default();
///     }
///
///     fn string(&mut self, text: TextRef<'a>) {
///         self.letters += text.to_str().map_or(0, |text| text.chars().count());
///     }
///
///     fn open_tagged(&mut self, tag: TextRef<'a>, _: TermRef<'a>) -> Parts {
///         if tag == "comment" { Parts::Skip } else { Parts::Visit }
///     }
/// }
///
/// let packet = ubf_codec::decode("{'sum'#1&2&\"å\" \"no\"`comment`}$".as_bytes())?;
/// let mut survey = Survey::default();
/// packet.visit(&mut survey);
/// assert_eq!((survey.total, survey.letters), (3, 1));
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
pub trait Visitor<'a> {
    /// The undefined value.
    fn undefined(&mut self) {}

    /// An integer.
    fn integer(&mut self, value: IntegerRef<'a>) {
        let _ = value;
    }

    /// An atom.
    fn atom(&mut self, name: TextRef<'a>) {
        let _ = name;
    }

    /// A string.
    fn string(&mut self, text: TextRef<'a>) {
        let _ = text;
    }

    /// A binary.
    fn binary(&mut self, bytes: &'a [u8]) {
        let _ = bytes;
    }

    /// A tuple of so many elements begins.
    fn open_tuple(&mut self, len: usize) -> Parts {
        let _ = len;
        Parts::Visit
    }

    /// The innermost open tuple ends.
    fn close_tuple(&mut self) {}

    /// A list of so many elements begins.
    fn open_list(&mut self, len: usize) -> Parts {
        let _ = len;
        Parts::Visit
    }

    /// The innermost open list ends.
    fn close_list(&mut self) {}

    /// A term with a semantic tag begins. `whole` is the term with its tag: a float, for instance
    /// ([`TermRef::as_f64`]).
    fn open_tagged(&mut self, tag: TextRef<'a>, whole: TermRef<'a>) -> Parts {
        let _ = (tag, whole);
        Parts::Visit
    }

    /// The innermost open tagged term ends.
    fn close_tagged(&mut self) {}
}

/// What to do with the parts of a term that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Parts {
    /// Show them, and then the end of the term.
    Visit,
    /// Go on after the term. Its end is not shown.
    Skip,
}

impl<'a> TermRef<'a> {
    /// Shows all of the term to `visitor`.
    ///
    /// For a whole packet, [`Document::visit`](crate::Document::visit) is faster: it checks once
    /// that the packet is UTF-8, and not each text.
    pub fn visit(&self, visitor: &mut impl Visitor<'a>) {
        match self.place() {
            Place::Packet(node, arena) => {
                walk(Packet { arena, text: arena.source.utf8() }, node, visitor);
            }
            Place::Owned(term) => walk(Owned, term, visitor),
        }
    }
}

/// Shows all of a packet, of whose bytes as much as is `text` is UTF-8.
pub(crate) fn visit_packet<'a>(
    node: Node,
    arena: Arena<'a>,
    text: &'a str,
    visitor: &mut impl Visitor<'a>,
) {
    walk(Packet { arena, text }, node, visitor);
}

/// Where terms of one kind live.
trait Forest<'a>: Copy {
    type Term: Copy;
    /// A term with parts that is being shown.
    type Open;

    /// Shows a term without parts, or that one with parts begins.
    fn begin(self, term: Self::Term, visitor: &mut impl Visitor<'a>) -> Option<Self::Open>;
    fn next(self, open: &mut Self::Open) -> Option<Self::Term>;
    fn kind(open: &Self::Open) -> Compound;
}

/// As wide as its neighbours: a byte with padding is copied in pieces, and to load them as a whole
/// has to wait for all the stores.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Compound {
    Tuple,
    List,
    Tagged,
}

fn walk<'a, F: Forest<'a>>(forest: F, root: F::Term, visitor: &mut impl Visitor<'a>) {
    let Some(mut innermost) = forest.begin(root, visitor) else { return };
    let mut outside = Vec::new();
    loop {
        if let Some(term) = forest.next(&mut innermost) {
            if let Some(open) = forest.begin(term, visitor) {
                outside.push(mem::replace(&mut innermost, open));
            }
            continue;
        }
        match F::kind(&innermost) {
            Compound::Tuple => visitor.close_tuple(),
            Compound::List => visitor.close_list(),
            Compound::Tagged => visitor.close_tagged(),
        }
        match outside.pop() {
            Some(open) => innermost = open,
            None => return,
        }
    }
}

#[derive(Clone, Copy)]
struct Packet<'a> {
    arena: Arena<'a>,
    text: &'a str,
}

/// The nodes of a term that are still to be shown: side by side, or the cells of a list.
struct OpenNodes {
    kind: Compound,
    next: u32,
    left: u32,
}

impl<'a> Packet<'a> {
    #[inline(always)]
    fn text(self, node: Node) -> TextRef<'a> {
        TextRef::in_packet(self.arena.source.bytes(), self.text, node)
    }
}

impl<'a> Forest<'a> for Packet<'a> {
    type Term = Node;
    type Open = OpenNodes;

    #[inline(always)]
    fn begin(self, node: Node, visitor: &mut impl Visitor<'a>) -> Option<OpenNodes> {
        let Span { start, len } = node.span();
        let (kind, parts) = match node.kind() {
            NodeKind::Undefined => {
                visitor.undefined();
                return None;
            }
            NodeKind::Integer => {
                visitor.integer(IntegerRef::small(node.as_small()));
                return None;
            }
            NodeKind::BigInteger => {
                visitor.integer(IntegerRef::digits(
                    node.flag(),
                    node.span().slice(self.arena.source.bytes()),
                ));
                return None;
            }
            NodeKind::Atom => {
                visitor.atom(self.text(node));
                return None;
            }
            NodeKind::String => {
                visitor.string(self.text(node));
                return None;
            }
            NodeKind::Binary => {
                visitor.binary(node.span().slice(self.arena.source.bytes()));
                return None;
            }
            NodeKind::Tuple => (Compound::Tuple, visitor.open_tuple(len as usize)),
            NodeKind::List => (Compound::List, visitor.open_list(len as usize)),
            NodeKind::Tagged => {
                let (tag, _) = self.arena.tagged(node);
                (
                    Compound::Tagged,
                    visitor.open_tagged(self.text(tag), TermRef::new(node, self.arena)),
                )
            }
        };
        // The tag was shown.
        let shown = u32::from(matches!(kind, Compound::Tagged));
        match parts {
            Parts::Visit => {
                Some(OpenNodes { kind, next: start + shown, left: len.saturating_sub(shown) })
            }
            Parts::Skip => None,
        }
    }

    #[inline(always)]
    fn next(self, open: &mut OpenNodes) -> Option<Node> {
        open.left = open.left.checked_sub(1)?;
        let node = *self.arena.nodes.get(open.next as usize)?;
        open.next = if matches!(open.kind, Compound::List) { node.link() } else { open.next + 1 };
        Some(node)
    }

    #[inline(always)]
    fn kind(open: &OpenNodes) -> Compound {
        open.kind
    }
}

#[derive(Clone, Copy)]
struct Owned;

impl<'a> Forest<'a> for Owned {
    type Term = &'a Term;
    type Open = (Compound, slice::Iter<'a, Term>);

    #[inline(always)]
    fn begin(self, term: &'a Term, visitor: &mut impl Visitor<'a>) -> Option<Self::Open> {
        let (kind, parts, elements) = match term {
            Term::Undefined => {
                visitor.undefined();
                return None;
            }
            Term::Integer(value) => {
                visitor.integer(value.into());
                return None;
            }
            Term::Atom(name) => {
                visitor.atom(TextRef::plain(name.as_bytes()));
                return None;
            }
            Term::String(text) => {
                visitor.string(TextRef::plain(text.as_bytes()));
                return None;
            }
            Term::Binary(bytes) => {
                visitor.binary(bytes);
                return None;
            }
            Term::Tuple(elements) => {
                (Compound::Tuple, visitor.open_tuple(elements.len()), elements.iter())
            }
            Term::List(elements) => {
                (Compound::List, visitor.open_list(elements.len()), elements.iter())
            }
            Term::Tagged(tagged) => {
                let tag = TextRef::plain(tagged.tag().as_bytes());
                (
                    Compound::Tagged,
                    visitor.open_tagged(tag, term.into()),
                    slice::from_ref(tagged.term()).iter(),
                )
            }
        };
        (parts == Parts::Visit).then_some((kind, elements))
    }

    #[inline(always)]
    fn next(self, (_, elements): &mut Self::Open) -> Option<&'a Term> {
        elements.next()
    }

    #[inline(always)]
    fn kind((kind, _): &Self::Open) -> Compound {
        *kind
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use super::*;

    /// Writes what it is shown.
    #[derive(Default)]
    struct Scribe(String);

    impl Scribe {
        fn leaf(&mut self, leaf: &str) {
            self.0.push_str(leaf);
            self.0.push(' ');
        }
    }

    impl<'a> Visitor<'a> for Scribe {
        fn undefined(&mut self) {
            self.leaf("?");
        }

        fn integer(&mut self, value: IntegerRef<'a>) {
            self.leaf(&value.to_string());
        }

        fn atom(&mut self, name: TextRef<'a>) {
            self.leaf(&name.to_latin1());
        }

        fn string(&mut self, text: TextRef<'a>) {
            self.leaf(&text.to_str().map_or_else(|| "no UTF-8".into(), |text| text.to_string()));
        }

        fn binary(&mut self, bytes: &'a [u8]) {
            self.leaf(&bytes.len().to_string());
        }

        fn open_tuple(&mut self, len: usize) -> Parts {
            self.leaf(&["{", &len.to_string()].concat());
            if len == 9 { Parts::Skip } else { Parts::Visit }
        }

        fn close_tuple(&mut self) {
            self.leaf("}");
        }

        fn open_list(&mut self, len: usize) -> Parts {
            self.leaf(&["[", &len.to_string()].concat());
            Parts::Visit
        }

        fn close_list(&mut self) {
            self.leaf("]");
        }

        fn open_tagged(&mut self, tag: TextRef<'a>, whole: TermRef<'a>) -> Parts {
            if let Some(value) = whole.as_f64() {
                self.leaf(&value.to_string());
                return Parts::Skip;
            }
            self.leaf(&["(", &tag.to_latin1()].concat());
            Parts::Visit
        }

        fn close_tagged(&mut self) {
            self.leaf(")");
        }
    }

    #[track_caller]
    fn shows(packet: &[u8], expected: &str) {
        let document = crate::decode(packet).unwrap();
        let term = document.to_term();
        let mut by_packet = Scribe::default();
        document.visit(&mut by_packet);
        let mut by_part = Scribe::default();
        document.root().visit(&mut by_part);
        let mut by_term = Scribe::default();
        term.as_ref().visit(&mut by_term);
        assert_eq!(by_packet.0.trim_end(), expected);
        assert_eq!(by_part.0, by_packet.0);
        assert_eq!(by_term.0, by_packet.0);
    }

    #[test]
    fn everything_is_shown_in_reading_order() {
        shows(b"7$", "7");
        shows(b"#$", "[0 ]");
        shows(br#"{'a' #2&1& ? "b\"c" 3~def~}$"#, "{5 a [2 1 2 ] ? b\"c 3 }");
        shows(b"{\"1.5\"`f` 1`dt`{}`x``y` 2}$", "{4 1.5 (dt 1 ) (y (x {0 } ) ) 2 }");
        shows(b"{1{1 2 3 4 5 6 7 8 9}2}$", "{3 1 {9 2 }");
        shows(b"#1&>l {l 0} >t #t& l& t& $", "[3 {2 [1 1 ] 0 } [1 1 ] {2 [1 1 ] 0 } ]");
        shows(b"{\"\xc3\xa4\"\"\xff\"\"\xc3\xa4\"}$", "{3 \u{e4} no UTF-8 \u{e4} }");
    }

    #[test]
    fn no_depth_exhausts_the_stack() {
        struct Count(usize);
        impl<'a> Visitor<'a> for Count {
            fn close_tuple(&mut self) {
                self.0 += 1;
            }
        }
        let deep = (0..100_000).fold(Term::Undefined, |term, _| Term::tuple([term]));
        let mut count = Count(0);
        deep.as_ref().visit(&mut count);
        assert_eq!(count.0, 100_000);
    }
}
