//! What the server accepts: a request that is too much for it fails in its caller's hands (N12).

use ubf_codec::Limits;

use super::error::CallError;
use crate::within;

/// The longest header of a client's packet: ten digits and a space.
const MAX_HEAD_BYTES: u64 = 11;

/// Whether a body, with its header, is within the limits that the server has told. A packet beyond
/// them would end the connection, and with it the calls of others.
pub(super) fn check(body: &[u8], limits: &Limits) -> Result<(), CallError> {
    let max_packet = u64::from(limits.max_packet_bytes);
    if body.len() as u64 + MAX_HEAD_BYTES > max_packet {
        return Err(CallError::TooLarge { max_packet });
    }
    within::check(body, limits).map_err(|error| CallError::Unacceptable { error })
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use super::*;

    fn found(body: &str, limits: Limits) -> String {
        check(body.as_bytes(), &limits).map_or_else(|error| error.to_string(), |()| "ok".into())
    }

    #[test]
    fn n12_each_limit_is_met_exactly_and_then_passed() {
        let limits = Limits::default();
        let cases = [
            (limits.with_max_packet_bytes(16), "1234$", "12345$"),
            (limits.with_max_depth(2), "{{}}$", "{{{}}}$"),
            (limits.with_max_depth(2), "{1`a`}$", "{1`a``b`}$"),
            (limits.with_max_depth(2), "##&$", "###&&$"),
            (limits.with_max_expanded_nodes(4), "{1 2 3}$", "{1 2 3 4}$"),
            (limits.with_max_expanded_bytes(10), "\"hello\">a{a a}$", "\"hello\">a{a a a}$"),
            (limits.with_max_integer_digits(3), "{123 456}$", "{1234}$"),
        ];
        for (limits, good, bad) in cases {
            assert_eq!(found(good, limits), "ok", "{good}");
            assert_ne!(found(bad, limits), "ok", "{bad}");
        }
    }

    #[test]
    fn n12_what_is_only_many_bytes_is_no_depth_and_what_registers_repeat_is_counted() {
        let limits = Limits::default().with_max_depth(4).with_max_expanded_nodes(40);
        assert_eq!(found("{\"{{{{{{{{\"}$", limits), "ok");
        let bomb = "{1 1}>a{a a}>a{a a}>a{a a}>a{a a}>a{a a}>a1$";
        assert!(found(bomb, limits).contains("max_depth"), "{}", found(bomb, limits));
    }

    #[test]
    fn l1_a_body_that_is_no_packet_is_not_sent_where_it_is_looked_at() {
        let limits = Limits::default().with_max_depth(0);
        assert!(found("{{}$", limits).starts_with("the server does not accept it: "));
    }
}
