//! The tokens of UBF(B).

use crate::dialect::ContractDialect;
use crate::model::IntegerLiteral;
use crate::span::Span;

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: TokenKind<'t>,
    pub(super) span: Span,
    /// An empty line stands before it.
    pub(super) blank_before: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind<'t> {
    Atom(&'t [u8]),
    Integer(IntegerLiteral),
    Float(f64),
    String(&'t [u8]),
    Binary(&'t [u8]),
    Tag(&'t [u8]),
    Keyword(Keyword),
    Symbol(Symbol),
    /// The full stop at the end of a form.
    Dot,
    /// Something that is no token, and that has been reported.
    Bad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Name,
    Vsn,
    Types,
    State,
    AnyState,
    Event,
}

impl Keyword {
    pub(super) const ALL: [(&'static [u8], Self); 6] = [
        (b"NAME", Self::Name),
        (b"VSN", Self::Vsn),
        (b"TYPES", Self::Types),
        (b"STATE", Self::State),
        (b"ANYSTATE", Self::AnyState),
        (b"EVENT", Self::Event),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    /// `=>`
    To,
    /// `<=`
    From,
    /// `..`
    Range,
    /// `##`
    ExtendedRecord,
    /// `::`
    Means,
    Semicolon,
    Ampersand,
    Comma,
    Equals,
    Plus,
    OpenParen,
    CloseParen,
    OpenList,
    CloseList,
    Bar,
    Less,
    Greater,
    OpenTuple,
    CloseTuple,
    Record,
    Question,
}

/// All symbols, the longer ones first, and which of the dialects have them: 1.12, 1.16, 2.x.
const SYMBOLS: [(&[u8], Symbol, [bool; 3]); 21] = [
    (b"=>", Symbol::To, [true, true, true]),
    (b"<=", Symbol::From, [false, true, true]),
    (b"..", Symbol::Range, [false, true, true]),
    (b"##", Symbol::ExtendedRecord, [false, true, true]),
    (b"::", Symbol::Means, [false, false, true]),
    (b";", Symbol::Semicolon, [true, true, true]),
    (b"&", Symbol::Ampersand, [true, true, true]),
    (b",", Symbol::Comma, [true, true, true]),
    (b"=", Symbol::Equals, [true, true, true]),
    (b"+", Symbol::Plus, [true, true, true]),
    (b"(", Symbol::OpenParen, [true, true, true]),
    (b")", Symbol::CloseParen, [true, true, true]),
    (b"[", Symbol::OpenList, [true, true, true]),
    (b"]", Symbol::CloseList, [true, true, true]),
    (b"|", Symbol::Bar, [true, true, true]),
    (b"<", Symbol::Less, [true, true, true]),
    (b">", Symbol::Greater, [true, true, true]),
    (b"{", Symbol::OpenTuple, [true, true, true]),
    (b"}", Symbol::CloseTuple, [true, true, true]),
    (b"#", Symbol::Record, [false, true, true]),
    (b"?", Symbol::Question, [false, true, true]),
];

impl Symbol {
    /// The symbol with which the text begins, and its length.
    pub(super) fn at_start(text: &[u8], dialect: ContractDialect) -> Option<(Self, usize)> {
        SYMBOLS.iter().find_map(|(spelling, symbol, dialects)| {
            let has = dialects.get(dialect as usize).copied().unwrap_or_default();
            (has && text.starts_with(spelling)).then_some((*symbol, spelling.len()))
        })
    }
}
