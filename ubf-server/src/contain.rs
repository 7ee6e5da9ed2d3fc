//! Panics of code that is not ours stay where they happen: those of loggers, and of values that are
//! dropped.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does something that may panic. `None`: it did.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what somebody panicked with. That is somebody's value, and may panic in its turn.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // This could go on without end. A few bytes are lost instead.
        Box::leak(another);
    }
}

/// A value of somebody else's type. If it panics as it is dropped, that ends here.
#[derive(Debug)]
pub(crate) struct Contained<T>(
    /// `None` only when it was taken out.
    Option<T>,
);

impl<T> Contained<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub(crate) const fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    /// The value, with all its dangers.
    pub(crate) const fn take(&mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take()
            && contained(|| drop(value)).is_none()
        {
            crate::log::warn!("a value of a service panicked as it was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with one that panics when it is dropped, and so on.
    struct Stubborn(u32);

    impl Drop for Stubborn {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Self(self.0 - 1));
            }
        }
    }

    #[test]
    fn a_panic_in_a_drop_ends_here_whatever_it_panics_with() {
        for depth in 0..4 {
            drop(Contained::new(Stubborn(depth)));
            assert!(contained(|| panic_any(Stubborn(depth))).is_none());
        }
        assert_eq!(contained(|| 1), Some(1));
    }
}
