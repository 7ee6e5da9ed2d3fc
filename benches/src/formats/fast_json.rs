//! JSON as `simd-json` and `sonic-rs` have it.

use simd_json::{BorrowedValue, Node, StaticNode, Tape};
use sonic_rs::{JsonNumberTrait as _, Value as Sonic, ValueRef};

use super::Visitor;

/// Shows the visitor every value of a tape of `simd-json`.
pub fn visit_tape(tape: &Tape<'_>, visitor: &mut impl Visitor) {
    for node in &tape.0 {
        match node {
            Node::String(text) => visitor.text(text.as_bytes()),
            Node::Static(value) => visit_static(*value, visitor),
            Node::Object { .. } | Node::Array { .. } => {}
        }
    }
}

/// Shows the visitor every value of `simd-json`.
pub fn visit_borrowed(value: &BorrowedValue<'_>, visitor: &mut impl Visitor) {
    match value {
        BorrowedValue::Static(value) => visit_static(*value, visitor),
        BorrowedValue::String(text) => visitor.text(text.as_bytes()),
        BorrowedValue::Array(values) => {
            values.iter().for_each(|value| visit_borrowed(value, visitor));
        }
        BorrowedValue::Object(fields) => {
            for (name, value) in fields.iter() {
                visitor.text(name.as_bytes());
                visit_borrowed(value, visitor);
            }
        }
    }
}

fn visit_static(value: StaticNode, visitor: &mut impl Visitor) {
    match value {
        StaticNode::Null => visitor.null(),
        StaticNode::Bool(value) => visitor.boolean(value),
        StaticNode::I64(value) => visitor.integer(value),
        StaticNode::U64(value) => visitor.integer(value.cast_signed()),
        StaticNode::F64(value) => visitor.float(value),
    }
}

/// Shows the visitor every value of `sonic-rs`.
pub fn visit_sonic(value: &Sonic, visitor: &mut impl Visitor) {
    match value.as_ref() {
        ValueRef::Null => visitor.null(),
        ValueRef::Bool(value) => visitor.boolean(value),
        ValueRef::Number(number) => match number.as_i64() {
            Some(value) => visitor.integer(value),
            None => visitor.float(number.as_f64().unwrap_or_default()),
        },
        ValueRef::String(text) => visitor.text(text.as_bytes()),
        ValueRef::Array(values) => values.iter().for_each(|value| visit_sonic(value, visitor)),
        ValueRef::Object(fields) => {
            for (name, value) in fields {
                visitor.text(name.as_bytes());
                visit_sonic(value, visitor);
            }
        }
    }
}
