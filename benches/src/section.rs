//! The parts of the report, each of which can be measured alone.

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// The codec beside its peers
    Codec,
    /// Servers and clients: calls of a hundred bytes
    Calls,
    /// Typed calls with bodies up to 64 MiB, and small calls beside large ones
    Bodies,
    /// Connecting and the first call
    FirstCalls,
    /// Instructions of a call, by callgrind
    Instructions,
    /// What idle connections and clients hold, and calls among them
    Idle,
    /// Sessions: at rest, without a connection, and when they go on
    Sessions,
    /// Services with rows
    Rows,
}

/// Those that are wanted: all, if none is named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections(pub(crate) Vec<Section>);

impl Sections {
    pub(crate) fn has(&self, section: Section) -> bool {
        self.0.is_empty() || self.0.contains(&section)
    }

    /// Whether one of those of servers is wanted.
    pub(crate) fn has_servers(&self) -> bool {
        Section::value_variants()
            .iter()
            .any(|&section| !matches!(section, Section::Codec | Section::Rows) && self.has(section))
    }
}
