//! The machine, one operator at a time: to teach and to debug.

use alloc::vec::Vec;
use core::fmt;

use crate::byte;
use crate::dialect::Dialect;
use crate::error::{DecodeError, ErrorKind};
use crate::limits::Limits;
use crate::machine::{Machine, Operator};
use crate::node::Node;
use crate::options::DecodeOptions;
use crate::term::{Arena, PacketBytes, TermRef};

/// Carries out packets operator by operator, and shows the recognition stack and the registers in
/// between.
///
/// ```
/// use ubf_codec::{Dialect, Limits, Operator, StackItem, Tracer};
///
/// let mut tracer = Tracer::new(b"{1 2}$", Dialect::Extended, Limits::default());
/// let mut lines = Vec::new();
/// while let Some(step) = tracer.step()? {
///     let stack: Vec<String> = tracer.stack().iter().map(ToString::to_string).collect();
///     lines.push(format!("{}..{} {}", step.start, step.end, stack.join(" ")));
/// }
/// assert_eq!(lines, ["0..1 {", "1..2 { 1", "2..3 { 1", "3..4 { 1 2", "4..5 {1,2}", "5..6 {1,2}"]);
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
pub struct Tracer<'a> {
    machine: Machine<Vec<Node>>,
    input: &'a [u8],
    /// Where the present packet begins.
    start: usize,
    /// Where the last operator ends. The machine may have read further, into one that is not
    /// whole.
    end: usize,
    /// The last operator was `$`; its packet is still there to be looked at.
    ended: bool,
    failed: bool,
    /// What is wrong with the comment after the white space that was the last step.
    deferred: Option<DecodeError>,
}

impl<'a> Tracer<'a> {
    /// A tracer of the packets in `input`.
    #[must_use]
    pub fn new(input: &'a [u8], dialect: Dialect, limits: Limits) -> Self {
        Self::with_options(input, DecodeOptions::new().with_dialect(dialect).with_limits(limits))
    }

    /// A tracer of the packets in `input`, read with these options.
    #[must_use]
    pub fn with_options(input: &'a [u8], options: DecodeOptions) -> Self {
        Self {
            machine: Machine::new(options, Vec::new()),
            input,
            start: 0,
            end: 0,
            ended: false,
            failed: false,
            deferred: None,
        }
    }

    /// Whether `\x` in a text stands for `x`: see
    /// [`Decoder::with_any_escape`](crate::Decoder::with_any_escape).
    #[must_use]
    pub const fn with_any_escape(mut self, any_escape: bool) -> Self {
        self.machine.options_mut().any_escape = any_escape;
        self
    }

    /// Carries out the next operator. A run of white space and comments is one. `None` at the end
    /// of the input.
    ///
    /// # Errors
    /// What a decoder would say of the same input. After an error there are no more steps.
    pub fn step(&mut self) -> Result<Option<Step>, DecodeError> {
        if self.failed {
            return Ok(None);
        }
        if self.ended {
            self.start = self.end;
            self.machine.reset(self.start as u64, 0);
            self.ended = false;
        }
        let start = self.end;
        let operator = match self.advance() {
            Ok(Some(operator)) => operator,
            Ok(None) if self.machine.is_between_packets() => return Ok(None),
            Ok(None) => {
                self.failed = true;
                return Err(DecodeError::new(ErrorKind::UnexpectedEnd, self.input.len() as u64));
            }
            Err(error) => {
                self.failed = true;
                return Err(error);
            }
        };
        self.ended = operator == Operator::End;
        Ok(Some(Step { operator, start, end: self.end }))
    }

