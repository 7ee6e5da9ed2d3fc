//! The forms of a row in its state versions, and the steps between them (T6, T7).

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use serde_core::Serialize;
use serde_core::de::DeserializeOwned;

/// A row in its newest form. Code sees rows in this form alone.
///
/// A state version numbers the state of the whole service. A row's form says in which version it
/// came; it stays until a newer form comes. The values are UBF(A) packets, by serde.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_state::{Lost, Row, Step};
///
/// #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
/// struct Account1 { cents: i64 }
/// #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
/// struct Account { cents: i64, limit: i64 }
///
/// impl Row for Account1 { const VERSION: u32 = 1; type Before = (); }
/// impl Row for Account { const VERSION: u32 = 2; type Before = Account1; }
/// impl Step<Account> for Account1 {
///     fn up(self) -> Account { Account { cents: self.cents, limit: 0 } }
///     fn down(new: &Account, lost: &mut Lost) -> Self {
///         if new.limit != 0 { lost.field("limit") }
///         Self { cents: new.cents }
///     }
/// }
///
/// let account = Account { cents: 7, limit: 0 };
/// let old = account.write_at(1, &mut Lost::default())?;
/// assert_eq!((old.version, &*old.packet), (1, &b"{'Account1'7}$"[..]));
/// assert_eq!(Account::read(old.version, &old.packet)?, account);
/// # Ok::<(), ubf_state::RowError>(())
/// ```
pub trait Row: Clone + PartialEq + Serialize + DeserializeOwned + 'static {
    /// The state version in which this form came; at least 1.
    const VERSION: u32;

    /// The form before it: a [`Row`] that implements [`Step`] towards this one. `()` is none.
    type Before: Older<Self>;

    /// Reads a row that was written in `version`, and takes it up to this form.
    ///
    /// # Errors
    /// No form of this row has that version, or the packet is not of that form.
    fn read(version: u32, packet: &[u8]) -> Result<Self, RowError> {
        if version == Self::VERSION {
            return ubf_codec::serde::from_slice(packet)
                .map_err(|error| RowError::Packet { version, what: error.to_string() });
        }
        Self::Before::read_up(version, packet)
    }

    /// Writes a row in the newest form that came in `write_version` or before, and checks that the
    /// steps back lose nothing but what they declare (T7).
    ///
    /// # Errors
    /// The row has no form as old as that; a step back loses something and does not say so; the
    /// value has no form in UBF.
    fn write_at(&self, write_version: u32, lost: &mut Lost) -> Result<Written, RowError> {
        if write_version < Self::VERSION {
            return Self::Before::write_down(self, write_version, lost);
        }
        let packet = ubf_codec::serde::to_vec(self)
            .map_err(|error| RowError::Value { what: error.to_string() })?;
        Ok(Written { version: Self::VERSION, packet })
    }

    /// The version of the form that is written at `write_version`, if there is one.
    #[must_use]
    fn version_at(write_version: u32) -> Option<u32> {
        if write_version < Self::VERSION {
            Self::Before::older_version_at(write_version)
        } else {
            Some(Self::VERSION)
        }
    }
}

/// The step between a form and the `New` one after it. It is written beside the older form.
///
/// Both functions are pure: they have no input but their arguments.
pub trait Step<New>: Row {
    /// The row in the newer form.
    fn up(self) -> New;

    /// The row in the older form. What does not fit into it is told to `lost`.
    fn down(new: &New, lost: &mut Lost) -> Self;
}

/// All forms older than `New`: implemented by `()`, which is none, and by every [`Step`] to it.
pub trait Older<New>: Sized {
    #[doc(hidden)]
    fn read_up(version: u32, packet: &[u8]) -> Result<New, RowError>;
    #[doc(hidden)]
    fn write_down(new: &New, write_version: u32, lost: &mut Lost) -> Result<Written, RowError>;
    #[doc(hidden)]
    fn older_version_at(write_version: u32) -> Option<u32>;
}

impl<New: Row> Older<New> for () {
    fn read_up(version: u32, _: &[u8]) -> Result<New, RowError> {
        Err(RowError::UnknownVersion { version })
    }

