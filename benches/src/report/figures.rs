//! What was measured, and the ratios of it.

use benches::Error;
use benches::data;
use benches::formats::{etf, ubf};
use benches::measure::Plan;
use benches::work::{Key, UBF, Work};
use serde::Serialize;
use ubf_codec::{Dialect, Encoder, Limits, Operator, Tracer};

use crate::counts::Counts;
use crate::missing::Missing;
use crate::{server, state, toolchain};

/// What is known of one operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) key: Key,
    pub(crate) bytes: usize,
    pub(crate) nanoseconds: f64,
    pub(crate) allocations: Option<u64>,
    pub(crate) peak_bytes: Option<u64>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    pub(crate) rustc: String,
    pub(crate) operations: Vec<Figure>,
    /// Decoding of documents of so many messages.
    pub(crate) sizes: Vec<(usize, Vec<Figure>)>,
    /// The parse trees as `term_to_binary` writes them, text being Erlang's strings.
    pub(crate) parse_trees_etf_bytes: usize,
    /// Of the document `twitter`, if there are instruction counts of this compiler.
    pub(crate) instructions: Option<Instructions>,
    pub(crate) servers: Option<server::Figures>,
    pub(crate) rows: Option<state::Figures>,
    pub(crate) missing: Missing,
}

/// Instructions of the document `twitter`.
#[derive(Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) a_token_validated: f64,
    pub(crate) a_node_decoded: f64,
}

impl Figures {
    /// Before anything is measured.
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
        let trees = data::document("parse trees").ok_or("there are parse trees")?;
        let rustc = toolchain::rustc()?;
        let instructions = instructions(&rustc)?;
        Ok(Self {
            rounds: plan.rounds,
            rustc,
            operations: Vec::new(),
            sizes: Vec::new(),
            parse_trees_etf_bytes: etf::encode(&trees.value, etf::Text::Strings).len(),
            instructions,
            servers: None,
            rows: None,
            missing: Missing::default(),
        })
    }

    pub(crate) fn get(&self, document: &str, work: Work, by: &str) -> Option<&Figure> {
        self.operations.iter().find(|figure| {
            figure.key.document == document && figure.key.work == work && figure.key.by == by
        })
    }

    /// How many times as long as the codec the peer takes for the same work.
    pub(crate) fn times(&self, document: &str, work: Work, peer: &str) -> Option<f64> {
        Some(
            self.get(document, work, peer)?.nanoseconds
                / self.get(document, work, UBF)?.nanoseconds,
        )
    }

    /// The same of decoding, where a peer that can reuse its buffers does, and the codec then does,
    /// too.
    pub(crate) fn decoding(&self, document: &str, peer: &str) -> Option<f64> {
        let reused = self.times(document, Work::DecodeReused, peer);
        reused.or_else(|| self.times(document, Work::Decode, peer))
    }

    /// Bytes in the cached style for one in the plain style.
    pub(crate) fn cached_bytes(&self, document: &str) -> Option<f64> {
        let bytes = |work| Some(count(self.get(document, work, UBF)?.bytes));
        Some(bytes(Work::EncodeCached)? / bytes(Work::Encode)?)
    }

    /// How many times as long the cached style takes.
    pub(crate) fn cached_time(&self, document: &str) -> Option<f64> {
        let time = |work| Some(self.get(document, work, UBF)?.nanoseconds);
        Some(time(Work::EncodeCached)? / time(Work::Encode)?)
    }
}

/// A count that is a part of a ratio.
#[expect(clippy::cast_precision_loss, reason = "no document has 2^52 bytes")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}

fn instructions(rustc: &str) -> Result<Option<Instructions>, Error> {
    let Ok(counts) = Counts::read() else { return Ok(None) };
    let validate = counts.get("twitter", Work::Validate);
    let decode = counts.get("twitter", Work::DecodeReused);
    let (Some(validate), Some(decode)) = (validate, decode) else { return Ok(None) };
    if counts.rustc != rustc {
        return Ok(None);
    }
    let document = data::document("twitter").ok_or("there is a twitter")?;
    let packet = Encoder::new().encode(&ubf::term(&document.value));
    let nodes = ubf_codec::decode(&packet)?.summary().nodes;
    let mut tracer = Tracer::new(&packet, Dialect::Extended, Limits::default());
    let mut tokens = 0;
    while let Some(step) = tracer.step()? {
        tokens += u64::from(step.operator != Operator::Blank);
    }
    #[expect(clippy::cast_precision_loss, reason = "no count has 52 bits")]
    let ratio = |instructions: u64, of: u64| instructions as f64 / of as f64;
    Ok(Some(Instructions {
        a_token_validated: ratio(validate, tokens),
        a_node_decoded: ratio(decode, nodes),
    }))
}
