//! The file of settings: TOML, with the line of each value.

use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problems, Wrong};
use super::reader::Given;
use super::value::Raw;

/// The tables of the file. Other tables are values.
pub(super) const SECTIONS: [&str; 7] =
    ["classic", "drain", "load", "limits", "sessions", "log", "tls"];

/// The words of files before there were tables, where each is found today, and the unit of its
/// number.
const OLD: [(&str, &str, &str); 18] = [
    ("grace-ms", "drain.grace", "ms"),
    ("hard-stop-ms", "drain.hard-stop", "ms"),
    ("load-high", "load.high", ""),
    ("load-low", "load.low", ""),
    ("load-unit", "load.unit", ""),
    ("max-connections", "limits.max-connections", ""),
    ("max-connections-per-address", "limits.max-connections-per-address", ""),
    ("max-call-ms", "limits.max-call-time", "ms"),
    ("max-packet-bytes", "limits.max-packet-bytes", ""),
    ("max-negotiation-time-ms", "limits.max-negotiation-time", "ms"),
    ("max-packet-time-ms", "limits.max-packet-time", "ms"),
    ("max-idle-time-ms", "limits.max-idle-time", "ms"),
    ("max-write-time-ms", "limits.max-write-time", "ms"),
    ("max-pending", "limits.max-pending", ""),
    ("max-pending-bytes", "limits.max-pending-bytes", ""),
    ("max-unread-bytes", "limits.max-unread-bytes", ""),
    ("log", "log.form", ""),
    ("log-filter", "log.filter", ""),
];

/// Reads a file into values by their keys, with dots: `drain.grace`.
///
/// Words that files had before there were tables are still read, with a warning.
pub(super) fn read(
    path: &Path,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Vec<(String, Given)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.add(path.display(), Wrong::new(format!("cannot be read: {error}")));
            return Vec::new();
        }
    };
    let path: Arc<Path> = path.into();
    let at = |offset: usize| Origin::File(Arc::clone(&path), line(&text, offset));
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let origin = at(error.span().map_or(0, |span| span.start));
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        problems.add(origin, Wrong::new(message));
    }
    let mut values = Vec::new();
    for (key, value) in table.get_ref() {
        let name: &str = key.get_ref();
        if let (DeValue::Table(section), true) = (value.get_ref(), SECTIONS.contains(&name)) {
            for (key, value) in section {
                let name = format!("{name}.{}", key.get_ref());
                let origin = at(key.span().start);
                values.push((name, Given { raw: raw(value.get_ref()), origin }));
            }
            continue;
        }
        let given = Given { raw: raw(value.get_ref()), origin: at(key.span().start) };
        values.push(renamed(name, given, warnings));
    }
    values
}

/// A value under the name that it has today.
fn renamed(name: &str, mut given: Given, warnings: &mut Problems) -> (String, Given) {
    let Some((_, new, unit)) = OLD.into_iter().find(|(old, ..)| *old == name) else {
        return (name.to_owned(), given);
    };
    if let (Raw::Text(number), false) = (&mut given.raw, unit.is_empty()) {
        number.push_str(unit);
    }
    let (section, key) = new.split_once('.').unwrap_or(("", new));
    let wrong = Wrong::new(format!("{name}: an old name; write {key} in the table [{section}]"));
    warnings.add(&given.origin, wrong);
    (new.to_owned(), given)
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => Raw::Text(number.to_string()),
        DeValue::Float(number) => Raw::Text(number.to_string()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(parts) => Raw::List(parts.iter().map(|part| raw(part.get_ref())).collect()),
        DeValue::Table(table) => {
            let pair = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                (key.to_string(), raw(value.get_ref()))
            };
            Raw::Table(table.iter().map(pair).collect())
        }
        DeValue::Datetime(_) => Raw::Date,
    }
}

/// The line of a byte, counted from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
