//! Which settings are others than those of the process before (Q28). None is inherited: what a
//! program does stands on its own command line and in its own file.

use tracing::info;

/// Settings by key, as a file would have them. `None`: it is not set.
pub(super) type Settings = [(String, Option<String>)];

/// A setting that is another one than before.
#[derive(Debug, PartialEq, Eq)]
struct Change<'s> {
    setting: &'s str,
    before: String,
    now: String,
}

/// Says in the log what is other than before. `None`: the process before does not say what its
/// settings are.
pub(super) fn tell_changes(before: Option<&Settings>, now: &Settings) {
    let Some(before) = before else {
        return info!("the server before does not say what its settings are");
    };
    let changes = changes(before, now);
    if changes.is_empty() {
        info!("all settings are those of the server before");
    }
    for Change { setting, before, now } in changes {
        info!(setting, before, now, "a setting is another one than before");
    }
}

fn changes<'s>(before: &'s Settings, now: &'s Settings) -> Vec<Change<'s>> {
    let mut keys: Vec<&str> = before.iter().chain(now).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    let value = |all: &'s Settings, key: &str| {
        all.iter().find(|(one, _)| one == key).and_then(|(_, value)| value.as_deref())
    };
    let change = |setting| {
        let (old, new) = (value(before, setting), value(now, setting));
        let (before, now) = (shown(setting, old), shown(setting, new));
        (old != new).then_some(Change { setting, before, now })
    };
    keys.into_iter().filter_map(change).collect()
}

fn shown(key: &str, value: Option<&str>) -> String {
    match value {
        None => "not set".to_owned(),
        // The name of a database may hold a password.
        Some(value) if key == "store" => match value.split_once("://") {
            Some((kind, _)) => format!("{kind}://…"),
            None => value.to_owned(),
        },
        Some(value) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        text.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn q28_each_setting_that_is_another_one_is_told_and_no_secret() {
        let before = settings(&[
            ("store", Some("\"postgres://ubf:secret@db/ubf\"")),
            ("listen", Some("[\"127.0.0.1:4000\"]")),
            ("journal", Some("\"/var/lib/ubf/journal\"")),
            ("policy", None),
            ("sessions.max-sessions", Some("20000")),
            ("an-older-one", Some("true")),
        ]);
        let now = settings(&[
            ("listen", Some("[\"127.0.0.1:4000\"]")),
            ("store", Some("\"postgres://ubf:another@db/ubf\"")),
            ("journal", None),
            ("policy", Some("\"policy.toml\"")),
            ("sessions.max-sessions", Some("77")),
            ("a-newer-one", Some("3")),
        ]);
        let told: Vec<String> = changes(&before, &now)
            .into_iter()
            .map(|Change { setting, before, now }| format!("{setting}: {before}, {now}"))
            .collect();
        let expected = [
            "a-newer-one: not set, 3",
            "an-older-one: true, not set",
            "journal: \"/var/lib/ubf/journal\", not set",
            "policy: not set, \"policy.toml\"",
            "sessions.max-sessions: 20000, 77",
            "store: \"postgres://…, \"postgres://…",
        ];
        assert_eq!(told, expected);
        assert_eq!(changes(&before, &before), []);
        assert_eq!(shown("store", Some("\"/var/lib/ubf\"")), "\"/var/lib/ubf\"");
    }
}
