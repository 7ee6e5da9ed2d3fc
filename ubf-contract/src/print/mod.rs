//! From contract to text: canonical, with all comments.

mod flat;
mod layout;
mod sink;

use alloc::vec::Vec;
use core::fmt;

use ubf_codec::Text;

use self::layout::{Layout, MAX_WIDTH};
use self::sink::{Full, Latin1, Room, Sink as _};
use crate::dialect::ContractDialect;
use crate::model::{
    Comment, Contract, Name, Notes, Outcome, Rule, RuleKind, Type, TypeDef, TypeKind,
};

impl Contract {
    /// The contract as text in its dialect, in the one form that all contracts of this meaning and
    /// with these comments have: names, types, states and ANYSTATE in this order, a line for each
    /// type and rule, lines of at most 100 bytes where they can be broken.
    ///
    /// Comments and annotations are kept; a comment in the middle of a type or a rule moves before
    /// it. To print what was printed changes nothing.
    ///
    /// ```
    /// use ubf_contract::Reader;
    ///
    /// let text = "+VSN(\"1\"). % first
    /// +NAME(\"m\"). +TYPES a()::{a,% why
    /// 16#ff ..} `an annotation` . +ANYSTATE a()=>a().";
    /// let printed = Reader::new().read(text)?.print();
    /// assert_eq!(str::from_utf8(&printed)?, "\
    /// +NAME(\"m\").
    /// +VSN(\"1\"). % first
    ///
    /// +TYPES
    ///   % why
    ///   a() :: {a, 16#ff..} `an annotation`.
    ///
    /// +ANYSTATE
    ///   a() => a().
    /// ");
    /// assert_eq!(Reader::new().read(&printed)?.print(), printed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The bytes are those of a file: Latin-1, or whatever the names and strings are.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut printer = Printer { text: Vec::new(), dialect: self.dialect() };
        match printer.contract(self) {
            // A vector is never full.
            Ok(()) | Err(Full) => printer.text,
        }
    }
}

impl Type {
    /// The type on one line, for people.
    ///
    /// ```
    /// use ubf_contract::{ContractDialect, Reader};
    ///
    /// let contract = Reader::new().read("+NAME(\"m\"). +VSN(\"1\"). +TYPES a()::[ 1|'b c'()]+ .");
    /// let shown = contract.unwrap_err().to_string();
    /// assert_eq!(shown, "1:40: type b c() is not defined");
    ///
    /// let contract = Reader::new().read("+NAME(\"m\"). +VSN(\"1\"). +TYPES a()::[ 1|'b c']+ .")?;
    /// let definition = &contract.types()[0].definition;
    /// assert_eq!(definition.display(ContractDialect::V2).to_string(), "[1 | 'b c']+");
    /// # Ok::<(), ubf_contract::ReadError>(())
    /// ```
    pub fn display(&self, dialect: ContractDialect) -> impl fmt::Display + '_ {
        Displayed { one: self, dialect }
    }

    /// The same, if it takes at most so many bytes.
    pub(crate) fn fits(&self, dialect: ContractDialect, bytes: usize) -> bool {
        flat::one_type(self, dialect, &mut Room(bytes)).is_ok()
    }
}

struct Displayed<'t> {
    one: &'t Type,
    dialect: ContractDialect,
}

impl fmt::Display for Displayed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        flat::one_type(self.one, self.dialect, &mut Latin1(f)).map_err(|Full| fmt::Error)
    }
}

struct Printer {
    text: Vec<u8>,
    dialect: ContractDialect,
}

impl Printer {
    fn contract(&mut self, contract: &Contract) -> Result<(), Full> {
        let parts = contract.parts();
        self.name(b"NAME", contract.name())?;
        if !contract.vsn().notes.leading.is_empty() {
            self.text.put(b"\n")?;
        }
        self.name(b"VSN", contract.vsn())?;
        if let Some(last) = parts.types.len().checked_sub(1) {
            self.form(b"+TYPES\n", None, &parts.types_notes)?;
            for (index, definition) in parts.types.iter().enumerate() {
                self.item_start(&definition.notes, index == 0)?;
                self.type_def(definition)?;
                self.item_end(&definition.notes, index == last)?;
            }
        }
        for state in &parts.states {
            self.form(b"+STATE ", Some(&state.name), &state.notes)?;
            self.rules(&state.rules)?;
        }
        if !parts.any_state.is_empty() {
            self.form(b"+ANYSTATE\n", None, &parts.any_state_notes)?;
            self.rules(&parts.any_state)?;
        }
        self.comments(&parts.closing, 0, false)
    }

    fn name(&mut self, word: &[u8], name: &Name) -> Result<(), Full> {
        self.comments(&name.notes.leading, 0, true)?;
        if name.notes.blank_before && !name.notes.leading.is_empty() {
            self.text.put(b"\n")?;
        }
        self.text.put(b"+")?;
        self.text.put(word)?;
        self.text.put(b"(\"")?;
        self.text.put(name.text.as_bytes())?;
        self.text.put(b"\")")?;
        self.item_end(&name.notes, true)
    }

