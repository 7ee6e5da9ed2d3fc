//! What an agent is told on its command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ubf_agent_core::{PublicKey, Times};

use crate::keeper::MAX_NAME_BYTES;

pub(crate) const USAGE: &str = "\
usage: ubf-agent --folder FOLDER --key FILE [OPTIONS] -- ARGUMENTS OF THE NODE

  --folder FOLDER         where its releases, its state and its sockets are
  --key FILE              whom releases are taken from: 64 hexadecimal digits; may be repeated
  --socket PATH           where controllers of this machine come (FOLDER/agent)
  --listener NAME=ADDRESS a listening socket of the node, which takes it by `--listen fd:NAME`;
                          may be repeated
  --listen ADDRESS        where controllers come by TLS, with a certificate to show:
  --tls-certificate FILE, --tls-key FILE, --tls-clients FILE
  --start-time SECONDS, --switch-time SECONDS, --stop-time SECONDS
                          how long each may take at most (60)
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) listeners: Vec<(String, String)>,
    /// The address, the certificate, its key, and the authorities of controllers.
    pub(crate) tls: Option<(String, [PathBuf; 3])>,
    pub(crate) times: Times,
    /// Of the node.
    pub(crate) arguments: Vec<OsString>,
}

impl Options {
    pub(crate) fn read(arguments: &[OsString]) -> Result<Self, String> {
        let mut parts = arguments.splitn(2, |argument| argument == "--");
        let (own, node) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut named: Vec<(&str, &OsString)> = Vec::new();
        let mut rest = own.iter();
        while let Some(name) = rest.next() {
            let name = name.to_str().filter(|&name| is_known(name));
            let name = name.ok_or("there is no such option")?;
            named.push((name, rest.next().ok_or_else(|| format!("{name} wants a value"))?));
        }
        let last = |wanted| named.iter().rev().find(|(name, _)| *name == wanted).map(|it| it.1);
        let path = |wanted| last(wanted).map(PathBuf::from);
        let all = |wanted: &'static str| {
            let all = named.iter().filter(move |(name, _)| *name == wanted);
            all.map(move |(_, value)| value.to_str().ok_or_else(|| format!("{wanted}: no UTF-8")))
        };
        let time = |wanted| match all(wanted).next_back() {
            Some(value) => value?.parse().map(Duration::from_secs_f64).map_err(|_| wanted.into()),
            None => Ok::<_, String>(Duration::from_secs(60)),
        };
        let folder = path("--folder").ok_or("--folder is missing")?;
        let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
        let key = |file: Result<&str, String>| {
            let file = file?;
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            text.parse().map_err(|error| format!("{file}: {error}"))
        };
        let listener = |text: Result<&str, String>| {
            let (name, address) = text?.split_once('=').ok_or("--listener is NAME=ADDRESS")?;
            let is_name = !name.contains(':') && (1..=MAX_NAME_BYTES).contains(&name.len());
            let both = is_name.then(|| (name.to_owned(), address.to_owned()));
            both.ok_or_else(|| "a listener's name has 1 to 255 bytes, and no colon".to_owned())
        };
        let files = ["--tls-certificate", "--tls-key", "--tls-clients"].map(path);
        let tls = match (all("--listen").next_back().transpose()?, files) {
            (None, _) => None,
            (Some(address), [Some(certificate), Some(key), Some(clients)]) => {
                Some((address.to_owned(), [certificate, key, clients]))
            }
            (Some(_), _) => return Err("--listen wants all three files of TLS".into()),
        };
        let keys: Vec<_> = all("--key").map(key).collect::<Result<_, String>>()?;
        if keys.is_empty() {
            return Err("--key is missing: releases are taken from nobody".into());
        }
        Ok(Self {
            socket: path("--socket").unwrap_or_else(|| folder.join("agent")),
            keys,
            listeners: all("--listener").map(listener).collect::<Result<_, String>>()?,
            tls,
            times: Times {
                start: time("--start-time")?,
                switch: time("--switch-time")?,
                stop: time("--stop-time")?,
            },
            arguments: node.to_vec(),
            folder,
        })
    }
}

fn is_known(name: &str) -> bool {
    name.starts_with("--")
        && USAGE.split_whitespace().any(|word| word.trim_end_matches(',') == name)
}
