//! What a server answers its operator: written by the server and read by the operator's tools, both
//! here.

use std::fmt;

use ubf_codec::{Term, TermRef, View, ubf};

use super::handoffs::HandoffReport;
use super::reports::{
    ConnectionReport, SessionReport, StatusReport, VersionCount, list, number, optional, read_list,
    text, text_or_undefined, tuple,
};
use super::rows::{BackupReport, FinalizedReport, MigrationReport, RowsReport};
use super::takeovers::TakeoverReport;

/// A response of the operator's contract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// It is done.
    Ok,
    /// It is not done.
    Refused(Refusal),
    /// To [`Request::Status`](super::Request::Status).
    Status(Box<StatusReport>),
    /// To [`Request::Connections`](super::Request::Connections).
    Connections {
        /// In all.
        connections: u64,
        /// Those that have agreed on a version.
        by_version: Vec<VersionCount>,
    },
    /// To [`Request::ListConnections`](super::Request::ListConnections), in the order of numbers.
    List(Vec<ConnectionReport>),
    /// To [`Request::ListSessions`](super::Request::ListSessions), in the order of numbers.
    Sessions(Vec<SessionReport>),
    /// To [`Request::Rows`](super::Request::Rows): each service that is meant.
    Rows(Vec<RowsReport>),
    /// To [`Request::Migrate`](super::Request::Migrate): each service that is meant.
    Migration(Vec<MigrationReport>),
    /// To [`Request::Finalize`](super::Request::Finalize): each service that is meant.
    Finalized(Vec<FinalizedReport>),
    /// To [`Request::Lower`](super::Request::Lower): each service that is meant.
    Lowered(Vec<FinalizedReport>),
    /// To [`Request::BackUp`](super::Request::BackUp).
    BackedUp(BackupReport),
    /// To [`Request::HandOff`](super::Request::HandOff), of each service that is meant; and to
    /// [`Request::LastHandOffs`](super::Request::LastHandOffs), of each that had one.
    HandOffs(Vec<HandoffReport>),
    /// To [`Request::LastTakeover`](super::Request::LastTakeover). `None`: there was none.
    Takeover(Option<Box<TakeoverReport>>),
    /// To [`Request::Settings`](super::Request::Settings): each with its value, as a file has it. One
    /// without a value is not set.
    Settings(Vec<(String, Option<String>)>),
}

/// Why a server does not do what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Who asks may not: its role has less.
    NotAllowed,
    /// There is no address to send clients to.
    NoPeers,
    /// It is too late.
    Closing,
    /// There is no drain to take back.
    NotDraining,
    /// There is no cordon to take back.
    NotCordoned,
    /// The server has left its address.
    NotListening,
    /// No service that is meant has this version.
    UnknownVersion,
    /// No connection has this number.
    UnknownConnection,
    /// No service that is meant has rows, or more than one if one is wanted.
    NoRows,
    /// Why something is not done with rows.
    Rows(String),
    /// U2: another process is taking over.
    TakingOver,
    /// U2: no process can take the place of this one, on this system or of this kind.
    NoTakeover,
    /// What is wrong with a filter of the log.
    BadFilter(String),
    /// A reason that this program does not know, as it came.
    Other(String),
}

const WORDS: [(&str, Refusal, &str); 11] = [
    ("not_allowed", Refusal::NotAllowed, "you may not do that there"),
    ("taking_over", Refusal::TakingOver, "another process is taking over"),
    ("no_takeover", Refusal::NoTakeover, "no other process can take its place"),
    ("no_peers", Refusal::NoPeers, "it has no peers to send clients to"),
    ("closing", Refusal::Closing, "it is closing already"),
    ("not_draining", Refusal::NotDraining, "it does not drain"),
    ("not_cordoned", Refusal::NotCordoned, "it is not cordoned"),
    (
        "not_listening",
        Refusal::NotListening,
        "it has left its address to a successor, or is closing",
    ),
    ("unknown_version", Refusal::UnknownVersion, "no service has this version"),
    ("no_rows", Refusal::NoRows, "no service that is meant keeps rows, or more than one does"),
    ("unknown_connection", Refusal::UnknownConnection, "no connection has this number"),
];

