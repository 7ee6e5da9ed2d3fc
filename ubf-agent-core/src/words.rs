//! The contract `agent`, version 1, which is frozen: what is asked for, and what is answered.

use std::fmt;

use bytes::Bytes;
use ubf_codec::{Term, TermRef, ubf};

use crate::release::Hash;

/// What a controller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Begins to send the release of this signed manifest, or goes on with it.
    Put(Bytes),
    /// More bytes of its binary, from this offset on.
    Chunk(Hash, u64, Bytes),
    /// Runs this release, where nothing runs.
    Start(Hash),
    /// This release takes over from the one that runs, in place.
    Switch(Hash),
    /// Ends the node, and starts it no more.
    Stop,
    /// How things are.
    Status,
    /// The last bytes that the node wrote to stderr: at most so many.
    Log(u64),
    /// Removes a release.
    Drop(Hash),
}

/// What an agent answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// So many bytes of the binary are here.
    At(u64),
    /// The release is here as a whole, and good.
    Stored,
    /// This release runs, as the process of this number.
    Runs(Hash, u32),
    /// Nothing runs.
    Stopped,
    /// How things are.
    Status(Box<Status>),
    /// The last bytes of the log.
    Log(Bytes),
    /// The release is gone.
    Dropped,
    /// It was not done, and all is as it was. The text is for people, and no part of the contract.
    Error(Refusal, String),
}

macro_rules! atoms {
    ($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $variant:ident = $atom:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$why])* $variant,)* }

        impl $name {
            /// The atom that stands for it.
            #[must_use]
            pub const fn atom(self) -> &'static str {
                match self { $(Self::$variant => $atom,)* }
            }

            fn read(term: TermRef<'_>) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|one| term.is_atom(one.atom()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.atom())
            }
        }
    };
}

atoms! {
    /// Why something was not done.
    Refusal {
        /// The request is none of this contract.
        Request = "request",
        /// The manifest cannot be read.
        Manifest = "manifest",
        /// The release was signed by nobody who is trusted.
        Signature = "signature",
        /// The bytes that came are not those that were signed.
        Hash = "hash",
        /// The bytes do not follow those that are here.
        Offset = "offset",
        /// A chunk, or a release, is above the limit.
        TooLarge = "too_large",
        /// As many releases are here as are kept.
        TooMany = "too_many",
        /// The disk is full.
        DiskFull = "disk_full",
        /// The disk fails otherwise.
        Disk = "disk",
        /// There is no such release here.
        NoRelease = "no_release",
        /// Something else is being done.
        Busy = "busy",
        /// Another release runs.
        Running = "running",
        /// Nothing runs that could be taken over from.
        NotRunning = "not_running",
        /// The release did not come up.
        NotStarted = "not_started",
        /// The release did not take over, and the one before goes on.
        NotSwitched = "not_switched",
        /// The release is the one that runs.
        InUse = "in_use",
    }
}

atoms! {
    /// What an agent is about.
    Phase {
        /// Nothing runs, and nothing should.
        Idle = "idle",
        /// The node has died, and is started again in a moment.
        Waiting = "waiting",
        /// A process was started, and has not said that it serves.
        Starting = "starting",
        /// The node serves.
        Running = "running",
        /// A second process is on its way into the node's place.
        Switching = "switching",
        /// The node has been told to end.
        Stopping = "stopping",
    }
}

/// How things are with an agent and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Name and version of the agent.
    pub agent: String,
    /// What it is about.
    pub phase: Phase,
    /// The release that runs, or would.
    pub current: Option<Hash>,
    /// The one before, to which the agent goes back by itself.
    pub former: Option<Hash>,
    /// The node's process.
    pub pid: Option<u32>,
    /// Processes that were started, by this agent.
    pub starts: u64,
    /// Those of them that died unasked.
    pub deaths: u64,
    /// How the last one died.
    pub last: Option<String>,
    /// The signed manifests of the releases that are here.
    pub releases: Vec<Bytes>,
    /// Bytes that are free on the disk.
    pub free: u64,
}

impl Request {
    /// As it is written.
    #[must_use]
    pub fn to_term(&self) -> Term {
        match self {
            Self::Put(signed) => ubf!({put, (Term::binary(signed.clone()))}),
            Self::Chunk(hash, offset, bytes) => {
                ubf!({chunk, (hash.to_term()), (*offset), (Term::binary(bytes.clone()))})
            }
            Self::Start(hash) => ubf!({start, (hash.to_term())}),
            Self::Switch(hash) => ubf!({switch, (hash.to_term())}),
            Self::Stop => ubf!(stop),
            Self::Status => ubf!(status),
            Self::Log(bytes) => ubf!({log, (*bytes)}),
            Self::Drop(hash) => ubf!({drop, (hash.to_term())}),
        }
    }

