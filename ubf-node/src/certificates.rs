//! The server's certificate: read at the start, again at SIGHUP, and when its files change.

use std::convert::Infallible;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};
use ubf_net::tls::{ServerFiles, ServerTls, TlsError};

use crate::rows::Causes;

/// Between two looks at the files. They are read when two looks saw the same: a certificate and its
/// key are written one after the other.
const PERIOD: Duration = Duration::from_secs(1);
/// From when on the end of a certificate is told of. Chosen: what renews certificates that are good
/// for hours does so in time, and a day is enough for a person.
const SOON: Duration = Duration::from_secs(24 * 60 * 60);

/// What makes TLS of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tls: ServerTls,
    /// Who sees it. Of one file there may be several: each has authorities of its own.
    shown_to: &'static str,
    is_failing: AtomicBool,
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn open(files: ServerFiles, shown_to: &'static str) -> Result<Self, TlsError> {
        let tls = ServerTls::from_files(files)?;
        Ok(Self(Arc::new(Inner { tls, shown_to, is_failing: AtomicBool::new(false) })))
    }

    pub(crate) fn tls(&self) -> ServerTls {
        self.0.tls.clone()
    }

    /// Whether what is in the files cannot be used, so that the one from before is; or that is over.
    pub(crate) fn is_failing(&self) -> bool {
        let is_over = || self.0.tls.not_after().is_some_and(|end| end < SystemTime::now());
        self.0.is_failing.load(Ordering::Relaxed) || is_over()
    }

    /// Reads the files again. What cannot be used is said, and changes nothing.
    pub(crate) fn reload(&self) {
        let reloaded = self.0.tls.reload();
        self.0.is_failing.store(reloaded.is_err(), Ordering::Relaxed);
        let (path, shown_to) = (self.0.tls.files().certificate.display(), self.0.shown_to);
        match reloaded {
            Ok(()) => info!(%path, shown_to, "certificate reloaded"),
            Err(error) => {
                error!(error = %Causes(&error), shown_to, "the certificate is not reloaded: the one from before stays");
            }
        }
    }

    /// Reads the files again whenever they have changed.
    pub(crate) async fn watch(&self) -> Infallible {
        let ServerFiles { certificate, key, client_authorities, .. } = self.0.tls.files();
        let paths = [Some(certificate), Some(key), client_authorities.as_ref()];
        let paths: Vec<&PathBuf> = paths.into_iter().flatten().collect();
        let look = || paths.iter().map(|path| Stamp::of(path)).collect::<Vec<_>>();
        let mut loaded = look();
        let mut seen = loaded.clone();
        let mut told = None;
        loop {
            tokio::time::sleep(PERIOD).await;
            told = self.tell_of_its_end(told, SystemTime::now());
            let stamps = look();
            if stamps == seen && stamps != loaded {
                self.reload();
                loaded.clone_from(&stamps);
            }
            seen = stamps;
        }
    }
}

impl Certificates {
    /// Says that the certificate is over soon, and again when it is. What was told of it, and of
    /// which end, is handed from one look to the next.
    fn tell_of_its_end(&self, told: Option<Told>, now: SystemTime) -> Option<Told> {
        let end = self.0.tls.not_after()?;
        let is_over = end < now;
        let is_soon = end.duration_since(now).is_ok_and(|left| left < SOON);
        let next = Told { end, is_over };
        if !(is_over || is_soon) || told == Some(next) {
            return told;
        }
        let (path, shown_to) = (self.0.tls.files().certificate.display(), self.0.shown_to);
        if is_over {
            error!(%path, shown_to, "the certificate is over: clients refuse it, and those that are connected stay");
        } else {
            let left_s = end.duration_since(now).unwrap_or_default().as_secs();
            warn!(%path, shown_to, left_s, "the certificate is over soon");
        }
        Some(next)
    }
}

/// What was told of a certificate's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    end: SystemTime,
    is_over: bool,
}

/// By what a changed file is known. `None`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp(Option<(u64, Option<SystemTime>, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let file = std::fs::metadata(path).ok();
        Self(file.map(|file| (file.len(), file.modified().ok(), number(&file))))
    }
}

/// A file that takes the place of another one has another number.
#[cfg(unix)]
fn number(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
const fn number(_: &Metadata) -> u64 {
    0
}
