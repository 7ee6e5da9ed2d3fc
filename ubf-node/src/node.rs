//! A node to build upon: a service of one's own, with all that the reference server has around it.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Command, FromArgMatches};
use ubf_codec::Text;

use crate::catalogue::{Catalogue, Unasked};
use crate::node_service::NodeService;
use crate::options::{Options, ServiceHelp, adapted};
use crate::run;

/// A program that serves services of one's own.
///
/// The author hands in services, and perhaps options of the program's own. The node has the rest,
/// as the reference server does, which is made with it: all [`Options`] with their file and their
/// variables, the store, sessions, the upgrade in place, hand-offs, the operator's contract, an
/// audit log, metrics and a page, signals and exit statuses.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::Versioned;
/// use ubf_node::{Node, NodeService};
/// use ubf_service::{Caller, Do, Row, StatefulService, Table, Tx, tables};
///
/// /// Options of this program, beside those that every node has.
/// #[derive(clap::Args)]
/// struct Own {
///     /// The number that pages begin with
///     #[arg(long, default_value_t = 0)]
///     first: u64,
/// }
///
/// #[derive(Clone, PartialEq, Serialize, Deserialize)]
/// struct Visits { count: u64 }
/// impl Row for Visits { const VERSION: u32 = 1; type Before = (); }
/// static VISITS: Table<String, Visits> = Table::new("visits");
///
/// #[derive(Versioned, Serialize, Deserialize)]
/// #[version(1, Self)]
/// #[serde(rename = "visit")]
/// struct Visit { page: String }
///
/// #[derive(Versioned, Serialize, Deserialize)]
/// #[version(1, Self)]
/// struct Count(u64);
///
/// struct Counter { first: u64 }
/// impl StatefulService for Counter {
///     type Request = Visit;
///     type Reply = Count;
///     type Timer = ();
///     const STATE: (u32, u32) = (1, 1);
///     tables!(VISITS);
///
///     fn apply(&self, _: &Caller<'_>, Visit { page }: Visit, tx: &mut Tx<'_>) -> Do<Count> {
///         let count = tx.get(&VISITS, &page)?.map_or(self.first, |visits| visits.count) + 1;
///         tx.put(&VISITS, &page, &Visits { count })?;
///         Ok(Count(count))
///     }
/// }
///
/// fn main() -> ExitCode {
///     Node::with_options("counter", env!("CARGO_PKG_VERSION"))
///         .service(NodeService::stateful("counter", |own: &Own| Counter { first: own.first }))
///         .main()
/// }
/// ```
///
/// Such a program is run, watched and changed as the reference server is:
///
/// ```text
/// counter --listen 0.0.0.0:4000 --data /var/lib/counter --control /run/counter.socket --first 100
/// ubf admin --control /run/counter.socket status
/// ubf upgrade --control /run/counter.socket
/// ```
///
/// The guide in the book goes from an empty crate to a fleet of such nodes.
pub struct Node<O = ()> {
    name: &'static str,
    version: &'static str,
    about: Option<&'static str>,
    services: Vec<NodeService<O>>,
    unasked: Unasked,
}

impl Node<()> {
    /// A node without options of its own: the name of the program, and its version, which is
    /// `env!("CARGO_PKG_VERSION")` as a rule. Peers are told both.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self::with_options(name, version)
    }
}

impl<O> Node<O> {
    /// A node whose services are made from options of its own, `O`. The types of the services say
    /// which.
    #[must_use]
    pub const fn with_options(name: &'static str, version: &'static str) -> Self {
        let unasked = Unasked { services: None, versions: None };
        Self { name, version, about: None, services: Vec::new(), unasked }
    }

    /// What the program is, in a sentence of its help.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = Some(about);
        self
    }

    /// Adds a service. All are served unless `--service` says which; clients that name none get
    /// the first.
    #[must_use]
    pub fn service(mut self, service: NodeService<O>) -> Self {
        self.services.push(service);
        self
    }

    /// What is served when the settings do not say it.
    pub(crate) fn unasked(mut self, unasked: Unasked) -> Self {
        self.unasked = unasked;
        self
    }
}