    /// `None`: it is none of this contract. What stands behind the terms that are known is ignored.
    #[must_use]
    pub fn read(term: TermRef<'_>) -> Option<Self> {
        if term.is_atom("stop") {
            return Some(Self::Stop);
        } else if term.is_atom("status") {
            return Some(Self::Status);
        }
        let at = |index| term.get(index);
        let bytes = |index| at(index)?.as_bytes().map(Bytes::copy_from_slice);
        let hash = || Hash::of_term(at(1)?);
        Some(match at(0)?.as_atom()?.to_str()?.as_ref() {
            "put" => Self::Put(bytes(1)?),
            "chunk" => Self::Chunk(hash()?, at(2)?.as_u64()?, bytes(3)?),
            "start" => Self::Start(hash()?),
            "switch" => Self::Switch(hash()?),
            "log" => Self::Log(at(1)?.as_u64()?),
            "drop" => Self::Drop(hash()?),
            _ => return None,
        })
    }
}

impl Reply {
    /// As it is written.
    #[must_use]
    pub fn to_term(&self) -> Term {
        match self {
            Self::At(bytes) => ubf!({at, (*bytes)}),
            Self::Stored => ubf!(stored),
            Self::Runs(hash, pid) => ubf!({runs, (hash.to_term()), (*pid)}),
            Self::Stopped => ubf!(stopped),
            Self::Status(status) => status.to_term(),
            Self::Log(bytes) => ubf!({log, (Term::binary(bytes.clone()))}),
            Self::Dropped => ubf!(dropped),
            Self::Error(why, text) => ubf!({error, (Term::atom(why.atom())), (text.as_str())}),
        }
    }

    /// `None`: it is none of this contract.
    #[must_use]
    pub fn read(term: TermRef<'_>) -> Option<Self> {
        let alone = [Self::Stored, Self::Stopped, Self::Dropped];
        if let Some(word) = alone.into_iter().find(|word| word.to_term().as_ref() == term) {
            return Some(word);
        }
        let at = |index| term.get(index);
        Some(match at(0)?.as_atom()?.to_str()?.as_ref() {
            "at" => Self::At(at(1)?.as_u64()?),
            "runs" => Self::Runs(Hash::of_term(at(1)?)?, u32::try_from(at(2)?.as_u64()?).ok()?),
            "status" => Self::Status(Box::new(Status::of_term(term)?)),
            "log" => Self::Log(Bytes::copy_from_slice(at(1)?.as_bytes()?)),
            "error" => Self::Error(Refusal::read(at(1)?)?, at(2)?.as_str()?.into_owned()),
            _ => return None,
        })
    }
}

impl Status {
    fn to_term(&self) -> Term {
        let hash = |hash: Option<Hash>| hash.map_or(Term::Undefined, Hash::to_term);
        let pid = self.pid.map_or(Term::Undefined, Term::from);
        let last = self.last.as_deref().map_or(Term::Undefined, Term::string);
        let releases = self.releases.iter().map(|signed| Term::binary(signed.clone()));
        ubf!({
            status, (self.agent.as_str()), (Term::atom(self.phase.atom())), (hash(self.current)),
            (hash(self.former)), (pid), (self.starts), (self.deaths), (last),
            (Term::list(releases)), (self.free)
        })
    }

    fn of_term(term: TermRef<'_>) -> Option<Self> {
        let at = |index| term.get(index);
        // `?` is absence, and anything else of another kind is no status.
        let some = |index| at(index).map(|it| (!it.is_undefined()).then_some(it));
        let hash = |index| some(index)?.map_or(Some(None), |it| Hash::of_term(it).map(Some));
        let signed = |it: TermRef<'_>| it.as_bytes().map(Bytes::copy_from_slice);
        Some(Self {
            agent: at(1)?.as_str()?.into_owned(),
            phase: Phase::read(at(2)?)?,
            current: hash(3)?,
            former: hash(4)?,
            pid: some(5)?.map_or(Some(None), |it| u32::try_from(it.as_u64()?).ok().map(Some))?,
            starts: at(6)?.as_u64()?,
            deaths: at(7)?.as_u64()?,
            last: some(8)?.map_or(Some(None), |it| Some(Some(it.as_str()?.into_owned())))?,
            releases: at(9)?.as_list()?.iter().map(signed).collect::<Option<_>>()?,
            free: at(10)?.as_u64()?,
        })
    }
}
