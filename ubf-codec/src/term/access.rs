//! Questions to a term: what it is, what is in it.

use alloc::borrow::Cow;
use core::ops::Index;

use bytes::Bytes;

use super::integer::{Integer, IntegerRef};
use super::owned::{Tagged, Term};
use super::text::{Text, TextRef};
use super::view::{ListRef, Place, TermRef, TupleRef, View};
use crate::error::TermKind;

static UNDEFINED: Term = Term::Undefined;
static TRUE: Term = Term::Atom(Text::from_static("true"));

/// Each answers `None` where the term is of another kind; a tag makes a term another kind. To look
/// at several kinds, match on a [`View`].
///
/// ```
/// let packet = ubf_codec::decode(b"{'ok',#{'age',68}&{'name',\"Joe\"}&`plist`}$")?;
/// let person = packet.root().get(1).unwrap();
/// assert_eq!(person.property("name").and_then(|name| name.as_str()).as_deref(), Some("Joe"));
/// assert_eq!(person.property("age").and_then(|age| age.as_u64()), Some(68));
/// assert!(person.property("email").is_none());
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
impl<'a> TermRef<'a> {
    /// What kind of term it is.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> TermKind {
        match self.place() {
            Place::Packet(node, _) => node.term_kind(),
            Place::Owned(term) => term.kind(),
        }
    }

    /// Whether it is the undefined value.
    #[must_use]
    #[inline]
    pub fn is_undefined(&self) -> bool {
        self.kind() == TermKind::Undefined
    }

    /// An integer of any size.
    #[must_use]
    #[inline]
    pub fn as_integer(&self) -> Option<IntegerRef<'a>> {
        if let View::Integer(value) = self.view() { Some(value) } else { None }
    }

    /// The value of an integer that fits.
    #[must_use]
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer()?.to_u64()
    }

    /// The value of an integer that fits.
    #[must_use]
    #[inline]
    pub fn as_i128(&self) -> Option<i128> {
        self.as_integer()?.to_i128()
    }

    /// The atom `'true'` or `'false'`.
    #[must_use]
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        let name = self.as_atom()?;
        if name == "true" { Some(true) } else { (name == "false").then_some(false) }
    }

    /// The name of an atom.
    #[must_use]
    #[inline]
    pub fn as_atom(&self) -> Option<TextRef<'a>> {
        if let View::Atom(name) = self.view() { Some(name) } else { None }
    }

    /// The text of a string.
    #[must_use]
    #[inline]
    pub fn as_string(&self) -> Option<TextRef<'a>> {
        if let View::String(text) = self.view() { Some(text) } else { None }
    }

    /// The text of a string that is UTF-8; copied only if it has escapes.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        self.as_string()?.to_str()
    }

    /// The bytes of a binary.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let View::Binary(bytes) = self.view() { Some(bytes) } else { None }
    }

    /// A tuple.
    #[must_use]
    #[inline]
    pub fn as_tuple(&self) -> Option<TupleRef<'a>> {
        if let View::Tuple(tuple) = self.view() { Some(tuple) } else { None }
    }

    /// A list.
    #[must_use]
    #[inline]
    pub fn as_list(&self) -> Option<ListRef<'a>> {
        if let View::List(list) = self.view() { Some(list) } else { None }
    }

    /// The tag of a tagged term, and the term without it.
    #[must_use]
    #[inline]
    pub fn as_tagged(&self) -> Option<(TextRef<'a>, Self)> {
        if let View::Tagged(tag, term) = self.view() { Some((tag, term)) } else { None }
    }

    /// The element of a tuple or a list at this place, counted from 0. In a list of a packet this
    /// takes time that grows with the place: walk it instead, to see all.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<Self> {
        match self.view() {
            View::Tuple(tuple) => tuple.get(index),
            View::List(list) => list.iter().nth(index),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Binary(_)
            | View::Tagged(..) => None,
        }
    }

    /// The value of the first pair with this key in a list of pairs, tagged `plist` or `map`, or
    /// without a tag. The key is an atom, a string or a binary; an atom alone stands for itself and
    /// `'true'`.
    #[must_use]
    pub fn property(&self, key: &str) -> Option<Self> {
        let list = match self.view() {
            View::Tagged(tag, inner) if tag == "plist" || tag == "map" => inner.as_list(),
            View::List(list) => Some(list),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Binary(_)
            | View::Tuple(_)
            | View::Tagged(..) => None,
        };
        list?.iter().find_map(|item| match item.view() {
            View::Tuple(pair) => {
                pair.to_array().filter(|[name, _]| is_key(*name, key)).map(|[_, value]| value)
            }
            View::Atom(name) => (name == key).then(|| TRUE.as_ref()),
            View::Undefined
            | View::Integer(_)
            | View::String(_)
            | View::Binary(_)
            | View::List(_)
            | View::Tagged(..) => None,
        })
    }
}

