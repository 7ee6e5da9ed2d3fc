//! The oracle as an implementation, over which the vectors can be run.

use ubf_conformance::implementation::{Answer, Implementation, Refusal, Style};
use ubf_conformance::outcome::{Outcome, Packet, Side};
use ubf_conformance::settings::{Dialect, Limits, Settings};

use crate::{oracle, oracle_header};

/// The oracle.
#[derive(Debug, Default)]
pub struct Oracle;

impl Implementation for Oracle {
    fn name(&self) -> String {
        "oracle".to_owned()
    }

    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        Ok(oracle::decode(input, settings))
    }

    fn decode_one(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        Ok(oracle::decode_one(input, settings))
    }

    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>> {
        Ok(oracle_header::decode(side, input, limits))
    }

    fn encode(&self, _: &str, _: Style, _: Dialect) -> Answer<Vec<u8>> {
        Err(Refusal::Unsupported)
    }
}