impl Response {
    /// The response in this version of the contract.
    #[must_use]
    pub fn to_term(&self, version: u32) -> Term {
        match self {
            Self::Ok => ubf!(ok),
            Self::Refused(why) => ubf!({error, (why.to_term())}),
            Self::Status(status) => status.to_term(version),
            Self::Connections { connections, by_version } => {
                let by_version = list(by_version, VersionCount::to_term);
                if version < 2 {
                    ubf!({sessions, (*connections), (by_version)})
                } else {
                    ubf!({connections, (*connections), (by_version)})
                }
            }
            Self::List(connections) => {
                ubf!({connections, (list(connections, ConnectionReport::to_term))})
            }
            Self::Sessions(sessions) => {
                ubf!({sessions, (list(sessions, SessionReport::to_term))})
            }
            Self::Rows(rows) => ubf!({rows, (list(rows, RowsReport::to_term))}),
            Self::Migration(all) => ubf!({migration, (list(all, MigrationReport::to_term))}),
            Self::Finalized(all) => ubf!({finalized, (list(all, FinalizedReport::to_term))}),
            Self::Lowered(all) => ubf!({lowered, (list(all, FinalizedReport::to_term))}),
            Self::BackedUp(backup) => backup.to_term(),
            Self::Settings(all) => {
                let setting = |(key, value): &(String, Option<String>)| ubf!({(key.as_str()), (text_or_undefined(value.as_deref()))});
                ubf!({settings, (list(all, setting))})
            }
            Self::HandOffs(all) => ubf!({hand_offs, (list(all, HandoffReport::to_term))}),
            Self::Takeover(report) => report
                .as_ref()
                .map_or_else(|| ubf!({takeover, (Term::Undefined)}), |report| report.to_term()),
        }
    }

    /// Reads what [`to_term`](Self::to_term) writes, in the same version. `None`: it is no
    /// response.
    #[must_use]
    pub fn read(version: u32, term: TermRef<'_>) -> Option<Self> {
        if term.is_atom("ok") {
            return Some(Self::Ok);
        }
        let View::Tuple(parts) = term.view() else { return None };
        let name = parts.get(0)?;
        let connections = if version < 2 { "sessions" } else { "connections" };
        match parts.len() {
            2 if name.is_atom("error") => Some(Self::Refused(Refusal::read(parts.get(1)?))),
            2 if name.is_atom("status") => {
                StatusReport::read(version, term).map(Box::new).map(Self::Status)
            }
            2 if version >= 2 && name.is_atom(connections) => {
                read_list(parts.get(1)?, ConnectionReport::read).map(Self::List)
            }
            2 if version >= 2 && name.is_atom("sessions") => {
                read_list(parts.get(1)?, SessionReport::read).map(Self::Sessions)
            }
            2 if version >= 2 && name.is_atom("rows") => {
                read_list(parts.get(1)?, RowsReport::read).map(Self::Rows)
            }
            2 if version >= 2 && name.is_atom("migration") => {
                read_list(parts.get(1)?, MigrationReport::read).map(Self::Migration)
            }
            2 if version >= 2 && name.is_atom("finalized") => {
                read_list(parts.get(1)?, FinalizedReport::read).map(Self::Finalized)
            }
            2 if version >= 2 && name.is_atom("lowered") => {
                read_list(parts.get(1)?, FinalizedReport::read).map(Self::Lowered)
            }
            2 if version >= 2 && name.is_atom("settings") => {
                let setting = |term| {
                    let [key, value] = tuple(term)?;
                    Some((text(key)?, optional(value, text)?))
                };
                read_list(parts.get(1)?, setting).map(Self::Settings)
            }
            2 if version >= 2 && name.is_atom("hand_offs") => {
                read_list(parts.get(1)?, HandoffReport::read).map(Self::HandOffs)
            }
            4 if version >= 2 && name.is_atom("backed_up") => {
                BackupReport::read(term).map(Self::BackedUp)
            }
            _ if version >= 2 && name.is_atom("takeover") => {
                TakeoverReport::read(term).map(|report| Self::Takeover(report.map(Box::new)))
            }
            3 if name.is_atom(connections) => Some(Self::Connections {
                connections: number(parts.get(1)?)?,
                by_version: read_list(parts.get(2)?, VersionCount::read)?,
            }),
            _ => None,
        }
    }
}

impl Refusal {
    fn to_term(&self) -> Term {
        match self {
            Self::BadFilter(why) => ubf!({bad_filter, (why.as_str())}),
            Self::Rows(why) => ubf!({rows, (why.as_str())}),
            Self::Other(why) => Term::from(why.clone()),
            Self::NotAllowed
            | Self::NoPeers
            | Self::Closing
            | Self::NotDraining
            | Self::NotCordoned
            | Self::NotListening
            | Self::UnknownVersion
            | Self::NoRows
            | Self::TakingOver
            | Self::NoTakeover
            | Self::UnknownConnection => Term::atom(self.words().0),
        }
    }

    /// The word for machines, and the ones for people, of a reason without details.
    fn words(&self) -> (&'static str, &'static str) {
        let known = WORDS.iter().find(|(_, one, _)| one == self);
        known.map_or(("other", "for another reason"), |&(word, _, words)| (word, words))
    }

