//! The soak's own service: it writes each call into the ledger, takes its time, and crashes when
//! its version is in that mood.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_server::{Call, Client, Failure, Handler, Reply, Versions};

use super::sabotage::Sabotage;
use super::world::{Presence, World, crash};

pub(crate) const VERSIONS: [u32; 4] = [1, 2, 3, 4];
/// [`Sabotage::Mute`]: longer than a call may take, and not so long that a drain would cut it.
const MUTE_TIME: Duration = Duration::from_secs(7);

/// `{run,Version,Number,DelayMs,Padding}` is answered `{done,Version,Number,Padding}`. Events,
/// which are `{note,Number}`, go back to their sender.
#[derive(Debug)]
pub(crate) struct Recorder {
    world: Arc<World>,
    place: usize,
    /// Whatever runs for its server holds this, too.
    _server: Presence,
}

impl Recorder {
    pub(crate) fn new(world: &Arc<World>, place: usize) -> Self {
        Self { world: Arc::clone(world), place, _server: Presence::new(world, "servers") }
    }

    /// What is in a request, if it is one.
    fn parts(call: &Call<()>) -> Option<(i64, u64, Term)> {
        let View::Tuple(parts) = call.term().view() else { return None };
        let [name, version, number, delay, padding] = parts.to_array()?;
        let is_ours = name.is_atom("run") && version.as_i64() == Some(call.version().get().into());
        is_ours
            .then(|| Some((number.as_i64()?, delay.as_i64()?.unsigned_abs(), padding.to_term())))?
    }
}

impl Recorder {
    fn executed(&self, number: i64) {
        let times = match self.world.sabotage {
            Some(Sabotage::Never) => 0,
            Some(Sabotage::Twice) => 2,
            _ => 1,
        };
        for _ in 0..times {
            self.world.check(self.world.ledger.executed(number));
        }
    }
}

/// The number in an event of ours.
pub(crate) fn note_number(event: TermRef<'_>) -> Option<i64> {
    let View::Tuple(parts) = event.view() else { return None };
    let [name, number] = parts.to_array()?;
    name.is_atom("note").then(|| number.as_i64())?
}

impl Handler for Recorder {
    type State = ();

    fn versions(&self) -> Versions {
        Versions::of(VERSIONS)
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        // N8: a request is written in the version that it is sent in.
        let Some((number, delay_ms, padding)) = Self::parts(&call) else {
            self.world.broke(format!("a request of version {} is {}", call.version(), call.term()));
            return Ok(Reply::broken_contract(call.term(), &[], "start"));
        };
        self.executed(number);
        if self.world.crashes(self.place, call.version()) {
            crash();
        }
        if delay_ms > 0 {
            sleep(Duration::from_millis(delay_ms)).await;
        }
        if self.world.sabotage == Some(Sabotage::Mute) && number % 50 == 0 {
            sleep(MUTE_TIME).await;
        }
        Ok(Reply::ok(ubf!({done, (call.version().get()), (number), (padding)})))
    }

    async fn event(&self, event: Call<()>) {
        let Some(number) = note_number(event.term()) else {
            return self.world.broke(format!("an event is {}", event.term()));
        };
        self.executed(number);
        if self.world.sabotage == Some(Sabotage::Events) {
            drop(event.events().try_send(event.version(), event.term().to_term()));
        }
        // Who does not read its events gets fewer of them.
        drop(event.events().try_send(event.version(), event.term().to_term()));
    }
}
