//! The serializer: what it is told, and the bytes that it has written.

use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::mem::take;

use bytes::BufMut;
use serde_core::Serialize;

use super::output::{ListTag, OpenList, Output};
use crate::dialect::Dialect;
use crate::serde::error::Error;
use crate::term::Leaf;

/// Writes values as packets. Keeps its working memory from one packet to the next.
///
/// The bytes are those of the plain [style](crate::Style). To have registers, write a term
/// ([`to_term`](super::to_term)) with an [`Encoder`](crate::Encoder) of the cached style.
///
/// ```
/// use serde::Serialize;
/// use ubf_codec::Dialect;
/// use ubf_codec::serde::Serializer;
///
/// #[derive(Serialize)]
/// #[serde(rename = "person")]
/// struct Person {
///     name: &'static str,
///     email: Option<&'static str>,
/// }
/// let joe = Person { name: "Joe", email: None };
///
/// let mut serializer = Serializer::new().with_dialect(Dialect::Classic);
/// assert_eq!(serializer.encode(&joe)?, br#"{'person'"Joe"'undefined'}$"#);
///
/// let mut serializer = Serializer::new().with_property_lists(true);
/// assert_eq!(serializer.encode(&joe)?, br#"#{'email'?}&{'name'"Joe"}&`plist`$"#);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
#[derive(Default)]
pub struct Serializer {
    pub(super) output: Output,
    pub(super) dialect: Dialect,
    /// The form of structs that the program chose.
    chosen: Structs,
    /// The form of structs at this place.
    pub(super) structs: Structs,
    pub(super) whole_term: Cell<WholeTerm>,
}

/// How structs and the variants of enums are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Structs {
    #[default]
    Records,
    /// Structs as property lists, variants as records.
    PropertyLists,
    /// All in forms that tell what they are: see
    /// [`SelfDescribing`](crate::serde::SelfDescribing).
    SelfDescribing,
}

/// How far a [`Term`](crate::Term) and the serializer have agreed that the term comes as a packet.
///
/// Serde lets them exchange one kind of word: the value may ask
/// [`is_human_readable`](serde_core::Serializer::is_human_readable). A serializer always gives the
/// same answer, and this one does too, except to a term: it asks twice and hears both.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WholeTerm {
    #[default]
    No,
    Expected,
    Asked,
}

impl fmt::Debug for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serializer")
            .field("dialect", &self.dialect)
            .field("structs", &self.chosen)
            .finish_non_exhaustive()
    }
}

impl Serializer {
    /// A serializer of the extended dialect that writes structs as records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This serializer for another dialect: in the classic one, `None` is the atom `'undefined'`
    /// (W7).
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Whether structs are written as property lists, with the names of their fields: off by
    /// default.
    ///
    /// They take more bytes, and may change in any way that keeps the names.
    /// [`PropertyList`](crate::serde::PropertyList) does the same for one value. The variants of
    /// enums are not concerned.
    #[must_use]
    pub const fn with_property_lists(self, property_lists: bool) -> Self {
        self.with_structs(if property_lists { Structs::PropertyLists } else { Structs::Records })
    }

    /// Whether structs and variants are written so that they can be read where serde does not know
    /// the type: off by default.
    ///
    /// [`SelfDescribing`](crate::serde::SelfDescribing) does the same for one value, and says what
    /// is written.
    #[must_use]
    pub const fn with_self_description(self, self_describing: bool) -> Self {
        self.with_structs(if self_describing { Structs::SelfDescribing } else { Structs::Records })
    }

    const fn with_structs(mut self, structs: Structs) -> Self {
        self.chosen = structs;
        self.structs = structs;
        self
    }

    /// The packet that holds `value`, up to and with its `$`.
    ///
    /// # Errors
    /// As [`to_vec`](super::to_vec).
    pub fn encode<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<Vec<u8>, Error> {
        let mut packet = Vec::new();
        self.append_to(value, &mut packet)?;
        Ok(packet)
    }

