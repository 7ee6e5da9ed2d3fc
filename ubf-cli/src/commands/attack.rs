//! `ubf attack`: tries to break a server, and says what became of it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use ubf_codec::Address;
use ubf_load::attack::{
    ATTACKS, Attack, AttackError, AttackKind, Bounds, Latency, Target, TargetTls, Verdict,
    bytes_in_words, run as attack,
};

use crate::args::attack::Options;
use crate::network;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::reason::{causes, reason};
use crate::ui::report::Report;
use crate::ui::status::Status;
use crate::ui::text::counted;

/// Why a run ends early.
enum Stop {
    Trouble(String),
    Write(io::Error),
}

impl From<AttackError> for Stop {
    fn from(error: AttackError) -> Self {
        Self::Trouble(causes(&error))
    }
}

pub(crate) fn run(args: &Options, output: &mut Output) -> io::Result<Status> {
    let target = match target(args) {
        Ok(target) => target,
        Err(report) => return trouble(&report, output),
    };
    if args.list {
        return list(&target, output);
    }
    let chosen = match chosen(&args.only, &target) {
        Ok(chosen) => chosen,
        Err(report) => return trouble(&report, output),
    };
    let mut bounds = Bounds::default();
    bounds.max_latency = args.max_latency;
    bounds.max_growth = args.max_growth;
    bounds.pid = args.pid;
    let (mut held, mut failed, mut growth) = (0, 0, None);
    let runtime = match network::single_thread() {
        Ok(runtime) => runtime,
        Err(report) => return trouble(&report, output),
    };
    let ended = runtime.block_on(attack(target, &chosen, bounds, |verdict| {
        *(if verdict.held { &mut held } else { &mut failed }) += 1;
        growth = growth.max(verdict.process.map(|usage| usage.growth()));
        show(&verdict, args.json, output).and_then(|()| output.flush()).map_err(Stop::Write)
    }));
    match ended {
        Ok(()) => {}
        Err(Stop::Write(error)) => return Err(error),
        Err(Stop::Trouble(message)) => {
            output.report(&Report::new(message))?;
            return Ok(Status::Trouble);
        }
    }
    if !args.json {
        let grown = growth
            .map(|growth| format!("; the process grew by {} at most", bytes_in_words(growth)));
        let grown = grown.unwrap_or_default();
        output.line(format_args!("\n{} held, {failed} failed{grown}", counted(held, "attack")))?;
        let left = chosen.len() as u64 - held - failed;
        if left > 0 {
            output.line(format_args!(
                "{} not made: the server takes no connections",
                counted(left, "attack")
            ))?;
        }
    }
    Ok(if failed == 0 { Status::Good } else { Status::WrongInput })
}

fn trouble(report: &Report, output: &mut Output) -> io::Result<Status> {
    output.report(report)?;
    Ok(Status::Trouble)
}

fn list(target: &Target, output: &mut Output) -> io::Result<Status> {
    for Attack { name, rule, about, .. } in
        ATTACKS.iter().filter(|attack| attack.kind.suits(target))
    {
        output.line(format_args!("{name:24} {rule:4} {about}"))?;
    }
    Ok(Status::Good)
}

fn chosen(only: &[String], target: &Target) -> Result<Vec<&'static Attack>, Report> {
    for name in only {
        let Some(attack) = ATTACKS.iter().find(|attack| attack.name == *name) else {
            return Err(Report::new(format!("{name}: no such attack"))
                .with_hint(Some("ubf attack --list names them")));
        };
        if !attack.kind.suits(target) {
            let report = Report::new(format!("{name} is no attack on this server"));
            return Err(report.with_hint(match attack.kind {
                AttackKind::Tls => Some("ubf attack ubfs://HOST:PORT, or --ca FILE, speaks TLS"),
                AttackKind::Stock => Some("--classic attacks a server that knows no versions"),
                AttackKind::Versioned | AttackKind::Packets | _ => {
                    Some("ubf attack --classic --list names those on stock servers")
                }
            }));
        }
    }
    Ok(ATTACKS
        .iter()
        .filter(|attack| attack.kind.suits(target))
        .filter(|attack| only.is_empty() || only.iter().any(|name| name == attack.name))
        .collect())
}

