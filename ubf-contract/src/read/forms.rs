//! From tokens to forms: `+NAME`, `+VSN`, `+TYPES`, `+STATE`, `+ANYSTATE`.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::Text;

use super::comments::Comments;
use super::cursor::{Cursor, Parsed, one_of};
use super::token::{Keyword, Symbol, TokenKind};
use super::types::TypeParser;
use crate::diagnostic::Problem;
use crate::dialect::ContractDialect;
use crate::model::{Name, Notes, Outcome, Parts, Rule, RuleKind, State, Type, TypeDef};
use crate::span::Span;

/// What was read, and how much of it can be trusted.
#[derive(Debug, Default)]
pub(super) struct Forms {
    pub(super) parts: Parts,
    /// Forms that there are too many of.
    pub(super) twice: Vec<(Problem, Span)>,
    /// Which forms there are, even if they could not be read.
    pub(super) seen: Seen,
    /// Types that are defined, but not readably.
    pub(super) broken_types: BTreeSet<Text>,
    /// A definition could not even be named: which types are missing is not known.
    pub(super) types_lost: bool,
    /// States that are there, but not readably.
    pub(super) states: BTreeSet<Text>,
    /// A state could not even be named.
    pub(super) states_lost: bool,
    /// There is a form of which nothing is known.
    pub(super) unknown_form: bool,
}

/// Which forms have been seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) name: bool,
    pub(super) vsn: bool,
    pub(super) types: bool,
    pub(super) state: bool,
    pub(super) any_state: bool,
}

pub(super) struct FormParser<'t, 'c> {
    pub(super) cursor: &'c mut Cursor<'t>,
    pub(super) comments: &'c mut Comments<'t>,
    pub(super) types: TypeParser,
    pub(super) forms: Forms,
}

impl FormParser<'_, '_> {
    /// Reads all forms.
    pub(super) fn parse(mut self) -> Forms {
        while !self.cursor.is_at_end() {
            if self.form().is_err() {
                while self.cursor.recover() {}
            }
        }
        self.forms.parts.closing = self.comments.rest();
        self.forms
    }

    fn form(&mut self) -> Parsed<()> {
        let start = self.cursor.at();
        let span = self.cursor.span();
        let expected = "'+' and the word for a form";
        self.cursor
            .symbol(Symbol::Plus, expected)
            .inspect_err(|_| self.forms.unknown_form = true)?;
        let Some(TokenKind::Keyword(keyword)) = self.cursor.peek() else {
            self.forms.unknown_form = true;
            return Err(self.cursor.unexpected("NAME, VSN, TYPES, STATE or ANYSTATE"));
        };
        let seen = &mut self.forms.seen;
        let (twice, form) = match keyword {
            Keyword::Name => (core::mem::replace(&mut seen.name, true), "+NAME"),
            Keyword::Vsn => (core::mem::replace(&mut seen.vsn, true), "+VSN"),
            Keyword::Types => (core::mem::replace(&mut seen.types, true), "+TYPES"),
            Keyword::AnyState => (core::mem::replace(&mut seen.any_state, true), "+ANYSTATE"),
            Keyword::State => {
                seen.state = true;
                (false, "+STATE")
            }
            Keyword::Event => {
                self.forms.unknown_form = true;
                return Err(self.cursor.unexpected("NAME, VSN, TYPES, STATE or ANYSTATE"));
            }
        };
        self.cursor.skip();
        if twice {
            self.forms.twice.push((Problem::FormTwice(form), span.to(self.cursor.last_span())));
        }
        match keyword {
            Keyword::Name => {
                let name = self.name(start)?;
                self.forms.parts.name.get_or_insert(name);
            }
            Keyword::Vsn => {
                let vsn = self.name(start)?;
                self.forms.parts.vsn.get_or_insert(vsn);
            }
            Keyword::Types => self.type_defs(start, twice),
            Keyword::AnyState => self.any_state(start, twice),
            Keyword::State | Keyword::Event => self.state(start)?,
        }
        Ok(())
    }

