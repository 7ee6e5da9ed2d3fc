//! The folder of a demo, which nobody else can read, and which goes when the demo goes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ui::report::Report;

/// A name that is taken is not used. Chosen: more than can be taken by chance.
const MAX_ATTEMPTS: u32 = 100;

/// Where sockets are, and where journals and logs are.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Removed with all that is in it.
    private: PathBuf,
    kept: Option<PathBuf>,
}

impl Folder {
    /// Makes one. Journals and logs go to `keep`, if there is such a place.
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, Report> {
        let kept = keep.map(kept).transpose()?;
        let temporary = std::env::temp_dir();
        for attempt in 0..MAX_ATTEMPTS {
            let moment = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.subsec_nanos());
            // Short: the path of a socket has some hundred bytes at most.
            let private = temporary.join(format!(
                "ubf-{}-{:x}",
                std::process::id(),
                moment.wrapping_add(attempt)
            ));
            match DirBuilder::new().mode(0o700).create(&private) {
                Ok(()) => return Ok(Self { private, kept }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_make(&private, &error)),
            }
        }
        Err(Report::new(format!("no name is free for a folder in {}", temporary.display())))
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.private.join(format!("{name}.sock"))
    }

    pub(crate) fn journal(&self, name: &str) -> PathBuf {
        self.record(name, "journal")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.record(name, "log")
    }

    /// Where the rows of a server are: the same for all that come after it.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.private.join(name)
    }

    fn record(&self, name: &str, kind: &str) -> PathBuf {
        self.kept.as_ref().unwrap_or(&self.private).join(format!("{name}.{kind}"))
    }

    /// Where the journals stay.
    pub(crate) fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: it is in the system's folder for what is temporary.
        fs::remove_dir_all(&self.private).ok();
    }
}

/// Journals are appended to: those of an earlier demo would be taken for this one's.
fn kept(path: &Path) -> Result<PathBuf, Report> {
    fs::create_dir_all(path).map_err(|error| cannot_make(path, &error))?;
    let mut entries = fs::read_dir(path).map_err(|error| cannot_make(path, &error))?;
    if entries.next().is_some() {
        return Err(Report::new(format!("{}: the folder is not empty", path.display()))
            .with_hint(Some("--keep wants one that is empty, or that is not there")));
    }
    Ok(path.to_owned())
}

fn cannot_make(path: &Path, error: &io::Error) -> Report {
    Report::new(format!(
        "{}: cannot be used as a folder: {}",
        path.display(),
        crate::ui::reason::reason(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gone_with_its_owner_but_what_is_kept_stays() {
        let first = Folder::new(None).unwrap();
        let keep = first.private.join("keep");
        let second = Folder::new(Some(&keep)).unwrap();
        fs::write(second.journal("a1"), "").unwrap();
        assert!(second.socket("a1").starts_with(&second.private));
        let private = second.private.clone();
        drop(second);
        assert!(!private.exists() && keep.join("a1.journal").exists());
        let error = Folder::new(Some(&keep)).unwrap_err();
        assert!(error.render(crate::ui::palette::Palette::new(false)).contains("not empty"));
        let private = first.private.clone();
        drop(first);
        assert!(!private.exists());
    }
}
