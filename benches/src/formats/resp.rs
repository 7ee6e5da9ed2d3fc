//! RESP3, the protocol of redis: names are simple strings, text is blob strings, records are maps.

use std::fmt::Write as _;

use redis_protocol::resp3::types::RangeFrame;

use super::Visitor;
use crate::data::Value;

/// The value in the format.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn write(value: &Value, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>| {
        let mut text = String::new();
        // A `String` takes all that is written.
        let _written = text.write_fmt(arguments);
        out.extend(text.as_bytes());
        out.extend(b"\r\n");
    };
    let blob = |out: &mut Vec<u8>, bytes: &[u8]| {
        line(out, format_args!("${}", bytes.len()));
        out.extend(bytes);
        out.extend(b"\r\n");
    };
    match value {
        Value::Null => line(out, format_args!("_")),
        Value::Bool(value) => line(out, format_args!("#{}", if *value { 't' } else { 'f' })),
        Value::Integer(value) => line(out, format_args!(":{value}")),
        Value::Float(value) => line(out, format_args!(",{value:?}")),
        Value::Name(name) => line(out, format_args!("+{name}")),
        Value::Text(text) => blob(out, text.as_bytes()),
        Value::Bytes(bytes) => blob(out, bytes),
        Value::Tuple(values) | Value::List(values) => {
            line(out, format_args!("*{}", values.len()));
            values.iter().for_each(|value| write(value, out));
        }
        Value::Record(fields) => {
            line(out, format_args!("%{}", fields.len()));
            for (name, value) in fields {
                line(out, format_args!("+{name}"));
                write(value, out);
            }
        }
    }
}

/// Shows the visitor every value of a frame that was decoded from `bytes`.
pub fn visit(frame: &RangeFrame, bytes: &[u8], visitor: &mut impl Visitor) {
    match frame {
        RangeFrame::Null => visitor.null(),
        RangeFrame::Boolean { data, .. } => visitor.boolean(*data),
        RangeFrame::Number { data, .. } => visitor.integer(*data),
        RangeFrame::Double { data, .. } => visitor.float(*data),
        RangeFrame::BlobString { data, .. } | RangeFrame::SimpleString { data, .. } => {
            visitor.text(bytes.get(data.0..data.1).unwrap_or_default());
        }
        RangeFrame::Array { data, .. } => {
            data.iter().for_each(|frame| visit(frame, bytes, visitor));
        }
        RangeFrame::Map { data, .. } => {
            for (name, value) in data {
                visit(name, bytes, visitor);
                visit(value, bytes, visitor);
            }
        }
        RangeFrame::BlobError { .. }
        | RangeFrame::SimpleError { .. }
        | RangeFrame::BigNumber { .. }
        | RangeFrame::VerbatimString { .. }
        | RangeFrame::Set { .. }
        | RangeFrame::Push { .. }
        | RangeFrame::Hello { .. }
        | RangeFrame::ChunkedString(_) => visitor.text(b"no document has this"),
    }
}
