//! The releases of a machine: a folder each, with the signed manifest and the binary.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use ubf_agent_core::{
    Answer, Hash, Hasher, Manifest, PublicKey, Refusal, ReleaseError, Reply, Signed,
};

/// The most releases that are kept. Chosen: more than any rollout goes through.
pub(crate) const MAX_RELEASES: usize = 16;
/// The most bytes of a binary in one packet.
pub(crate) const MAX_CHUNK_BYTES: usize = 1 << 20;

/// What is in the folder of a machine's agent.
#[derive(Debug)]
pub(crate) struct Releases {
    folder: PathBuf,
    keys: Vec<PublicKey>,
    present: BTreeMap<Hash, (Signed, Manifest)>,
    coming: Option<Coming>,
}

/// A release of which not all is here. There is one at a time, and it is gone with the agent.
#[derive(Debug)]
struct Coming {
    signed: Signed,
    manifest: Manifest,
    file: File,
    hashed: Hasher,
    at: u64,
}

impl Releases {
    /// What is there and signed by one of these keys; nothing else is ever run.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub(crate) fn open(folder: &Path, keys: Vec<PublicKey>) -> io::Result<Self> {
        let (folder, mut present) = (folder.join("releases"), BTreeMap::new());
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let signed = fs::read(entry?.path().join("manifest")).ok();
            let signed = signed.and_then(|bytes| Signed::read(&bytes).ok());
            if let Some(signed) = signed
                && let Ok(manifest) = signed.check(&keys)
            {
                present.insert(manifest.hash, (signed, manifest));
            }
        }
        let this = Self { folder, keys, present, coming: None };
        this.forget_coming()?;
        Ok(this)
    }

    /// What runs a release: its binary, and the arguments of its manifest.
    #[must_use]
    pub(crate) fn program(&self, hash: Hash) -> Option<(PathBuf, &[String])> {
        let (_, manifest) = self.present.get(&hash)?;
        Some((self.folder.join(hash.to_string()).join("program"), &manifest.arguments))
    }

    /// The signed manifests of what is here.
    #[must_use]
    pub(crate) fn manifests(&self) -> Vec<Bytes> {
        self.present.values().map(|(signed, _)| signed.to_bytes().into()).collect()
    }

    /// Begins to take a release, or says how much of it is here.
    ///
    /// # Errors
    /// What the controller is answered.
    pub(crate) fn put(&mut self, signed: &[u8]) -> Answer {
        let read = Signed::read(signed).and_then(|signed| Ok((signed.check(&self.keys)?, signed)));
        let (manifest, signed) = read.map_err(|error| (refusal(error), error.to_string()))?;
        if let Some((present, _)) = self.present.get(&manifest.hash) {
            let why = "this binary is here with another manifest: drop it first";
            let is_same = *present == signed;
            return if is_same { Ok(Reply::Stored) } else { Err((Refusal::InUse, why.into())) };
        }
        if let Some(coming) = self.coming.as_ref().filter(|coming| coming.signed == signed) {
            return Ok(Reply::At(coming.at));
        }
        if self.present.len() >= MAX_RELEASES {
            let why = format!("{MAX_RELEASES} releases are here: drop one first");
            return Err((Refusal::TooMany, why));
        }
        let begun = self.forget_coming().and_then(|()| self.begin(&signed, &manifest));
        let file = begun.map_err(|error| self.fail(&error))?;
        let hashed = Hasher::default();
        self.coming = Some(Coming { signed, manifest, file, hashed, at: 0 });
        Ok(Reply::At(0))
    }

    /// Takes the next bytes of the release that is coming.
    ///
    /// # Errors
    /// What the controller is answered.
    pub(crate) fn chunk(&mut self, hash: Hash, offset: u64, bytes: &[u8]) -> Answer {
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err((
                Refusal::TooLarge,
                format!("a chunk has at most {MAX_CHUNK_BYTES} bytes"),
            ));
        }
        let coming = self.coming.as_mut().filter(|coming| coming.manifest.hash == hash);
        let none = || (Refusal::NoRelease, "put its manifest first".to_owned());
        let coming = coming.ok_or_else(none)?;
        let end = offset.saturating_add(bytes.len() as u64);
        if offset != coming.at || end > coming.manifest.bytes {
            let Coming { at, manifest, .. } = coming;
            let why = format!("{at} of {} bytes are here: go on there", manifest.bytes);
            return Err((Refusal::Offset, why));
        }
        if let Err(error) = coming.file.write_all(bytes) {
            return Err(self.fail(&error));
        }
        coming.hashed.update(bytes);
        coming.at = end;
        if end < coming.manifest.bytes { Ok(Reply::At(end)) } else { self.finish() }
    }

    /// Removes what was sent of a release, or a release that nothing runs.
    ///
    /// # Errors
    /// What the controller is answered.
    pub(crate) fn drop_release(&mut self, hash: Hash) -> Answer {
        let gone = if self.coming.take_if(|coming| coming.manifest.hash == hash).is_some() {
            self.forget_coming()
        } else if self.present.remove(&hash).is_some() {
            fs::remove_dir_all(self.folder.join(hash.to_string()))
        } else {
            Ok(())
        };
        gone.map(|()| Reply::Dropped).map_err(|error| (Refusal::Disk, error.to_string()))
    }

    fn coming_folder(&self) -> PathBuf {
        self.folder.with_file_name("coming")
    }

    fn forget_coming(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.coming_folder()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The place on the disk is taken before the first byte comes.
    fn begin(&self, signed: &Signed, manifest: &Manifest) -> io::Result<File> {
        let folder = self.coming_folder();
        fs::create_dir_all(&folder)?;
        let mut vouched = File::create(folder.join("manifest"))?;
        vouched.write_all(&signed.to_bytes())?;
        vouched.sync_all()?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(folder.join("program"))?;
        match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, manifest.bytes) {
            // Not every file system can: there it is found when the bytes come.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(file),
            Err(error) => Err(error.into()),
        }
    }

    fn finish(&mut self) -> Answer {
        let Some(coming) = self.coming.take() else { return Ok(Reply::Stored) };
        let Coming { signed, manifest, file, hashed, .. } = coming;
        let came = hashed.finish();
        if came != manifest.hash {
            self.forget_coming().map_err(|error| self.fail(&error))?;
            let why = format!("what came is {came}, and not what was signed: begin again");
            return Err((Refusal::Hash, why));
        }
        let kept = file
            .sync_all()
            .and_then(|()| file.set_permissions(PermissionsExt::from_mode(0o700)))
            .and_then(|()| {
                drop(file);
                // Which it may be in part, if a drop of it was cut off.
                let _is_gone = fs::remove_dir_all(self.folder.join(came.to_string())).is_ok();
                fs::rename(self.coming_folder(), self.folder.join(came.to_string()))
            })
            .and_then(|()| File::open(&self.folder)?.sync_all());
        kept.map_err(|error| self.fail(&error))?;
        self.present.insert(came, (signed, manifest));
        Ok(Reply::Stored)
    }

    /// Lets go of what came, so that a full disk is not kept full.
    fn fail(&mut self, error: &io::Error) -> (Refusal, String) {
        self.coming = None;
        let _is_gone = self.forget_coming().is_ok();
        let full =
            [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        let why = if full.contains(&error.kind()) { Refusal::DiskFull } else { Refusal::Disk };
        (why, error.to_string())
    }
}

const fn refusal(error: ReleaseError) -> Refusal {
    match error {
        ReleaseError::Form | ReleaseError::Hex => Refusal::Manifest,
        ReleaseError::Size => Refusal::TooLarge,
        ReleaseError::Key | ReleaseError::Signature => Refusal::Signature,
    }
}
