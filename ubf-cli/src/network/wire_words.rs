//! What the packets between the two protocol engines mean, in words. Nothing is decided by them:
//! they are for people who watch.

use ubf_client::Versions;
use ubf_codec::{NextIp, TermRef, View};

use crate::ui::brief::brief;

/// Columns for a reason.
const MAX_REASON: usize = 60;
/// N9: the numbers among which the one is that no program has.
const FIRST_GREASE: u32 = (1 << 31) - 1024;

/// What a packet of the engines says; `None` if it is none, or one that nobody knows.
pub(crate) fn in_words(body: TermRef<'_>) -> Option<String> {
    match body.view() {
        View::Atom(_) if body.is_atom("ping") => Some("asks for a sign of life".to_owned()),
        View::Atom(_) if body.is_atom("pong") => Some("gives a sign of life".to_owned()),
        View::Tuple(tuple) => {
            let (name, rest) = tuple
                .iter()
                .collect::<Vec<_>>()
                .split_first()
                .map(|(name, rest)| (*name, rest.to_vec()))?;
            let at = |index: usize| rest.get(index).copied();
            let reason = |index| at(index).map(|why| brief(why, MAX_REASON));
            let number = |index| at(index).and_then(|number| number.as_i64());
            if name.is_atom("negotiate") {
                Some(format!(
                    "offers versions {} to {}{}{}",
                    versions(at(2)?)?,
                    service(at(1)?),
                    quarantined(at(3)?),
                    session(at(3)?)
                ))
            } else if name.is_atom("agreed") {
                let session = at(3).map(session).unwrap_or_default();
                Some(format!("agrees, and speaks {}{session}", versions(at(2)?)?))
            } else if name.is_atom("no_common_version") {
                Some(format!("has no common version, and speaks {}", versions(at(2)?)?))
            } else if name.is_atom("refused") {
                let (why, versions) = (reason(0)?, versions(at(1)?)?);
                Some(format!(
                    "refuses packet {}, which was not executed: {why}; speaks {versions}",
                    number(2)?
                ))
            } else if name.is_atom("failed") {
                Some(format!("failed at packet {}, which may have run: {}", number(2)?, reason(0)?))
            } else if name.is_atom("seen") {
                let end = if at(2).is_some() { ", and ends the session" } else { "" };
                Some(format!(
                    "has the answers to all messages up to {}, and {} events{end}",
                    number(0)?,
                    number(1)?
                ))
            } else if name.is_atom("moved") {
                Some(format!("the next message goes to that address, within {} ms", number(0)?))
            } else if name.is_atom("closing") {
                Some(format!(
                    "closes, and has executed nothing after packet {}: {}",
                    number(1)?,
                    reason(0)?
                ))
            } else if name.is_atom("error") {
                Some(format!("found broken syntax at byte {}: {}", number(1)?, reason(0)?))
            } else {
                None
            }
        }
        View::Undefined
        | View::Integer(_)
        | View::Atom(_)
        | View::String(_)
        | View::Binary(_)
        | View::List(_)
        | View::Tagged(..) => None,
    }
}

/// Where a header sends the next message.
pub(crate) fn next_ip(next_ip: &NextIp) -> String {
    format!("the next message goes to {next_ip}")
}

/// `1-3,6`, without the number that no program has.
fn versions(list: TermRef<'_>) -> Option<String> {
    let View::List(list) = list.view() else { return None };
    let numbers = list.iter().filter_map(|number| u32::try_from(number.as_i64()?).ok());
    Some(Versions::of(numbers.filter(|&number| number < FIRST_GREASE)).to_string())
}

fn service(name: TermRef<'_>) -> String {
    match name.view() {
        View::Undefined => "the default service".to_owned(),
        View::Integer(_)
        | View::Atom(_)
        | View::String(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..) => format!("service {}", brief(name, MAX_REASON)),
    }
}

/// N12: the versions that a client has and will not use.
fn quarantined(options: TermRef<'_>) -> String {
    let View::List(options) = options.view() else { return String::new() };
    let left_out = options.iter().find_map(|option| {
        let View::Tuple(pair) = option.view() else { return None };
        let [_, versions] = pair.to_array().filter(|[name, _]| name.is_atom("quarantined"))?;
        Some(brief(versions, MAX_REASON))
    });
    left_out.map_or_else(String::new, |left_out| format!(", and leaves out {left_out}"))
}

