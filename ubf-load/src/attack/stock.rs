//! What stock clients never say: to a server of the time before versions.

use bytes::Bytes;

use super::finding::{Finding, Tally, crowd};
use super::target::Target;
use super::wire::{Heard, Wire};

/// What is no packet: each costs its connection, and not a word (Q11).
const GARBAGE: [&str; 12] = [
    "}",
    "a$",
    "1 2$",
    "$",
    "'a'&$",
    "&$",
    "-$",
    "\u{0}",
    "0 {'negotiate'1?#1&#}$",
    "1 'ubf_attack'$",
    "GET / HTTP/1.1\r\n\r\n",
    "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0",
];

/// Sends each before a session and in one.
pub(super) async fn garbage(target: &Target) -> Finding {
    let mut before = target.clone();
    if let Some(stock) = &mut before.stock {
        stock.start = None;
    }
    let mut tally = Tally::default();
    for target in [&before, target] {
        for text in GARBAGE {
            let mut wire = match Wire::greet(target).await {
                Ok(wire) => wire,
                Err(heard) => return Finding::fault(format!("no session: {heard}")),
            };
            let chunks = [Bytes::from_static(text.as_bytes())];
            let (_, heard) = wire.talk(chunks, target.max_wait, |_| true).await;
            let word = heard.text();
            tally.add(if heard.is_end() { word } else { format!("{text:?} is answered {word}") });
        }
    }
    tally.expect(&["end of stream", "reset"])
}

/// Requests of the meta level (Q6), none of which begins a session.
fn odd_starts() -> Vec<String> {
    let kinds = ["?", "7", "'a'", "{}", "#", "\"\"", "#1&", "2~ab~", "-99999999999999999999999"];
    let mut all: Vec<String> = Vec::new();
    for word in ["startSession", "startService", "restartService"] {
        all.push(format!("'{word}'$"));
        all.push(format!("{{'{word}'}}$"));
        for kind in kinds {
            all.push(format!("{{'{word}'{kind}}}$"));
            all.push(format!("{{'{word}'{kind}#}}$"));
            all.push(format!("{{'{word}'\"no such service\"{kind}}}$"));
            all.push(format!("{{'{word}'\"no such service\"#{kind}}}$"));
        }
        all.push(format!("{{'{word}'\"{}\"#}}$", "x".repeat(100_000)));
    }
    all
}

/// Each is answered with a packet, or ends the connection; whatever it is, somebody else is served,
/// which is looked at after each attack.
pub(super) async fn meta(target: &Target) -> Finding {
    let mut before = target.clone();
    if let Some(stock) = &mut before.stock {
        stock.start = None;
    }
    let (mut answered, mut ended) = (0, 0);
    for request in odd_starts() {
        let mut wire = match Wire::greet(&before).await {
            Ok(wire) => wire,
            Err(heard) => return Finding::fault(format!("no session: {heard}")),
        };
        wire.send(&request).await;
        match wire.hear(target.max_wait).await {
            Heard::Packet { .. } => answered += 1,
            Heard::End | Heard::Reset => ended += 1,
            heard @ (Heard::Garbage(_) | Heard::Silence) => {
                let shown: String = request.chars().take(60).collect();
                return Finding::fault(format!("{shown} is answered with {}", heard.text()));
            }
        }
    }
    Finding::new(format!("{answered} are answered, {ended} end the connection"))
}

/// A stock client may say nothing for as long as it likes: the server may wait for longer than we.
pub(super) async fn silence(target: &Target) -> Finding {
    let tally = crowd(target.connections, || {
        let target = target.clone();
        async move {
            match Wire::open(&target).await {
                Ok(mut wire) => wire.end(target.max_wait).await,
                Err(error) => error.to_string(),
            }
        }
    });
    tally.await.expect(&["end of stream", "reset", "silence"])
}
