//! Types: what terms a contract speaks of.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::{Integer, Text};

use super::notes::Notes;
use crate::predefined::{Attributes, Predefined};
use crate::span::Span;

/// A type's name and what it stands for: `name() :: type "annotation"`.
///
/// Two of them are equal when name, type and annotation are; the place in the text does not count.
#[derive(Clone, Debug)]
pub struct TypeDef {
    /// Its name.
    pub name: Text,
    /// Where its name stands.
    pub name_span: Span,
    /// What it stands for.
    pub definition: Type,
    /// What people are told about it.
    pub annotation: Option<Annotation>,
    pub(crate) notes: Notes,
}

impl PartialEq for TypeDef {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.definition == other.definition
            && self.annotation == other.annotation
    }
}

/// What people are told about a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The bytes.
    pub text: Text,
    /// How it is written.
    pub form: AnnotationForm,
}

/// How an annotation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationForm {
    /// `"text"`
    String,
    /// `` `text` ``
    Tag,
    /// `<<"text">>`
    Binary,
}

/// A type, and where it stands in the text. Two of them are equal when they say the same, wherever
/// they stand.
#[derive(Clone, Debug)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What a type is.
#[derive(Clone, Debug, PartialEq)]
pub enum TypeKind {
    /// `name()`, `name()?`
    Reference {
        /// The name of a defined, imported or built-in type.
        name: Text,
        /// Whether `undefined` is allowed too.
        optional: bool,
    },
    /// `atom()`, `atom(ascii)?`
    Predefined {
        /// Which one.
        predefined: Predefined,
        /// What makes it narrower.
        attributes: Attributes,
        /// Whether `undefined` is allowed too.
        optional: bool,
    },
    /// `a | b | c`: at least two, none of which is an alternative itself.
    Alternatives(Vec<Type>),
    /// `{a, b}`
    Tuple(Vec<Type>),
    /// `#name{field :: type}`, `##name{…}`
    Record(Record),
    /// `[]`
    EmptyList,
    /// `[type]`, `[type]?`, `[type]+`, `[type]{1,2}`
    List {
        /// The type of its elements.
        item: Box<Type>,
        /// How many there may be.
        length: Length,
    },
    /// `1..5`, `..5`, `1..`
    Range {
        /// The lowest integer.
        min: Option<IntegerLiteral>,
        /// The highest integer.
        max: Option<IntegerLiteral>,
    },
    /// `name`, `'name'`
    Atom(Text),
    /// `5`, `16#ff`
    Integer(IntegerLiteral),
    /// `1.5`
    Float(f64),
    /// `<<"bytes">>`
    Binary(Bytes),
    /// `"text"`
    String(Text),
}

/// A record: on the wire a tuple of its name and its fields, without their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name, the first element of the tuple.
    pub name: Text,
    /// Its fields in order.
    pub fields: Vec<Field>,
    /// Whether it is written `##`: then `undefined` and a term of any kind stand between its name
    /// and its fields.
    pub extended: bool,
}

/// A field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, which is not on the wire.
    pub name: Text,
    /// Where its name stands.
    pub name_span: Span,
    /// Its value in programs that leave it out; not on the wire either. Never in 1.16.
    pub default: Option<Type>,
    /// Its type.
    pub definition: Type,
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.default == other.default
            && self.definition == other.definition
    }
}

/// How many elements a list may have, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Length {
    /// `[t]`
    Any,
    /// `[t]?`
    AtMostOne,
    /// `[t]+`
    AtLeastOne,
    /// `[t]{2}`
    Exactly(Count),
    /// `[t]{2,}`
    AtLeast(Count),
    /// `[t]{,2}`
    AtMost(Count),
    /// `[t]{1,2}`
    Between(Count, Count),
}

impl Length {
    /// The bounds as numbers; the upper one may be missing.
    #[must_use]
    pub fn bounds(&self) -> (Integer, Option<Integer>) {
        let (min, max) = match self {
            Self::Any => return (Integer::from(0), None),
            Self::AtMostOne => return (Integer::from(0), Some(Integer::from(1))),
            Self::AtLeastOne => return (Integer::from(1), None),
            Self::Exactly(count) => (Some(count), Some(count)),
            Self::AtLeast(count) => (Some(count), None),
            Self::AtMost(count) => (None, Some(count)),
            Self::Between(min, max) => (Some(min), Some(max)),
        };
        (
            min.map_or_else(|| Integer::from(0), |min| min.value.clone()),
            max.map(|max| max.value.clone()),
        )
    }

    /// Whether it is written with a count in braces. In 1.16 nothing is of such a type.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        match self {
            Self::Any | Self::AtMostOne | Self::AtLeastOne => false,
            Self::Exactly(_) | Self::AtLeast(_) | Self::AtMost(_) | Self::Between(..) => true,
        }
    }
}

/// A number of elements.
#[derive(Clone, Debug)]
pub struct Count {
    /// The number; a negative one is never the length of a list.
    pub value: Integer,
    /// The line on which it stands: servers of 1.16 tell it in their contracts.
    pub(crate) line: u32,
}

impl PartialEq for Count {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Count {}

/// An integer, and the base in which it is written.
#[derive(Clone, Debug)]
pub struct IntegerLiteral {
    /// Its value.
    pub value: Integer,
    /// 10, or the number before the `#`.
    pub base: u8,
}

impl PartialEq for IntegerLiteral {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for IntegerLiteral {}

impl From<Integer> for IntegerLiteral {
    fn from(value: Integer) -> Self {
        Self { value, base: 10 }
    }
}

impl Type {
    /// A type that stands nowhere.
    pub(crate) const fn unplaced(kind: TypeKind) -> Self {
        Self { kind, span: Span::new(0, 0) }
    }

    /// The types that it is made of, in the order of the text. The defaults of fields are not among
    /// them: they are values.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        let (several, fields, one) = match &self.kind {
            TypeKind::Alternatives(types) | TypeKind::Tuple(types) => {
                (types.as_slice(), &[][..], None)
            }
            TypeKind::Record(record) => (&[][..], record.fields.as_slice(), None),
            TypeKind::List { item, .. } => (&[][..], &[][..], Some(&**item)),
            TypeKind::Reference { .. }
            | TypeKind::Predefined { .. }
            | TypeKind::EmptyList
            | TypeKind::Range { .. }
            | TypeKind::Atom(_)
            | TypeKind::Integer(_)
            | TypeKind::Float(_)
            | TypeKind::Binary(_)
            | TypeKind::String(_) => (&[][..], &[][..], None),
        };
        several.iter().chain(fields.iter().map(|field| &field.definition)).chain(one)
    }

    /// Shows this type, and all types in it before their parts, to `look`. Defaults of fields are
    /// shown as well if `defaults` says so: stock peers count what they name as used.
    pub(crate) fn walk<'a>(&'a self, defaults: bool, look: &mut impl FnMut(&'a Self)) {
        let mut open = alloc::vec![self];
        while let Some(one) = open.pop() {
            look(one);
            let at = open.len();
            open.extend(one.parts());
            if defaults && let TypeKind::Record(record) = &one.kind {
                open.extend(record.fields.iter().filter_map(|field| field.default.as_ref()));
            }
            open.get_mut(at..).unwrap_or_default().reverse();
        }
    }
}