impl<O: Args + Send + Sync + 'static> Node<O> {
    /// The command line: that of every node, with the names of the services, and one's own options.
    ///
    /// An option of one's own that has the name of one that every node has is a mistake, which
    /// clap tells by a panic when it was built with debug assertions. A test that calls
    /// [`debug_assert`](Command::debug_assert) finds it.
    ///
    /// ```
    /// use ubf_node::{Node, NodeService};
    /// use ubf_node::services::KvRows;
    ///
    /// let node = Node::new("notes", "0.1.0").service(NodeService::stateful("notes", |()| KvRows::default()));
    /// node.command().debug_assert();
    /// let help = node.command().render_long_help().to_string();
    /// assert!(help.contains("notes has 1 to 2"));
    /// ```
    #[must_use]
    pub fn command(&self) -> Command {
        let services = self.services.iter().map(|service| {
            let NodeService { name, about, state, .. } = *service;
            ServiceHelp { name, about, state }
        });
        let command = Command::new(self.name).version(self.version);
        // The options of every node come below those of this one.
        let command = O::augment_args(command.next_help_heading("Of this program"));
        let command = Options::augment_args(command.next_help_heading(None::<&str>));
        let about = self.about.unwrap_or("A node of versioned UBF.");
        adapted(command, self.name, &services.collect::<Vec<_>>()).about(about).long_about(about)
    }

    /// Reads the command line and serves: the whole program. It is the last thing that `main` does,
    /// see [`run`](Self::run).
    ///
    /// A command line that is wrong, `--help` and `--version` end the process here, as clap does.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let mut matches = self.command().get_matches();
        let options = Options::from_arg_matches_mut(&mut matches);
        let read =
            options.and_then(|options| Ok((options, O::from_arg_matches_mut(&mut matches)?)));
        match read {
            Ok((options, own)) => self.run(options, own),
            Err(error) => error.format(&mut self.command()).exit(),
        }
    }

    /// Serves, for programs that read their command line by themselves: [`Options`] are a part of
    /// it, by `#[command(flatten)]`.
    ///
    /// It ends by a signal or by an operator, and the exit status tells how it went. It installs
    /// what handles signals, panics and logs in the whole process, and has a runtime of its own: it
    /// is the last thing that a program does. Logs and errors go to stderr; an error begins with
    /// the name of the program.
    ///
    /// | exit status | |
    /// |---|---|
    /// | 0 | stopped; each call that was begun was answered, and no answer was lost |
    /// | 1 | could not start, which a service that is there twice, or a bad contract, may be the reason for |
    /// | 2 | the command line, a variable or the file is wrong |
    /// | 3 | stopped, and a call was cut, or answers were lost that sessions kept |
    /// | 4 | stopped by itself, because of a fault or a store that failed |
    #[must_use]
    pub fn run(self, options: Options, own: O) -> ExitCode {
        let name = self.name;
        self.run_as(name, options, own)
    }

    /// The same, for a program that is known by another name in its errors.
    pub(crate) fn run_as(self, program: &str, options: Options, own: O) -> ExitCode {
        match self.catalogue(own) {
            Ok(catalogue) => run::run(program, options, &catalogue),
            Err(error) => run::cannot_start(program, &error),
        }
    }

    /// All services, made from these options.
    pub(crate) fn catalogue(self, own: O) -> Result<Catalogue, String> {
        let agent = Text::from(format!("{}/{}", self.name, self.version));
        let own = Arc::new(own);
        let offerings = self.services.into_iter().map(|service| service.into_offering(&own));
        Catalogue::new(agent, offerings.collect(), self.unasked)
    }
}

impl<O> fmt::Debug for Node<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, services, .. } = self;
        f.debug_struct("Node")
            .field("name", name)
            .field("version", version)
            .field("services", services)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::{Echo, Kv, KvRows};
    use ubf_server::Versions;

    fn echo(name: &'static str) -> NodeService {
        NodeService::handler(name, |()| Echo::new(Versions::of([1])))
    }

    fn refused(node: Node) -> String {
        node.catalogue(()).unwrap_err()
    }

    #[test]
    fn a_mistake_of_the_author_is_said_when_the_node_starts() {
        let node = || Node::new("a", "1");
        assert_eq!(refused(node()), "there is no service");
        let text = refused(node().service(echo("b")).service(echo("b")));
        assert_eq!(text, "the service b is there twice");
        let text = refused(node().service(echo("../b")));
        assert_eq!(text, "the name of the service \"../b\": letters, digits, - and _ are wanted");
        let text = refused(node().service(echo("b").contract(.., "+NAME(")));
        assert!(text.starts_with("the contract of b: "), "{text}");
        let kv = |name| {
            NodeService::stateful(name, |()| KvRows::default()).in_shard(ubf_state::ShardId(7))
        };
        let text = refused(node().service(kv("b")).service(kv("c")));
        assert_eq!(text, "b and c would have their rows in one place");
        assert!(node().service(echo("b")).service(kv("c")).catalogue(()).is_ok());
    }

    #[test]
    fn the_help_names_the_services_and_their_own_options() {
        // Among the options of every node is a type of this name, too.
        #[derive(Args)]
        struct Limits {
            /// How loud.
            #[arg(long)]
            _volume: Option<u32>,
        }
        let node = Node::with_options("choir", "1.2.3")
            .about("Sings.")
            .service(
                NodeService::handler("sing", |_: &Limits| Kv::new(&Versions::of([1])))
                    .about("One song"),
            )
            .service(NodeService::stateful("songs", |_: &Limits| KvRows::default()));
        node.command().debug_assert();
        let help = node.command().render_long_help().to_string();
        for wanted in [
            "Sings.",
            "Of this program:",
            "--volume",
            "- sing:",
            "One song",
            "- songs",
            "[default: sing,songs]",
            "songs has 1 to 2",
            "$ choir --listen 127.0.0.1:4000 --data",
        ] {
            assert!(help.contains(wanted), "{wanted}:\n{help}");
        }
        for foreign in ["ledger has", "--service kv", "PROGRAM"] {
            assert!(!help.contains(foreign), "{foreign}:\n{help}");
        }
        assert_eq!(node.command().render_version(), "choir 1.2.3\n");
    }
}
