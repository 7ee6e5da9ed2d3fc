//! Types on one line.

use alloc::format;
use alloc::string::ToString as _;

use ubf_codec::Text;

use super::sink::{Full, Sink};
use crate::dialect::ContractDialect;
use crate::model::{
    Annotation, AnnotationForm, Field, IntegerLiteral, Length, Record, Type, TypeKind,
};
use crate::read::is_bare_atom;

/// Writes a type. It recurses as deep as the type is, which the reader limits.
pub(super) fn one_type(
    one: &Type,
    dialect: ContractDialect,
    sink: &mut impl Sink,
) -> Result<(), Full> {
    match &one.kind {
        TypeKind::Reference { name, optional } => {
            atom(name, sink)?;
            sink.put(if *optional { b"()?" } else { b"()" })
        }
        TypeKind::Predefined { predefined, attributes, optional } => {
            sink.put(predefined.name(dialect).as_bytes())?;
            sink.put(format!("({attributes})").as_bytes())?;
            sink.put(if *optional { b"?" } else { b"" })
        }
        TypeKind::Alternatives(types) => separated(types, b" | ", dialect, sink),
        TypeKind::Tuple(types) => {
            sink.put(b"{")?;
            separated(types, b", ", dialect, sink)?;
            sink.put(b"}")
        }
        TypeKind::Record(record) => {
            record_start(record, sink)?;
            for (index, field) in record.fields.iter().enumerate() {
                sink.put(if index == 0 { b"" } else { b", " })?;
                one_field(field, dialect, sink)?;
            }
            sink.put(b"}")
        }
        TypeKind::EmptyList => sink.put(b"[]"),
        TypeKind::List { item, length: count } => {
            sink.put(b"[")?;
            one_type(item, dialect, sink)?;
            sink.put(b"]")?;
            length(count, sink)
        }
        TypeKind::Range { min, max } => {
            min.as_ref().map_or(Ok(()), |min| integer(min, sink))?;
            sink.put(b"..")?;
            max.as_ref().map_or(Ok(()), |max| integer(max, sink))
        }
        TypeKind::Atom(name) => atom(name, sink),
        TypeKind::Integer(value) => integer(value, sink),
        TypeKind::Float(value) => {
            // Without an exponent, which contracts do not have, but always with a point.
            let digits = value.to_string();
            sink.put(digits.as_bytes())?;
            sink.put(if digits.contains('.') { b"" } else { b".0" })
        }
        TypeKind::Binary(bytes) => around(b"<<\"", bytes, b"\">>", sink),
        TypeKind::String(text) => around(b"\"", text.as_bytes(), b"\"", sink),
    }
}

fn separated(
    types: &[Type],
    separator: &[u8],
    dialect: ContractDialect,
    sink: &mut impl Sink,
) -> Result<(), Full> {
    for (index, one) in types.iter().enumerate() {
        sink.put(if index == 0 { b"" } else { separator })?;
        one_type(one, dialect, sink)?;
    }
    Ok(())
}

/// `#name{`
pub(super) fn record_start(record: &Record, sink: &mut impl Sink) -> Result<(), Full> {
    sink.put(if record.extended { b"##" } else { b"#" })?;
    atom(&record.name, sink)?;
    sink.put(b"{")
}

pub(super) fn one_field(
    field: &Field,
    dialect: ContractDialect,
    sink: &mut impl Sink,
) -> Result<(), Full> {
    field_start(field, dialect, sink)?;
    sink.put(means(dialect))?;
    one_type(&field.definition, dialect, sink)
}

/// `name = default`
pub(super) fn field_start(
    field: &Field,
    dialect: ContractDialect,
    sink: &mut impl Sink,
) -> Result<(), Full> {
    atom(&field.name, sink)?;
    if let Some(default) = &field.default {
        sink.put(b" = ")?;
        one_type(default, dialect, sink)?;
    }
    Ok(())
}

/// What stands between a name and what it means.
pub(super) const fn means(dialect: ContractDialect) -> &'static [u8] {
    match dialect {
        ContractDialect::V2 => b" :: ",
        ContractDialect::V1_12 | ContractDialect::V1_16 => b" = ",
    }
}

/// What stands behind the `]` of a list.
pub(super) fn length(length: &Length, sink: &mut impl Sink) -> Result<(), Full> {
    match length {
        Length::Any => Ok(()),
        Length::AtMostOne => sink.put(b"?"),
        Length::AtLeastOne => sink.put(b"+"),
        Length::Exactly(count) => sink.put(format!("{{{}}}", count.value).as_bytes()),
        Length::AtLeast(min) => sink.put(format!("{{{},}}", min.value).as_bytes()),
        Length::AtMost(max) => sink.put(format!("{{,{}}}", max.value).as_bytes()),
        Length::Between(min, max) => {
            sink.put(format!("{{{},{}}}", min.value, max.value).as_bytes())
        }
    }
}

fn integer(literal: &IntegerLiteral, sink: &mut impl Sink) -> Result<(), Full> {
    let IntegerLiteral { value, base } = literal;
    if *base == 10 || !(2..=36).contains(base) {
        return sink.put(value.to_string().as_bytes());
    }
    let digits = value.to_big_int().to_str_radix(u32::from(*base));
    sink.put(format!("{base}#{digits}").as_bytes())
}

pub(super) fn atom(name: &Text, sink: &mut impl Sink) -> Result<(), Full> {
    if is_bare_atom(name.as_bytes()) {
        sink.put(name.as_bytes())
    } else {
        around(b"'", name.as_bytes(), b"'", sink)
    }
}

pub(super) fn annotation(annotation: &Annotation, sink: &mut impl Sink) -> Result<(), Full> {
    let text = annotation.text.as_bytes();
    match annotation.form {
        AnnotationForm::String => around(b"\"", text, b"\"", sink),
        AnnotationForm::Tag => around(b"`", text, b"`", sink),
        AnnotationForm::Binary => around(b"<<\"", text, b"\">>", sink),
    }
}

fn around(open: &[u8], text: &[u8], close: &[u8], sink: &mut impl Sink) -> Result<(), Full> {
    sink.put(open)?;
    sink.put(text)?;
    sink.put(close)
}
