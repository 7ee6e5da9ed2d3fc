//! What monitors are told: counters and the nodes, as OpenMetrics, by as much HTTP as that takes.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::fleet::Health;
use crate::switch::{NodeStatus, SwitchHandle};

/// Monitors at a time. Others wait to be accepted.
const MOST_MONITORS: usize = 16;

/// How long one may take, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// Answers `GET /metrics`, `/livez` and `/readyz` of this machine, one request a connection, for as
/// long as it is polled.
pub async fn serve(listener: TcpListener, switch: SwitchHandle) {
    let places = Arc::new(Semaphore::new(MOST_MONITORS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let switch = switch.clone();
                tokio::spawn(async move {
                    let _answered = timeout(PATIENCE, answer(stream, peer, &switch)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a monitor");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, peer: SocketAddr, switch: &SwitchHandle) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if request.len() > MAX_REQUEST_BYTES || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let is_here = peer.ip().to_canonical().is_loopback();
    let (status, kind, body) = response(&request, is_here, switch);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn response(
    request: &[u8],
    is_here: bool,
    switch: &SwitchHandle,
) -> (&'static str, &'static str, String) {
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !is_here {
        return ("403 Forbidden", TEXT, "only this machine may look\n".to_owned());
    }
    if method != b"GET" {
        return ("405 Method Not Allowed", TEXT, "GET alone is known here\n".to_owned());
    }
    match path {
        b"/metrics" => ("200 OK", OPEN_METRICS, render(switch)),
        b"/livez" => ("200 OK", TEXT, "alive\n".to_owned()),
        b"/readyz" => {
            let is_up = |node: &NodeStatus| matches!(node.health, Health::Up | Health::Away);
            if switch.is_serving() && switch.nodes().iter().any(is_up) {
                ("200 OK", TEXT, "ready\n".to_owned())
            } else {
                ("503 Service Unavailable", TEXT, "no node is reached, or it drains\n".to_owned())
            }
        }
        _ => ("404 Not Found", TEXT, "/metrics, /livez, /readyz\n".to_owned()),
    }
}

/// What has been counted, and how the nodes are, as [OpenMetrics](https://openmetrics.io) text.
#[must_use]
pub fn render(switch: &SwitchHandle) -> String {
    let mut text = String::new();
    // Nothing fails that writes to a text.
    let mut line = |written: std::fmt::Arguments<'_>| {
        let _written = writeln!(text, "{written}");
    };
    for (name, value, help) in switch.counts().named() {
        let help = help.trim();
        line(format_args!("# TYPE ubf_switch_{name} counter"));
        line(format_args!("# HELP ubf_switch_{name} {help}"));
        line(format_args!("ubf_switch_{name}_total {value}"));
    }
    for (name, value, help) in [
        ("connections", switch.connections(), "Clients that are connected."),
        ("sessions", switch.sessions(), "Sessions whose nodes are remembered."),
    ] {
        line(format_args!("# TYPE ubf_switch_{name} gauge"));
        line(format_args!("# HELP ubf_switch_{name} {help}"));
        line(format_args!("ubf_switch_{name} {value}"));
    }
    let nodes = switch.nodes();
    line(format_args!("# TYPE ubf_switch_node_connections gauge"));
    line(format_args!("# HELP ubf_switch_node_connections Clients that are joined to the node."));
    for node in &nodes {
        let place = escaped(&node.target.to_string());
        line(format_args!("ubf_switch_node_connections{{node=\"{place}\"}} {}", node.connections));
    }
    line(format_args!("# TYPE ubf_switch_node_health stateset"));
    line(format_args!("# HELP ubf_switch_node_health How the node is."));
    for node in &nodes {
        let place = escaped(&node.target.to_string());
        let is = word(node.health);
        for state in ["unknown", "up", "away", "down"] {
            let value = u8::from(state == is);
            line(format_args!(
                "ubf_switch_node_health{{node=\"{place}\",ubf_switch_node_health=\"{state}\"}} {value}"
            ));
        }
    }
    line(format_args!("# EOF"));
    text
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Up => "up",
        Health::Away => "away",
        Health::Down { .. } => "down",
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
