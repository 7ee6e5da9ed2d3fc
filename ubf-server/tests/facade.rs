//! The facade `metrics`: what the recorder of a program is told.

#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use ubf_server::{Call, Handlers, MetricsFacade, Peer, Reply, Server, Service};

/// Keeps what it is told, by name and labels.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

/// One metric of it.
struct One(Kept, String);

impl One {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.change(|is| *is += f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, value: u64) {
        self.change(|is| *is = f64::from(u32::try_from(value).unwrap()));
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|is| *is += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|is| *is -= value);
    }

    fn set(&self, value: f64) {
        self.change(|is| *is = value);
    }
}

/// How many were told.
impl HistogramFn for One {
    fn record(&self, value: f64) {
        assert!(value > 0.0);
        self.change(|is| *is += 1.0);
    }
}

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        Arc::new(One(self.clone(), format!("{}{{{labels}}}", key.name())))
    }

    fn value(&self, name: &str) -> f64 {
        let kept = self.0.lock().unwrap();
        *kept.get(name).unwrap_or_else(|| panic!("{name}: {kept:?}"))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

#[tokio::test]
async fn a_recorder_is_told_what_was_counted_and_each_call_once() {
    let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok("done") });
    let builder = Server::builder().listen_nowhere().service(Service::DEFAULT, handlers);
    let server = builder.time_calls(true).bind().await.unwrap();
    let handle = server.handle();
    let (mut client, stream) = tokio::io::duplex(1 << 16);
    let _connection = tokio::spawn(handle.serve_stream(stream, Peer::Own));
    let _server = tokio::spawn(server.run());
    let kept = Kept::default();
    let mut facade = MetricsFacade::new(handle.clone());
    for round in [1.0, 2.0] {
        client.write_all(b"1 7$1 8$1 9$").await.unwrap();
        let mut replies = [0; 3 * b"1 ? {'done''start'}$".len()];
        client.read_exact(&mut replies).await.unwrap();
        // Times are counted when the turn is over in which the replies left.
        while handle.call_times().iter().flat_map(|it| &it.counts).sum::<u64>()
            < [3, 6][usize::from(round > 1.0)]
        {
            tokio::task::yield_now().await;
        }
        metrics::with_local_recorder(&kept, || facade.tell());
        assert_eq!(kept.value("ubf_requests{}"), 3.0 * round);
        assert_eq!(kept.value("ubf_call_seconds{service=,version=1}"), 3.0 * round);
        assert_eq!(kept.value("ubf_connections_open{}"), 1.0);
        assert_eq!(kept.value("ubf_phase{ubf_phase=serving}"), 1.0);
        assert_eq!(kept.value("ubf_phase{ubf_phase=draining}"), 0.0);
        assert_eq!(kept.value("ubf_version_spoken{service=,version=1}"), 1.0);
    }
    // Whoever has a session, and whoever has none, is known by the connection.
    let times = handle.call_times();
    let exemplars: Vec<_> = times[0].exemplars.iter().flatten().collect();
    assert!(!exemplars.is_empty());
    assert!(exemplars.iter().all(|it| it.connection == 1 && it.session.is_none()));
}
