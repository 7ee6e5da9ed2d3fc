//! `MessagePack`: names are strings, tuples are arrays.

use rmpv::{Value as MessagePack, ValueRef};

use super::Visitor;
use crate::data::Value;

/// The value as `rmpv` has it.
#[must_use]
pub fn message_pack(value: &Value) -> MessagePack {
    match value {
        Value::Null => MessagePack::Nil,
        Value::Bool(value) => MessagePack::from(*value),
        Value::Integer(value) => MessagePack::from(*value),
        Value::Float(value) => MessagePack::from(*value),
        Value::Name(text) | Value::Text(text) => MessagePack::from(text.clone()),
        Value::Bytes(bytes) => MessagePack::Binary(bytes.clone()),
        Value::Tuple(values) | Value::List(values) => {
            MessagePack::Array(values.iter().map(message_pack).collect())
        }
        Value::Record(fields) => {
            let field = |(name, value): &(String, Value)| {
                (MessagePack::from(name.clone()), message_pack(value))
            };
            MessagePack::Map(fields.iter().map(field).collect())
        }
    }
}

/// Shows the visitor every value.
pub fn visit(value: &ValueRef<'_>, visitor: &mut impl Visitor) {
    match value {
        ValueRef::Nil => visitor.null(),
        ValueRef::Boolean(value) => visitor.boolean(*value),
        ValueRef::Integer(value) => visitor.integer(value.as_i64().unwrap_or_default()),
        ValueRef::F32(value) => visitor.float((*value).into()),
        ValueRef::F64(value) => visitor.float(*value),
        ValueRef::String(text) => visitor.text(text.as_bytes()),
        ValueRef::Binary(bytes) | ValueRef::Ext(_, bytes) => visitor.text(bytes),
        ValueRef::Array(values) => values.iter().for_each(|value| visit(value, visitor)),
        ValueRef::Map(fields) => {
            for (name, value) in fields {
                visit(name, visitor);
                visit(value, visitor);
            }
        }
    }
}
