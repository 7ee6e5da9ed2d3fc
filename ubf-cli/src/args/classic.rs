//! Arguments for servers of the time before versions.

use std::time::Duration;

use clap::Args;
use ubf_client::classic::{ClassicBuilder, Flavour, HelloMode};
use ubf_client::tls::ClientTls;
use ubf_client::{Client, Target};
use ubf_codec::{Limits, Term};
use ubf_load::load::StockPlan;

use crate::network;
use crate::ui::report::Report;

/// How long an answer takes until a hello is given up. Chosen: that of the library.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// How stock servers are talked to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Stock servers")]
pub(crate) struct ClassicArgs {
    /// The server knows no versions: Erlang's ubf, Armstrong's, or `ubf serve --classic`
    #[arg(long, conflicts_with_all = ["service", "versions"])]
    pub(crate) classic: bool,

    /// Begin the session of this service first
    #[arg(long, value_name = "SERVICE", requires = "classic", hide_short_help = true)]
    pub(crate) start: Option<String>,

    /// The argument of the start, a term; by default the empty list
    #[arg(
        long,
        value_name = "TERM",
        requires = "start",
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    arg: Option<String>,

    /// Which implementation the server is: erl2, erl116 or joe
    #[arg(
        long,
        value_name = "NAME",
        requires = "classic",
        default_value = "erl2",
        hide_short_help = true
    )]
    flavour: Flavour,

    /// The server does not speak first, as those of ubf 2.x by default
    #[arg(long, requires = "classic", hide_short_help = true)]
    no_hello: bool,

    /// There is no meta level: sessions begin in the server's only service
    #[arg(long, requires = "classic", conflicts_with = "start", hide_short_help = true)]
    plugin: bool,

    /// Replies do not name the next state
    #[arg(long, requires = "classic", hide_short_help = true)]
    simplerpc: bool,
}

impl ClassicArgs {
    /// A client that does what the arguments say.
    pub(crate) fn builder(
        &self,
        targets: &[Target],
        limits: Limits,
        timeout: Duration,
        tls: Option<ClientTls>,
    ) -> ClassicBuilder {
        let builder = targets
            .iter()
            .fold(Client::builder(), |builder, target| builder.address(target.to_string()))
            .limits(limits)
            .call_time(timeout)
            .connect_time(timeout);
        let builder = match tls {
            Some(tls) => builder.tls(tls),
            None => builder,
        };
        self.dressed(builder, timeout)
    }

    /// What concerns stock servers alone.
    pub(crate) fn dressed(
        &self,
        builder: ubf_client::Builder,
        timeout: Duration,
    ) -> ClassicBuilder {
        let within = timeout.min(HELLO_TIME);
        let hello = match self.no_hello {
            true => HelloMode::None,
            false => HelloMode::Expected { within },
        };
        let mut builder = builder.classic(self.flavour).hello(hello);
        if self.plugin {
            builder = builder.without_meta_level();
        }
        if self.simplerpc { builder.simple_rpc() } else { builder }
    }

    /// The same for a load; `None` if the servers know versions.
    pub(crate) fn plan(&self) -> Result<Option<StockPlan>, Report> {
        if !self.classic {
            return Ok(None);
        }
        let mut plan = StockPlan::default();
        plan.flavour = self.flavour;
        plan.hello = match self.no_hello {
            true => HelloMode::None,
            false => HelloMode::Expected { within: HELLO_TIME },
        };
        plan.start = self.start()?.map(|(service, argument)| (service.into(), argument));
        plan.has_no_meta_level = self.plugin;
        plan.is_simple = self.simplerpc;
        Ok(Some(plan))
    }

    /// The service that is to be started, and with which argument.
    pub(crate) fn start(&self) -> Result<Option<(&str, Term)>, Report> {
        let Some(service) = &self.start else { return Ok(None) };
        let argument = self.arg.as_deref().map_or_else(|| Ok(Term::list([])), network::term)?;
        Ok(Some((service, argument)))
    }
}