    fn write_down(_: &New, write_version: u32, _: &mut Lost) -> Result<Written, RowError> {
        Err(RowError::NotYet { write_version, came: New::VERSION })
    }

    fn older_version_at(_: u32) -> Option<u32> {
        None
    }
}

impl<New: Row, Old: Step<New> + Row> Older<New> for Old {
    fn read_up(version: u32, packet: &[u8]) -> Result<New, RowError> {
        const { assert!(Old::VERSION < New::VERSION, "an older form has a lower version") };
        Old::read(version, packet).map(Old::up)
    }

    fn write_down(new: &New, write_version: u32, lost: &mut Lost) -> Result<Written, RowError> {
        let declared = lost.fields.len();
        let old = Old::down(new, lost);
        // T7: what changes on the way down and up again was lost, and must have been declared.
        if lost.fields.len() == declared && Old::up(old.clone()) != *new {
            return Err(RowError::Undeclared { from: New::VERSION, to: Old::VERSION });
        }
        old.write_at(write_version, lost)
    }

    fn older_version_at(write_version: u32) -> Option<u32> {
        Old::version_at(write_version)
    }
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The state version of its form.
    pub version: u32,
    /// The UBF(A) packet.
    pub packet: Vec<u8>,
}

/// What steps back did lose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    fields: Vec<&'static str>,
}

impl Lost {
    /// Declares that the content of a field does not fit into the older form.
    pub fn field(&mut self, name: &'static str) {
        self.fields.push(name);
    }

    /// Declares it for a field whose content does not fit, as in
    /// `lost.field_if(new.limit != 0, "limit")`.
    pub fn field_if(&mut self, is_lost: bool, name: &'static str) {
        if is_lost {
            self.field(name);
        }
    }

    /// What was declared, in order.
    #[must_use]
    pub fn fields(&self) -> &[&'static str] {
        &self.fields
    }
}

/// Why a row cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowError {
    /// The row was written in a version that this program does not know.
    UnknownVersion {
        /// The version of the stored row.
        version: u32,
    },
    /// The write version is older than the oldest form of the row.
    NotYet {
        /// The write version of the shard.
        write_version: u32,
        /// The version in which the row came.
        came: u32,
    },
    /// A step back changes the row and does not declare a loss (T7).
    Undeclared {
        /// The version of the newer form.
        from: u32,
        /// The version of the older form.
        to: u32,
    },
    /// The stored packet is not one of the form of its version.
    Packet {
        /// The version of the stored row.
        version: u32,
        /// What is wrong, and where.
        what: String,
    },
    /// The value has no form in UBF.
    Value {
        /// What is wrong.
        what: String,
    },
    /// The stored bytes are no row at all.
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion { version } => {
                write!(f, "state version {version} of the row is not known here")
            }
            Self::NotYet { write_version, came } => {
                write!(f, "the row came in state version {came}, and {write_version} is written")
            }
            Self::Undeclared { from, to } => write!(
                f,
                "the step from state version {from} down to {to} loses what it does not declare"
            ),
            Self::Packet { version, what } => {
                write!(f, "the row is not one of state version {version}: {what}")
            }
            Self::Value { what } => write!(f, "the row has no form in UBF: {what}"),
            Self::Malformed { what } => write!(f, "the stored bytes are not a row: {what}"),
        }
    }
}

