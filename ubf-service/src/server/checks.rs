//! Events of a service are held against the contracts of those who are to hear them (C4).

use bytes::Bytes;
use ubf_codec::Text;
use ubf_proto::server::StoredAnswer;
use ubf_server::ContractRules;
use ubf_state::{Do, Tx};

use crate::service::{Caller, StatefulService};

/// Lets go of events that are not allowed in the states in which their receivers are after the call.
/// What the call wrote stays, as it does if a reply is not allowed.
pub(super) fn check_events<S: StatefulService>(
    service: &S,
    contracts: &ContractRules,
    tx: &mut Tx<'_>,
) -> Do<()> {
    // What many hear is looked at once for those in the same state.
    let mut last: Option<(Bytes, Text, bool)> = None;
    tx.retain_events(|tx, event| {
        let Some(StoredAnswer::Reply { version, body }) = StoredAnswer::from_bytes(&event.body)
        else {
            // Nobody can read it, which is told when it is to leave.
            return Ok(true);
        };
        if !contracts.checks_events(version) {
            return Ok(true);
        }
        let caller = Caller::new(version).in_session(event.session);
        let state = tx.in_session(event.session, |tx| service.state_name(&caller, tx))?;
        if let Some((seen, of, may_leave)) = &last
            && is_same(seen, &event.body)
            && *of == state
        {
            return Ok(*may_leave);
        }
        let may_leave = contracts.event_out(version, &state, &body);
        last = Some((event.body.clone(), state, may_leave));
        Ok(may_leave)
    })
}

/// Whether both are the same bytes in memory: what is written once for many.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}
