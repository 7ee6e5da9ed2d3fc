//! A table of calls by their numbers, which are small: they are those of their places in the
//! exchange.

use ubf_proto::client::CallId;

/// Room for more calls than this is not kept when there are none. Chosen: some kilobytes.
const KEPT_CALLS: usize = 128;

/// Something for each call.
#[derive(Debug)]
pub(crate) struct Calls<T> {
    /// By number.
    slots: Vec<Option<T>>,
    count: usize,
}

impl<T> Calls<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), count: 0 }
    }

    pub(crate) fn insert(&mut self, CallId(number): CallId, call: T) {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if self.slots.len() <= number {
            if self.slots.capacity() == 0 {
                // Many clients never have more than one.
                self.slots.reserve_exact(number.saturating_add(1));
            }
            self.slots.resize_with(number.saturating_add(1), || None);
        }
        if let Some(slot) = self.slots.get_mut(number) {
            self.count += usize::from(slot.replace(call).is_none());
        }
    }

    pub(crate) fn get(&self, CallId(number): CallId) -> Option<&T> {
        self.slots.get(usize::try_from(number).ok()?)?.as_ref()
    }

    pub(crate) fn remove(&mut self, CallId(number): CallId) -> Option<T> {
        let call = self.slots.get_mut(usize::try_from(number).ok()?)?.take()?;
        self.count -= 1;
        if self.count == 0 && self.slots.len() > KEPT_CALLS {
            self.slots = Vec::new();
        }
        Some(call)
    }

    /// The numbers of all calls.
    pub(crate) fn ids(&self) -> impl Iterator<Item = CallId> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(number, _)| CallId(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_its_number_until_it_is_removed() {
        let mut calls = Calls::new();
        calls.insert(CallId(2), 'c');
        calls.insert(CallId(0), 'a');
        assert_eq!(
            (calls.get(CallId(0)), calls.get(CallId(1)), calls.get(CallId(2))),
            (Some(&'a'), None, Some(&'c'))
        );
        assert_eq!(calls.ids().collect::<Vec<_>>(), [CallId(0), CallId(2)]);
        assert_eq!(
            (calls.remove(CallId(2)), calls.remove(CallId(2)), calls.remove(CallId(9))),
            (Some('c'), None, None)
        );
        assert_eq!(calls.ids().collect::<Vec<_>>(), [CallId(0)]);
    }

    #[test]
    fn room_for_many_calls_is_not_kept() {
        let mut calls = Calls::new();
        for number in 0..1000 {
            calls.insert(CallId(number), number);
        }
        for number in 0..1000 {
            assert_eq!(calls.remove(CallId(number)), Some(number));
        }
        assert_eq!(calls.slots.capacity(), 0);
    }
}
