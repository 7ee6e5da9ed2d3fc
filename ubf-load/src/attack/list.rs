//! All attacks, by name.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::finding::Finding;
use super::target::Target;
use super::{
    certificates, control, crowd, endless, foreign, handshakes, pipeline, sessions, slow, stock,
};

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
    /// Whom it is for.
    pub kind: AttackKind,
    pub(super) run: for<'a> fn(&'a Target) -> Running<'a>,
}

/// Which servers an attack is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttackKind {
    /// Those that know versions.
    Versioned,
    /// Those of the time before versions.
    Stock,
    /// Both, each in its own words.
    Packets,
    /// Those that speak TLS, whatever is said in it.
    Tls,
}

impl AttackKind {
    /// Whether such an attack is one on this server.
    #[must_use]
    pub const fn suits(self, target: &Target) -> bool {
        match self {
            Self::Versioned => target.stock.is_none(),
            Self::Stock => target.stock.is_some(),
            Self::Packets => true,
            Self::Tls => target.tls.is_some(),
        }
    }
}

impl fmt::Debug for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! attacks {
    ($($kind:ident $name:literal $rule:literal $about:literal |$target:ident| $run:expr;)*) => {
        /// Every attack, in the order in which they are run: quick ones first.
        pub static ATTACKS: &[Attack] =
            &[$(Attack {
                name: $name,
                rule: $rule,
                about: $about,
                kind: AttackKind::$kind,
                run: |$target| Box::pin($run),
            }),*];
    };
}

const PACKET_BYTES: &[&str] = &["0 {error,'limit-packet-bytes',"];

