//! What the types of the standard library and of the codec are in contracts.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap, LinkedList, VecDeque};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, Saturating, Wrapping,
};

use bytes::{Bytes, BytesMut};
use ubf_codec::{Term, TermRef, Version};

use super::{Definitions, Described};

macro_rules! is {
    ($($type:ty => $text:expr;)*) => {$(
        impl Described for $type {
            fn describe(_: &mut Definitions) -> String {
                String::from($text)
            }
        }
    )*};
}

is! {
    bool => "boolean()";
    u8 => "byte()";
    f32 => "float()";
    f64 => "float()";
    char => "{'#S', [byte()]{1,4}}";
    str => "ubfstring()";
    String => "ubfstring()";
    () => "undefined";
    Bytes => "binary()";
    BytesMut => "binary()";
    Term => "any()";
    TermRef<'_> => "any()";
    Version => format!("1..{}", Version::MAX);
}

macro_rules! ranges {
    ($($type:ty, $from:ty;)*) => {$(
        impl Described for $type {
            fn describe(_: &mut Definitions) -> String {
                format!("{}..{}", <$from>::MIN, <$from>::MAX)
            }
        }
    )*};
}

// On every target the contract is the same: `usize` is as on one of 64 bits.
ranges! {
    i8, i8; i16, i16; i32, i32; i64, i64; i128, i128; isize, i64;
    u16, u16; u32, u32; u64, u64; u128, u128; usize, u64;
    NonZeroU8, NonZeroU8; NonZeroU16, NonZeroU16; NonZeroU32, NonZeroU32;
    NonZeroU64, NonZeroU64; NonZeroU128, NonZeroU128;
}

macro_rules! all_but_zero {
    ($($type:ty, $from:ty;)*) => {$(
        impl Described for $type {
            fn describe(_: &mut Definitions) -> String {
                format!("{}..-1 | 1..{}", <$from>::MIN, <$from>::MAX)
            }
        }
    )*};
}

all_but_zero! {
    NonZeroI8, i8; NonZeroI16, i16; NonZeroI32, i32; NonZeroI64, i64; NonZeroI128, i128;
}

macro_rules! as_content {
    ($([$($generics:tt)*] $type:ty => $content:ty;)*) => {$(
        impl<$($generics)*> Described for $type {
            fn describe(definitions: &mut Definitions) -> String {
                <$content>::describe(definitions)
            }
        }
    )*};
}

as_content! {
    [T: Described + ?Sized] &T => T;
    [T: Described + ?Sized] &mut T => T;
    [T: Described + ?Sized] Box<T> => T;
    [T: Described + ?Sized] Rc<T> => T;
    [T: Described + ?Sized] Arc<T> => T;
    [T: Described + ToOwned + ?Sized] Cow<'_, T> => T;
    [T: Described] Cell<T> => T;
    [T: Described] RefCell<T> => T;
    [T: Described] Saturating<T> => T;
    [T: Described] Wrapping<T> => T;
}

macro_rules! lists {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<T: Described, $($generics)*> Described for $type {
            fn describe(definitions: &mut Definitions) -> String {
                format!("[{}]", T::describe(definitions))
            }
        }
    )*};
}

lists! {
    [] [T];
    [] Vec<T>;
    [] VecDeque<T>;
    [] LinkedList<T>;
    [] BinaryHeap<T>;
    [] BTreeSet<T>;
}

#[cfg(feature = "std")]
lists! { [S] std::collections::HashSet<T, S>; }

/// A map is a list with a tag, for which contracts have no word.
impl<K, V> Described for BTreeMap<K, V> {
    fn describe(_: &mut Definitions) -> String {
        String::from("any()")
    }
}

/// A map is a list with a tag, for which contracts have no word.
#[cfg(feature = "std")]
impl<K, V, S> Described for std::collections::HashMap<K, V, S> {
    fn describe(_: &mut Definitions) -> String {
        String::from("any()")
    }
}

impl<T: Described> Described for Option<T> {
    fn describe(definitions: &mut Definitions) -> String {
        Definitions::optional(T::describe(definitions))
    }
}

impl<T: Described, E: Described> Described for Result<T, E> {
    fn describe(definitions: &mut Definitions) -> String {
        let (ok, err) = (T::describe(definitions), E::describe(definitions));
        format!("{{'Ok', {ok}}} | {{'Err', {err}}}")
    }
}

impl<T: Described, const N: usize> Described for [T; N] {
    fn describe(definitions: &mut Definitions) -> String {
        let one = T::describe(definitions);
        Definitions::tuple(&alloc::vec![one; N])
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => {$(
        impl<$($name: Described),+> Described for ($($name,)+) {
            fn describe(definitions: &mut Definitions) -> String {
                let parts = [$($name::describe(definitions)),+];
                Definitions::tuple(&parts)
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}
