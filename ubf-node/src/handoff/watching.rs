//! A node that may own the rows of a store which other nodes have, too: it watches whoever owns
//! them, and claims them when that one is lost (U6).

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use ubf_client::tls::ClientTls;
use ubf_codec::NextIp;
use ubf_net::{DialError, dial};
use ubf_state::{Epoch, Heartbeat, Known, ShardId, Suspicion, SuspicionTimes, UnseenEvents};
use ubf_store::{Store, StoreError};

use super::Own;
use super::shift::Shift;
use crate::rows::{Causes, contained};

/// Between two looks at the store. Chosen: four of them in the second after which an owner is
/// suspected.
const LOOK: Duration = Duration::from_millis(250);
/// For an owner to answer. Chosen: less than that second.
const ANSWER_TIME: Duration = Duration::from_millis(400);
/// Looks until this node says again what it knows (T6). Chosen: every two seconds.
const LOOKS_TO_ANNOUNCE: u32 = 8;
/// Between two attempts to open a store that cannot be.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What a look at the store shows.
struct Seen {
    epoch: Epoch,
    beat: Option<Heartbeat>,
}

impl Shift {
    /// Watches for as long as this node lives, whenever it does not own the rows itself.
    pub(super) async fn watch(&self, own: &Own) {
        loop {
            self.kept().is_away().await;
            if let Err(why) = self.watch_owner(own).await {
                warn!(service = self.service(), why, "the owner of the rows cannot be watched");
                sleep(STORE_PAUSE).await;
            }
        }
    }