    /// The rest of `+NAME` and `+VSN`.
    fn name(&mut self, start: usize) -> Parsed<Name> {
        self.cursor.symbol(Symbol::OpenParen, "'('")?;
        let span = self.cursor.span();
        let Some(TokenKind::String(text)) = self.cursor.peek() else {
            return Err(self.cursor.unexpected("a string"));
        };
        self.cursor.skip();
        self.cursor.symbol(Symbol::CloseParen, "')'")?;
        self.dot(&[])?;
        let notes = self.notes(start);
        Ok(Name { text: Text::from(*text), span, notes })
    }

    /// The full stop, or else what `others` would be possible there.
    fn dot(&mut self, others: &[&str]) -> Parsed<()> {
        if self.cursor.peek() == Some(&TokenKind::Dot) {
            self.cursor.skip();
            return Ok(());
        }
        let expected: Vec<&str> = others.iter().copied().chain(["'.'"]).collect();
        Err(self.cursor.unexpected(&one_of(&expected)))
    }

    /// What stands around the thing whose tokens begin at `first` and end before the next one.
    fn notes(&mut self, first: usize) -> Notes {
        let blank_before = self.cursor.token(first).is_some_and(|token| token.blank_before);
        self.comments.around(first, self.cursor.at(), blank_before)
    }

    fn type_defs(&mut self, start: usize, twice: bool) {
        let notes = self.comments.before(start, self.cursor.token(start));
        if !twice {
            self.forms.parts.types_notes = notes;
        }
        loop {
            let first = self.cursor.at();
            let definition = self.type_def();
            let is_last = definition.is_ok() && self.is_after_dot();
            match definition {
                Ok(definition) => {
                    let notes = self.notes(first);
                    self.forms.parts.types.push(TypeDef { notes, ..definition });
                    if is_last {
                        return;
                    }
                }
                Err(_) => {
                    match self.cursor.token(first).map(|token| &token.kind) {
                        Some(TokenKind::Atom(name)) => {
                            self.forms.broken_types.insert(Text::from(*name));
                        }
                        _ => self.forms.types_lost = true,
                    }
                    if !self.cursor.recover() {
                        return;
                    }
                }
            }
        }
    }

    fn is_after_dot(&self) -> bool {
        let last = self.cursor.at().checked_sub(1).and_then(|last| self.cursor.token(last));
        last.is_some_and(|token| token.kind == TokenKind::Dot)
    }

    /// `name() :: type "annotation"` with the `;` or `.` behind it.
    fn type_def(&mut self) -> Parsed<TypeDef> {
        let (name, name_span) = self.cursor.atom("the name of a type")?;
        self.cursor.symbol(Symbol::OpenParen, "'('")?;
        self.cursor.symbol(Symbol::CloseParen, "')'")?;
        if self.types.dialect == ContractDialect::V2 {
            self.cursor.symbol(Symbol::Means, "'::'")?;
        } else {
            self.cursor.symbol(Symbol::Equals, "'='")?;
        }
        let definition = self.types.parse(self.cursor, 0)?;
        let annotation = self.types.annotation(self.cursor);
        if !self.cursor.take_if(Symbol::Semicolon) {
            let others =
                if annotation.is_some() { &["';'"][..] } else { &["'|'", "an annotation", "';'"] };
            self.dot(others)?;
        }
        Ok(TypeDef { name, name_span, definition, annotation, notes: Notes::default() })
    }

    fn state(&mut self, start: usize) -> Parsed<()> {
        let notes = self.comments.before(start, self.cursor.token(start));
        let named = self.cursor.atom("the name of a state");
        let (name, name_span) = named.inspect_err(|_| self.forms.states_lost = true)?;
        self.forms.states.insert(name.clone());
        let rules = self.rules(false);
        self.forms.parts.states.push(State { name, name_span, rules, notes });
        Ok(())
    }

    fn any_state(&mut self, start: usize, twice: bool) {
        let notes = self.comments.before(start, self.cursor.token(start));
        let rules = self.rules(true);
        if !twice {
            self.forms.parts.any_state_notes = notes;
            self.forms.parts.any_state = rules;
        }
    }