    /// As [`encode_to`](Self::encode_to), into a vector: long binaries are written into it at once,
    /// and not copied a second time when the packet is complete.
    ///
    /// ```
    /// use ubf_codec::serde::Serializer;
    ///
    /// let mut serializer = Serializer::new();
    /// let mut packets = Vec::new();
    /// serializer.append_to(&("one", 1), &mut packets)?;
    /// serializer.append_to(&f64::NAN, &mut packets).unwrap_err();
    /// serializer.append_to(&("two", 2), &mut packets)?;
    /// assert_eq!(packets, b"{\"one\"1}${\"two\"2}$");
    /// # Ok::<(), ubf_codec::serde::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`to_vec`](super::to_vec).
    pub fn append_to<T: ?Sized + Serialize>(
        &mut self,
        value: &T,
        packet: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let before = packet.len();
        self.begin();
        self.output.begin_in(take(packet));
        let written = value.serialize(&mut *self);
        *packet = if written.is_ok() { self.output.finish_in() } else { self.output.give_up() };
        if written.is_ok() {
            packet.push(b'$');
        } else {
            packet.truncate(before);
        }
        written
    }

    fn begin(&mut self) {
        self.output.clear();
        // An error may have left these as they were where it happened.
        self.structs = self.chosen;
        self.whole_term.set(WholeTerm::No);
    }

    /// Appends the packet that holds `value` to `buffer`; nothing, if that fails.
    ///
    /// # Errors
    /// As [`to_vec`](super::to_vec).
    ///
    /// # Panics
    /// Only if `buffer` cannot grow and is too small: see [`BufMut`]. `Vec<u8>` and `BytesMut`
    /// grow.
    pub fn encode_to<T: ?Sized + Serialize>(
        &mut self,
        value: &T,
        buffer: &mut impl BufMut,
    ) -> Result<(), Error> {
        self.begin();
        value.serialize(&mut *self)?;
        self.finish_to(buffer);
        Ok(())
    }

    /// Appends to `buffer` the packet with the value that was written by `value.serialize(&mut
    /// serializer)`, and is ready for the next.
    ///
    /// [`encode_to`](Self::encode_to) does both.
    ///
    /// ```
    /// use serde::Serializer as _;
    /// use ubf_codec::serde::Serializer;
    ///
    /// let mut serializer = Serializer::new();
    /// serializer.collect_seq(1..4)?;
    /// let mut packet = Vec::new();
    /// serializer.finish_to(&mut packet);
    /// assert_eq!(packet, b"#3&2&1&$");
    /// # Ok::<(), ubf_codec::serde::Error>(())
    /// ```
    pub fn finish_to(&mut self, buffer: &mut impl BufMut) {
        self.output.finish(buffer);
        buffer.put_u8(b'$');
    }

    pub(super) fn leaf(&mut self, leaf: Leaf<'_>) {
        self.output.leaf(leaf, self.dialect);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.output.text(text, b'"');
    }

    pub(super) fn atom(&mut self, name: &str) {
        self.output.text(name, b'\'');
    }

    /// `{'name'`, to which the elements come.
    pub(super) fn open_record(&mut self, name: &str) {
        self.output.open_tuple();
        self.atom(name);
    }

    /// W8: the digits of a float as a string tagged `f`.
    pub(super) fn float(&mut self, value: f64) -> Result<(), Error> {
        let output = &mut self.output;
        match crate::float::write_to(value, |digits| output.float(digits)) {
            Some(()) => Ok(()),
            None => Err(without_form(value)),
        }
    }
}

#[cold]
fn without_form(value: f64) -> Error {
    let what = if value.is_nan() { "NaN" } else { "an infinite float" };
    Error::unwritable(format_args!("{what} has no form in UBF"))
}

impl Serializer {
    pub(super) fn as_structs<T: ?Sized + Serialize>(
        &mut self,
        structs: Structs,
        value: &T,
    ) -> Result<(), Error> {
        let outside = core::mem::replace(&mut self.structs, structs);
        let written = value.serialize(&mut *self);
        self.structs = outside;
        written
    }

    /// `#{'variant'`, to which the content comes, if variants describe themselves.
    pub(super) fn open_variant(&mut self, variant: &str) -> Option<OpenList> {
        if self.structs != Structs::SelfDescribing {
            return None;
        }
        let list = self.output.open_list();
        self.output.begin_element();
        self.output.open_tuple();
        self.atom(variant);
        Some(list)
    }

    pub(super) fn close_variant(&mut self, list: OpenList) {
        self.output.close_tuple();
        self.output.end_element();
        self.output.close_list(list);
        self.output.tag(ListTag::PropertyList);
    }
}