fn is_key(name: TermRef<'_>, key: &str) -> bool {
    match name.view() {
        View::Atom(text) | View::String(text) => text == key,
        View::Binary(bytes) => bytes == key.as_bytes(),
        View::Undefined | View::Integer(_) | View::Tuple(_) | View::List(_) | View::Tagged(..) => {
            false
        }
    }
}

/// Each answers `None` where the term is of another kind; a tag makes a term another kind.
///
/// ```
/// use ubf_codec::ubf;
///
/// let term = ubf!({ok, [{name, "Joe"}, {age, 68}, admin]});
/// assert!(term.get(0).is_some_and(|status| status.is_atom("ok")));
/// assert_eq!(term[1]["name"].as_str(), Some("Joe"));
/// assert_eq!(term[1]["admin"].as_bool(), Some(true));
/// // What is not there is undefined.
/// assert!(term[7]["email"].is_undefined());
/// ```
impl Term {
    /// What kind of term it is.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> TermKind {
        match self {
            Self::Undefined => TermKind::Undefined,
            Self::Integer(_) => TermKind::Integer,
            Self::Atom(_) => TermKind::Atom,
            Self::String(_) => TermKind::String,
            Self::Binary(_) => TermKind::Binary,
            Self::Tuple(_) => TermKind::Tuple,
            Self::List(_) => TermKind::List,
            Self::Tagged(_) => TermKind::Tagged,
        }
    }

    /// Whether it is the undefined value.
    #[must_use]
    pub const fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// Whether it is the atom of this name.
    #[must_use]
    pub fn is_atom(&self, name: &str) -> bool {
        self.as_atom().is_some_and(|atom| atom == name)
    }

    /// An integer of any size.
    #[must_use]
    pub const fn as_integer(&self) -> Option<&Integer> {
        if let Self::Integer(value) = self { Some(value) } else { None }
    }

    /// The value of an integer that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_integer()?.to_i64()
    }

    /// The value of an integer that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer()?.to_u64()
    }

    /// The value of an integer that fits.
    #[must_use]
    pub fn as_i128(&self) -> Option<i128> {
        self.as_integer()?.to_i128()
    }

    /// The value of a float: a string tagged `f` (W8).
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_ref().as_f64()
    }

    /// The atom `'true'` or `'false'`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        self.as_ref().as_bool()
    }

    /// The name of an atom.
    #[must_use]
    pub const fn as_atom(&self) -> Option<&Text> {
        if let Self::Atom(name) = self { Some(name) } else { None }
    }

    /// The text of a string.
    #[must_use]
    pub const fn as_string(&self) -> Option<&Text> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The text of a string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_string()?.as_str()
    }

    /// The bytes of a binary.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        if let Self::Binary(bytes) = self { Some(bytes) } else { None }
    }

    /// The elements of a tuple.
    #[must_use]
    pub fn as_tuple(&self) -> Option<&[Self]> {
        if let Self::Tuple(elements) = self { Some(elements) } else { None }
    }

    /// The elements of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(elements) = self { Some(elements) } else { None }
    }

    /// A tagged term.
    #[must_use]
    pub const fn as_tagged(&self) -> Option<&Tagged> {
        if let Self::Tagged(tagged) = self { Some(tagged) } else { None }
    }

    /// The element of a tuple or a list at this place, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Self> {
        match self {
            Self::Tuple(elements) | Self::List(elements) => elements.get(index),
            Self::Undefined
            | Self::Integer(_)
            | Self::Atom(_)
            | Self::String(_)
            | Self::Binary(_)
            | Self::Tagged(_) => None,
        }
    }

    /// The value of the first pair with this key in a list of pairs: as [`TermRef::property`].
    #[must_use]
    pub fn property(&self, key: &str) -> Option<&Self> {
        let list = match self.as_tagged() {
            Some(tagged) if *tagged.tag() == "plist" || *tagged.tag() == "map" => tagged.term(),
            Some(_) | None => self,
        };
        list.as_list()?.iter().find_map(|item| match item {
            Self::Tuple(pair) => match &**pair {
                [name, value] if is_key(name.as_ref(), key) => Some(value),
                _ => None,
            },
            Self::Atom(name) if name == key => Some(&TRUE),
            Self::Undefined
            | Self::Integer(_)
            | Self::Atom(_)
            | Self::String(_)
            | Self::Binary(_)
            | Self::List(_)
            | Self::Tagged(_) => None,
        })
    }
}