    /// The rules up to the full stop. One that cannot be read is left out.
    fn rules(&mut self, any_state: bool) -> Vec<Rule> {
        let mut rules = Vec::new();
        loop {
            let first = self.cursor.at();
            match self.rule(any_state) {
                Ok(rule) => {
                    let is_last = self.is_after_dot();
                    let notes = self.notes(first);
                    rules.push(Rule { notes, ..rule });
                    if is_last {
                        return rules;
                    }
                }
                Err(_) => {
                    if !self.cursor.recover() {
                        return rules;
                    }
                }
            }
        }
    }

    fn rule(&mut self, any_state: bool) -> Parsed<Rule> {
        let start = self.cursor.span();
        let may_be_event = !(any_state && self.types.dialect == ContractDialect::V1_12);
        let is_event = self.cursor.peek() == Some(&TokenKind::Keyword(Keyword::Event));
        let kind = if may_be_event && is_event {
            self.cursor.skip();
            self.event()?
        } else if matches!(self.cursor.peek(), Some(TokenKind::Atom(_))) {
            self.call(any_state)?
        } else {
            let expected = ["the name of a type", "EVENT"];
            let count = if may_be_event { 2 } else { 1 };
            return Err(self.cursor.unexpected(&one_of(expected.get(..count).unwrap_or_default())));
        };
        let span = self.cursor.span_since(start);
        if !self.cursor.take_if(Symbol::Semicolon) {
            let is_call = matches!(kind, RuleKind::Call { .. });
            self.dot(if is_call && !any_state { &["'|'", "';'"] } else { &["';'"] })?;
        }
        Ok(Rule { kind, span, notes: Notes::default() })
    }

    /// The rest of `EVENT`.
    fn event(&mut self) -> Parsed<RuleKind> {
        if self.cursor.take_if(Symbol::To) {
            return Ok(RuleKind::EventOut(self.types.type_name(self.cursor)?));
        }
        if self.types.dialect == ContractDialect::V1_12 {
            return Err(self.cursor.unexpected("'=>'"));
        }
        self.cursor.symbol(Symbol::From, "'=>' or '<='")?;
        Ok(RuleKind::EventIn(self.types.type_name(self.cursor)?))
    }

    fn call(&mut self, any_state: bool) -> Parsed<RuleKind> {
        let request = self.types.type_name(self.cursor)?;
        self.cursor.symbol(Symbol::To, "'=>'")?;
        if any_state {
            let response = self.types.type_name(self.cursor)?;
            let outcome = Outcome { response, next: None, next_span: Span::default() };
            return Ok(RuleKind::Call { request, outcomes: vec![outcome] });
        }
        let mut outcomes = Vec::new();
        loop {
            outcomes.push(self.outcome()?);
            if !self.cursor.take_if(Symbol::Bar) {
                return Ok(RuleKind::Call { request, outcomes });
            }
        }
    }

    fn outcome(&mut self) -> Parsed<Outcome> {
        let response: Type = self.types.type_name(self.cursor)?;
        self.cursor.symbol(Symbol::Ampersand, "'&' and the next state")?;
        let (next, next_span) = self.cursor.atom("the next state")?;
        Ok(Outcome { response, next: Some(next), next_span })
    }
}

impl Forms {
    /// Which of the forms that there have to be are not there.
    pub(super) fn missing(&self, dialect: ContractDialect) -> Vec<Problem> {
        let old = dialect == ContractDialect::V1_12;
        [
            (self.seen.name, "+NAME"),
            (self.seen.vsn, "+VSN"),
            (self.seen.types || !old, "+TYPES"),
            (self.seen.state || !old, "+STATE"),
            (self.seen.any_state || !old, "+ANYSTATE"),
        ]
        .into_iter()
        .filter_map(|(seen, form)| (!seen).then_some(Problem::FormMissing(form)))
        .collect()
    }
}
