//! Processors: a client has one and its server another, so that a round is not decided by where the
//! system has put them.

use std::io;

use benches::Error;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of this process.
#[derive(Clone, Debug)]
pub(crate) struct Processors(Vec<usize>);

impl Processors {
    /// Those on which the calling thread may run.
    pub(crate) fn allowed() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        Ok(Self((0..CpuSet::MAX_CPU).filter(|&number| allowed.is_set(number)).collect()))
    }

    /// Whether there is one for each end.
    pub(crate) const fn are_two(&self) -> bool {
        self.0.len() >= 2
    }

    /// The one of clients.
    pub(crate) fn of_client(&self) -> Self {
        Self(self.0.iter().take(if self.are_two() { 1 } else { usize::MAX }).copied().collect())
    }

    /// The one of servers.
    pub(crate) fn of_server(&self) -> Self {
        Self(self.0.iter().skip(usize::from(self.are_two())).take(1).copied().collect())
    }

    /// Keeps the calling thread, and those that it starts later, to these.
    pub(crate) fn keep_to(&self) -> io::Result<()> {
        let mut wanted = CpuSet::new();
        self.0.iter().for_each(|&number| wanted.set(number));
        Ok(sched_setaffinity(None, &wanted)?)
    }

    /// As an argument of a program.
    pub(crate) fn to_argument(&self) -> String {
        let numbers: Vec<_> = self.0.iter().map(usize::to_string).collect();
        numbers.join(",")
    }

    /// From an argument.
    pub(crate) fn from_argument(text: &str) -> Result<Self, Error> {
        let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
        let numbers = numbers?;
        if numbers.iter().any(|&number| number >= CpuSet::MAX_CPU) {
            return Err(format!("there are {} processors at most", CpuSet::MAX_CPU).into());
        }
        Ok(Self(numbers))
    }
}

/// Keeps the calling thread to the client's processor until this is dropped.
#[derive(Debug)]
pub(crate) struct Pinned(Processors);

impl Pinned {
    pub(crate) fn client(processors: &Processors) -> io::Result<Self> {
        processors.of_client().keep_to()?;
        Ok(Self(processors.clone()))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // They were allowed before. If not any more, there is nothing to be done about it here.
        let _is_free = self.0.keep_to();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn both_ends_have_a_processor_of_their_own_where_there_are_two() {
        for (all, client, server) in [("3,5,6", "3", "5"), ("2", "2", "2")] {
            let processors = Processors::from_argument(all).unwrap();
            assert_eq!(processors.of_client().to_argument(), client);
            assert_eq!(processors.of_server().to_argument(), server);
        }
        assert!(Processors::from_argument("1,x").is_err());
        assert!(Processors::from_argument("100000").is_err());
    }
}
