//! The log of the program: installed once, steered while it runs.
//!
//! It goes to stderr and never makes the server wait: see [`writer`]. Lines that peers cause are
//! limited: see [`rate`].

mod feed;
mod journal;
mod json;
mod rate;
mod writer;

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use self::feed::FeedLayer;
pub(crate) use self::feed::{Feed, FeedLines};
use self::journal::Journal;
use self::json::JsonLines;
use self::rate::PeerLimit;
use self::writer::{LineWriter, LogHealth};

/// How long the last lines may take when the program ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often the log says how many lines of peers are left out.
const LEFT_OUT_PERIOD: Duration = Duration::from_secs(10);

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// A hold on the log of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    writer: LineWriter,
    limit: Arc<PeerLimit>,
    feed: Feed,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Begins to log, in the whole process. Panics go to the log, too: what prints them otherwise
    /// waits for a reader of stderr.
    pub(crate) fn install(form: LogForm, filter: EnvFilter, node: &str) -> io::Result<Self> {
        let name = node.to_owned();
        let missing = move |count| match form {
            LogForm::Text => format!("WARN {count} lines of the log are missing\n"),
            LogForm::Json => json::missing(&name, count),
        };
        let writer = LineWriter::start(io::stderr(), missing)?;
        let limit = Arc::new(PeerLimit::default());
        let (filter, handle) = reload::Layer::new(filter);
        let feed = Feed::new();
        let journal = Journal::of_stderr();
        let subscriber = tracing_subscriber::registry()
            .with(filter)
            .with(PeerLimitLayer(Arc::clone(&limit)))
            .with(FeedLayer { feed: feed.clone(), node: node.to_owned() });
        let installed = match form {
            LogForm::Text => {
                let lines = writer.clone();
                let has_colour =
                    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                let text = fmt::layer()
                    .with_ansi(has_colour)
                    .with_writer(Lines { writer: lines, journal })
                    .log_internal_errors(false);
                // The journal has a time of its own for each line.
                match journal {
                    Journal::Reads => subscriber.with(text.without_time()).try_init(),
                    Journal::Absent => subscriber.with(text).try_init(),
                }
            }
            LogForm::Json => {
                let json = JsonLines { writer: writer.clone(), node: node.to_owned(), journal };
                subscriber.with(json).try_init()
            }
        };
        installed.map_err(io::Error::other)?;
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let what = text.unwrap_or("a value that is no text");
            tracing::error!(place, what = ?what, "panic");
        }));
        Ok(Self { writer, limit, feed, filter: handle })
    }

    /// Logs by this filter from here on.
    ///
    /// # Errors
    /// If the text is no filter.
    pub(crate) fn set_filter(&self, text: &str) -> Result<(), String> {
        let filter = filter(text)?;
        self.filter.reload(filter).map_err(|error| error.to_string())
    }

    /// A line for people that is no event, as the error that ends the program.
    pub(crate) fn say(&self, line: &str) {
        self.writer.push(format!("{line}\n").as_bytes());
    }

    /// Where people who look at the server get the log from.
    pub(crate) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    pub(crate) fn health(&self) -> LogHealth {
        self.writer.health()
    }

    /// Waits for the last lines, but not for long.
    pub(crate) fn finish(&self) {
        self.say_what_was_left_out();
        self.writer.flush(LAST_LINES);
    }

    /// Says from time to time how many lines the limits on peers have cost.
    pub(crate) async fn tell_of_what_is_left_out(&self) -> Infallible {
        loop {
            tokio::time::sleep(LEFT_OUT_PERIOD).await;
            self.say_what_was_left_out();
        }
    }

    fn say_what_was_left_out(&self) {
        let lines = self.limit.take_left_out();
        if lines > 0 {
            tracing::warn!(lines, "lines that peers caused were left out");
        }
    }
}

/// Reads a filter: `warn`, or `info,ubf_server=debug`.
///
/// # Errors
/// If it is none. A word that is no level would be taken for the name of a module, and would log
/// all of that and nothing else: it is an error.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let level = word.rsplit_once('=').map_or(word, |(_, level)| level);
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!("{level}: not one of {}", LEVELS.join(", ")));
        }
    }
    text.parse().map_err(|error| format!("{text}: {error}"))
}

struct PeerLimitLayer(Arc<PeerLimit>);

impl<S: Subscriber> Layer<S> for PeerLimitLayer {
    fn event_enabled(&self, event: &tracing::Event<'_>, _: Context<'_, S>) -> bool {
        self.0.lets_event_through(event)
    }
}

/// Takes a line that is written at once.
struct Line {
    writer: LineWriter,
    journal: Journal,
    level: Level,
}

/// Makes the writer of each line, which knows how important it is.
struct Lines {
    writer: LineWriter,
    journal: Journal,
}

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { writer: self.writer.clone(), journal: self.journal, level: Level::INFO }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Line {
        Line { level: *metadata.level(), ..self.make_writer() }
    }
}

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.writer.push(&self.journal.prefixed(&self.level, line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_levels_and_a_word_that_is_none_is_an_error() {
        for text in ["info", "WARN", "off", "info,ubf_server=debug", "ubf_node::run=trace"] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["verbose", "info,verbose", "ubf_server=loud", "ubf_server"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
