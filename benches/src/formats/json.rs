//! JSON: names are strings, tuples are arrays, bytes are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::Visitor;
use crate::data::Value;

/// The value as `serde_json` has it.
#[must_use]
pub fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Name(text) | Value::Text(text) => Json::from(text.clone()),
        Value::Bytes(bytes) => Json::from(STANDARD.encode(bytes)),
        Value::Tuple(values) | Value::List(values) => values.iter().map(json).collect(),
        Value::Record(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()
        }
    }
}

/// Shows the visitor every value of `serde_json`.
pub fn visit(value: &Json, visitor: &mut impl Visitor) {
    match value {
        Json::Null => visitor.null(),
        Json::Bool(value) => visitor.boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => visitor.integer(value),
            None => visitor.float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => visitor.text(text.as_bytes()),
        Json::Array(values) => values.iter().for_each(|value| visit(value, visitor)),
        Json::Object(fields) => {
            for (name, value) in fields {
                visitor.text(name.as_bytes());
                visit(value, visitor);
            }
        }
    }
}
