//! Both ends of a classic session, as the machines of `ubf_proto` do them.

mod client;
mod server;

use std::collections::BTreeMap;

use ubf_codec::{Term, TermRef};
use ubf_proto::classic::Flavour;

use self::client::Client;
use self::server::Server;
use super::postfix;

/// An end of a dialogue.
#[derive(Debug)]
pub(super) enum Classic {
    Client(Box<Client>),
    Server(Box<Server>),
}

impl Classic {
    /// Begins a dialogue: `SIDE SETTING…`.
    pub(super) fn begin(words: &str) -> Result<(Self, Vec<String>), String> {
        let (side, settings) = words.split_once(' ').unwrap_or((words, ""));
        let settings = Settings::parse(settings)?;
        match side {
            "client" => {
                let (client, acts) = Client::begin(&settings)?;
                Ok((Self::Client(Box::new(client)), acts))
            }
            "server" => {
                let (server, acts) = Server::begin(&settings)?;
                Ok((Self::Server(Box::new(server)), acts))
            }
            other => Err(format!("`{other}` is no end")),
        }
    }

    pub(super) fn tell(&mut self, words: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Client(client) => client.tell(words),
            Self::Server(server) => server.tell(words),
        }
    }
}

/// What is set otherwise than by default.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn parse(words: &str) -> Result<Self, String> {
        let setting = |word: &str| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let words = words.split(' ').filter(|word| !word.is_empty());
        let settings: Option<BTreeMap<String, String>> = words.map(setting).collect();
        settings.map(Self).ok_or_else(|| "a setting is `name=value`".to_owned())
    }

    fn word(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn is(&self, name: &str) -> bool {
        self.word(name) == Some("yes")
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        self.word(name).map(text).transpose()
    }

    fn flavour(&self) -> Result<Flavour, String> {
        let flavour = self.word("flavour").unwrap_or("erl2");
        flavour.parse().map_err(|_| format!("`{flavour}` is no flavour"))
    }
}

fn text(word: &str) -> Result<String, String> {
    let bytes = bytes(word)?;
    String::from_utf8(bytes).map_err(|_| format!("`{word}` is no text"))
}

fn bytes(word: &str) -> Result<Vec<u8>, String> {
    hex::decode(word).map_err(|_| format!("`{word}` is not hexadecimal"))
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn term(words: &str) -> Result<Term, String> {
    postfix::term(words)
}

fn written(term: TermRef<'_>) -> String {
    term.postfix().to_string()
}

fn too_few(words: &str) -> String {
    format!("`{words}` is nothing that this end is told")
}