    /// The recognition stack, bottom first.
    #[must_use]
    pub fn stack(&self) -> Vec<StackItem<'_>> {
        let item = |node: Option<Node>| {
            node.map_or(StackItem::OpenTuple, |node| StackItem::Term(self.term(node)))
        };
        self.machine.stack().map(item).collect()
    }

    /// The registers that are set, lowest byte first.
    #[must_use]
    pub fn registers(&self) -> Vec<(u8, TermRef<'_>)> {
        self.machine.registers().map(|(register, node)| (register, self.term(node))).collect()
    }

    fn advance(&mut self) -> Result<Option<Operator>, DecodeError> {
        let window = self.input.get(self.start..).unwrap_or_default();
        if let Some(error) = self.deferred.take() {
            return Err(error);
        }
        let Some(operator) = self.machine.step(window)? else { return Ok(None) };
        self.end = self.start + self.machine.position();
        if operator == Operator::Blank {
            let begins_blank = |byte: &u8| byte::is_space(*byte) || *byte == b'%';
            while window.get(self.machine.position()).is_some_and(begins_blank) {
                match self.machine.step(window) {
                    Ok(Some(_)) => self.end = self.start + self.machine.position(),
                    Ok(None) => break,
                    Err(error) => {
                        self.deferred = Some(error);
                        break;
                    }
                }
            }
        }
        Ok(Some(operator))
    }

    fn term(&self, node: Node) -> TermRef<'_> {
        let source = self.input.get(self.start..).unwrap_or_default();
        TermRef::new(
            node,
            Arena { source: PacketBytes::Unchecked(source), nodes: self.machine.arena() },
        )
    }
}

impl fmt::Debug for Tracer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("start", &self.start)
            .field("stack", &self.stack())
            .finish_non_exhaustive()
    }
}

/// One operator that was carried out, and where it stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The operator that was carried out.
    pub operator: Operator,
    /// The operator's first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

/// What stands on the recognition stack.
#[derive(Clone, Copy)]
pub enum StackItem<'a> {
    /// A term.
    Term(TermRef<'a>),
    /// A `{` that waits for its `}`.
    OpenTuple,
}

impl fmt::Display for StackItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(term) => term.fmt(f),
            Self::OpenTuple => f.write_str("{"),
        }
    }
}

impl fmt::Debug for StackItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(input: &[u8]) -> (Vec<(Operator, usize, usize)>, Option<DecodeError>) {
        let mut tracer = Tracer::new(input, Dialect::Extended, Limits::default());
        let mut steps = Vec::new();
        loop {
            match tracer.step() {
                Ok(Some(step)) => steps.push((step.operator, step.start, step.end)),
                Ok(None) => return (steps, None),
                Err(error) => return (steps, Some(error)),
            }
        }
    }

    #[test]
    fn a_run_of_blanks_is_one_step_and_ends_before_a_comment_that_does_not() {
        let (done, error) = steps(b"1 %c% ,$\n");
        assert_eq!(
            done,
            [
                (Operator::Integer, 0, 1),
                (Operator::Blank, 1, 7),
                (Operator::End, 7, 8),
                (Operator::Blank, 8, 9)
            ]
        );
        assert_eq!(error, None);

        let (done, error) = steps(b"1 %c");
        assert_eq!(done, [(Operator::Integer, 0, 1), (Operator::Blank, 1, 2)]);
        assert!(error.is_some_and(|error| error.is_incomplete() && error.offset() == 4));

        let (done, error) = steps(b"1 %\\c%$");
        assert_eq!(done, [(Operator::Integer, 0, 1), (Operator::Blank, 1, 2)]);
        assert!(
            error.is_some_and(|error| error.kind().code() == "bad-escape" && error.offset() == 4)
        );
    }

    #[test]
    fn the_stack_shows_tuples_where_they_were_opened() {
        let mut tracer = Tracer::new(b"{1{{2", Dialect::Extended, Limits::default());
        while let Ok(Some(_)) = tracer.step() {}
        let shown: Vec<_> = tracer.stack().iter().map(alloc::string::ToString::to_string).collect();
        assert_eq!(shown, ["{", "1", "{", "{"]);
    }

    #[test]
    fn a_question_mark_is_a_register_in_the_classic_dialect_once_it_is_stored() {
        let mut tracer = Tracer::new(b"{? 1>??}$", Dialect::Classic, Limits::default());
        let mut operators = Vec::new();
        while let Ok(Some(step)) = tracer.step() {
            operators.push(step.operator);
        }
        use Operator::{Blank, CloseTuple, End, Integer, OpenTuple, Read, Store, Undefined};
        assert_eq!(
            operators,
            [OpenTuple, Undefined, Blank, Integer, Store(b'?'), Read(b'?'), CloseTuple, End]
        );
        assert_eq!(steps(b"?$").0, [(Undefined, 0, 1), (End, 1, 2)]);
    }
}
