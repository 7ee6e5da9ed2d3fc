//! All attacks, by name.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::finding::Finding;
use super::target::Target;
use super::{control, crowd, endless, foreign, pipeline, sessions, slow};

type Running<'a> = Pin<Box<dyn Future<Output = Finding> + 'a>>;

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// A name for people and programs, in lower case with hyphens.
    pub name: &'static str,
    /// The rule of the specification that holds against it.
    pub rule: &'static str,
    /// What is done.
    pub about: &'static str,
    pub(super) run: for<'a> fn(&'a Target) -> Running<'a>,
}

impl fmt::Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! attacks {
    ($($name:literal $rule:literal $about:literal |$target:ident| $run:expr;)*) => {
        /// Every attack, in the order in which they are run: quick ones first.
        pub static ATTACKS: &[Attack] =
            &[$(Attack {
                name: $name,
                rule: $rule,
                about: $about,
                run: |$target| Box::pin($run),
            }),*];
    };
}

const PACKET_BYTES: &[&str] = &["0 {error,'limit-packet-bytes',"];

attacks! {
    "foreign-protocols" "L3" "HTTP, TLS, Redis and others knock at the wrong door"
        |target| foreign::protocols(target);
    "redirects" "P1"
        "packets with a NextIP, as servers send them"
        |target| foreign::redirects(target);
    "malformed-control" "P4"
        "packets of version 0 with each field missing, of the wrong kind, doubled, or one too many"
        |target| control::malformed(target);
    "giant-service" "N1" "a negotiation for a service whose name has a mebibyte"
        |target| endless::bomb(
            target,
            endless::giant_service(),
            &["0 {error,{malformed,negotiate,'Service'},"],
        );
    "giant-announcement" "L1" "a binary of 99,999,999,999,999,999,999 bytes is announced"
        |target| endless::bomb(target, "1 99999999999999999999~".into(), PACKET_BYTES);
    "negative-announcement" "W4" "a binary of -1 bytes is announced"
        |target| endless::bomb(target, "1 -1~".into(), &["0 {error,'negative-binary-length',"]);
    "deep-tuples" "L1" "100,000 tuples, one in another"
        |target| endless::bomb(
            target,
            format!("1 {}", "{".repeat(100_000)),
            &["0 {error,'limit-depth',"],
        );
    "deep-lists" "L1" "100,000 lists, one in another"
        |target| endless::bomb(
            target,
            format!("1 {}{}", "#".repeat(100_000), "&".repeat(99_999)),
            &["0 {error,'limit-depth',"],
        );
    "deep-tags" "L1" "100,000 semantic tags on one term"
        |target| endless::bomb(
            target,
            format!("1 1{}$", "`t`".repeat(100_000)),
            &["0 {error,'limit-depth',"],
        );
    "register-bomb" "W10" "64 registers, each of which holds the one before twice"
        |target| endless::bomb(
            target,
            endless::doubling("{1}"),
            &["0 {error,'limit-expanded-nodes',", "0 {error,'limit-expanded-bytes',"],
        );
    "register-text-bomb" "W10" "the same with a string of 64 KiB"
        |target| endless::bomb(
            target,
            endless::doubling(&format!("\"{}\"", "x".repeat(65_536))),
            &["0 {error,'limit-expanded-bytes',"],
        );
    "shared-list" "W5" "a good packet that is quadratic where lists are copied"
        |target| endless::shared_list(target);
    "endless-integer" "L1" "an integer that never ends"
        |target| endless::packet(target, "1 ", "9", &["0 {error,'limit-integer-digits',"]);
    "endless-version" "P2" "a version number that never ends"
        |target| endless::packet(target, "", "9", &["0 {error,'version-too-large',"]);
    "endless-tag" "L1" "a semantic tag that never ends"
        |target| endless::packet(target, "1 1`", "x", &["0 {error,'limit-tag-bytes',"]);
    "endless-terms" "L1" "a tuple of integers that never ends"
        |target| endless::packet(
            target,
            "1 {", "1 ",
            &["0 {error,'limit-expanded-nodes',", "0 {error,'limit-packet-bytes',"],
        );
    "endless-string" "L1" "a string that never ends"
        |target| endless::packet(target, "1 \"", "x", PACKET_BYTES);
    "endless-atom" "L1"
        "an atom that never ends"
        |target| endless::packet(target, "1 '", "x", PACKET_BYTES);
    "endless-comment" "L1" "a comment that never ends"
        |target| endless::packet(target, "1 %", "x", PACKET_BYTES);
    "endless-blanks" "L1" "white space in a packet that never ends"
        |target| endless::packet(target, "1 {", " \n", PACKET_BYTES);
    "endless-blanks-between" "L1" "white space between packets that never ends"
        |target| endless::packet(target, "", "\n ", PACKET_BYTES);
    "huge-pipeline" "P5"
        "calls, none of which waits for the one before"
        |target| pipeline::calls(target);
    "version-ping-pong" "P5" "each call in another version" |target| pipeline::ping_pong(target);
    "unspoken-version" "N4" "calls and events in a version that the server does not speak"
        |target| pipeline::unspoken(target);
    "event-like-replies" "P3" "requests whose reply may have the form of an event"
        |target| pipeline::event_like_replies(target);
    "odd-requests" "N6"
        "requests that services stumble over, from one client, and then another client"
        |target| pipeline::odd_requests(target);
    "refused-pipelines" "L2"
        "up to 100 connections with packets that are refused, without end, and read"
        |target| pipeline::refused_crowd(target);
    "negotiation-flood" "N10" "nothing but negotiations" |target| pipeline::negotiations(target);
    "event-flood" "L1" "events, which have no answers, and a call after them"
        |target| pipeline::events(target);
    "calls-then-garbage" "L3" "calls, and broken bytes after them"
        |target| pipeline::calls_then_garbage(target);
    "session-flood" "S6" "many sessions at a time, each with its connection"
        |target| sessions::flood(target);
    "parked-sessions" "S6" "sessions that are opened and left, to be kept for a month"
        |target| sessions::parked(target);
    "guessed-sessions" "S4" "attempts to go on with sessions whose names are guessed"
        |target| sessions::guesses(target);
    "resume-storm" "S5"
        "a session that goes on on one connection after the other, and attempts that come late"
        |target| sessions::storm(target);
    "false-seen" "S3" "answers and events are acknowledged that there never were"
        |target| sessions::lies(target);
    "false-resume" "S4" "attempts to go on after more answers than there are numbers"
        |target| sessions::far_ahead(target);
    "unseen-answers" "S3"
        "large answers that are never acknowledged"
        |target| sessions::hoard(target);
    "half-closed" "L2"
        "a call, and the end of the client's side"
        |target| crowd::half_closed(target);
    "half-closed-mid-packet" "L2" "half a packet, and the end of the client's side"
        |target| crowd::half_a_packet(target);
    "resets" "L2" "a call and a half, and a reset" |target| crowd::resets(target);
    "connection-storm" "L1" "connections that are closed as soon as they are open"
        |target| crowd::storm(target);
    "silent-connections" "L1" "connections on which nothing is said" |target| crowd::silent(target);
    "slow-first-packet" "L1"
        "a first packet that comes byte by byte"
        |target| slow::first_packet(target);
    "slow-header" "L1" "a version without the space after it, and then nothing"
        |target| slow::packet(target, "1", 0);
    "slow-body" "L1" "a tuple that comes byte by byte" |target| slow::packet(target, "1 {", b' ');
    "slow-binary" "L1"
        "a binary that comes byte by byte"
        |target| slow::packet(target, "1 60000~", b'x');
    "readers-that-stop" "L2"
        "calls with large replies that are never read"
        |target| crowd::deaf(target);
    "idle-connections" "L1" "an agreement, and then silence" |target| crowd::idle(target);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_words() {
        let mut names: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ATTACKS.len());
    }
}