impl Error for RowError {}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "a")]
    pub(crate) struct A1 {
        pub(crate) cents: i64,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "a")]
    pub(crate) struct A2 {
        pub(crate) cents: i64,
        pub(crate) limit: i64,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "a")]
    pub(crate) struct A4 {
        pub(crate) cents: i64,
        pub(crate) limit: i64,
        pub(crate) owner: Option<String>,
    }

    impl Row for A1 {
        const VERSION: u32 = 1;
        type Before = ();
    }
    impl Row for A2 {
        const VERSION: u32 = 2;
        type Before = A1;
    }
    impl Row for A4 {
        const VERSION: u32 = 4;
        type Before = A2;
    }
    impl Step<A2> for A1 {
        fn up(self) -> A2 {
            A2 { cents: self.cents, limit: 0 }
        }
        fn down(new: &A2, lost: &mut Lost) -> Self {
            if new.limit != 0 {
                lost.field("limit");
            }
            Self { cents: new.cents }
        }
    }
    impl Step<A4> for A2 {
        fn up(self) -> A4 {
            A4 { cents: self.cents, limit: self.limit, owner: None }
        }
        fn down(new: &A4, lost: &mut Lost) -> Self {
            if new.owner.is_some() {
                lost.field("owner");
            }
            Self { cents: new.cents, limit: new.limit }
        }
    }

    /// A step back that keeps its losses to itself.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Liar(i64);
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Honest(i64);
    impl Row for Honest {
        const VERSION: u32 = 1;
        type Before = ();
    }
    impl Row for Liar {
        const VERSION: u32 = 2;
        type Before = Honest;
    }
    impl Step<Liar> for Honest {
        fn up(self) -> Liar {
            Liar(self.0)
        }
        fn down(new: &Liar, _: &mut Lost) -> Self {
            Self(new.0 / 10 * 10)
        }
    }

    #[test]
    fn t6_steps_are_composed() {
        let row = A4 { cents: 5, limit: 0, owner: None };
        for (write_version, version, packet) in [
            (1, 1, "{'a'5}$"),
            (2, 2, "{'a'5 0}$"),
            (3, 2, "{'a'5 0}$"),
            (4, 4, "{'a'5 0?}$"),
            (9, 4, "{'a'5 0?}$"),
        ] {
            let mut lost = Lost::default();
            let written = row.write_at(write_version, &mut lost).unwrap();
            assert_eq!((written.version, written.packet.as_slice()), (version, packet.as_bytes()));
            assert_eq!((A4::version_at(write_version), lost.fields()), (Some(version), &[][..]));
            assert_eq!(A4::read(version, packet.as_bytes()).unwrap(), row);
        }
    }

    #[test]
    fn t7_a_declared_loss_is_told_and_an_undeclared_one_is_an_error() {
        let mut lost = Lost::default();
        let row = A4 { cents: 5, limit: 7, owner: Some("Joe".into()) };
        assert_eq!(row.write_at(1, &mut lost).unwrap().packet, b"{'a'5}$");
        assert_eq!(lost.fields(), ["owner", "limit"]);
        assert_eq!(
            Liar(15).write_at(1, &mut Lost::default()),
            Err(RowError::Undeclared { from: 2, to: 1 })
        );
        assert!(Liar(10).write_at(1, &mut Lost::default()).is_ok());
    }

    #[test]
    fn t6_what_is_not_known_is_not_read_and_what_is_too_new_is_not_written() {
        assert_eq!(A4::read(3, b"{}$"), Err(RowError::UnknownVersion { version: 3 }));
        assert_eq!(A4::read(5, b"{}$"), Err(RowError::UnknownVersion { version: 5 }));
        assert!(matches!(A4::read(2, b"{'a'5}$"), Err(RowError::Packet { version: 2, .. })));
        let row = A1 { cents: 1 };
        let not_yet = RowError::NotYet { write_version: 0, came: 1 };
        assert_eq!(row.write_at(0, &mut Lost::default()), Err(not_yet));
        assert_eq!(A1::version_at(0), None);
    }

    proptest! {
        #[test]
        fn t7_down_and_up_again_is_the_same_unless_a_loss_is_declared(
            cents: i64, limit in prop_oneof![Just(0), any::<i64>()],
            owner in proptest::option::of("[a-z]{0,4}"), at in 1_u32..6,
        ) {
            let row = A4 { cents, limit, owner };
            let mut lost = Lost::default();
            let written = row.write_at(at, &mut lost).unwrap();
            prop_assert!(written.version <= at);
            let read = A4::read(written.version, &written.packet).unwrap();
            prop_assert_eq!(read == row, lost.fields().is_empty());
        }
    }
}