    fn read(why: TermRef<'_>) -> Self {
        if let Some((_, known, _)) = WORDS.iter().find(|&&(word, ..)| why.is_atom(word)) {
            return known.clone();
        }
        if let Some([name, detail]) = tuple(why)
            && name.is_atom("bad_filter")
            && let Some(detail) = text(detail)
        {
            return Self::BadFilter(detail);
        }
        if let Some([name, detail]) = tuple(why)
            && name.is_atom("rows")
            && let Some(detail) = text(detail)
        {
            return Self::Rows(detail);
        }
        Self::Other(why.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadFilter(why) | Self::Rows(why) | Self::Other(why) => f.write_str(why),
            Self::NotAllowed
            | Self::NoPeers
            | Self::Closing
            | Self::NotDraining
            | Self::NotCordoned
            | Self::NotListening
            | Self::UnknownVersion
            | Self::NoRows
            | Self::TakingOver
            | Self::NoTakeover
            | Self::UnknownConnection => f.write_str(self.words().1),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_response_is_read_as_it_was_written() {
        let refusals = WORDS.iter().map(|(_, refusal, _)| Response::Refused(refusal.clone()));
        let others = [
            Response::Ok,
            Response::Refused(Refusal::BadFilter("verbose".into())),
            Response::Refused(Refusal::Rows("no".into())),
            Response::Status(Box::default()),
            Response::Connections { connections: 7, by_version: Vec::new() },
        ];
        for response in refusals.chain(others) {
            for version in [1, 2] {
                let term = response.to_term(version);
                assert_eq!(Response::read(version, term.as_ref()), Some(response.clone()));
            }
        }
        let term: Term = "{error,{new,reason}}".parse().unwrap();
        let unknown = Response::read(2, term.as_ref()).unwrap();
        assert!(matches!(unknown, Response::Refused(Refusal::Other(_))));
    }

    #[test]
    fn connections_are_listed_in_version_2() {
        let term: Term =
            "{connections,[{7,\"127.0.0.1:1\",?,3,\"ubf/1\",2,99},{8,\"unix\",\"kv\",?,?,0,1}]}"
                .parse()
                .unwrap();
        let list = Response::read(2, term.as_ref()).unwrap();
        assert_eq!(list.to_term(2), term);
        assert_eq!(Response::read(1, term.as_ref()), None);
    }

    #[test]
    fn rows_are_told_of_in_version_2() {
        for text in [
            "{rows,[{\"kv\",{2,1,2},{1,2},[{\"total\",2,1},{\"values\",1,70}]},{\"ledger\",{1,1,1},{1,3},[]}]}",
            "{migration,[{\"kv\",{2,1,2},256,200,?},{\"ledger\",{1,1,1},0,0,\"a row\"}]}",
            "{finalized,[{\"kv\",{2,1,2}}]}",
            "{lowered,[{\"kv\",{1,1,2}}]}",
            "{backed_up,\"kv\",71,4096}",
            "{hand_offs,[]}",
            "{hand_offs,[{\"kv\",\"giver\",\"unix:/run/b\",\"given\",[{\"suspending\",12}],7,4096,1,?}]}",
        ] {
            let term: Term = text.parse().unwrap();
            let read = Response::read(2, term.as_ref()).unwrap();
            assert_eq!(read.to_term(2), term);
            assert_eq!(Response::read(1, term.as_ref()), None);
        }
    }

    #[test]
    fn settings_are_told_in_version_2() {
        let term: Term = r#"{settings,[{"data",?},{"listen","['a:1']"}]}"#.parse().unwrap();
        let read = Response::read(2, term.as_ref()).unwrap();
        let expected = [("data".to_owned(), None), ("listen".to_owned(), Some("['a:1']".into()))];
        assert_eq!(read, Response::Settings(expected.into()));
        assert_eq!(read.to_term(2), term);
        assert_eq!(Response::read(1, term.as_ref()), None);
    }

    #[test]
    fn the_last_takeover_is_told_in_version_2() {
        for text in [
            "{takeover,?}",
            "{takeover,\"predecessor\",77,\"back\",[{\"suspending\",12},{\"back\",2000000}],3,1,\"why\"}",
            "{takeover,\"successor\",7,\"served\",[],0,0,?}",
        ] {
            let term: Term = text.parse().unwrap();
            let report = Response::read(2, term.as_ref()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(report.to_term(2), term);
            assert_eq!(Response::read(1, term.as_ref()), None);
        }
    }

    #[test]
    fn sessions_are_listed_in_version_2() {
        let term: Term = "{sessions,[{7,\"0a1b2c3d\",?,\"127.0.0.1:1\",3,99,true,2,4096},\
             {8,\"4e5f6a7b\",\"kv\",\"unix\",9,1,false,0,0}]}"
            .parse()
            .unwrap();
        let list = Response::read(2, term.as_ref()).unwrap();
        assert_eq!(list.to_term(2), term);
        assert_eq!(Response::read(1, term.as_ref()), None);
        let Response::Sessions(list) = list else { panic!("{list:?}") };
        assert!(list[0].parked && !list[1].parked);
    }
}