/// The element at this place of a tuple or a list, as [`Term::get`]; undefined where there is none.
impl Index<usize> for Term {
    type Output = Self;

    fn index(&self, index: usize) -> &Self {
        self.get(index).unwrap_or(&UNDEFINED)
    }
}

/// The value of this key, as [`Term::property`]; undefined where there is none.
impl Index<&str> for Term {
    type Output = Self;

    fn index(&self, key: &str) -> &Self {
        self.property(key).unwrap_or(&UNDEFINED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, ubf};

    #[test]
    fn owned_and_decoded_terms_answer_alike() {
        let list = ubf!([{a, 1}, {"b", 2}, {b"c", 3}, {a, 4}, d, 5, {a, 6, 7}]);
        for term in [list.clone(), list.clone().tagged("plist"), list.clone().tagged("map")] {
            let packet = crate::Encoder::new().encode(&term);
            let document = decode(&packet).unwrap();
            for (key, value) in [("a", ubf!(1)), ("b", ubf!(2)), ("c", ubf!(3)), ("d", ubf!(true))]
            {
                assert_eq!(term.property(key), Some(&value), "{key}");
                assert_eq!(document.root().property(key).unwrap(), value, "{key}");
            }
            assert_eq!(term.property("e"), None);
            assert!(document.root().property("e").is_none());
        }
        assert_eq!(list.clone().tagged("set").property("a"), None);
        assert!(list.clone().tagged("set").as_ref().property("a").is_none());
        assert_eq!((list.get(4), list.get(7)), (Some(&ubf!(d)), None));
        assert_eq!(list.as_ref().get(4).unwrap(), ubf!(d));
        assert_eq!(ubf!({1, 2}).as_ref().get(1).unwrap(), ubf!(2));
        assert_eq!((&ubf!(7)[0], &ubf!(7)["a"]), (&Term::Undefined, &Term::Undefined));
    }

    #[test]
    fn each_kind_is_one_kind() {
        let terms = [
            ubf!(?),
            ubf!(7),
            ubf!(true),
            ubf!("s"),
            ubf!(b"b"),
            ubf!({ 1 }),
            ubf!([1]),
            ubf!(7).tagged("t"),
        ];
        for (i, term) in terms.iter().enumerate() {
            let owned = [
                term.is_undefined(),
                term.as_integer().is_some() && term.as_i64() == Some(7),
                term.as_atom().is_some() && term.as_bool() == Some(true) && term.is_atom("true"),
                term.as_string().is_some() && term.as_str() == Some("s"),
                term.as_bytes().is_some_and(|bytes| bytes == "b"),
                term.as_tuple() == Some(&[Term::from(1)]),
                term.as_list() == Some(&[Term::from(1)]),
                term.as_tagged().is_some_and(|tagged| *tagged.tag() == "t"),
            ];
            let seen = term.as_ref();
            let by_reference = [
                seen.is_undefined(),
                seen.as_integer().is_some() && seen.as_u64() == Some(7),
                seen.as_atom().is_some() && seen.as_bool() == Some(true),
                seen.as_string().is_some() && seen.as_str().as_deref() == Some("s"),
                seen.as_bytes() == Some(b"b"),
                seen.as_tuple().is_some_and(|tuple| tuple.len() == 1),
                seen.as_list().is_some_and(|list| list.len() == 1),
                seen.as_tagged().is_some_and(|(tag, _)| tag == "t"),
            ];
            for answers in [owned, by_reference] {
                let yes: alloc::vec::Vec<_> = (0..8).filter(|&kind| answers[kind]).collect();
                assert_eq!(yes, [i], "{term}");
            }
            assert_eq!(term.kind() as usize, i);
        }
    }
}
