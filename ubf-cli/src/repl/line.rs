//! What a line wants.

use ubf_codec::Version;

/// A command, what follows it, and what it is for.
pub(super) type CommandLine = (&'static str, &'static str, &'static str);

/// The commands in a conversation with a stock server.
pub(super) const CLASSIC_COMMANDS: [CommandLine; 10] = [
    (
        ":contract",
        " [FILE|off]",
        "check and complete requests by the server's contract, or another",
    ),
    (":event", " TERM", "send an event, which has no reply"),
    (":help", "", "show this"),
    (":info", "", "what the server says of itself"),
    (":quit", "", "leave, as Ctrl-D does"),
    (":services", "", "the services that can be started"),
    (":start", " SERVICE [TERM]", "begin the session of a service"),
    (":state", "", "the state of the session"),
    (":trace", " on|off", "show every packet of the wire"),
    (":wait", " [COUNT]", "wait for events"),
];

/// The commands and what follows them, for help, hints and completion.
pub(super) const COMMANDS: [CommandLine; 10] = [
    (
        ":contract",
        " [FILE|off]",
        "check and complete requests by the server's contract, or another",
    ),
    (":event", " TERM", "send an event, which has no reply"),
    (":fail", " [VERSION]", "the client's code for a version crashes"),
    (":help", "", "show this"),
    (":quit", "", "leave, as Ctrl-D does"),
    (":service", " [NAME]", "talk to another service; ? is the default one"),
    (":status", "", "where the client is, and what has happened to it"),
    (":trace", " on|off", "show every packet of the wire"),
    (":versions", "", "the versions of both sides, and those in quarantine"),
    (":wait", " [COUNT]", "wait for events"),
];

/// What a line wants. Terms are not parsed: their errors point into the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Nothing,
    /// `None` asks the server.
    Contract(Option<&'a str>),
    Request(&'a str),
    Event(&'a str),
    /// `None` is the version in force.
    Fail(Option<Version>),
    Help,
    Quit,
    /// `None` asks for its name.
    Service(Option<&'a str>),
    Status,
    Trace(bool),
    Versions,
    Wait(u64),
    /// Of a stock server.
    Info,
    Services,
    Start {
        service: &'a str,
        argument: Option<&'a str>,
    },
    State,
}

impl<'a> Line<'a> {
    /// Reads a line, or says what is wrong with it.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        Self::parse_with(text, &COMMANDS)
    }

    /// The same in a conversation with a stock server.
    pub(super) fn parse_classic(text: &'a str) -> Result<Self, String> {
        Self::parse_with(text, &CLASSIC_COMMANDS)
    }

    fn parse_with(text: &'a str, commands: &[CommandLine]) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Nothing);
        }
        if !text.starts_with(':') {
            return Ok(Self::Request(text));
        }
        let (typed, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let exact = commands.iter().filter(|(name, ..)| *name == typed);
        let others = commands.iter().filter(|(name, ..)| *name != typed);
        let beginning = others.filter(|(name, ..)| name.starts_with(typed));
        let is_exact = exact.clone().next().is_some();
        let mut matching = exact.chain(beginning).take(if is_exact { 1 } else { 2 });
        let (name, usage) = match (matching.next(), matching.next()) {
            (Some((name, usage, _)), None) => (*name, *usage),
            (None, _) => return Err(format!("no such command: {typed}")),
            (Some((one, ..)), Some((other, ..))) => {
                return Err(format!("{typed} may be {one} or {other}"));
            }
        };
        let wanted = || format!("{name}{usage} is wanted");
        let word = (!rest.is_empty()).then_some(rest);
        match (name, word) {
            (":contract", source) => Ok(Self::Contract(source)),
            (":event", Some(term)) => Ok(Self::Event(term)),
            (":fail", None) => Ok(Self::Fail(None)),
            (":fail", Some(version)) => version
                .parse()
                .ok()
                .and_then(Version::new)
                .map(|version| Self::Fail(Some(version)))
                .ok_or_else(wanted),
            (":service", name) => Ok(Self::Service(name)),
            (":trace", Some("on")) => Ok(Self::Trace(true)),
            (":trace", Some("off")) => Ok(Self::Trace(false)),
            (":wait", None) => Ok(Self::Wait(1)),
            (":wait", Some(count)) => count.parse().map(Self::Wait).map_err(|_| wanted()),
            (":help", None) => Ok(Self::Help),
            (":quit", None) => Ok(Self::Quit),
            (":status", None) => Ok(Self::Status),
            (":versions", None) => Ok(Self::Versions),
            (":info", None) => Ok(Self::Info),
            (":services", None) => Ok(Self::Services),
            (":state", None) => Ok(Self::State),
            (":start", Some(rest)) => {
                let (service, argument) =
                    rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
                Ok(Self::Start { service: service.trim_matches('"'), argument })
            }
            _ => Err(wanted()),
        }
    }
}

/// What to say to someone who has typed the name of a command without its colon.
pub(crate) fn command_hint(text: &str, commands: &[CommandLine]) -> Option<String> {
    let text = text.trim();
    let meant = match text {
        "exit" | "bye" | "q" => ":quit",
        "?" => ":help",
        word => commands
            .iter()
            .map(|(name, ..)| *name)
            .find(|name| name.strip_prefix(':') == Some(word))?,
    };
    Some(format!("{text} was sent to the server, as a request. Did you mean {meant}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_request_or_a_command() {
        assert_eq!(Line::parse("  "), Ok(Line::Nothing));
        assert_eq!(Line::parse(" {a,\n1} "), Ok(Line::Request("{a,\n1}")));
        assert_eq!(Line::parse(":event  {a,1}"), Ok(Line::Event("{a,1}")));
        assert_eq!(Line::parse(":fail 10"), Ok(Line::Fail(Version::new(10))));
        assert_eq!(Line::parse(":fail"), Ok(Line::Fail(None)));
        assert_eq!(Line::parse(":trace off"), Ok(Line::Trace(false)));
        assert_eq!(Line::parse(":service kv"), Ok(Line::Service(Some("kv"))));
        assert_eq!(Line::parse(":wait 3"), Ok(Line::Wait(3)));
    }

    #[test]
    fn a_command_can_be_cut_short_while_it_is_clear() {
        assert_eq!(Line::parse(":q"), Ok(Line::Quit));
        assert_eq!(Line::parse(":se kv"), Ok(Line::Service(Some("kv"))));
        assert_eq!(Line::parse(":s").unwrap_err(), ":s may be :service or :status");
    }

    #[test]
    fn a_stock_server_has_commands_of_its_own() {
        let start = |service, argument| Ok(Line::Start { service, argument });
        assert_eq!(Line::parse_classic(":start door"), start("door", None));
        assert_eq!(
            Line::parse_classic(":start \"door\"  {key, 1}"),
            start("door", Some("{key, 1}"))
        );
        assert_eq!(Line::parse_classic(":se"), Ok(Line::Services));
        assert_eq!(Line::parse_classic(":stat"), Ok(Line::State));
        assert_eq!(Line::parse_classic(":st").unwrap_err(), ":st may be :start or :state");
        assert_eq!(Line::parse_classic(":start").unwrap_err(), ":start SERVICE [TERM] is wanted");
        assert_eq!(Line::parse_classic(":versions").unwrap_err(), "no such command: :versions");
        assert_eq!(Line::parse(":services").unwrap_err(), "no such command: :services");
    }

    #[test]
    fn a_command_without_its_colon_gets_a_hint() {
        for (text, meant) in
            [("quit", ":quit"), (" exit", ":quit"), ("help", ":help"), ("status", ":status")]
        {
            assert!(
                command_hint(text, &COMMANDS).unwrap().ends_with(&format!("mean {meant}?")),
                "{text}"
            );
        }
        for text in [":quit", "{quit}", "list", "quit now", ""] {
            assert_eq!(command_hint(text, &COMMANDS), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_command_is_said() {
        assert_eq!(Line::parse(":nope 1").unwrap_err(), "no such command: :nope");
        assert_eq!(Line::parse(":fail x").unwrap_err(), ":fail [VERSION] is wanted");
        assert_eq!(Line::parse(":fail 0").unwrap_err(), ":fail [VERSION] is wanted");
        assert_eq!(Line::parse(":trace").unwrap_err(), ":trace on|off is wanted");
        assert_eq!(Line::parse(":quit now").unwrap_err(), ":quit is wanted");
        assert_eq!(Line::parse(":event").unwrap_err(), ":event TERM is wanted");
    }
}
