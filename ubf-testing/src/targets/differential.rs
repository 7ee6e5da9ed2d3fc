//! The codec against the oracle: the same packets, the same error at the same byte.

use super::Scenario;
use crate::oracle_answers::Oracle;
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::Codec;

/// Compares both entrances, that for a stream and that for one packet.
pub fn differential(bytes: &[u8]) {
    let scenario = Scenario::read(bytes);
    let Scenario { settings, input, .. } = &scenario;
    let (codec, oracle) = (Codec.decode(input, settings), Oracle.decode(input, settings));
    assert_eq!(codec, oracle, "codec left, oracle right: {scenario:?}");
    let (codec, oracle) = (Codec.decode_one(input, settings), Oracle.decode_one(input, settings));
    assert_eq!(codec, oracle, "one packet, codec left, oracle right: {scenario:?}");
}
