//! Asks an implementation all that one vector says, and the laws of its input:
//! - no proper prefix of an accepted packet is an error or a packet: it is incomplete (W12);
//! - a prefix of a rejected input shows the same error or none yet;
//! - an implementation that streams says the same however the input is cut (W12).

use std::fmt;

use crate::capability::{self, Capability};
use crate::implementation::{Answer, Implementation, Refusal, Style};
use crate::outcome::{End, Outcome};
use crate::prefixes::{Prefixes, cuts, is_blank};
use crate::report::{Finding, Verdict};
use crate::vectors::{Expected, ExpectedPacket, PacketResult, Vector};

/// What an implementation makes of one vector.
pub(crate) fn examine(implementation: &dyn Implementation, vector: &Vector) -> Finding {
    let mut examiner = Examiner {
        implementation,
        vector,
        problems: Vec::new(),
        answers: 0,
        unsupported: Vec::new(),
    };
    // What hangs or is gone is asked nothing more about this vector.
    let verdict = match (examiner.examine(), examiner.problems.is_empty(), examiner.answers) {
        (Err(verdict), _, _) => verdict,
        (Ok(()), false, _) => Verdict::Failed(examiner.problems),
        (Ok(()), true, 0) => Verdict::Unsupported,
        (Ok(()), true, _) => Verdict::Passed,
    };
    Finding { verdict, unsupported: examiner.unsupported }
}

/// Asks one implementation about one vector.
struct Examiner<'a> {
    implementation: &'a dyn Implementation,
    vector: &'a Vector,
    problems: Vec<String>,
    answers: u32,
    /// What was asked for together, and not supported.
    unsupported: Vec<Vec<Capability>>,
}