attacks! {
    Versioned "foreign-protocols" "L3" "HTTP, TLS, Redis and others knock at the wrong door"
        |target| foreign::protocols(target);
    Versioned "redirects" "P1"
        "packets with a NextIP, as servers send them"
        |target| foreign::redirects(target);
    Versioned "malformed-control" "P4"
        "packets of version 0 with each field missing, of the wrong kind, doubled, or one too many"
        |target| control::malformed(target);
    Versioned "giant-service" "N1" "a negotiation for a service whose name has a mebibyte"
        |target| endless::giant_service(target);
    Packets "giant-announcement" "L1" "a binary of 99,999,999,999,999,999,999 bytes is announced"
        |target| endless::bomb(target, "99999999999999999999~".into(), PACKET_BYTES);
    Packets "negative-announcement" "W4" "a binary of -1 bytes is announced"
        |target| endless::bomb(target, "-1~".into(), &["0 {error,'negative-binary-length',"]);
    Packets "deep-tuples" "L1" "100,000 tuples, one in another"
        |target| endless::bomb(
            target,
            "{".repeat(100_000),
            &["0 {error,'limit-depth',"],
        );
    Packets "deep-lists" "L1" "100,000 lists, one in another"
        |target| endless::bomb(
            target,
            format!("{}{}", "#".repeat(100_000), "&".repeat(99_999)),
            &["0 {error,'limit-depth',"],
        );
    Packets "deep-tags" "L1" "100,000 semantic tags on one term"
        |target| endless::bomb(
            target,
            format!("1{}$", "`t`".repeat(100_000)),
            &["0 {error,'limit-depth',"],
        );
    Packets "register-bomb" "W10" "64 registers, each of which holds the one before twice"
        |target| endless::bomb(
            target,
            endless::doubling("{1}"),
            &["0 {error,'limit-expanded-nodes',", "0 {error,'limit-expanded-bytes',"],
        );
    Packets "register-text-bomb" "W10" "the same with a string of 64 KiB"
        |target| endless::bomb(
            target,
            endless::doubling(&format!("\"{}\"", "x".repeat(65_536))),
            &["0 {error,'limit-expanded-bytes',"],
        );
    Packets "shared-list" "W5" "a good packet that is quadratic where lists are copied"
        |target| endless::shared_list(target);
    Packets "endless-integer" "L1" "an integer that never ends"
        |target| endless::packet(target, "", "9", &["0 {error,'limit-integer-digits',"]);
    Versioned "endless-version" "P2" "a version number that never ends"
        |target| endless::bytes(target, "", "9", &["0 {error,'version-too-large',"]);
    Packets "endless-tag" "L1" "a semantic tag that never ends"
        |target| endless::packet(target, "1`", "x", &["0 {error,'limit-tag-bytes',"]);
    Packets "endless-terms" "L1" "a tuple of integers that never ends"
        |target| endless::packet(
            target,
            "{", "1 ",
            &["0 {error,'limit-expanded-nodes',", "0 {error,'limit-packet-bytes',"],
        );
    Packets "endless-string" "L1" "a string that never ends"
        |target| endless::packet(target, "\"", "x", PACKET_BYTES);
    Packets "endless-atom" "L1"
        "an atom that never ends"
        |target| endless::packet(target, "'", "x", PACKET_BYTES);
    Packets "endless-comment" "L1" "a comment that never ends"
        |target| endless::packet(target, "%", "x", PACKET_BYTES);
    Packets "endless-blanks" "L1" "white space in a packet that never ends"
        |target| endless::packet(target, "{", " \n", PACKET_BYTES);
    Packets "endless-blanks-between" "L1" "white space between packets that never ends"
        |target| endless::bytes(target, "", "\n ", PACKET_BYTES);
    Packets "huge-pipeline" "P5"
        "calls, none of which waits for the one before"
        |target| pipeline::calls(target);
    Versioned "version-ping-pong" "P5" "each call in another version" |target| pipeline::ping_pong(target);
    Versioned "unspoken-version" "N4" "calls and events in a version that the server does not speak"
        |target| pipeline::unspoken(target);
    Versioned "event-like-replies" "P3" "requests whose reply may have the form of an event"
        |target| pipeline::event_like_replies(target);
    Versioned "odd-requests" "N6"
        "requests that services stumble over, from one client, and then another client"
        |target| pipeline::odd_requests(target);
    Versioned "refused-pipelines" "L2"
        "up to 100 connections with packets that are refused, without end, and read"
        |target| pipeline::refused_crowd(target);
    Versioned "negotiation-flood" "N10" "nothing but negotiations" |target| pipeline::negotiations(target);
    Packets "event-flood" "L1" "events, which have no answers, and a call after them"
        |target| pipeline::events(target);
    Packets "calls-then-garbage" "L3" "calls, and broken bytes after them"
        |target| pipeline::calls_then_garbage(target);
    Versioned "session-flood" "S6" "many sessions at a time, each with its connection"
        |target| sessions::flood(target);
    Versioned "parked-sessions" "S6" "sessions that are opened and left, to be kept for a month"
        |target| sessions::parked(target);
    Versioned "guessed-sessions" "S4" "attempts to go on with sessions whose names are guessed"
        |target| sessions::guesses(target);
    Versioned "resume-storm" "S5"
        "a session that goes on on one connection after the other, and attempts that come late"
        |target| sessions::storm(target);
    Versioned "false-seen" "S3" "answers and events are acknowledged that there never were"
        |target| sessions::lies(target);
    Versioned "false-resume" "S4" "attempts to go on after more answers than there are numbers"
        |target| sessions::far_ahead(target);
    Versioned "unseen-answers" "S3"
        "large answers that are never acknowledged"
        |target| sessions::hoard(target);
    Packets "half-closed" "L2"
        "a call, and the end of the client's side"
        |target| crowd::half_closed(target);
    Packets "half-closed-mid-packet" "L2" "half a packet, and the end of the client's side"
        |target| crowd::half_a_packet(target);
    Packets "resets" "L2" "a call and a half, and a reset" |target| crowd::resets(target);
    Packets "connection-storm" "L1" "connections that are closed as soon as they are open"
        |target| crowd::storm(target);
    Versioned "silent-connections" "L1" "connections on which nothing is said" |target| crowd::silent(target);
    Versioned "slow-first-packet" "L1"
        "a first packet that comes byte by byte"
        |target| slow::first_packet(target);
    Versioned "slow-header" "L1" "a version without the space after it, and then nothing"
        |target| slow::bytes(target, "1".into(), 0);
    Packets "slow-body" "L1" "a tuple that comes byte by byte" |target| slow::packet(target, "{", b' ');
    Packets "slow-binary" "L1"
        "a binary that comes byte by byte"
        |target| slow::packet(target, "60000~", b'x');
    Packets "readers-that-stop" "L2"
        "calls with large replies that are never read"
        |target| crowd::deaf(target);
    Packets "idle-connections" "L1" "an agreement, and then silence" |target| crowd::idle(target);
    Stock "stock-garbage" "Q11" "what is no packet of a stock client, before a session and in one"
        |target| stock::garbage(target);
    Stock "stock-meta" "Q6" "requests of the meta level with each part wrong, missing or too large"
        |target| stock::meta(target);
    Stock "stock-silence" "L1" "a hello is heard, and nothing is said"
        |target| stock::silence(target);
    Tls "tls-plain-text" "R7" "packets without TLS, where TLS is spoken"
        |target| handshakes::plain_text(target);
    Tls "tls-broken-hellos" "L3"
        "first words of TLS that are cut, too large, of old versions or of no version"
        |target| handshakes::broken(target);
    Tls "tls-second-hello" "L3"
        "a hello, a request to begin anew, and false records, put into a connection that is there"
        |target| handshakes::second(target);
    Tls "tls-cut-short" "L2" "half a packet, and an end that TLS knows nothing of"
        |target| handshakes::cut_short(target);
    Tls "tls-handshake-storm" "L1" "whole handshakes as fast as they go, and nothing after them"
        |target| handshakes::storm(target);
    Tls "tls-handshake-flood" "L1" "many handshakes that are begun and left"
        |target| handshakes::flood(target);
    Tls "tls-slow-handshakes" "L1" "a hello that comes byte by byte"
        |target| handshakes::slow(target);
    Tls "tls-false-certificates" "S9"
        "no certificate, those of a false authority, of another time, with the names of a true one"
        |target| certificates::falsehoods(target);
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
