//! Terms: by reference, owned, and what is done with them.

mod access;
mod build;
mod compare;
mod convert;
mod integer;
mod owned;
pub mod places;
mod text;
mod to_term;
mod view;
mod visit;
mod walk;
mod wire;

#[doc(hidden)]
pub use self::convert::Literal;
pub use self::convert::{ConvertError, FloatError};
pub use self::integer::{Integer, IntegerRef, ParseIntegerError};
pub use self::owned::{Elements, Tagged, Term};
pub(crate) use self::text::{ShortText, from_utf8, utf8_of_packet};
pub use self::text::{Text, TextRef};
pub(crate) use self::to_term::{own, own_nodes, plain_bytes};
#[cfg(feature = "serde")]
pub(crate) use self::view::Place;
pub(crate) use self::view::{Arena, PacketBytes};
pub use self::view::{ListIter, ListRef, TermRef, TupleIter, TupleRef, View};
pub(crate) use self::visit::visit_packet;
pub use self::visit::{Parts, Visitor};
pub(crate) use self::walk::{Step, Walk};
pub(crate) use self::wire::{Leaf, WireVisitor};
