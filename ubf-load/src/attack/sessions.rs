//! Sessions: floods of them, names that are guessed, attempts to resume that race, and lies about
//! what was received.

use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;

use super::finding::{Finding, Tally, bytes_in_words, crowd, last_words};
use super::target::Target;
use super::wire::{Heard, Wire};

/// For how long sessions are to be kept that need not outlive the attack.
const SHORT_KEEP_MS: u64 = 1_000;
/// For how long sessions are to be kept that are to be in the way: 30 days.
const LONG_KEEP_MS: u64 = 2_592_000_000;
/// Guesses on one connection: fewer than the negotiations that are answered (N10).
const GUESSES: usize = 7;
/// Sessions whose answers are kept. Chosen: what they may keep is a quarter of what a process may
/// grow by.
const HOARDERS: usize = 4;
/// Bytes of a call whose answer is kept.
const LARGE: usize = 32 << 10;
/// Messages without an answer that is acknowledged, in these sessions.
const WINDOW: usize = 1_024;
/// Of these calls, so many are in flight at a time.
const BATCH: usize = 64;
/// What a server may keep beyond what it has granted: one answer, and what it costs to keep them.
const KEPT_SLACK: u64 = 256 << 10;

/// What S1 calls an Id, which no other session has.
struct Name(String);

impl Name {
    fn random() -> Self {
        // The hasher is keyed by the operating system's randomness.
        Self(format!("{:016x}", RandomState::new().hash_one("session")))
    }

    fn open(&self, target: &Target, keep_ms: u64) -> String {
        let option = format!("{{'session'16~{}~{WINDOW} 67108864 {keep_ms}}}", self.0);
        negotiate(target, &option)
    }

    fn resume(&self, target: &Target, done: &str, turn: u64) -> String {
        negotiate(target, &format!("{{'resume'16~{}~{done} 0 {turn}}}", self.0))
    }
}

fn negotiate(target: &Target, option: &str) -> String {
    format!("0 {{'negotiate'1{}#{}&#{option}&}}$", target.service_term(), target.version())
}

/// What an attempt to open or to resume a session was answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Granted,
    Resumed,
    Unknown,
    /// There is an agreement, and no session.
    None,
    Other(String),
}

impl Answer {
    fn of(heard: &Heard) -> Self {
        let Heard::Packet { body, .. } = heard else { return Self::Other(heard.text()) };
        let all = body.to_string();
        if !all.starts_with("{agreed,") {
            Self::Other(heard.text())
        } else if all.contains("{session,") {
            Self::Granted
        } else if all.contains("{resumed,") {
            Self::Resumed
        } else if all.contains("{no_session,unknown}") {
            Self::Unknown
        } else {
            Self::None
        }
    }

    fn word(self) -> String {
        match self {
            Self::Granted => "granted".into(),
            Self::Resumed => "resumed".into(),
            Self::Unknown => "unknown".into(),
            Self::None => "not granted".into(),
            Self::Other(heard) => heard,
        }
    }
}

async fn ask(target: &Target, packet: &str) -> (Option<Wire>, Answer) {
    let mut wire = match Wire::open(target).await {
        Ok(wire) => wire,
        Err(error) => return (None, Answer::Other(error.to_string())),
    };
    wire.send(packet).await;
    let answer = Answer::of(&wire.hear(target.max_wait).await);
    (Some(wire), answer)
}

/// A session of its own. `Err`: what to say instead of an attack.
async fn open(target: &Target, keep_ms: u64) -> Result<(Name, Wire), Finding> {
    let name = Name::random();
    match ask(target, &name.open(target, keep_ms)).await {
        (Some(wire), Answer::Granted) => Ok((name, wire)),
        (_, Answer::None) => Err(Finding::new("the server grants no sessions")),
        (_, answer) => Err(Finding::fault(answer.word())),
    }
}

/// S6: many at a time, each with its connection, and then without.
pub(super) async fn flood(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let (wire, answer) = ask(&target, &Name::random().open(&target, SHORT_KEEP_MS)).await;
            let Some(mut wire) = wire.filter(|_| matches!(answer, Answer::Granted | Answer::None))
            else {
                return answer.word();
            };
            wire.send(&target.call()).await;
            let heard = wire.hear(target.max_wait).await;
            if heard.version() == Some(target.version()) { answer.word() } else { heard.text() }
        }
    });
    tally.await.expect(&["granted", "not granted"])
}

