//! The conformance suite: every vector, run over any implementation.
//!
//! A vector is numbered by the first rule that it cites: `W4.2` is the second vector of W4. Beside
//! what the vector says, three laws are checked on its input:
//! - no proper prefix of an accepted packet is an error or a packet: it is incomplete (W12);
//! - a prefix of a rejected input shows the same error or none yet;
//! - an implementation that streams says the same however the input is cut (W12).

use std::collections::BTreeMap;
use std::fmt;

use crate::outcome::{End, Outcome, Packet, Side};
use crate::prefixes::{Prefixes, cuts, is_blank};
use crate::settings::{Dialect, Limits, Settings};
use crate::vectors::{Expected, ExpectedPacket, PacketResult, Vector};

/// Something that decodes UBF(A), and perhaps encodes it.
pub trait Implementation {
    /// What to call it in a report.
    fn name(&self) -> String;

    /// Decodes a stream of plain packets that is all there.
    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome>;

    /// Decodes exactly one plain packet, after which only white space may come (P1).
    fn decode_one(&self, input: &[u8], settings: &Settings) -> Answer<Outcome>;

    /// Like `decode`, but the stream arrives in two pieces, the second from `cut` on.
    fn decode_cut(&self, input: &[u8], settings: &Settings, cut: usize) -> Answer<Outcome> {
        let _ = (input, settings, cut);
        Err(Refusal::Unsupported)
    }

    /// Decodes a stream of versioned packets from that side.
    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>>;

    /// Like `decode_packets`, but the stream arrives in two pieces, the second from `cut` on.
    fn decode_packets_cut(
        &self,
        side: Side,
        input: &[u8],
        limits: &Limits,
        cut: usize,
    ) -> Answer<Outcome<Packet>> {
        let _ = (side, input, limits, cut);
        Err(Refusal::Unsupported)
    }

    /// Encodes a term that is given in postfix.
    fn encode(&self, term: &str, style: Style, dialect: Dialect) -> Answer<Vec<u8>>;
}

/// An answer, or why there is none.
pub type Answer<T> = Result<T, Refusal>;

/// Why an implementation does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not claim to do this: the check is skipped.
    Unsupported,
    /// It should have answered: the check has failed.
    Failed(String),
}

/// The encodings that are fixed byte for byte (W14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No register.
    Plain,
    /// What comes again goes to a register.
    Cached,
}

impl Style {
    /// The word that stands for it in vectors and requests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cached => "cached",
        }
    }
}

/// What came of every vector.
#[derive(Debug)]
pub struct Report {
    /// The implementation's name.
    pub name: String,
    /// One for each vector.
    pub checks: Vec<Check>,
}

/// What came of one vector.
#[derive(Debug)]
pub struct Check {
    /// The first rule that it cites.
    pub rule: String,
    /// `W4.2`.
    pub number: String,
    /// Its file and its name.
    pub title: String,
    /// What went wrong, in sentences.
    pub problems: Vec<String>,
    /// Whether all that was asked was answered with `Unsupported`.
    pub skipped: bool,
}

impl Report {
    /// Whether no check has failed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }
}

impl fmt::Display for Report {
    /// A line for each rule, and below it a paragraph for each vector that failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules: Vec<&str> = Vec::new();
        for check in &self.checks {
            if !rules.contains(&check.rule.as_str()) {
                rules.push(&check.rule);
            }
        }
        rules.sort_by_key(|rule| {
            (rule.get(..1), rule.get(1..).and_then(|number| number.parse::<u32>().ok()))
        });
        for rule in rules {
            let of_rule = || self.checks.iter().filter(|check| check.rule == rule);
            let skipped = of_rule().filter(|check| check.skipped).count();
            let failed = of_rule().filter(|check| !check.problems.is_empty()).count();
            let passed = of_rule().count() - skipped - failed;
            writeln!(f, "{rule:<4} {passed:>4} passed {failed:>4} failed {skipped:>4} skipped")?;
            for check in of_rule().filter(|check| !check.problems.is_empty()) {
                writeln!(f, "     {} {}", check.number, check.title)?;
                for problem in &check.problems {
                    writeln!(f, "        {problem}")?;
                }
            }
        }
        let failed = self.checks.iter().filter(|check| !check.problems.is_empty()).count();
        write!(f, "{}: {} of {} vectors failed", self.name, failed, self.checks.len())
    }
}

/// Runs all vectors.
pub fn run(implementation: &dyn Implementation, vectors: &[Vector]) -> Report {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut checks = Vec::new();
    for vector in vectors {
        let rule = vector.rules.first().cloned().unwrap_or_default();
        let count = counts.entry(rule.clone()).or_default();
        *count += 1;
        let mut examiner = Examiner { implementation, vector, problems: Vec::new(), answers: 0 };
        examiner.examine();
        checks.push(Check {
            number: format!("{rule}.{count}"),
            rule,
            title: format!("{} ({})", vector.name, vector.file),
            skipped: examiner.answers == 0 && examiner.problems.is_empty(),
            problems: examiner.problems,
        });
    }
    Report { name: implementation.name(), checks }
}

/// Asks one implementation about one vector.
struct Examiner<'a> {
    implementation: &'a dyn Implementation,
    vector: &'a Vector,
    problems: Vec<String>,
    answers: u32,
}

