//! Erlang's external term format, as `term_to_binary` writes it: the same terms as in UBF, text
//! being binaries, as is the custom.

use eetf::Term as Eetf;
use erltf::BorrowedTerm;

use super::Visitor;
use crate::data::Value;

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// As binaries, which readers can borrow.
    Binaries,
    /// As Erlang's strings, where that is possible: two bytes less.
    Strings,
}

/// The value in the format, with its version byte.
#[must_use]
pub fn encode(value: &Value, text: Text) -> Vec<u8> {
    let mut bytes = vec![131];
    write(value, text, &mut bytes);
    bytes
}

fn write(value: &Value, text: Text, out: &mut Vec<u8>) {
    match value {
        Value::Null => atom("undefined", out),
        Value::Bool(value) => atom(if *value { "true" } else { "false" }, out),
        Value::Integer(value) => integer(*value, out),
        Value::Float(value) => {
            out.push(70);
            out.extend(value.to_be_bytes());
        }
        Value::Name(name) => atom(name, out),
        Value::Text(string)
            if text == Text::Strings && string.is_ascii() && string.len() <= 0xFFFF =>
        {
            out.push(107);
            out.extend(length(string.len()).to_be_bytes().iter().skip(2));
            out.extend(string.as_bytes());
        }
        Value::Text(string) => binary(string.as_bytes(), out),
        Value::Bytes(bytes) => binary(bytes, out),
        Value::Tuple(values) => {
            tuple_head(values.len(), out);
            values.iter().for_each(|value| write(value, text, out));
        }
        Value::List(values) => {
            list(values.len(), out, |out| values.iter().for_each(|value| write(value, text, out)));
        }
        Value::Record(fields) => list(fields.len(), out, |out| {
            for (name, value) in fields {
                tuple_head(2, out);
                atom(name, out);
                write(value, text, out);
            }
        }),
    }
}

fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn atom(name: &str, out: &mut Vec<u8>) {
    out.extend([119, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    out.extend(name.as_bytes());
}

fn binary(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(109);
    out.extend(length(bytes.len()).to_be_bytes());
    out.extend(bytes);
}

fn integer(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = u8::try_from(value) {
        out.extend([97, value]);
    } else if let Ok(value) = i32::try_from(value) {
        out.push(98);
        out.extend(value.to_be_bytes());
    } else {
        let magnitude = value.unsigned_abs().to_le_bytes();
        let count = magnitude.iter().rposition(|&byte| byte != 0).map_or(0, |place| place + 1);
        out.extend([110, u8::try_from(count).unwrap_or_default(), u8::from(value < 0)]);
        out.extend(magnitude.iter().take(count));
    }
}

fn tuple_head(count: usize, out: &mut Vec<u8>) {
    match u8::try_from(count) {
        Ok(count) => out.extend([104, count]),
        Err(_) => {
            out.push(105);
            out.extend(length(count).to_be_bytes());
        }
    }
}

fn list(count: usize, out: &mut Vec<u8>, write_elements: impl FnOnce(&mut Vec<u8>)) {
    if count > 0 {
        out.push(108);
        out.extend(length(count).to_be_bytes());
        write_elements(out);
    }
    out.push(106);
}

/// Shows the visitor every value of `erltf`.
pub fn visit(term: &BorrowedTerm<'_>, visitor: &mut impl Visitor) {
    match term {
        BorrowedTerm::Atom(name) if name == "undefined" => visitor.null(),
        BorrowedTerm::Atom(text) | BorrowedTerm::String(text) => visitor.text(text.as_bytes()),
        BorrowedTerm::Integer(value) => visitor.integer(*value),
        BorrowedTerm::Float(value) => visitor.float(*value),
        BorrowedTerm::Binary(bytes) => visitor.text(bytes),
        BorrowedTerm::List(terms) | BorrowedTerm::Tuple(terms) => {
            terms.iter().for_each(|term| visit(term, visitor));
        }
        BorrowedTerm::BigInt(value) => {
            // No document has integers beyond 64 bits.
            let magnitude =
                value.digits.iter().rev().fold(0, |sum: i64, &digit| (sum << 8) | i64::from(digit));
            visitor.integer(if value.sign.is_negative() { -magnitude } else { magnitude });
        }
        BorrowedTerm::Nil => {}
        BorrowedTerm::Pid(_)
        | BorrowedTerm::Port(_)
        | BorrowedTerm::Reference(_)
        | BorrowedTerm::BitBinary { .. }
        | BorrowedTerm::ImproperList { .. }
        | BorrowedTerm::Map(_)
        | BorrowedTerm::ExternalFun(_)
        | BorrowedTerm::InternalFun(_) => visitor.text(b"no document has this"),
    }
}

/// Shows the visitor every value of `eetf`.
pub fn visit_eetf(term: &Eetf, visitor: &mut impl Visitor) {
    match term {
        Eetf::Atom(atom) if atom.name == "undefined" => visitor.null(),
        Eetf::Atom(atom) => visitor.text(atom.name.as_bytes()),
        Eetf::FixInteger(integer) => visitor.integer(integer.value.into()),
        Eetf::BigInteger(integer) => {
            // No document has integers beyond 64 bits.
            visitor.integer(integer.value.to_string().parse().unwrap_or_default());
        }
        Eetf::Float(float) => visitor.float(float.value),
        Eetf::Binary(binary) => visitor.text(&binary.bytes),
        Eetf::ByteList(list) => visitor.text(&list.bytes),
        Eetf::List(list) => list.elements.iter().for_each(|term| visit_eetf(term, visitor)),
        Eetf::Tuple(tuple) => tuple.elements.iter().for_each(|term| visit_eetf(term, visitor)),
        Eetf::Pid(_)
        | Eetf::Port(_)
        | Eetf::Reference(_)
        | Eetf::ExternalFun(_)
        | Eetf::InternalFun(_)
        | Eetf::BitBinary(_)
        | Eetf::ImproperList(_)
        | Eetf::Map(_) => visitor.text(b"no document has this"),
    }
}
