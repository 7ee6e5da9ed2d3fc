//! What is set for stock peers: the table `classic`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use toml::Value;
use ubf_codec::Version;
use ubf_proto::units;
use ubf_server::classic::{Config, EventTiming, Flavour};

use super::problem::Wrong;
use super::reader::Reader;
use super::value::{Raw, flag, time, word};

/// Stock peers: where they are served, in which versions, and as what.
#[derive(Debug)]
pub(crate) struct ClassicPlan {
    pub(crate) listen: Vec<String>,
    /// Q15: on the addresses of versioned clients, too; how long their first byte is waited for.
    pub(crate) shared: Option<Duration>,
    /// Of services that do not have their highest one for stock peers.
    versions: BTreeMap<String, Version>,
    /// The service in which all sessions begin.
    pub(crate) entered: Option<String>,
    flavour: Flavour,
    events: When,
    has_hello: bool,
    is_simple_rpc: bool,
}

/// The implementations that a server may be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FlavourName {
    /// Erlang, ubf 2.x.
    Erl2,
    /// Erlang, ubf 1.16.
    Erl116,
    /// Armstrong's ubf 1.12.
    Joe,
}

/// When events leave (Q8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// Right after the reply.
    AtOnce,
    /// When nothing has come or gone for 20 ms.
    #[value(name = "when-quiet")]
    Quiet,
    /// Not at all: the client of ubf 2.x takes them for replies.
    Never,
}

impl ClassicPlan {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let texts = |raw: &Raw| Ok(raw.texts()?.into_iter().map(str::to_owned).collect());
        let list = |all: &Vec<String>| {
            Value::Array(all.iter().map(|text| Value::String(text.clone())).collect())
        };
        let listen = reader.take("classic.listen", Vec::new(), texts, list);
        let shared = reader.take_if_any("classic.shared", time, |within: &Duration| {
            Value::String(units::time(*within))
        });
        let versions = reader.take("classic.versions", BTreeMap::new(), versions, |versions| {
            let pairs = versions.iter().map(|(name, version)| format!("{name}={version}"));
            Value::String(pairs.collect::<Vec<_>>().join(","))
        });
        let entered = reader.take_if_any(
            "classic.start",
            |raw| Ok(raw.text()?.to_owned()),
            |name| Value::String(name.clone()),
        );
        let flavour = reader.take(
            "classic.flavour",
            FlavourName::Erl2,
            |raw| word(raw.text()?),
            super::shown::shown_word,
        );
        let events = reader.take(
            "classic.events",
            When::Quiet,
            |raw| word(raw.text()?),
            super::shown::shown_word,
        );
        let has_hello = reader.take("classic.hello", true, flag, |flag| Value::Boolean(*flag));
        let is_simple_rpc =
            reader.take("classic.simplerpc", false, flag, |flag| Value::Boolean(*flag));
        let flavour = match flavour {
            FlavourName::Erl2 => Flavour::Erl2,
            FlavourName::Erl116 => Flavour::Erl116,
            FlavourName::Joe => Flavour::Joe,
        };
        Self { listen, shared, versions, entered, flavour, events, has_hello, is_simple_rpc }
    }

    /// Whether stock peers are served at all.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.listen.is_empty() || self.shared.is_some()
    }

    pub(crate) fn version(&self, service: &str) -> Option<Version> {
        self.versions.get(service).copied()
    }

    /// The names that are used, with the key that uses them.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let versions = self.versions.keys().map(|name| ("classic.versions", name.as_str()));
        versions.chain(self.entered.iter().map(|name| ("classic.start", name.as_str())))
    }

    /// Q2: a server of one service says its name.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.flavour = self.flavour;
        config.simple_rpc = self.is_simple_rpc;
        config.events = match self.events {
            When::AtOnce => EventTiming::AtOnce,
            When::Quiet => EventTiming::default(),
            When::Never => EventTiming::Never,
        };
        if let (Some(name), Some(hello)) = (&self.entered, &mut config.hello) {
            hello.name = ubf_codec::Term::string(name.clone());
        }
        if !self.has_hello {
            config.hello = None;
        }
        config
    }
}

/// `kv=2,echo=1`, or a table of a file.
fn versions(raw: &Raw) -> Result<BTreeMap<String, Version>, Wrong> {
    let hint = "--classic-versions kv=2 is the version that stock peers have of kv";
    let version = |text: &str| {
        let version = text.trim().parse().ok().and_then(Version::new);
        version.ok_or_else(|| Wrong::new(format!("{text}: a version is wanted")).hint(hint))
    };
    if let Raw::Table(table) = raw {
        let pair = |(name, raw): &(String, Raw)| Ok((name.clone(), version(raw.text()?)?));
        return table.iter().map(pair).collect();
    }
    let mut versions = BTreeMap::new();
    for text in raw.texts()? {
        let (name, number) = text
            .split_once('=')
            .ok_or_else(|| Wrong::new(format!("{text}: NAME=VERSION is wanted")).hint(hint))?;
        if versions.insert(name.trim().to_owned(), version(number)?).is_some() {
            return Err(Wrong::new(format!("{name} is named twice")));
        }
    }
    Ok(versions)
}
