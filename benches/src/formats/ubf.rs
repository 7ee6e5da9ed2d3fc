//! UBF(A): names are atoms, records are lists of pairs, floats are strings tagged `f`.

use ubf_codec::{Document, IntegerRef, Parts, Source, Term, TermRef, TextRef, View};

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
        Value::Record(fields) => Term::list(
            fields.iter().map(|(name, value)| Term::tuple([Term::atom(name.clone()), term(value)])),
        ),
    }
}

/// Shows the visitor every value. Texts are checked to be UTF-8, and unescaped.
pub fn visit<S: Source>(document: &Document<S>, visitor: &mut impl Visitor) {
    document.visit(&mut Values(visitor));
}

/// Does what [`visit`] does by a view of each term.
pub fn view(term: TermRef<'_>, visitor: &mut impl Visitor) {
    match term.view() {
        View::Undefined => visitor.null(),
        View::Integer(value) => visitor.integer(value.to_i64().unwrap_or_default()),
        View::Atom(text) | View::String(text) => {
            visitor.text(text.to_str().unwrap_or_default().as_bytes());
        }
        View::Binary(bytes) => visitor.text(bytes),
        View::Tuple(elements) => elements.iter().for_each(|element| view(element, visitor)),
        View::List(elements) => elements.iter().for_each(|element| view(element, visitor)),
        View::Tagged(..) => visitor.float(term.as_f64().unwrap_or_default()),
    }
}

/// A visitor of terms, with the words of the visitor of values.
struct Values<'v, V>(&'v mut V);

impl<V: Visitor> Values<'_, V> {
    #[inline]
    fn text(&mut self, text: TextRef<'_>) {
        self.0.text(text.to_str().unwrap_or_default().as_bytes());
    }
}

impl<'a, V: Visitor> ubf_codec::Visitor<'a> for Values<'_, V> {
    #[inline]
    fn undefined(&mut self) {
        self.0.null();
    }

    #[inline]
    fn integer(&mut self, value: IntegerRef<'a>) {
        self.0.integer(value.to_i64().unwrap_or_default());
    }

    #[inline]
    fn atom(&mut self, name: TextRef<'a>) {
        self.text(name);
    }

    #[inline]
    fn string(&mut self, text: TextRef<'a>) {
        self.text(text);
    }

    #[inline]
    fn binary(&mut self, bytes: &'a [u8]) {
        self.0.text(bytes);
    }

    #[inline]
    fn open_tagged(&mut self, _: TextRef<'a>, whole: TermRef<'a>) -> Parts {
        self.0.float(whole.as_f64().unwrap_or_default());
        Parts::Skip
    }
}
