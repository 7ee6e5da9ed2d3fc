//! What can be set: in a TOML file, by variables of the environment, on the command line.
//!
//! ```text
//! file ──┐
//! env  ──┼─> reader: by key, the last layer wins ─> Settings; problems; what is in force, and why
//! flags ─┘
//! ```
//!
//! `toml` gives each value its place and goes on after an error, which layering crates do not: they
//! end at the first one and know no lines. So the layers are a hundred lines of our own above it.

mod bounds;
mod classic;
mod file;
mod flags;
mod help;
mod keeping;
mod problem;
mod reader;
mod settings;
mod shown;
mod trust;
mod value;
mod versions;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use self::bounds::Unit;
pub(crate) use self::bounds::Waits;
pub(crate) use self::classic::ClassicPlan;
pub use self::flags::Options;
pub use self::help::examples;
pub(crate) use self::help::{ServiceHelp, adapted};
pub(crate) use self::problem::{Problems, Wrong};
use self::reader::{Reader, Shown};
pub(crate) use self::settings::Settings;
pub(crate) use self::trust::ControlPlan;
pub(crate) use self::value::Raw;
pub(crate) use self::versions::PerService;
use crate::catalogue::Catalogue;

/// What came of reading all layers.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// What works, and should be written in another way.
    pub(crate) warnings: Problems,
    /// Whether there is a file, which may change.
    pub(crate) has_file: bool,
    shown: Vec<Shown>,
}

impl Options {
    /// Reads the file, the environment of this process and the command line.
    pub(crate) fn load(&self, catalogue: &Catalogue) -> Result<Loaded, Problems> {
        self.load_with(std::env::vars_os(), catalogue)
    }

    fn load_with(
        &self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        catalogue: &Catalogue,
    ) -> Result<Loaded, Problems> {
        let mut reader = Reader::default();
        reader.add_variables(variables);
        let file = self.file(&mut reader);
        let has_file = file.is_some();
        if let Some(file) = file {
            let Reader { problems, warnings, .. } = &mut reader;
            let values = file::read(&file, problems, warnings);
            reader.add(values);
        }
        reader.add(self.given());
        let settings = Settings::read(&mut reader, catalogue);
        reader.finish();
        let Reader { problems, warnings, shown, .. } = reader;
        let loaded = Loaded { settings, warnings, has_file, shown };
        if problems.is_empty() { Ok(loaded) } else { Err(problems) }
    }

    /// The file with settings. Only this flag has no place in the file itself.
    fn file(&self, reader: &mut Reader) -> Option<PathBuf> {
        let variable = reader.take_variable("config").map(|given| value::path(&given.raw));
        let file = variable.transpose().unwrap_or_else(|wrong: Wrong| {
            reader.problems.add(reader::variable("config"), wrong);
            None
        });
        self.config.clone().or(file)
    }
}

impl Loaded {
    /// The values in force by key, as a file would have them. `None`: it is not set.
    pub(crate) fn in_force(&self) -> Arc<[(String, Option<String>)]> {
        let value = |shown: &Shown| {
            let value = shown.value.as_ref().map(ToString::to_string);
            (shown.key.to_owned(), value)
        };
        self.shown.iter().map(value).collect()
    }

    /// All settings in force, as a file would have them, each with the place that it comes from.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for Shown { key, value, origin } in &self.shown {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            if section != table {
                text.push_str(&format!("\n[{section}]\n"));
                table = section;
            }
            match value {
                Some(value) => text.push_str(&format!("{name} = {value}  # {origin}\n")),
                None => text.push_str(&format!("# {name} is not set\n")),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
