//! The journal of systemd as the reader of stderr: it takes the importance of a line from its
//! beginning, as `<3>`, and does not show that.

use std::path::Path;

use tracing::Level;

/// Whether the journal reads what this process writes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    Reads,
    Absent,
}

impl Journal {
    /// systemd names the stream that it reads: a child whose stderr goes elsewhere has inherited the
    /// variable, and no more.
    pub(super) fn of_stderr() -> Self {
        let named = std::env::var("JOURNAL_STREAM").ok();
        Self::of(named.as_deref(), Path::new("/proc/self/fd/2"))
    }

    fn of(named: Option<&str>, stream: &Path) -> Self {
        let own = number_of(stream);
        if own.is_some() && named == own.as_deref() { Self::Reads } else { Self::Absent }
    }

    /// A line, with its importance before it for the journal.
    pub(super) fn prefixed(self, level: &Level, line: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Absent => line,
            Self::Reads => [b"<", priority(level), b">", line.as_slice()].concat(),
        }
    }
}

/// As syslog counts.
const fn priority(level: &Level) -> &'static [u8] {
    match *level {
        Level::ERROR => b"3",
        Level::WARN => b"4",
        Level::INFO => b"6",
        Level::DEBUG | Level::TRACE => b"7",
    }
}

/// `DEVICE:INODE`.
#[cfg(unix)]
fn number_of(stream: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let stream = std::fs::metadata(stream).ok()?;
    Some(format!("{}:{}", stream.dev(), stream.ino()))
}

#[cfg(not(unix))]
const fn number_of(_: &Path) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_systemd_names_is_read_by_the_journal() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let named = number_of(here).unwrap();
        assert_eq!(Journal::of(Some(&named), here), Journal::Reads);
        for (named, stream) in [
            (None, here),
            (Some("1:1"), here),
            (Some(&*named), Path::new("/nowhere")),
            (None, Path::new("/nowhere")),
        ] {
            assert_eq!(Journal::of(named, stream), Journal::Absent, "{named:?}");
        }
    }

    #[test]
    fn the_journal_is_told_how_important_a_line_is() {
        let line = |journal: Journal, level| journal.prefixed(&level, b"x".to_vec());
        assert_eq!(line(Journal::Reads, Level::ERROR), b"<3>x");
        assert_eq!(line(Journal::Reads, Level::INFO), b"<6>x");
        assert_eq!(line(Journal::Absent, Level::ERROR), b"x");
    }
}
