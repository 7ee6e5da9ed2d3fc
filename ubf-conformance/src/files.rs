//! The files of vectors: those that are built in, or those of a folder.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

/// Files of vectors, by name.
#[derive(Debug, Clone)]
pub struct Files {
    /// Each file's name, from the folder of vectors on, and what is in it.
    files: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl Files {
    /// Those that this program was built with: `spec/vectors` of its edition.
    pub fn built_in() -> Self {
        let borrowed = |(name, text): &(&'static str, &'static str)| {
            (Cow::Borrowed(*name), Cow::Borrowed(*text))
        };
        Self { files: ubf_vectors::FILES.iter().map(borrowed).collect() }
    }

    /// Those below a folder that is laid out as `spec/vectors` is.
    ///
    /// # Errors
    ///
    /// A folder or a file cannot be read; the sentence names it.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        for kind in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            for file in entries(&kind)? {
                if file.extension().is_none_or(|extension| extension != "toml") {
                    continue;
                }
                let text = fs::read_to_string(&file)
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
                let last = |path: &Path| {
                    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
                };
                let name = format!("{}/{}", last(&kind), last(&file));
                files.push((Cow::Owned(name), Cow::Owned(text)));
            }
        }
        Ok(Self { files })
    }

    /// The files of one folder, by name.
    pub fn folder(&self, folder: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(name, text)| (name.as_ref(), text.as_ref()));
        files.filter(move |(name, _)| {
            name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let cannot = |error| format!("cannot read {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        paths.push(entry.map_err(cannot)?.path());
    }
    paths.sort();
    Ok(paths)
}
