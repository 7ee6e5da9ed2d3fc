//! How an end begins: its versions, and what is set otherwise than by default.

use std::fmt;
use std::str::FromStr;

use crate::outcome::Side;

/// How an end begins a dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Which end it is.
    pub side: Side,
    /// Each setting's name, and its value as one word.
    settings: Vec<(String, String)>,
}

/// How the value of a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In decimal.
    Number,
    /// `yes`; what is not said is not so.
    Flag,
    /// A word as it is.
    Word,
    /// Its UTF-8 bytes in hexadecimal.
    Text,
    /// Words, joined by `,`.
    List,
}

/// What both ends may be set.
const BOTH: [(&str, Kind); 2] = [("versions", Kind::List), ("service", Kind::Text)];

const CLIENT: [(&str, Kind); 19] = [
    ("remembered", Kind::Number),
    ("addresses", Kind::List),
    ("floor", Kind::Number),
    ("grease", Kind::Number),
    ("refuse_downgrade", Kind::Flag),
    ("tls", Kind::Flag),
    ("pinned", Kind::Flag),
    ("context", Kind::Flag),
    ("max_pending", Kind::Number),
    ("max_in_flight", Kind::Number),
    ("max_unsent_bytes", Kind::Number),
    ("max_depth", Kind::Number),
    ("max_packet", Kind::Number),
    ("session", Kind::Word),
    ("ids", Kind::List),
    ("window", Kind::Number),
    ("bytes", Kind::Number),
    ("keep_ms", Kind::Number),
    ("demand", Kind::Word),
];

const SERVER: [(&str, Kind); 17] = [
    ("agent", Kind::Text),
    ("peers", Kind::List),
    ("pinned", Kind::Text),
    ("max_pending", Kind::Number),
    ("max_pending_bytes", Kind::Number),
    ("max_unread_bytes", Kind::Number),
    ("max_packet", Kind::Number),
    ("max_idle_ms", Kind::Number),
    ("max_connections", Kind::Number),
    ("max_window", Kind::Number),
    ("max_bytes", Kind::Number),
    ("max_kept", Kind::Number),
    ("max_kept_in_all", Kind::Number),
    ("max_keep_ms", Kind::Number),
    ("max_kept_event_bytes", Kind::Number),
    ("max_sessions", Kind::Number),
    ("max_sessions_per_address", Kind::Number),
];

impl Beginning {
    /// An end with these versions, and else with what is usual.
    pub fn new(side: Side, versions: &[u32]) -> Self {
        let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
        let settings = vec![("versions".to_owned(), versions.join(","))];
        Self { side, settings }
    }

    /// Sets one more, or another value.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value));
    }

    /// Sets what a table of a vector says.
    pub(super) fn set_all(&mut self, table: &toml::Table) -> Result<(), String> {
        for (name, value) in table {
            // S1: what a client wishes for stands in a table of its own.
            if let (toml::Value::Table(table), "session") = (value, name.as_str()) {
                self.set_all(table)?;
                continue;
            }
            let kind = kind(self.side, name)?;
            let word = match (kind, value) {
                (Kind::Number, toml::Value::Integer(number)) => number.to_string(),
                (Kind::Flag, toml::Value::Boolean(is_so)) if *is_so => "yes".to_owned(),
                (Kind::Flag, toml::Value::Boolean(_)) => continue,
                (Kind::Word, toml::Value::String(word)) => word.clone(),
                (Kind::Text, toml::Value::String(text)) => hex::encode(text),
                (Kind::List, toml::Value::Array(items)) => {
                    let items: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                    items.ok_or_else(|| format!("`{name}` is a list of strings"))?.join(",")
                }
                _ => return Err(format!("`{name}` is something else than `{value}`")),
            };
            self.set(name, word);
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number, if it is set.
    ///
    /// # Errors
    ///
    /// It is none, or too great.
    pub fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        let parsed =
            |value: &str| value.parse().map_err(|_| format!("`{name}={value}`: no number"));
        self.value(name).map(parsed).transpose()
    }

    /// Whether it is so.
    pub fn is(&self, name: &str) -> bool {
        self.value(name) == Some("yes")
    }

    /// A word, if it is set.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.value(name)
    }

    /// A text, if it is set.
    ///
    /// # Errors
    ///
    /// It is not written in hexadecimal, or no text.
    pub fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let bytes = hex::decode(value).map_err(|_| format!("`{name}={value}`: not hexadecimal"))?;
        String::from_utf8(bytes).map(Some).map_err(|_| format!("`{name}={value}`: no text"))
    }

    /// The items of a list; none if it is not set.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.value(name).unwrap_or_default().split(',').filter(|item| !item.is_empty())
    }

    /// The versions.
    ///
    /// # Errors
    ///
    /// One is no number.
    pub fn versions(&self) -> Result<Vec<u32>, String> {
        let parsed = |item: &str| item.parse().map_err(|_| format!("`{item}` is no version"));
        self.list("versions").map(parsed).collect()
    }
}

fn kind(side: Side, name: &str) -> Result<Kind, String> {
    let own = match side {
        Side::Client => CLIENT.as_slice(),
        Side::Server => SERVER.as_slice(),
    };
    let found = BOTH.iter().chain(own).find(|(known, _)| *known == name);
    let found = found.map(|(_, kind)| *kind);
    found.ok_or_else(|| format!("`{name}` is no setting of a {}", side.word()))
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.side.word())?;
        self.settings.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl FromStr for Beginning {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ');
        let side = match words.next() {
            Some("client") => Side::Client,
            Some("server") => Side::Server,
            _ => return Err(format!("`{line}` names no end")),
        };
        let mut settings = Vec::new();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is no setting"))?;
            kind(side, name)?;
            settings.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { side, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_reads_back_as_it_was_written() {
        let mut beginning = Beginning::new(Side::Server, &[3, 4]);
        let table = "agent = 'a b'\npeers = ['a:1', 'b:2']\nmax_kept = 7".parse().unwrap();
        beginning.set_all(&table).unwrap();
        let line = "server versions=3,4 agent=612062 max_kept=7 peers=a:1,b:2";
        assert_eq!(beginning.to_string(), line);
        assert_eq!(line.parse(), Ok(beginning.clone()));
        assert_eq!(beginning.text("agent"), Ok(Some("a b".to_owned())));
        assert_eq!(beginning.number("max_kept"), Ok(Some(7)));
        assert_eq!(beginning.list("peers").collect::<Vec<_>>(), ["a:1", "b:2"]);
    }

    #[test]
    fn what_is_no_setting_of_that_end_is_refused() {
        for line in ["", "peer", "server floor=3", "client floor"] {
            assert!(line.parse::<Beginning>().is_err(), "{line}");
        }
        let mut beginning = Beginning::new(Side::Client, &[3]);
        for table in ["floor = 'x'", "tls = 1", "agent = 'a'"] {
            assert!(beginning.set_all(&table.parse().unwrap()).is_err(), "{table}");
        }
    }
}
