//! Types over several lines, where one is too short.

use super::flat;
use super::sink::{Full, Room, Sink};
use crate::dialect::ContractDialect;
use crate::model::{Field, Type, TypeKind};

/// The longest line, if there is a way to break it.
pub(super) const MAX_WIDTH: usize = 100;

/// Writes types that begin at some column, and breaks what does not fit.
pub(super) struct Layout<'s, S> {
    pub(super) sink: &'s mut S,
    pub(super) dialect: ContractDialect,
}

impl<S: Sink> Layout<'_, S> {
    /// Writes a type on a line that is indented by `indent` and has `used` bytes already; `after`
    /// bytes follow the type on its last line. Alternatives that do not fit want to be at the start
    /// of a line.
    pub(super) fn one_type(
        &mut self,
        one: &Type,
        indent: usize,
        used: usize,
        after: usize,
    ) -> Result<(), Full> {
        let room = MAX_WIDTH.saturating_sub(used + after);
        if flat::one_type(one, self.dialect, &mut Room(room)).is_ok() {
            return flat::one_type(one, self.dialect, self.sink);
        }
        match &one.kind {
            TypeKind::Alternatives(types) => {
                for (index, one) in types.iter().enumerate() {
                    if index > 0 {
                        self.line(indent)?;
                    }
                    self.sink.put(if index == 0 { b"  " } else { b"| " })?;
                    self.one_type(one, indent + 2, indent + 2, after)?;
                }
                Ok(())
            }
            TypeKind::Tuple(types) if !types.is_empty() => {
                self.sink.put(b"{")?;
                for (index, one) in types.iter().enumerate() {
                    self.sink.put(if index == 0 { b"" } else { b"," })?;
                    self.line(indent + 2)?;
                    self.one_type(one, indent + 2, indent + 2, 1)?;
                }
                self.line(indent)?;
                self.sink.put(b"}")
            }
            TypeKind::Record(record) if !record.fields.is_empty() => {
                flat::record_start(record, self.sink)?;
                for (index, field) in record.fields.iter().enumerate() {
                    self.sink.put(if index == 0 { b"" } else { b"," })?;
                    self.line(indent + 2)?;
                    self.field(field, indent + 2)?;
                }
                self.line(indent)?;
                self.sink.put(b"}")
            }
            TypeKind::List { item, length } => {
                self.sink.put(b"[")?;
                self.line(indent + 2)?;
                self.one_type(item, indent + 2, indent + 2, 0)?;
                self.line(indent)?;
                self.sink.put(b"]")?;
                flat::length(length, self.sink)
            }
            TypeKind::Reference { .. }
            | TypeKind::Predefined { .. }
            | TypeKind::Tuple(_)
            | TypeKind::Record(_)
            | TypeKind::EmptyList
            | TypeKind::Range { .. }
            | TypeKind::Atom(_)
            | TypeKind::Integer(_)
            | TypeKind::Float(_)
            | TypeKind::Binary(_)
            | TypeKind::String(_) => flat::one_type(one, self.dialect, self.sink),
        }
    }

    fn field(&mut self, field: &Field, indent: usize) -> Result<(), Full> {
        let room = MAX_WIDTH.saturating_sub(indent + 1);
        if flat::one_field(field, self.dialect, &mut Room(room)).is_ok() {
            return flat::one_field(field, self.dialect, self.sink);
        }
        flat::field_start(field, self.dialect, self.sink)?;
        self.sink.put(flat::means(self.dialect).trim_ascii_end())?;
        self.line(indent + 4)?;
        self.one_type(&field.definition, indent + 4, indent + 4, 1)
    }

    /// Begins a line.
    pub(super) fn line(&mut self, indent: usize) -> Result<(), Full> {
        self.sink.put(b"\n")?;
        (0..indent).try_for_each(|_| self.sink.put(b" "))
    }
}