    /// Watches until this node owns the rows.
    async fn watch_owner(&self, own: &Own) -> Result<(), String> {
        let (kept, shard) = (self.kept(), self.kept().shard());
        let opening = Arc::clone(kept);
        let opened = contained(spawn_blocking(move || opening.open_store()).await);
        let mut store = Some(opened.map_err(|error| error.to_string())?);
        let mut suspicion = Suspicion::new(SuspicionTimes::default(), self.now());
        let mut last: Option<Seen> = None;
        let mut looks = 0_u32;
        while !kept.is_here() {
            let says = looks.is_multiple_of(LOOKS_TO_ANNOUNCE);
            let announcement = says.then(|| (own.name(), kept.versions().0));
            let seen = look(&mut store, shard, announcement).await?;
            if looks == 0 {
                info!(service = self.service(), "the owner of the rows is watched");
            }
            looks = looks.wrapping_add(1);
            let owner = seen.beat.as_ref().and_then(|beat| beat.next_ip.parse::<NextIp>().ok());
            let is_own = owner.is_some() && owner == own.next_ip();
            // Each claim, and each beat of whoever made it, is a sign of life.
            let sign = seen.beat.as_ref().map_or(0, |beat| beat.count ^ beat.owner);
            suspicion.beat(sign ^ seen.epoch.0.rotate_left(48), self.now());
            let is_changed = last.as_ref().is_none_or(|last| !is_same(last, &seen));
            let is_reached = match &owner {
                // The owner of before was this node itself.
                Some(owner) if !is_own => is_changed || answers(owner, own.tls.as_deref()).await,
                Some(_) | None => false,
            };
            suspicion.reached(is_reached);
            // Where nobody answers, nobody is sent.
            kept.stand_by(owner.filter(|_| is_reached && !is_own));
            last = Some(seen);
            if suspicion.is_due(self.now()) {
                suspicion.claimed(self.now());
                let service = self.service();
                warn!(service, "nobody answers for the rows: this node claims them");
                if let Err(why) = self.claim(own, Vec::new()).await {
                    info!(service, why, "the rows are not claimed");
                }
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Claims the rows: somebody else may be faster (T5).
    /// The owner before may have told events that clients have not seen.
    pub(super) async fn claim(&self, own: &Own, unseen: Vec<UnseenEvents>) -> Result<(), String> {
        let _turn = self.turn.lock().await;
        let kept = self.kept();
        if kept.is_here() {
            return Ok(());
        }
        let serving = Arc::clone(kept);
        let serve = move || serving.open_store().and_then(|store| serving.serve(store, unseen));
        contained(spawn_blocking(serve).await).map_err(|error| error.to_string())?;
        if let Some(server) = own.server.get() {
            kept.offer(server);
        }
        info!(service = self.service(), "the rows were claimed, and are served here");
        Ok(())
    }
}

fn is_same(last: &Seen, seen: &Seen) -> bool {
    last.epoch == seen.epoch && last.beat == seen.beat
}

/// Looks at the store, in a thread that may wait.
async fn look(
    store: &mut Option<Box<dyn Store>>,
    shard: ShardId,
    announcement: Option<(String, Known)>,
) -> Result<Seen, String> {
    let mut taken = store.take().ok_or("the store is not open")?;
    let (taken, seen) = contained(
        spawn_blocking(move || {
            let said = match announcement {
                Some((node, known)) => taken.announce(shard, &node, known),
                None => Ok(()),
            };
            let seen = said.and_then(|()| see(&mut *taken, shard));
            (taken, seen)
        })
        .await,
    );
    *store = Some(taken);
    seen.map_err(|error| Causes(&error).to_string())
}

fn see(store: &mut dyn Store, shard: ShardId) -> Result<Seen, StoreError> {
    let epoch = store.epoch(shard)?;
    let beat = store.get(shard, &Heartbeat::key())?;
    let beat = beat.map(|value| Heartbeat::from_value(&value)).transpose();
    let beat = beat.map_err(|error| StoreError::new("a heartbeat cannot be read", error))?;
    Ok(Seen { epoch, beat })
}

/// Whether a server answers at the first of these addresses, whatever it says: it lives. With TLS if
/// clients come by TLS: the certificate of this node is shown to nobody, and is trusted beside those
/// of its authorities.
async fn answers(owner: &NextIp, tls: Option<&Path>) -> bool {
    let Some(address) = owner.addresses().first() else { return false };
    let ask = async {
        let dialled = dial(&address.clone().into(), |_| true, ANSWER_TIME).await;
        let (mut stream, _) = dialled.map_err(io::Error::other)?;
        if let Some(certificate) = tls {
            // The files are read each time: certificates are renewed.
            let tls = ClientTls::trusting(certificate).map_err(io::Error::other)?;
            match tls.connect(&address.host, stream).await {
                Ok(secured) => stream = secured,
                // What it has said is not liked here, and that it has said something counts.
                Err(error) if has_spoken(&error) => return Ok(1),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        stream.write_all(b"0 'ping'$").await?;
        stream.read(&mut [0; 1]).await
    };
    match timeout(ANSWER_TIME, ask).await {
        Ok(Ok(count)) => count > 0,
        Ok(Err(error)) => {
            debug!(%address, %error, "the owner of the rows cannot be reached");
            false
        }
        Err(_) => false,
    }
}

/// Whether an error of TLS is about what the other end has said: its certificate, mostly.
fn has_spoken(error: &DialError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use ubf_net::testing::{Authority, within};
    use ubf_net::tls::{ServerFiles, ServerTls};
    use ubf_server::{Server, Service, Versions};

    use super::*;
    use crate::services::Echo;

    #[tokio::test]
    async fn u6_an_owner_that_speaks_tls_answers_in_tls_whoever_has_signed_its_certificate() {
        let (ours, theirs) = (Authority::new("ping-ours"), Authority::new("ping-theirs"));
        for authority in [&ours, &theirs] {
            authority.sign_host("server", "127.0.0.1");
        }
        let files = ServerFiles::new(ours.file("server.pem"), ours.file("server.key"));
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .tls(ServerTls::from_files(files).unwrap())
            .service(Service::DEFAULT, Echo::new(Versions::of([1])));
        let server = server.bind().await.unwrap();
        let owner = NextIp::new(vec![server.addresses()[0].into()]).unwrap();
        let handle = server.handle();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let over = async {
            ended.await.ok();
        };
        let serving = tokio::spawn(server.run_until(over, Duration::from_secs(1)));
        assert!(within(answers(&owner, Some(&ours.file("server.pem")))).await);
        assert_eq!(handle.status().counts.handshakes_failed, 0, "nobody spoke anything else");
        // What it shows is not trusted here, and that it shows something counts.
        assert!(within(answers(&owner, Some(&theirs.file("server.pem")))).await);
        end.send(()).unwrap();
        assert!(within(serving).await.unwrap().is_clean());
        assert!(!within(answers(&owner, Some(&ours.file("server.pem")))).await, "nobody is there");
    }
}
