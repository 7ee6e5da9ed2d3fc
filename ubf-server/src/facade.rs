//! What a server has counted, for the recorder of the program that it is a part of (feature
//! `metrics`).
//!
//! The facade is the crate [`metrics`]: a program that has a recorder for it, an exporter for
//! Prometheus for example, sees the server among all else. The names and the words are those of the
//! reference server's `/metrics`. Nothing is told for a call: what was counted is told when the
//! program wants it to be.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use metrics::{Label, counter, gauge, histogram};
use tokio::time::{MissedTickBehavior, interval};
use ubf_codec::{Text, Version};
use ubf_proto::{Phase, Service};

use crate::call_times::CallTimes;
use crate::counters::Counts;
use crate::handle::{ServerHandle, Status};

/// Tells the recorder of the program how a server is.
///
/// ```
/// use std::time::Duration;
/// use ubf_server::{Call, Handlers, MetricsFacade, Reply, Server, Service};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok("done") });
/// let server = Server::builder()
///     .listen("127.0.0.1:0")
///     .service(Service::DEFAULT, handlers)
///     .time_calls(true)
///     .bind()
///     .await?;
/// let mut facade = MetricsFacade::new(server.handle());
/// facade.tell();
/// // Or in a task that ends with the program:
/// tokio::spawn(facade.tell_every(Duration::from_secs(5)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MetricsFacade {
    server: ServerHandle,
    /// The counts of the histograms that were told: the facade takes what came since.
    told: BTreeMap<(Service, Version), Vec<u64>>,
}

impl MetricsFacade {
    /// A facade of this server, of which nothing is told yet.
    #[must_use]
    pub const fn new(server: ServerHandle) -> Self {
        Self { server, told: BTreeMap::new() }
    }

    /// Tells the recorder how the server is at this moment.
    pub fn tell(&mut self) {
        let status = self.server.status();
        tell_counters(&status.counts);
        tell_gauges(&status);
        for times in self.server.call_times() {
            self.tell_times(&times);
        }
    }

    /// Tells it again and again, until the future is dropped.
    pub async fn tell_every(mut self, period: Duration) -> Infallible {
        // A period of nothing would be no period.
        let mut ticks = interval(period.max(Duration::from_millis(100)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell();
        }
    }

    /// A call is told as one that took as long as the bound that it did not pass: no more is known
    /// of it. What passed all bounds is told as the longest of them.
    fn tell_times(&mut self, times: &CallTimes) {
        let told = self.told.entry((times.service.clone(), times.version)).or_default();
        told.resize(times.counts.len(), 0);
        let histogram = histogram!("ubf_call_seconds", of(&times.service, times.version));
        let last = CallTimes::bounds().last().unwrap_or_default();
        let bounds = CallTimes::bounds().chain(std::iter::once(last));
        for ((bound, &count), told) in bounds.zip(&times.counts).zip(told) {
            let more = usize::try_from(count.saturating_sub(*told)).unwrap_or(usize::MAX);
            if more > 0 {
                histogram.record_many(bound.as_secs_f64(), more);
            }
            *told = count;
        }
    }
}

fn tell_counters(counts: &Counts) {
    for (name, count) in counts.named() {
        counter!(format!("ubf_{name}")).absolute(count);
    }
}

fn tell_gauges(status: &Status) {
    for (name, count) in [
        ("ubf_connections_open", status.connections),
        ("ubf_calls_running", status.calls),
        ("ubf_sessions_present", status.sessions.present),
        ("ubf_sessions_parked", status.sessions.parked),
    ] {
        gauge!(name).set(number(count));
    }
    for (name, is) in [
        ("ubf_listening", status.is_listening),
        ("ubf_cordoned", status.cordon.is_some()),
        ("ubf_overloaded", status.is_overloaded),
    ] {
        gauge!(name).set(f64::from(u8::from(is)));
    }
    for phase in [Phase::Serving, Phase::Draining, Phase::Closing, Phase::Stopped] {
        let is = phase == status.phase;
        gauge!("ubf_phase", "ubf_phase" => phase.as_str()).set(f64::from(u8::from(is)));
    }
    for (versions, is_spoken) in [(&status.spoken, 1.0), (&status.withdrawn, 0.0)] {
        for (service, versions) in versions {
            for version in versions.iter() {
                gauge!("ubf_version_spoken", of(service, version)).set(is_spoken);
                let connections = status.connections_by_version.get(&(service.clone(), version));
                let connections = number(connections.copied().unwrap_or_default());
                gauge!("ubf_connections_by_version", of(service, version)).set(connections);
            }
        }
    }
}

/// The default service has no name.
fn of(service: &Service, version: Version) -> Vec<Label> {
    let name = service.name().map(Text::to_latin1).unwrap_or_default();
    vec![Label::new("service", name), Label::new("version", version.to_string())]
}

/// No server has so many connections that the last digit would be lost.
fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