/// S6: opened and left, one after the other: each is to be kept for a month.
pub(super) async fn parked(target: &Target) -> Finding {
    let mut tally = Tally::default();
    for _ in 0..target.packets / 4 {
        let (wire, answer) = ask(target, &Name::random().open(target, LONG_KEEP_MS)).await;
        if let Some(wire) = wire {
            wire.reset();
        }
        tally.add(answer.word());
    }
    tally.expect(&["granted", "not granted"])
}

/// S4, S9: nobody has a session of these names.
pub(super) async fn guesses(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            let Ok(mut wire) = Wire::open(&target).await else { return "no connection".into() };
            for _ in 0..GUESSES {
                wire.send(&Name::random().resume(&target, "0", 2)).await;
                match Answer::of(&wire.hear(target.max_wait).await) {
                    Answer::Unknown => {}
                    // Who knows no sessions leaves the option out.
                    Answer::None => return "not granted".into(),
                    answer @ (Answer::Granted | Answer::Resumed | Answer::Other(_)) => {
                        return answer.word();
                    }
                }
            }
            "unknown, each".into()
        }
    });
    tally.await.expect(&["unknown, each", "not granted"])
}

/// S5: each attempt is later than the last, and on another connection; now and then an earlier one
/// comes late. The session goes on all the while.
pub(super) async fn storm(target: &Target) -> Finding {
    let (name, mut wire) = match open(target, SHORT_KEEP_MS).await {
        Ok(opened) => opened,
        Err(finding) => return finding,
    };
    let mut tally = Tally::default();
    let rounds = (target.packets / 20).max(4) as u64;
    for turn in (2..).take(usize::try_from(rounds).unwrap_or(usize::MAX)) {
        let (next, answer) = ask(target, &name.resume(target, "0", turn * 2)).await;
        tally.add(answer.word());
        let Some(next) = next else { break };
        let mut before = std::mem::replace(&mut wire, next);
        let heard = before.hear(target.max_wait).await;
        tally.add(last_words(&mut before, heard, target.max_wait).await);
        if turn.is_multiple_of(16) {
            let (_, late) = ask(target, &name.resume(target, "0", turn)).await;
            tally.add(late.word());
        }
    }
    wire.send(&target.call()).await;
    let heard = wire.hear(target.max_wait).await;
    let is_served = heard.version() == Some(target.version());
    wire.send("0 {'seen'1 0'end'}$").await;
    tally
        .expect(&["resumed", "0 {closing,overtaken,"])
        .but(!is_served, format!("the session does not go on: {}", heard.text()))
}

/// Numbers that cannot be, and the field that they are in.
const LIES: [(&str, &str); 8] = [
    ("1 0", "Done"),
    ("18446744073709551615 0", "Done"),
    ("9223372036854775807 0", "Done"),
    ("123456789012345678901234567890 0", "Done"),
    ("-1 0", "Done"),
    ("'a'0", "Done"),
    ("0 1", "Events"),
    ("0 18446744073709551615", "Events"),
];

/// S3: what was not sent cannot have been seen; and what was seen stays seen.
pub(super) async fn lies(target: &Target) -> Finding {
    let mut finding = Finding::new(format!("{} lies, each found out", LIES.len()));
    for (numbers, field) in LIES {
        let (name, mut wire) = match open(target, SHORT_KEEP_MS).await {
            Ok(opened) => opened,
            Err(finding) => return finding,
        };
        wire.send(&format!("0 {{'seen'{numbers}}}$")).await;
        let heard = wire.hear(target.max_wait).await;
        let said = last_words(&mut wire, heard, target.max_wait).await;
        let expected = format!("0 {{error,{{malformed,seen,'{field}'}},");
        let is_found = said.starts_with(&expected) && said.ends_with("then the end");
        finding = finding.but(!is_found, format!("seen {numbers} is answered with {said}"));
        // Who lies loses the connection, and not the session.
        let (_, answer) = ask(target, &name.resume(target, "0", 2)).await;
        finding = finding.but(
            answer != Answer::Resumed,
            format!("after seen {numbers} the session is {}", answer.word()),
        );
    }
    finding.faults.extend(backwards(target).await);
    finding
}

