//! The tasks that accept connections, and what is open for stock peers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use ubf_net::Listener;

use crate::endpoint::SharedEndpoint;
use crate::front::{Front, Greet};
use crate::log::{millis, warn};
use crate::spares::{self, Spares};
use crate::takeover::Doors;
use crate::welcome::welcome;

/// The waits after a connection could not be accepted, because descriptors are used up for example:
/// doubled up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What is open for stock peers.
#[cfg(feature = "classic")]
#[derive(Debug)]
pub(crate) struct BoundClassic {
    /// Each with the name that it was given.
    pub(crate) listeners: Vec<(String, Listener)>,
    pub(crate) settled: Arc<crate::classic::Settled>,
}

#[cfg(feature = "classic")]
impl BoundClassic {
    /// Starts all listeners: `listeners` are those of versioned clients, which stock peers may
    /// share.
    pub(crate) fn start(
        self,
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        front: Front,
    ) -> Acceptors {
        let Self { listeners: own, settled } = self;
        let Some(within) = settled.shared_within else {
            let mut acceptors = Acceptors::start(listeners, endpoint, spares, front);
            acceptors.add_classic(own, endpoint, spares, &settled);
            return acceptors;
        };
        let mut acceptors = Acceptors::start(Vec::new(), endpoint, spares, front);
        for (name, listener) in listeners {
            let settled = Arc::clone(&settled);
            let greet = move |stream, peer, endpoint: &_| {
                crate::classic::welcome_either(stream, peer, endpoint, &settled, within);
            };
            acceptors.add(name, listener, endpoint, spares, Box::new(greet));
        }
        acceptors.add_classic(own, endpoint, spares, &settled);
        acceptors
    }
}

/// The tasks that accept connections, one for each listener.
pub(crate) struct Acceptors {
    pub(crate) tasks: JoinSet<()>,
    front: Front,
    /// They end when it is dropped.
    stop: Option<watch::Sender<()>>,
    stopped: watch::Receiver<()>,
}

impl Acceptors {
    pub(crate) fn start(
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        front: Front,
    ) -> Self {
        let (stop, stopped) = watch::channel(());
        let mut acceptors = Self { tasks: JoinSet::new(), front, stop: Some(stop), stopped };
        for (name, listener) in listeners {
            acceptors.add(name, listener, endpoint, spares, Box::new(welcome));
        }
        acceptors
    }

    #[cfg(feature = "classic")]
    fn add_classic(
        &mut self,
        listeners: Vec<(String, Listener)>,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        settled: &Arc<crate::classic::Settled>,
    ) {
        for (name, listener) in listeners {
            let settled = Arc::clone(settled);
            let greet = move |stream, peer, endpoint: &_| {
                crate::classic::welcome(stream, peer, endpoint, &settled);
            };
            self.add(name, listener, endpoint, spares, Box::new(greet));
        }
    }

    fn add(
        &mut self,
        name: String,
        listener: Listener,
        endpoint: &Arc<SharedEndpoint>,
        spares: usize,
        greet: Greet,
    ) {
        let greet = self.front.before(greet, &listener);
        let (stopped, spares) = (self.stopped.clone(), Spares::new(spares));
        let listener = endpoint.keep_listener(name, listener);
        self.tasks.spawn(accept(listener, Arc::clone(endpoint), stopped, spares, greet));
    }

    /// Waits until one of them ends though it was not told to. For ever, if there is none or they
    /// were told to.
    pub(crate) async fn end_unexpectedly(&mut self) {
        if self.stop.is_none() || self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until nobody can connect any longer, and all who have are welcome.
    pub(crate) async fn close(&mut self) {
        drop(self.stop.take());
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A listener that takes connections, counted.
struct OpenDoor<'e>(&'e SharedEndpoint);

impl<'e> OpenDoor<'e> {
    fn new(endpoint: &'e SharedEndpoint) -> Self {
        endpoint.open_doors.send_modify(|count| *count += 1);
        Self(endpoint)
    }
}

impl Drop for OpenDoor<'_> {
    fn drop(&mut self) {
        self.0.open_doors.send_modify(|count| *count -= 1);
    }
}

async fn accept(
    listener: Arc<Listener>,
    endpoint: Arc<SharedEndpoint>,
    mut stopped: watch::Receiver<()>,
    mut spares: Spares,
    greet: Greet,
) {
    let mut pause = ACCEPT_PAUSE;
    let mut were_used_up = false;
    let mut doors = endpoint.doors.subscribe();
    let mut door = Some(OpenDoor::new(&endpoint));
    loop {
        if *doors.borrow_and_update() == Doors::Left {
            door = None;
            tokio::select! {
                _ = stopped.changed() => break,
                // The sender is the endpoint's.
                _ = doors.changed() => continue,
            }
        }
        door.get_or_insert_with(|| OpenDoor::new(&endpoint));
        let accepted = async {
            if were_used_up {
                spares::are_free_again()?;
            }
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            _ = doors.changed() => continue,
            accepted = accepted => accepted,
            // Soon, so that no other listener takes what was given.
            () = sleep(ACCEPT_PAUSE), if spares.is_short() => {
                spares.refill();
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = ACCEPT_PAUSE;
                were_used_up = false;
                greet(stream, peer, &endpoint);
            }
            // That connection is gone, the next one is not.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            // There may be no descriptor left but these.
            Err(_) if spares.give() => {}
            Err(error) => {
                were_used_up = !spares.are_kept();
                warn!(%error, pause_ms = millis(pause), "cannot accept");
                tokio::select! {
                    _ = stopped.changed() => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(MAX_ACCEPT_PAUSE);
            }
        }
    }
    drop((spares, door));
    let Some(listener) = endpoint.forget_listener(listener) else { return };
    if *doors.borrow() == Doors::Left {
        return listener.leave();
    }
    for (stream, peer) in listener.close() {
        greet(stream, peer, &endpoint);
    }
}
