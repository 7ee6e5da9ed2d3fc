//! A contract as data: what its text says.

mod contract;
mod notes;
mod rules;
mod types;

pub use self::contract::{Contract, Name, Origin};
pub use self::rules::{Outcome, Rule, RuleKind, State};
pub use self::types::{
    Annotation, AnnotationForm, Count, Field, IntegerLiteral, Length, Record, Type, TypeDef,
    TypeKind,
};

pub(crate) use self::contract::Parts;
pub(crate) use self::notes::{Comment, Notes};
