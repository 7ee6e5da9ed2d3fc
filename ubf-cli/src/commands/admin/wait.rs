//! Waits for the end of a drain.

use std::thread;
use std::time::{Duration, Instant};

use ubf_node::control::{Request, StatusReport};

use crate::admin::{Admin, AdminError};
use crate::ui::text::counted;

/// Between two looks at a server. It stays for a second when it has stopped, to be looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How a drain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Goes,
    /// What the operator waits for is there, and so many calls were cut.
    Over(u64),
    /// Another operator took it back.
    TakenBack,
}

/// Orders the drain, and waits for its end, `at_most` so long.
pub(super) fn drain(
    admin: &mut Admin,
    drain: &Request,
    stays: bool,
    at_most: Duration,
) -> Result<StatusReport, AdminError> {
    let cut_before = cut(&admin.status()?);
    let begun = Instant::now();
    admin.order(drain)?;
    loop {
        let status = admin.status()?;
        match standing(&status, stays, cut_before) {
            Course::Over(0) => return Ok(status),
            Course::Over(cut) => {
                let cut = counted(cut, "call");
                return Err(AdminError::Unfinished(format!("the drain is over: {cut} cut")));
            }
            Course::TakenBack => {
                return Err(AdminError::Unfinished("the drain was taken back".to_owned()));
            }
            Course::Goes if begun.elapsed() >= at_most => {
                let left = counted(status.connections, "client");
                return Err(AdminError::Unfinished(format!("the drain goes on: {left} left")));
            }
            Course::Goes => thread::sleep(LOOK),
        }
    }
}

fn standing(status: &StatusReport, stays: bool, cut_before: u64) -> Course {
    let cut = cut(status).saturating_sub(cut_before);
    match status.phase.as_str() {
        "serving" => Course::TakenBack,
        _ if status.connections > 0 => Course::Goes,
        "stopped" => Course::Over(cut),
        _ if stays => Course::Over(cut),
        _ => Course::Goes,
    }
}

fn cut(status: &StatusReport) -> u64 {
    status.counters.get("calls_cut").copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_over_when_nobody_is_left_or_the_server_has_ended() {
        let course = |phase: &str, connections, stays| {
            let mut status = StatusReport::default();
            (status.phase, status.connections) = (phase.to_owned(), connections);
            status.counters.insert("calls_cut".to_owned(), 5);
            standing(&status, stays, 3)
        };
        assert_eq!(course("draining", 1, true), Course::Goes);
        assert_eq!(course("draining", 0, true), Course::Over(2));
        assert_eq!(course("draining", 0, false), Course::Goes);
        assert_eq!(course("closing", 0, false), Course::Goes);
        assert_eq!(course("stopped", 1, false), Course::Goes);
        assert_eq!(course("stopped", 0, false), Course::Over(2));
        assert_eq!(course("serving", 0, true), Course::TakenBack);
    }
}
