//! What an implementation may be able to do, and what it must.

use std::fmt;
use std::str::FromStr;

use crate::dialogue::Folder;
use crate::implementation::Style;
use crate::outcome::Side;
use crate::settings::{Dialect, Limits, Settings};

/// Something that an implementation may leave out, and say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Streams of plain packets are decoded.
    Decode,
    /// Exactly one plain packet is decoded.
    One,
    /// Terms are encoded.
    Encode,
    /// They are encoded with registers.
    Cached,
    /// Versioned packets are decoded.
    Packets,
    /// There is the classic dialect.
    Classic,
    /// Limits can be set.
    Limits,
    /// There is the option any-escape.
    Escapes,
    /// Dialogues of one connection: that end.
    Connections(Side),
    /// Dialogues of sessions: that end.
    Sessions(Side),
    /// Contracts are read, checked and compared.
    Contracts,
    /// Dialogues of classic sessions: that end.
    ClassicSessions(Side),
    /// Ends say what an operator can see.
    Notices,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Decode,
        Self::One,
        Self::Encode,
        Self::Cached,
        Self::Packets,
        Self::Classic,
        Self::Limits,
        Self::Escapes,
        Self::Connections(Side::Client),
        Self::Connections(Side::Server),
        Self::Sessions(Side::Client),
        Self::Sessions(Side::Server),
        Self::Contracts,
        Self::ClassicSessions(Side::Client),
        Self::ClassicSessions(Side::Server),
        Self::Notices,
    ];

    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::One => "one",
            Self::Encode => "encode",
            Self::Cached => "cached",
            Self::Packets => "packets",
            Self::Classic => "classic",
            Self::Limits => "limits",
            Self::Escapes => "escapes",
            Self::Connections(Side::Client) => "connections-client",
            Self::Connections(Side::Server) => "connections-server",
            Self::Sessions(Side::Client) => "sessions-client",
            Self::Sessions(Side::Server) => "sessions-server",
            Self::Contracts => "contracts",
            Self::ClassicSessions(Side::Client) => "classic-client",
            Self::ClassicSessions(Side::Server) => "classic-server",
            Self::Notices => "notices",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|known| known.word() == word).ok_or_else(|| {
            let words = Self::ALL.map(Self::word).join(", ");
            format!("`{word}` is nothing that can be required; these are: {words}")
        })
    }
}

/// What the request to decode plain packets needs.
pub(crate) fn of_decoding(first: Capability, settings: &Settings) -> Vec<Capability> {
    let mut needs = vec![first];
    if settings.dialect == Dialect::Classic {
        needs.push(Capability::Classic);
    }
    if settings.limits != Limits::default() {
        needs.push(Capability::Limits);
    }
    if settings.any_escape {
        needs.push(Capability::Escapes);
    }
    needs
}

pub(crate) fn of_packets(limits: &Limits) -> Vec<Capability> {
    of_decoding(Capability::Packets, &Settings { limits: limits.clone(), ..Settings::default() })
}

pub(crate) fn of_encoding(style: Style, dialect: Dialect) -> Vec<Capability> {
    let first = match style {
        Style::Plain => Capability::Encode,
        Style::Cached => Capability::Cached,
    };
    of_decoding(first, &Settings { dialect, ..Settings::default() })
}

pub(crate) fn of_dialogue(folder: Folder, side: Side) -> Vec<Capability> {
    vec![match folder {
        Folder::Connections => Capability::Connections(side),
        Folder::Sessions => Capability::Sessions(side),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_reads_back() {
        for capability in Capability::ALL {
            assert_eq!(capability.word().parse(), Ok(capability));
        }
        assert!("patience".parse::<Capability>().is_err());
    }

    #[test]
    fn a_request_needs_all_that_it_names() {
        let limits = Limits { max_depth: 1, ..Limits::default() };
        let settings = Settings { dialect: Dialect::Classic, limits, any_escape: true };
        let needs = of_decoding(Capability::One, &settings);
        let words: Vec<&str> = needs.into_iter().map(Capability::word).collect();
        assert_eq!(words, ["one", "classic", "limits", "escapes"]);
    }
}
