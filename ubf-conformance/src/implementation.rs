//! What is examined: something that decodes and encodes.

use crate::contracts::Question;
use crate::outcome::{Outcome, Packet, Side};
use crate::settings::{Dialect, Limits, Settings};

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

    /// Answers a question about contracts with a line of the [line
    /// protocol](crate::line_protocol).
    fn contract(&self, question: &Question) -> Answer<String> {
        let _ = question;
        Err(Refusal::Unsupported)
    }
}

/// An answer, or why there is none.
pub type Answer<T> = Result<T, Refusal>;

/// Why an implementation does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not claim to do this: the check is skipped.
    Unsupported,
    /// It should have answered otherwise: the check has failed.
    Failed(String),
    /// It has not answered in time.
    Hung(String),
    /// It has ended, or it cannot be spoken to any longer.
    Crashed(String),
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