impl Examiner<'_> {
    fn examine(&mut self) -> Result<(), Verdict> {
        let vector = self.vector;
        match &vector.expected {
            Expected::Packet(expected) => self.examine_packet(expected)?,
            Expected::Accept { terms, plain, cached } => {
                let expected = Outcome { packets: terms.clone(), end: End::Complete };
                self.examine_stream(&expected)?;
                if let [term] = terms.as_slice() {
                    self.examine_one(&expected)?;
                    self.examine_encoding(term, Style::Plain, plain.as_deref())?;
                    self.examine_encoding(term, Style::Cached, cached.as_deref())?;
                }
            }
            Expected::Incomplete { terms } => {
                let incomplete = Outcome { packets: terms.clone(), end: End::Incomplete };
                if terms.is_empty() {
                    self.examine_one(&incomplete)?;
                }
                // Who waits for a packet has none yet; who knows that nothing follows has them all.
                let between_packets = terms.is_empty() && is_blank(&vector.input);
                self.examine_stream(&if between_packets { complete() } else { incomplete })?;
            }
            Expected::Reject { terms, error, offset } => {
                let end = End::Error { code: error.clone(), offset: *offset };
                self.examine_stream(&Outcome { packets: terms.clone(), end })?;
            }
            Expected::Trailing { offset } => self.examine_trailing(*offset)?,
        }
        Ok(())
    }

    fn examine_one(&mut self, expected: &Outcome) -> Result<(), Verdict> {
        for settings in self.vector.settings() {
            let needs = capability::of_decoding(Capability::One, &settings);
            let answer = self.implementation.decode_one(&self.vector.input, &settings);
            let how = format!("{}, one packet", settings.dialect.word());
            self.agrees(&how, answer, &needs, expected)?;
        }
        Ok(())
    }

    fn examine_stream(&mut self, expected: &Outcome) -> Result<(), Verdict> {
        let (implementation, vector) = (self.implementation, self.vector);
        let input = vector.input.as_slice();
        for settings in vector.settings() {
            let dialect = settings.dialect;
            let needs = capability::of_decoding(Capability::Decode, &settings);
            let answer = implementation.decode(input, &settings);
            if !self.agrees(dialect.word(), answer, &needs, expected)? {
                continue;
            }
            let mut prefixes = Prefixes::new(input, expected);
            for cut in cuts(input.len()) {
                let prefix = input.get(..cut).unwrap_or_default();
                if let Some(answer) =
                    self.answer(implementation.decode(prefix, &settings), &needs)?
                    && let Err(problem) = prefixes.judge(cut, &answer)
                {
                    self.problems
                        .push(format!("{}, the first {cut} bytes: {problem}", dialect.word()));
                    break;
                }
                let answer = implementation.decode_cut(input, &settings, cut);
                let how = || format!("{}, cut at {cut}", dialect.word());
                if !self.agrees_when_cut(how, answer, expected)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The packet itself is good, whatever its term: only the error is compared.
    fn examine_trailing(&mut self, offset: usize) -> Result<(), Verdict> {
        let expected = End::Error { code: "trailing-bytes".to_owned(), offset };
        for settings in self.vector.settings() {
            let needs = capability::of_decoding(Capability::One, &settings);
            let answer = self.implementation.decode_one(&self.vector.input, &settings);
            if let Some(outcome) = self.answer(answer, &needs)?
                && outcome.end != expected
            {
                let dialect = settings.dialect.word();
                self.problems.push(format!(
                    "{dialect}, one packet: got `{}`, expected `{expected}`",
                    outcome.end
                ));
            }
        }
        Ok(())
    }

    fn examine_encoding(
        &mut self,
        term: &str,
        style: Style,
        expected: Option<&[u8]>,
    ) -> Result<(), Verdict> {
        let Some(expected) = expected else { return Ok(()) };
        for dialect in self.vector.dialects.clone() {
            let needs = capability::of_encoding(style, dialect);
            let answer = self.implementation.encode(term, style, dialect);
            if let Some(bytes) = self.answer(answer, &needs)?
                && bytes != expected
            {
                let (bytes, expected) = (bytes.escape_ascii(), expected.escape_ascii());
                self.problems.push(format!(
                    "{} {}: wrote {bytes} and not {expected}",
                    style.word(),
                    dialect.word()
                ));
            }
        }
        Ok(())
    }

    fn examine_packet(&mut self, expected: &ExpectedPacket) -> Result<(), Verdict> {
        let (implementation, vector) = (self.implementation, self.vector);
        let expected_outcome = match &expected.result {
            PacketResult::Accept(packet) => {
                Outcome { packets: vec![packet.clone()], end: End::Complete }
            }
            PacketResult::Incomplete if is_blank(&vector.input) => complete(),
            PacketResult::Incomplete => Outcome { packets: Vec::new(), end: End::Incomplete },
            PacketResult::Reject { error, offset } => Outcome {
                packets: Vec::new(),
                end: End::Error { code: error.clone(), offset: *offset },
            },
        };
        let input = vector.input.as_slice();
        let needs = capability::of_packets(&vector.limits);
        let answer = implementation.decode_packets(expected.side, input, &vector.limits);
        if !self.agrees(expected.side.word(), answer, &needs, &expected_outcome)? {
            return Ok(());
        }
        let mut prefixes = Prefixes::new(input, &expected_outcome);
        for cut in cuts(input.len()) {
            let prefix = input.get(..cut).unwrap_or_default();
            let answer = implementation.decode_packets(expected.side, prefix, &vector.limits);
            if let Some(answer) = self.answer(answer, &needs)?
                && let Err(problem) = prefixes.judge(cut, &answer)
            {
                self.problems.push(format!("the first {cut} bytes: {problem}"));
                return Ok(());
            }
            let answer =
                implementation.decode_packets_cut(expected.side, input, &vector.limits, cut);
            let how = || format!("{}, cut at {cut}", expected.side.word());
            if !self.agrees_when_cut(how, answer, &expected_outcome)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The answer, if there is one to judge.
    fn answer<T>(&mut self, answer: Answer<T>, needs: &[Capability]) -> Result<Option<T>, Verdict> {
        match answer {
            Ok(answer) => {
                self.answers += 1;
                return Ok(Some(answer));
            }
            Err(Refusal::Unsupported) => {
                if !self.unsupported.iter().any(|known| known == needs) {
                    self.unsupported.push(needs.to_vec());
                }
            }
            Err(Refusal::Failed(problem)) => self.problems.push(problem),
            Err(Refusal::Hung(problem)) => return Err(Verdict::Hung(problem)),
            Err(Refusal::Crashed(problem)) => return Err(Verdict::Crashed(problem)),
        }
        Ok(None)
    }

    /// Whether there is an answer, and it is the expected one.
    fn agrees<P>(
        &mut self,
        how: &str,
        answer: Answer<Outcome<P>>,
        needs: &[Capability],
        expected: &Outcome<P>,
    ) -> Result<bool, Verdict>
    where
        P: PartialEq + fmt::Display,
    {
        let Some(outcome) = self.answer(answer, needs)? else { return Ok(false) };
        let agrees = outcome == *expected;
        if !agrees {
            let (outcome, expected) =
                (shorten(&outcome.to_string()), shorten(&expected.to_string()));
            self.problems.push(format!("{how}: got `{outcome}`, expected `{expected}`"));
        }
        Ok(agrees)
    }

    /// An entrance of this process alone: who has none leaves nothing out.
    fn agrees_when_cut<P>(
        &mut self,
        how: impl Fn() -> String,
        answer: Answer<Outcome<P>>,
        expected: &Outcome<P>,
    ) -> Result<bool, Verdict>
    where
        P: PartialEq + fmt::Display,
    {
        match answer {
            Err(Refusal::Unsupported) => Ok(true),
            answer => self.agrees(&how(), answer, &[], expected),
        }
    }
}

fn complete<P>() -> Outcome<P> {
    Outcome { packets: Vec::new(), end: End::Complete }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