/// A lower number than before says nothing.
async fn backwards(target: &Target) -> Option<String> {
    let (_, mut wire) = open(target, SHORT_KEEP_MS).await.ok()?;
    wire.send(&target.call()).await;
    let heard = wire.hear(target.max_wait).await;
    if heard.version() != Some(target.version()) {
        return Some(format!("a call in a session is answered with {}", heard.text()));
    }
    wire.send("0 {'seen'1 0}$0 {'seen'0 0}$0 'ping'$").await;
    let heard = wire.hear(target.max_wait).await;
    (heard.text() != "0 pong").then(|| format!("seen backwards: {}", heard.text()))
}

/// S4: who resumes may say that it has answers which were never made; all that it harms is its own
/// session.
pub(super) async fn far_ahead(target: &Target) -> Finding {
    let mut tally = Tally::default();
    for done in ["18446744073709551615", "9223372036854775807", "4294967296"] {
        let (name, wire) = match open(target, SHORT_KEEP_MS).await {
            Ok(opened) => opened,
            Err(finding) => return finding,
        };
        drop(wire);
        let (resumed, answer) = ask(target, &name.resume(target, done, 2)).await;
        let is_resumed = answer == Answer::Resumed;
        tally.add(answer.word());
        let Some(mut wire) = resumed.filter(|_| is_resumed) else { continue };
        wire.send(&target.call()).await;
        let heard = wire.hear(target.max_wait).await;
        // There may be no number left to count with.
        let word = if heard.version() == Some(target.version()) {
            "served".to_owned()
        } else {
            last_words(&mut wire, heard, target.max_wait).await
        };
        tally.add(word);
    }
    tally.expect(&["resumed", "served", "0 {error,", "0 {closing,"])
}

/// S3: answers that nobody acknowledges. A server begins no call when it keeps what it has granted.
pub(super) async fn hoard(target: &Target) -> Finding {
    let call = Bytes::from(format!("{} \"{}\"$", target.version(), "x".repeat(LARGE)));
    let tally = crowd(HOARDERS.min(target.connections), || {
        let (target, call) = (target.clone(), call.clone());
        async move {
            let mut wire = match open(&target, SHORT_KEEP_MS).await {
                Ok((_, wire)) => wire,
                Err(finding) => return finding.saw,
            };
            let (mut answers, mut others) = (0_u64, String::new());
            // It keeps to what it was granted, so that the server reads on and notices its end.
            let mut last = Heard::Silence;
            for due in (1..=(WINDOW / BATCH) as u64).map(|batch| batch * BATCH as u64) {
                let chunks = std::iter::repeat_n(call.clone(), BATCH);
                let is_enough = |heard: &Heard| {
                    if heard.version() == Some(target.version()) {
                        answers += 1;
                    } else if others.is_empty() {
                        others = heard.text();
                    }
                    answers == due
                };
                (_, last) = wire.talk(chunks, target.max_wait.min(QUIET), is_enough).await;
                if answers < due {
                    break;
                }
            }
            let kept = answers * LARGE as u64;
            let most = MAX_KEPT + KEPT_SLACK;
            if last.is_end() {
                format!("cut off: {}", last.text())
            } else if kept > most {
                format!("{} kept, and nobody has seen them", bytes_in_words(kept))
            } else if others.is_empty() {
                "no more begun than may be kept".into()
            } else {
                others
            }
        }
    });
    tally.await.expect(&[
        "no more begun than may be kept",
        "cut off: 0 {closing,",
        // S3: it parks the session, without a word.
        "cut off: end of stream",
        "cut off: reset",
        "the server grants no sessions",
    ])
}

/// After so long without an answer none is expected.
const QUIET: std::time::Duration = std::time::Duration::from_secs(3);
/// What servers grant at most by default. Chosen: one that grants more is told of it.
const MAX_KEPT: u64 = 16 << 20;