/// Whom the attack is for, and how large it is. `--list` needs no address.
fn target(args: &Options) -> Result<Target, Report> {
    let given = args.address.as_deref().unwrap_or("127.0.0.1:1");
    let (address, is_tls) = match given.strip_prefix("ubfs://") {
        Some(address) => (address, true),
        None => (given, false),
    };
    let mut target = Target::new(server(address, args)?);
    target.service.clone_from(&args.service);
    target.max_wait = args.max_wait;
    target.connections = args.connections;
    target.max_bytes = args.max_bytes.try_into().unwrap_or(usize::MAX);
    target.packets = args.packets;
    target.stock = args.classic.plan()?;
    if let Some(client) = args.tls.client(is_tls)? {
        let name = address.parse().map(|Address { host, .. }| host);
        let name = name.map_err(|error| Report::new(format!("{address}: {error}")))?;
        let mut tls = TargetTls::new(client, name);
        for pair in args.wrong_cert.chunks(2) {
            if let [certificate, key] = pair {
                let client = tls.client.clone().showing(certificate, key);
                tls.wrong.push(client.map_err(|error| Report::new(causes(&error)))?);
            }
        }
        target.tls = Some(tls);
    } else if !args.wrong_cert.is_empty() {
        return Err(Report::new("--wrong-cert is of no use without TLS")
            .with_hint(Some("ubf attack ubfs://HOST:PORT, or --ca FILE, speaks TLS")));
    }
    Ok(target)
}

/// A server that belongs to somebody else is none of our business.
fn server(given: &str, args: &Options) -> Result<SocketAddr, Report> {
    let found = given.to_socket_addrs().map(|mut addresses| addresses.next());
    let address = match found {
        Ok(Some(address)) => address,
        Ok(None) => return Err(Report::new(format!("{given}: no such address"))),
        Err(error) => {
            return Err(Report::new(format!("{given}: {}", reason(&error)))
                .with_hint(Some("an address has a host and a port, as in 127.0.0.1:4000")));
        }
    };
    if !address.ip().is_loopback() && !args.this_server_is_mine {
        return Err(Report::new(format!("{address} is on another machine"))
            .with_hint(Some("--this-server-is-mine attacks it nevertheless")));
    }
    Ok(address)
}

fn show(verdict: &Verdict, json: bool, output: &mut Output) -> io::Result<()> {
    if json {
        return output.line(serde_json::to_string(verdict)?);
    }
    let Palette { good, error, faint, strong, .. } = output.palette();
    let Verdict { name, rule, held, saw, faults, took, before, meanwhile, process, .. } = verdict;
    let (word, style) = if *held { ("held  ", good) } else { ("FAILED", error) };
    output.line(format_args!(
        "{style}{word}{style:#} {strong}{name}{strong:#} ({rule}, {:.1} s): {saw}",
        took.as_secs_f64()
    ))?;
    for fault in faults {
        output.line(format_args!("       {error}wrong:{error:#} {fault}"))?;
    }
    let memory = process.map_or_else(String::new, |usage| {
        let (rss, growth) = (bytes_in_words(usage.rss_bytes_peak), bytes_in_words(usage.growth()));
        format!("; memory {rss}, grown by {growth}; descriptors {}", usage.descriptors_peak)
    });
    let beside = format!("beside it: {} (before: {}){memory}", latency(meanwhile), latency(before));
    output.line(format_args!("       {faint}{beside}{faint:#}"))
}

fn latency(latency: &Latency) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let Latency { calls, p50, p99, max, .. } = latency;
    format!(
        "{calls} calls, p50 {:.2}, p99 {:.2}, max {:.2} ms",
        millis(*p50),
        millis(*p99),
        millis(*max)
    )
}
