//! How many clients there may be (L1.24).

use std::collections::HashMap;

use ubf_proto::Origin;

/// Connections of clients, by where they come from.
#[derive(Debug)]
pub(crate) struct Admission {
    max: usize,
    max_per_origin: usize,
    count: usize,
    by_origin: HashMap<Origin, usize>,
}

impl Admission {
    pub(crate) fn new(max: usize, max_per_origin: usize) -> Self {
        Self { max, max_per_origin, count: 0, by_origin: HashMap::new() }
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Counts a connection, or tells why it is turned away.
    pub(crate) fn admit(&mut self, origin: Origin) -> Result<(), &'static str> {
        if self.count >= self.max {
            return Err("too_many_connections");
        }
        if origin != Origin::Local {
            let from_there = self.by_origin.entry(origin).or_default();
            if *from_there >= self.max_per_origin {
                return Err("too_many_connections_from_address");
            }
            *from_there += 1;
        }
        self.count += 1;
        Ok(())
    }

    /// One of them has ended.
    pub(crate) fn release(&mut self, origin: Origin) {
        debug_assert!(self.count > 0, "it was admitted");
        self.count = self.count.saturating_sub(1);
        if let Some(from_there) = self.by_origin.get_mut(&origin) {
            *from_there -= 1;
            if *from_there == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_as_many_are_admitted_as_there_may_be_in_all_and_of_an_address() {
        let origin = |ip: &str| Origin::of(ip.parse().unwrap());
        let (a, b) = (origin("192.0.2.1"), origin("192.0.2.2"));
        let mut admission = Admission::new(3, 2);
        assert_eq!((admission.admit(a), admission.admit(a)), (Ok(()), Ok(())));
        assert_eq!(admission.admit(a), Err("too_many_connections_from_address"));
        assert_eq!(admission.admit(b), Ok(()));
        assert_eq!(admission.admit(b), Err("too_many_connections"));
        admission.release(a);
        assert_eq!((admission.admit(a), admission.count()), (Ok(()), 3));
        for from in [a, a, b] {
            admission.release(from);
        }
        assert_eq!((admission.count(), admission.by_origin.len()), (0, 0));
    }
}
