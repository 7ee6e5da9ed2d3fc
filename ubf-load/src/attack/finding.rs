//! What attacks see: words of the server, counted, and what should not have been.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::target::Target;
use super::wire::{Heard, Wire};

/// Kinds of faults that are listed: more say nothing more.
const MAX_FAULTS: usize = 8;

/// What an attack saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    pub(super) saw: String,
    pub(super) faults: Vec<String>,
}

impl Finding {
    pub(super) fn new(saw: impl Into<String>) -> Self {
        Self { saw: saw.into(), faults: Vec::new() }
    }

    pub(super) fn fault(saw: impl Into<String>) -> Self {
        let saw = saw.into();
        Self { faults: vec![saw.clone()], saw }
    }

    /// Adds a fault if `is_wrong`.
    pub(super) fn but(mut self, is_wrong: bool, fault: impl Into<String>) -> Self {
        if is_wrong && self.faults.len() < MAX_FAULTS {
            self.faults.push(fault.into());
        }
        self
    }
}

/// How often each word was heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub(super) fn add(&mut self, word: impl Into<String>) {
        *self.0.entry(word.into()).or_default() += 1;
    }

    /// All that was heard should begin with one of these.
    pub(super) fn expect(&self, expected: &[&str]) -> Finding {
        let is_expected = |word: &str| expected.iter().any(|expected| word.starts_with(expected));
        let words = self.0.iter().map(|(word, count)| {
            if *count == 1 { word.clone() } else { format!("{count} × {word}") }
        });
        let mut finding = Finding::new(words.take(MAX_FAULTS).collect::<Vec<_>>().join("; "));
        for word in self.0.keys() {
            finding = finding
                .but(!is_expected(word), format!("{word}, and not {}", expected.join(" or ")));
        }
        finding
    }
}

/// Does the same on so many connections at once, and counts what each heard.
pub(super) async fn crowd<F>(count: usize, one: impl Fn() -> F) -> Tally
where
    F: Future<Output = String> + Send + 'static,
{
    let mut tasks: JoinSet<String> = (0..count).map(|_| one()).collect();
    let mut tally = Tally::default();
    while let Some(word) = tasks.join_next().await {
        tally.add(word.unwrap_or_else(|error| error.to_string()));
    }
    tally
}

/// Last words, and whether the connection ended after them.
pub(super) async fn last_words(wire: &mut Wire, heard: Heard, wait: Duration) -> String {
    if heard.is_end() || matches!(heard, Heard::Silence) {
        return heard.text();
    }
    let next = wire.hear(wait).await;
    let is_over = matches!(next, Heard::End | Heard::Reset);
    format!("{}, then {}", heard.text(), if is_over { "the end".into() } else { next.text() })
}

/// Sends this on a connection that has agreed. The server should say this and close.
pub(super) async fn should_end(
    target: &Target,
    chunks: impl IntoIterator<Item = bytes::Bytes>,
    expected: &[&str],
) -> Finding {
    let mut wire = match Wire::greet(target).await {
        Ok(wire) => wire,
        Err(heard) => return Finding::fault(format!("no agreement: {heard}")),
    };
    let is_last = |heard: &Heard| heard.version() == Some(0) || target.stock.is_some();
    let (sent, heard) = wire.talk(chunks, target.max_wait, is_last).await;
    let said = last_words(&mut wire, heard, target.max_wait).await;
    let is_expected = match target.stock {
        Some(_) => matches!(&*said, "end of stream" | "reset"),
        None => {
            expected.iter().any(|expected| said.starts_with(expected))
                && said.ends_with("then the end")
        }
    };
    let wanted = match target.stock {
        Some(_) => "the end".to_owned(),
        None => format!("{}, then the end", expected.join(" or ")),
    };
    let fault = format!("{said}, and not {wanted}");
    Finding::new(format!("{said}; {} taken", bytes_in_words(sent))).but(!is_expected, fault)
}

/// `17 B`, `64.0 KiB`, `16.0 MiB`.
#[must_use]
pub fn bytes_in_words(bytes: u64) -> String {
    // Precision is lost where nobody would see it.
    #[allow(clippy::cast_precision_loss, reason = "it is rounded to a digit anyway")]
    let count = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", count / 1024.0),
        _ => format!("{:.1} MiB", count / 1_048_576.0),
    }
}
