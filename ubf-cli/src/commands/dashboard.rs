//! `ubf dashboard`: several servers on one page.

use std::io;

use ubf_client::tls::ClientTls;
use ubf_node::dashboard::{Dashboard, DashboardToken, MAX_NODES};

use crate::args::dashboard::Dashboard as Arguments;
use crate::network;
use crate::ui::output::Output;
use crate::ui::reason::{causes, reason};
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(super) fn run(args: &Arguments, output: &mut Output) -> io::Result<Status> {
    let (dashboard, runtime) =
        match prepared(args).and_then(|it| Ok((it, network::single_thread()?))) {
            Ok(prepared) => prepared,
            Err(report) => {
                output.report(&report)?;
                return Ok(Status::Trouble);
            }
        };
    runtime.block_on(async {
        let running = match dashboard.listen(&args.listen).await {
            Ok(running) => running,
            Err(error) => {
                let message = format!("cannot listen on {}: {}", args.listen, reason(&error));
                let hint = "--listen 127.0.0.1:0 takes any port that is free";
                output.report(&Report::new(message).with_hint(Some(hint)))?;
                return Ok(Status::Trouble);
            }
        };
        output.line(format_args!("http://{}/", running.address()))?;
        output.flush()?;
        tokio::select! {
            () = running.run() => {}
            pressed = tokio::signal::ctrl_c() => pressed?,
        }
        Ok(Status::Good)
    })
}

fn prepared(args: &Arguments) -> Result<Dashboard, Report> {
    let (servers, tokens) = (args.addresses.len(), args.token.len());
    if servers > MAX_NODES {
        return Err(Report::new(format!("{servers} servers: a page has room for {MAX_NODES}")));
    }
    if tokens > 1 && tokens != servers {
        let message = format!("{tokens} tokens for {servers} servers");
        let hint = "one for all, or one for each, in the order of the addresses";
        return Err(Report::new(message).with_hint(Some(hint)));
    }
    let mut dashboard = Dashboard::new();
    if let Some(ca) = &args.ca {
        let tls = ClientTls::trusting(ca).and_then(|tls| match (&args.cert, &args.key) {
            (Some(cert), Some(key)) => tls.showing(cert, key),
            (_, _) => Ok(tls),
        });
        dashboard = dashboard.tls(tls.map_err(|error| Report::new(causes(&error)))?);
    } else if let Some(address) = args.addresses.iter().find(|address| address.is_https()) {
        let message = format!("https://{address}: nobody says whose certificates are trusted");
        return Err(Report::new(message).with_hint(Some("--ca FILE: the authority's, as PEM")));
    }
    let read = |path| DashboardToken::read(path).map_err(Report::new);
    let tokens: Vec<_> = args.token.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let mut each = tokens.iter().cycle().cloned();
    for address in &args.addresses {
        dashboard = dashboard.node(address.clone(), each.next());
    }
    Ok(dashboard)
}
