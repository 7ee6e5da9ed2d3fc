//! Timers of a service: they ring once, in the shard's own transactions.

use bytes::Bytes;
use ubf_proto::Time;

use super::Shard;
use super::output::NotRun;
use crate::base::{Base, Order, Scan};
use crate::stop::{Do, Reason};
use crate::stored::Space;
use crate::timer;
use crate::tx::Tx;
use crate::writes::Writes;

impl Shard {
    /// The timer that rings first, and its key as it was written.
    ///
    /// # Errors
    /// It is not in memory, or cannot be read.
    pub fn next_timer(&self, base: &dyn Base) -> Result<Option<(Time, Bytes)>, NotRun> {
        let none = Writes::default();
        let ground = self.ground(base, &none);
        let (from, to) = (Space::Timers.key().into(), Space::Timers.end().into());
        let first = ground.scan(&Scan { from, to, limit: 1, order: Order::Upwards }, &none);
        match first.map_err(crate::stop::Stop::into_reason) {
            Ok(page) => Ok(page.first().and_then(|(stored, _)| timer::read_by_time(stored))),
            Err(Reason::Missing(missing)) => Err(NotRun::Missing(missing)),
            Err(reason) => Err(NotRun::Broken(reason)),
        }
    }

    /// Takes a timer away and runs what it is for, in one transaction. If that is taken back, the
    /// timer is gone nevertheless: it would ring for ever.
    ///
    /// # Errors
    /// It was not run, and nothing has changed.
    pub fn run_timer(
        &mut self,
        base: &dyn Base,
        now: Time,
        key: &[u8],
        run: impl FnOnce(&mut Tx<'_>) -> Do<()>,
    ) -> Result<Result<(), Reason>, NotRun> {
        let result = self.run_own(base, now, |tx| {
            tx.cancel_written(key)?;
            run(tx)
        })?;
        if result.is_err() {
            self.run_own(base, now, |tx| tx.cancel_written(key))?.ok();
        }
        Ok(result)
    }
}