    /// The first line of a form with parts.
    fn form(&mut self, start: &[u8], name: Option<&Text>, notes: &Notes) -> Result<(), Full> {
        self.text.put(b"\n")?;
        self.comments(&notes.leading, 0, true)?;
        if notes.blank_before && !notes.leading.is_empty() {
            self.text.put(b"\n")?;
        }
        self.text.put(start)?;
        if let Some(name) = name {
            flat::atom(name, &mut self.text)?;
            self.text.put(b"\n")?;
        }
        Ok(())
    }

    /// Comments, each on a line of its own. Before the first one an empty line is left out if it is
    /// the first thing of its form.
    fn comments(&mut self, comments: &[Comment], indent: usize, first: bool) -> Result<(), Full> {
        for (index, comment) in comments.iter().enumerate() {
            if comment.blank_before && !(first && index == 0) {
                self.text.put(b"\n")?;
            }
            (0..indent).try_for_each(|_| self.text.put(b" "))?;
            self.text.put(comment.text.as_bytes())?;
            self.text.put(b"\n")?;
        }
        Ok(())
    }

    fn item_start(&mut self, notes: &Notes, first: bool) -> Result<(), Full> {
        self.comments(&notes.leading, 2, first)?;
        if notes.blank_before && !(first && notes.leading.is_empty()) {
            self.text.put(b"\n")?;
        }
        self.text.put(b"  ")
    }

    fn item_end(&mut self, notes: &Notes, last: bool) -> Result<(), Full> {
        // `0...` would be right, and nobody could read it.
        let open_range = last && self.text.ends_with(b"..");
        self.text.put(if open_range { b" " } else { b"" })?;
        self.text.put(if last { b"." } else { b";" })?;
        if let Some(trailing) = &notes.trailing {
            self.text.put(b" ")?;
            self.text.put(trailing.as_bytes())?;
        }
        self.text.put(b"\n")
    }

    fn type_def(&mut self, definition: &TypeDef) -> Result<(), Full> {
        let start = self.text.len();
        flat::atom(&definition.name, &mut self.text)?;
        self.text.put(b"()")?;
        let mut annotation = Vec::new();
        if let Some(found) = &definition.annotation {
            annotation.put(b" ")?;
            flat::annotation(found, &mut annotation)?;
        }
        let means = flat::means(self.dialect);
        let used = 2 + self.text.len() - start + means.len();
        // What stands behind the type on its last line: the annotation up to its first line end.
        let after = annotation.iter().position(|byte| *byte == b'\n').unwrap_or(annotation.len());
        let dialect = self.dialect;
        if definition.definition.fits(dialect, MAX_WIDTH.saturating_sub(used + after + 1)) {
            self.text.put(means)?;
            flat::one_type(&definition.definition, dialect, &mut self.text)?;
        } else if let TypeKind::Alternatives(_) = &definition.definition.kind {
            self.text.put(means.trim_ascii_end())?;
            let mut layout = Layout { sink: &mut self.text, dialect };
            layout.line(4)?;
            layout.one_type(&definition.definition, 4, 4, after + 1)?;
        } else {
            self.text.put(means)?;
            let mut layout = Layout { sink: &mut self.text, dialect };
            layout.one_type(&definition.definition, 2, used, after + 1)?;
        }
        self.text.put(&annotation)
    }

    fn rules(&mut self, rules: &[Rule]) -> Result<(), Full> {
        for (index, rule) in rules.iter().enumerate() {
            self.item_start(&rule.notes, index == 0)?;
            match &rule.kind {
                RuleKind::Call { request, outcomes } => self.call(request, outcomes)?,
                RuleKind::EventOut(event) => self.event(b"EVENT => ", event)?,
                RuleKind::EventIn(event) => self.event(b"EVENT <= ", event)?,
            }
            self.item_end(&rule.notes, index + 1 == rules.len())?;
        }
        Ok(())
    }

    fn event(&mut self, start: &[u8], event: &Type) -> Result<(), Full> {
        self.text.put(start)?;
        flat::one_type(event, self.dialect, &mut self.text)
    }

    fn call(&mut self, request: &Type, outcomes: &[Outcome]) -> Result<(), Full> {
        let mut line = Vec::new();
        flat::one_type(request, self.dialect, &mut line)?;
        line.put(b" =>")?;
        let start = line.len();
        for (index, outcome) in outcomes.iter().enumerate() {
            line.put(if index == 0 { b" " } else { b" | " })?;
            self.outcome(outcome, &mut line)?;
        }
        if outcomes.len() < 2 || line.len() + 3 <= MAX_WIDTH {
            return self.text.put(&line);
        }
        line.truncate(start);
        self.text.put(&line)?;
        for (index, outcome) in outcomes.iter().enumerate() {
            let mut line = Vec::new();
            line.put(if index == 0 { b"\n      " } else { b"\n    | " })?;
            self.outcome(outcome, &mut line)?;
            self.text.put(&line)?;
        }
        Ok(())
    }

    fn outcome(&self, outcome: &Outcome, line: &mut Vec<u8>) -> Result<(), Full> {
        flat::one_type(&outcome.response, self.dialect, line)?;
        if let Some(next) = &outcome.next {
            line.put(b" & ")?;
            flat::atom(next, line)?;
        }
        Ok(())
    }
}
