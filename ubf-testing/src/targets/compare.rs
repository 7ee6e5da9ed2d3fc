//! Comparing: two contracts, one of which is a random edit of the other one. No message that is
//! found at random may contradict that one serves the other's clients; and a request that is shown
//! as refused is accepted by the one and refused by the other.

use ubf_contract::compare::{Change, Comparison, Direction, Verdict};
use ubf_contract::{Checker, Contract, Reader, SessionChecker};

use crate::contract_edits::edited;
use crate::oracle_compare::break_of;
use crate::random::Random;

/// What is edited if the bytes are no contract themselves.
const TEXTS: [&str; 6] = [
    include_str!("../../../ubf-node/contracts/echo.con"),
    include_str!("../../../ubf-node/contracts/kv-1.con"),
    include_str!("../../../ubf-node/contracts/kv-2.con"),
    include_str!("../../../ubf-node/contracts/kv-3.con"),
    include_str!("../../../ubf-node/contracts/irc-1.con"),
    include_str!("../../../ubf-node/contracts/irc-2.con"),
];

/// Takes the first eight bytes as a seed, and the others as the contract that is edited.
pub fn compare(bytes: &[u8]) {
    let (seed, text) = bytes.split_at(bytes.len().min(8));
    let seed = seed.iter().fold(0_u64, |seed, byte| seed << 8 | u64::from(*byte));
    let mut random = Random::new(seed);
    let own = std::str::from_utf8(text).ok().filter(|text| Reader::new().read(text).is_ok());
    let text = own.or_else(|| random.choose(&TEXTS).copied()).unwrap_or_default();
    let _found = compare_edited(text, seed);
}

/// Edits a contract and compares the two, both ways. Tells how many breaks were found at random;
/// `None`: no edit of it was well-formed.
pub fn compare_edited(text: &str, seed: u64) -> Option<usize> {
    let mut random = Random::new(seed);
    let old = Reader::new().read(text).ok()?;
    let (edit, new) = edited(text, &mut random)?;
    let report = Comparison::new(&old, &new).run();
    let mut found = 0;
    for (verdict, client, server) in [(report.backward, &old, &new), (report.forward, &new, &old)] {
        if let Some(witness) = break_of(client, server, seed) {
            assert_ne!(verdict, Verdict::Serves, "seed {seed}: {witness:?} of {edit}");
            found += 1;
        }
    }
    for finding in &report.findings {
        let (Change::RequestRefused, true) = (finding.change, finding.is_shown) else { continue };
        let (client, server) = match finding.direction {
            Direction::Backward => (&old, &new),
            Direction::Forward => (&new, &old),
        };
        let (Some(state), Some(request)) = (&finding.state, &finding.request) else { continue };
        let accepts = |contract: &Contract| {
            let sessions = SessionChecker::new(Checker::new(contract.clone()));
            sessions.state(state.as_bytes()).is_some_and(|at| sessions.request(at, request).is_ok())
        };
        assert!(accepts(client), "seed {seed}: {request} is none of the client's: {edit}");
        assert!(!accepts(server), "seed {seed}: {request} is not refused: {edit}");
    }
    Some(found)
}
