//! From tokens to types.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use ubf_codec::Text;

use super::cursor::{Cursor, Parsed, Reported};
use super::token::{Symbol, TokenKind};
use crate::diagnostic::{AttributeProblem, Problem};
use crate::dialect::ContractDialect;
use crate::limits::ContractLimits;
use crate::model::{
    Annotation, AnnotationForm, Count, Field, IntegerLiteral, Length, Record, Type, TypeKind,
};
use crate::predefined::{Attributes, Predefined};
use crate::span::Span;

/// What the parser of types has to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeParser {
    pub(super) dialect: ContractDialect,
    pub(super) limits: ContractLimits,
}

const A_TYPE: &str = "a type";

impl TypeParser {
    const fn is_1_12(self) -> bool {
        matches!(self.dialect, ContractDialect::V1_12)
    }

    /// `a | b`; `depth` is how many types are open around it.
    pub(super) fn parse(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<Type> {
        let start = cursor.span();
        let first = self.alternative(cursor, depth)?;
        if cursor.peek() != Some(&TokenKind::Symbol(Symbol::Bar)) {
            return Ok(first);
        }
        let mut alternatives = vec![first];
        while cursor.take_if(Symbol::Bar) {
            alternatives.push(self.alternative(cursor, depth)?);
        }
        Ok(Type { kind: TypeKind::Alternatives(alternatives), span: cursor.span_since(start) })
    }

    fn alternative(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<Type> {
        let start = cursor.span();
        let Some(token) = cursor.peek() else { return Err(cursor.unexpected(A_TYPE)) };
        let kind = match token {
            TokenKind::Atom(name) => {
                cursor.skip();
                if cursor.take_if(Symbol::OpenParen) {
                    self.call(cursor, Text::from(*name), start)?
                } else {
                    TypeKind::Atom(Text::from(*name))
                }
            }
            TokenKind::Integer(value) => {
                cursor.skip();
                if !self.is_1_12() && cursor.take_if(Symbol::Range) {
                    TypeKind::Range { min: Some(value.clone()), max: optional_integer(cursor) }
                } else {
                    TypeKind::Integer(value.clone())
                }
            }
            TokenKind::Symbol(Symbol::Range) => {
                cursor.skip();
                match optional_integer(cursor) {
                    Some(max) => TypeKind::Range { min: None, max: Some(max) },
                    None => return Err(cursor.unexpected("an integer after '..'")),
                }
            }
            TokenKind::Float(value) => {
                cursor.skip();
                TypeKind::Float(*value)
            }
            TokenKind::Binary(bytes) => {
                cursor.skip();
                TypeKind::Binary(Bytes::copy_from_slice(bytes))
            }
            TokenKind::String(text) => {
                cursor.skip();
                TypeKind::String(Text::from(*text))
            }
            TokenKind::Symbol(Symbol::OpenTuple) => {
                let depth = self.open(cursor, depth)?;
                TypeKind::Tuple(self.tuple(cursor, depth)?)
            }
            TokenKind::Symbol(Symbol::OpenList) => {
                let depth = self.open(cursor, depth)?;
                self.list(cursor, depth)?
            }
            TokenKind::Symbol(symbol @ (Symbol::Record | Symbol::ExtendedRecord)) => {
                let depth = self.open(cursor, depth)?;
                let extended = *symbol == Symbol::ExtendedRecord;
                TypeKind::Record(self.record(cursor, extended, depth)?)
            }
            TokenKind::Tag(_)
            | TokenKind::Keyword(_)
            | TokenKind::Symbol(_)
            | TokenKind::Dot
            | TokenKind::Bad => return Err(cursor.unexpected(A_TYPE)),
        };
        Ok(Type { kind, span: cursor.span_since(start) })
    }

    /// Takes the bracket that opens a type, if it may be opened at that depth.
    fn open(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<u32> {
        let max = self.limits.depth();
        if depth >= max {
            return Err(cursor.report(Problem::TooDeep(max), cursor.span()));
        }
        cursor.skip();
        Ok(depth + 1)
    }

    /// The rest of `name(`: attributes, `)` or `)?`.
    fn call(self, cursor: &mut Cursor<'_>, name: Text, start: Span) -> Parsed<TypeKind> {
        let predefined = Predefined::named(self.dialect, name.as_bytes());
        let mut attributes = Attributes::default();
        if !self.is_1_12()
            && let Some(TokenKind::Atom(_)) = cursor.peek()
        {
            loop {
                let (attribute, span) = cursor.atom("an attribute")?;
                match attribute_of(predefined, attributes, &attribute) {
                    Ok(found) => attributes = attributes.with(found),
                    Err(why) => {
                        cursor.report(Problem::Attribute { name: attribute, why }, span);
                    }
                }
                if !cursor.take_if(Symbol::Comma) {
                    break;
                }
            }
            cursor.symbol(Symbol::CloseParen, "',' or ')'")?;
        } else {
            let expected =
                if self.is_1_12() || predefined.is_none() { "')'" } else { "an attribute or ')'" };
            cursor.symbol(Symbol::CloseParen, expected)?;
        }
        let optional = !self.is_1_12() && cursor.take_if(Symbol::Question);
        debug_assert!(cursor.last_span().end >= start.end, "the cursor goes forwards");
        Ok(match predefined {
            Some(predefined) => TypeKind::Predefined { predefined, attributes, optional },
            None => TypeKind::Reference { name, optional },
        })
    }

    /// `name()` in a rule, where neither attributes nor `?` are allowed.
    pub(super) fn type_name(self, cursor: &mut Cursor<'_>) -> Parsed<Type> {
        let (name, start) = cursor.atom("the name of a type")?;
        cursor.symbol(Symbol::OpenParen, "'('")?;
        cursor.symbol(Symbol::CloseParen, "')'")?;
        let kind = match Predefined::named(self.dialect, name.as_bytes()) {
            Some(predefined) => TypeKind::Predefined {
                predefined,
                attributes: Attributes::default(),
                optional: false,
            },
            None => TypeKind::Reference { name, optional: false },
        };
        Ok(Type { kind, span: cursor.span_since(start) })
    }

    /// The rest of `{`.
    fn tuple(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<Vec<Type>> {
        let mut elements = Vec::new();
        if !self.is_1_12() && cursor.take_if(Symbol::CloseTuple) {
            return Ok(elements);
        }
        loop {
            elements.push(self.parse(cursor, depth)?);
            if cursor.take_if(Symbol::CloseTuple) {
                return Ok(elements);
            }
            cursor.symbol(Symbol::Comma, "'|', ',' or '}'")?;
        }
    }

    /// The rest of `[`.
    fn list(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<TypeKind> {
        if !self.is_1_12() && cursor.take_if(Symbol::CloseList) {
            return Ok(TypeKind::EmptyList);
        }
        let item = Box::new(self.parse(cursor, depth)?);
        cursor.symbol(Symbol::CloseList, "'|' or ']'")?;
        let length = if self.is_1_12() {
            Length::Any
        } else if cursor.take_if(Symbol::Question) {
            Length::AtMostOne
        } else if !cursor.is_at_form() && cursor.take_if(Symbol::Plus) {
            Length::AtLeastOne
        } else if cursor.take_if(Symbol::OpenTuple) {
            self.counted(cursor)?
        } else {
            Length::Any
        };
        Ok(TypeKind::List { item, length })
    }

    /// The rest of `[t]{`.
    fn counted(self, cursor: &mut Cursor<'_>) -> Parsed<Length> {
        if self.dialect == ContractDialect::V2 && cursor.take_if(Symbol::Comma) {
            let max = count(cursor)?.ok_or_else(|| cursor.unexpected("an integer"))?;
            cursor.symbol(Symbol::CloseTuple, "'}'")?;
            return Ok(Length::AtMost(max));
        }
        let Some(min) = count(cursor)? else {
            let or_comma = self.dialect == ContractDialect::V2;
            return Err(cursor.unexpected(if or_comma {
                "an integer or ','"
            } else {
                "an integer"
            }));
        };
        let length = if cursor.take_if(Symbol::Comma) {
            match count(cursor)? {
                Some(max) => Length::Between(min, max),
                None => Length::AtLeast(min),
            }
        } else {
            Length::Exactly(min)
        };
        cursor.symbol(Symbol::CloseTuple, "'}'")?;
        Ok(length)
    }

    /// The rest of `#` or `##`.
    fn record(self, cursor: &mut Cursor<'_>, extended: bool, depth: u32) -> Parsed<Record> {
        let (name, _) = cursor.atom("the record's name")?;
        cursor.symbol(Symbol::OpenTuple, "'{'")?;
        let mut fields: Vec<Field> = Vec::new();
        let mut names = BTreeSet::new();
        if cursor.take_if(Symbol::CloseTuple) {
            return Ok(Record { name, fields, extended });
        }
        loop {
            let field = self.field(cursor, depth)?;
            if !names.insert(field.name.clone()) {
                cursor.report(Problem::FieldTwice(field.name.clone()), field.name_span);
            }
            fields.push(field);
            if cursor.take_if(Symbol::CloseTuple) {
                return Ok(Record { name, fields, extended });
            }
            cursor.symbol(Symbol::Comma, "'|', ',' or '}'")?;
        }
    }

    fn field(self, cursor: &mut Cursor<'_>, depth: u32) -> Parsed<Field> {
        let (name, name_span) = cursor.atom("a field's name")?;
        if self.dialect != ContractDialect::V2 {
            cursor.symbol(Symbol::Equals, "'='")?;
            let definition = self.parse(cursor, depth)?;
            return Ok(Field { name, name_span, default: None, definition });
        }
        let default = if cursor.take_if(Symbol::Equals) {
            let default = self.parse(cursor, depth)?;
            cursor.symbol(Symbol::Means, "'::'")?;
            Some(default)
        } else {
            cursor.symbol(Symbol::Means, "'=' or '::'")?;
            None
        };
        Ok(Field { name, name_span, default, definition: self.parse(cursor, depth)? })
    }

    /// The text behind a definition, if there is one.
    pub(super) fn annotation(self, cursor: &mut Cursor<'_>) -> Option<Annotation> {
        let (text, form) = match cursor.peek()? {
            TokenKind::String(text) => (text, AnnotationForm::String),
            TokenKind::Tag(text) => (text, AnnotationForm::Tag),
            TokenKind::Binary(text) => (text, AnnotationForm::Binary),
            TokenKind::Atom(_)
            | TokenKind::Integer(_)
            | TokenKind::Float(_)
            | TokenKind::Keyword(_)
            | TokenKind::Symbol(_)
            | TokenKind::Dot
            | TokenKind::Bad => return None,
        };
        cursor.skip();
        Some(Annotation { text: Text::from(*text), form })
    }
}

fn attribute_of(
    predefined: Option<Predefined>,
    others: Attributes,
    name: &Text,
) -> Result<Attributes, AttributeProblem> {
    let predefined = predefined.ok_or(AttributeProblem::NotPredefined)?;
    let attribute = Attributes::named(name.as_bytes()).ok_or(AttributeProblem::Unknown)?;
    if !predefined.allowed().has(attribute) {
        return Err(AttributeProblem::NotOfThisType);
    }
    if others.with(attribute).has(Attributes::ASCII.with(Attributes::ASCIIPRINTABLE)) {
        return Err(AttributeProblem::BothAscii);
    }
    Ok(attribute)
}

fn optional_integer(cursor: &mut Cursor<'_>) -> Option<IntegerLiteral> {
    let Some(TokenKind::Integer(value)) = cursor.peek() else { return None };
    cursor.skip();
    Some(value.clone())
}

fn count(cursor: &mut Cursor<'_>) -> Result<Option<Count>, Reported> {
    let value = optional_integer(cursor);
    Ok(value.map(|literal| Count { value: literal.value, line: cursor.last_line() }))
}