/// S1, S4: what is said of a session. Its name is a secret, and not shown.
fn session(options: TermRef<'_>) -> String {
    let View::List(options) = options.view() else { return String::new() };
    options.iter().filter_map(session_option).collect()
}

fn session_option(option: TermRef<'_>) -> Option<String> {
    let View::Tuple(parts) = option.view() else { return None };
    let name = parts.get(0)?;
    let number = |index: usize| parts.get(index).and_then(|number| number.as_i64());
    Some(if name.is_atom("session") && parts.len() == 5 {
        format!("; wants a session, to be kept for {} ms", number(4)?)
    } else if name.is_atom("session") {
        format!("; grants a session, and keeps it for {} ms", number(4)?)
    } else if name.is_atom("resume") {
        format!("; goes on with its session, and has the answers up to {}", number(2)?)
    } else if name.is_atom("resumed") {
        format!("; the session goes on after message {}", number(1)?)
    } else if name.is_atom("no_session") {
        format!("; does not have the session: {}", brief(parts.get(1)?, MAX_REASON))
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(packet: &str) -> Option<String> {
        in_words(ubf_codec::decode(packet.as_bytes()).unwrap().root())
    }

    #[test]
    fn says_what_the_engines_say() {
        for (packet, expected) in [
            ("{'negotiate'1?#1&2&3&2147483640&#}$", "offers versions 1-3 to the default service"),
            (
                "{'negotiate'1\"kv\"#8&#{'quarantined'#{10'crash'}&}&}$",
                "offers versions 8 to service \"kv\", and leaves out [{10,crash}]",
            ),
            ("{'agreed'1?#1&2&3&14&#}$", "agrees, and speaks 1-3,14"),
            ("{'no_common_version'1?#7&}$", "has no common version, and speaks 7"),
            (
                "{'refused'{'version'8}#1&2&3}$",
                "refuses packet 3, which was not executed: {version,8}; speaks 1,2",
            ),
            ("{'failed''crash'#1&2}$", "failed at packet 2, which may have run: crash"),
            ("{'moved'3000}$", "the next message goes to that address, within 3000 ms"),
            (
                "{'closing''shutdown'2}$",
                "closes, and has executed nothing after packet 2: shutdown",
            ),
            ("{'error''syntax'17}$", "found broken syntax at byte 17: syntax"),
            ("'ping'$", "asks for a sign of life"),
            (
                "{'negotiate'1?#3&#{'session'16~0123456789abcdef~1024 4194304 60000}&}$",
                "offers versions 3 to the default service; wants a session, to be kept for 60000 ms",
            ),
            (
                "{'agreed'1?#3&#{'session'1024 4194304 16777216 60000'memory'}&}$",
                "agrees, and speaks 3; grants a session, and keeps it for 60000 ms",
            ),
            (
                "{'negotiate'1?#3&#{'resume'16~0123456789abcdef~1 0 2}&}$",
                "offers versions 3 to the default service; goes on with its session, and has the \
                 answers up to 1",
            ),
            (
                "{'agreed'1?#3&#{'resumed'2 0}&}$",
                "agrees, and speaks 3; the session goes on after message 2",
            ),
            (
                "{'agreed'1?#3&#{'no_session''unknown'}&}$",
                "agrees, and speaks 3; does not have the session: unknown",
            ),
            ("{'seen'7 9}$", "has the answers to all messages up to 7, and 9 events"),
            (
                "{'seen'7 9'end'}$",
                "has the answers to all messages up to 7, and 9 events, and ends the session",
            ),
        ] {
            assert_eq!(words(packet).as_deref(), Some(expected), "{packet}");
        }
    }

    #[test]
    fn what_is_not_known_has_no_words() {
        for packet in
            ["{'negotiate'}$", "{'agreed'1?2#}$", "{'later'1}$", "{}$", "1$", "{'refused'1 2 3}$"]
        {
            assert_eq!(words(packet), None, "{packet}");
        }
    }
}