impl Examiner<'_> {
    fn examine(&mut self) {
        let vector = self.vector;
        match &vector.expected {
            Expected::Packet(expected) => self.examine_packet(expected),
            Expected::Accept { terms, plain, cached } => {
                let expected = Outcome { packets: terms.clone(), end: End::Complete };
                self.examine_stream(&expected);
                if let [term] = terms.as_slice() {
                    self.examine_one(&expected);
                    self.examine_encoding(term, Style::Plain, plain.as_deref());
                    self.examine_encoding(term, Style::Cached, cached.as_deref());
                }
            }
            Expected::Incomplete { terms } => {
                let incomplete = Outcome { packets: terms.clone(), end: End::Incomplete };
                if terms.is_empty() {
                    self.examine_one(&incomplete);
                }
                // Who waits for a packet has none yet; who knows that nothing follows has them all.
                let between_packets = terms.is_empty() && is_blank(&vector.input);
                self.examine_stream(&if between_packets { complete() } else { incomplete });
            }
            Expected::Reject { terms, error, offset } => {
                let end = End::Error { code: error.clone(), offset: *offset };
                self.examine_stream(&Outcome { packets: terms.clone(), end });
            }
            Expected::Trailing { offset } => self.examine_trailing(*offset),
        }
    }

    fn examine_one(&mut self, expected: &Outcome) {
        for settings in self.vector.settings() {
            let answer = self.implementation.decode_one(&self.vector.input, &settings);
            self.agrees(&format!("{}, one packet", settings.dialect.word()), &answer, expected);
        }
    }

    fn examine_stream(&mut self, expected: &Outcome) {
        let (implementation, vector) = (self.implementation, self.vector);
        let input = vector.input.as_slice();
        for settings in vector.settings() {
            let dialect = settings.dialect;
            let answer = implementation.decode(input, &settings);
            if !self.agrees(dialect.word(), &answer, expected) {
                continue;
            }
            let mut prefixes = Prefixes::new(input, expected);
            for cut in cuts(input.len()) {
                let prefix = input.get(..cut).unwrap_or_default();
                if let Some(answer) = self.answer(implementation.decode(prefix, &settings))
                    && let Err(problem) = prefixes.judge(cut, &answer)
                {
                    self.problems
                        .push(format!("{}, the first {cut} bytes: {problem}", dialect.word()));
                    break;
                }
                let answer = implementation.decode_cut(input, &settings, cut);
                if !self.agrees(&format!("{}, cut at {cut}", dialect.word()), &answer, expected) {
                    break;
                }
            }
        }
    }

    /// The packet itself is good, whatever its term: only the error is compared.
    fn examine_trailing(&mut self, offset: usize) {
        let expected = End::Error { code: "trailing-bytes".to_owned(), offset };
        for settings in self.vector.settings() {
            let answer = self.implementation.decode_one(&self.vector.input, &settings);
            if let Some(outcome) = self.answer(answer)
                && outcome.end != expected
            {
                let dialect = settings.dialect.word();
                self.problems.push(format!(
                    "{dialect}, one packet: got `{}`, expected `{expected}`",
                    outcome.end
                ));
            }
        }
    }

    fn examine_encoding(&mut self, term: &str, style: Style, expected: Option<&[u8]>) {
        let Some(expected) = expected else { return };
        for dialect in self.vector.dialects.clone() {
            if let Some(bytes) = self.answer(self.implementation.encode(term, style, dialect))
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
    }

    fn examine_packet(&mut self, expected: &ExpectedPacket) {
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
        let answer = implementation.decode_packets(expected.side, input, &vector.limits);
        if !self.agrees(expected.side.word(), &answer, &expected_outcome) {
            return;
        }
        let mut prefixes = Prefixes::new(input, &expected_outcome);
        for cut in cuts(input.len()) {
            let prefix = input.get(..cut).unwrap_or_default();
            if let Some(answer) =
                self.answer(implementation.decode_packets(expected.side, prefix, &vector.limits))
                && let Err(problem) = prefixes.judge(cut, &answer)
            {
                self.problems.push(format!("the first {cut} bytes: {problem}"));
                return;
            }
            let answer =
                implementation.decode_packets_cut(expected.side, input, &vector.limits, cut);
            if !self.agrees(
                &format!("{}, cut at {cut}", expected.side.word()),
                &answer,
                &expected_outcome,
            ) {
                return;
            }
        }
    }

    /// The answer, if there is one to judge.
    fn answer<T>(&mut self, answer: Answer<T>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.answers += 1;
                Some(answer)
            }
            Err(Refusal::Unsupported) => None,
            Err(Refusal::Failed(problem)) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Whether there is nothing to complain about.
    fn agrees<P>(&mut self, how: &str, answer: &Answer<Outcome<P>>, expected: &Outcome<P>) -> bool
    where
        P: PartialEq + fmt::Display + Clone,
    {
        let before = self.problems.len();
        if let Some(outcome) = self.answer(answer.clone())
            && outcome != *expected
        {
            let (outcome, expected) =
                (shorten(&outcome.to_string()), shorten(&expected.to_string()));
            self.problems.push(format!("{how}: got `{outcome}`, expected `{expected}`"));
        }
        self.problems.len() == before
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
