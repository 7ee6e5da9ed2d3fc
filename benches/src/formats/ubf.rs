//! UBF(A): names are atoms, records are lists of pairs, floats are strings tagged `f`.

use ubf_codec::{Term, TermRef, View};

use super::Visitor;
use crate::data::Value;

/// The value as a term.
#[must_use]
pub fn term(value: &Value) -> Term {
    match value {
        Value::Null => Term::Undefined,
        Value::Bool(value) => Term::from(*value),
        Value::Integer(value) => Term::from(*value),
        Value::Float(value) => Term::float(*value).unwrap_or_default(),
        Value::Name(name) => Term::atom(name.clone()),
        Value::Text(text) => Term::from(text.clone()),
        Value::Bytes(bytes) => Term::binary(bytes.clone()),
        Value::Tuple(values) => Term::tuple(values.iter().map(term)),
        Value::List(values) => Term::list(values.iter().map(term)),
        Value::Record(fields) => {
            Term::list(fields.iter().map(|(name, value)| Term::tuple([Term::atom(name.clone()), term(value)])))
        }
    }
}

/// Shows the visitor every value. Texts are checked to be UTF-8, and unescaped.
pub fn visit(term: TermRef<'_>, visitor: &mut impl Visitor) {
    match term.view() {
        View::Undefined => visitor.null(),
        View::Integer(integer) => visitor.integer(integer.to_i64().unwrap_or_default()),
        View::Atom(text) | View::String(text) => visitor.text(text.to_str().unwrap_or_default().as_bytes()),
        View::Binary(bytes) => visitor.text(bytes),
        View::Tuple(elements) => elements.iter().for_each(|element| visit(element, visitor)),
        View::List(elements) => elements.iter().for_each(|element| visit(element, visitor)),
        View::Tagged { .. } => visitor.float(term.as_f64().unwrap_or_default()),
    }
}
