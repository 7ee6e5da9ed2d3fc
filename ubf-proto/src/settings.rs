//! `Serialize` and `Deserialize` of what is set for clients and servers.
//!
//! Times and sizes are texts with units, `"30s"` and `"16MiB"`; numbers are read too, as seconds
//! and bytes. What is missing has its default, and a name that is not known is an error.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use serde_core::de::{self, SeqAccess, Visitor};
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};
use ubf_codec::{Text, Version};

use crate::backoff::BackoffTimes;
use crate::endpoint::SessionLimits;
use crate::offer::CrashRule;
use crate::quarantine::QuarantineTimes;
use crate::redirect::RedirectPolicy;
use crate::service::Service;
use crate::session::Level;
use crate::units::{InUnits, Quantity};
use crate::versions::Versions;
use crate::{client, server};

/// Makes a struct of settings readable and writable, field by field. One marked `(units)` is a time
/// or a size, one marked `(text)` is a text of the wire.
///
/// It is for the crates of this project.
#[doc(hidden)]
#[macro_export]
macro_rules! settings {
    ($type:ty, $name:literal, $start:expr; $($field:ident $(($way:ident))?),* $(,)?) => {
        impl $crate::serde_core::Serialize for $type {
            fn serialize<S: $crate::serde_core::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                use $crate::serde_core::ser::SerializeStruct as _;

                const FIELDS: &[&str] = &[$(stringify!($field)),*];

                // A field that is forgotten here does not compile.
                let Self { $($field),* } = self;
                let mut fields = serializer.serialize_struct($name, FIELDS.len())?;
                $(fields.serialize_field(
                    stringify!($field),
                    &$crate::settings!(@write $field $($way)?),
                )?;)*
                fields.end()
            }
        }

        impl<'de> $crate::serde_core::Deserialize<'de> for $type {
            fn deserialize<D: $crate::serde_core::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                const FIELDS: &[&str] = &[$(stringify!($field)),*];

                struct Settings;

                impl<'de> $crate::serde_core::de::Visitor<'de> for Settings {
                    type Value = $type;

                    fn expecting(
                        &self,
                        f: &mut core::fmt::Formatter<'_>,
                    ) -> core::fmt::Result {
                        f.write_str("settings by their names")
                    }

                    fn visit_map<A: $crate::serde_core::de::MapAccess<'de>>(
                        self,
                        mut access: A,
                    ) -> Result<$type, A::Error> {
                        let mut settings = $start;
                        while let Some($crate::FieldName(name)) = access.next_key()? {
                            match name.as_str() {
                                $(stringify!($field) => {
                                    settings.$field =
                                        $crate::settings!(@read access $($way)?);
                                })*
                                other => {
                                    use $crate::serde_core::de::Error as _;
                                    return Err(A::Error::unknown_field(other, FIELDS));
                                }
                            }
                        }
                        Ok(settings)
                    }
                }

                deserializer.deserialize_struct($name, FIELDS, Settings)
            }
        }
    };
    (@write $field:ident) => { $field };
    (@write $field:ident units) => { $crate::units::InUnits(*$field) };
    (@write $field:ident text) => { $field.as_ref().map(ubf_codec::Text::to_latin1) };
    (@read $access:ident) => { $access.next_value()? };
    (@read $access:ident units) => {
        $access.next_value::<$crate::units::InUnits<_>>()?.0
    };
    (@read $access:ident text) => {
        $access.next_value::<Option<String>>()?.as_deref().map(Into::into)
    };
}

/// The name of a field, however long it lives.
#[doc(hidden)]
#[derive(Debug)]
pub struct FieldName(pub String);

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = FieldName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a setting")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FieldName, E> {
                Ok(FieldName(name.into()))
            }
        }

        deserializer.deserialize_identifier(Name)
    }
}

settings! {
    server::Config, "Config", server::Config::default();
    limits, max_pending, max_pending_bytes(units), max_unread_bytes(units),
    max_kept_event_bytes(units), max_negotiation_time(units), max_packet_time(units),
    max_idle_time(units), max_write_time(units), max_close_time(units), max_negotiations,
    agent(text), peers,
}

settings! {
    client::Config, "Config", client::Config::new(Vec::new(), Versions::new());
    addresses, service, versions, floor, remembered, optimistic_start, optimistic_moves,
    opens_connections, grease, refuse_downgrade, session, agent(text), context, tls, policy, quarantine,
    failover_spread(units), backoff, move_backoff, limits, max_pending, max_in_flight,
    max_unsent_bytes(units), max_refusals, max_losses, max_hops, max_negotiations,
    call_time(units), max_connect_time(units), max_move_time(units), max_negotiation_time(units),
    max_packet_time(units), ping_after(units), max_pong_time(units), ask_after(units),
    max_silence(units), max_write_time(units), move_interval(units),
}

settings! {
    SessionLimits, "SessionLimits", SessionLimits::default();
    max_sessions, max_sessions_per_address, max_window, max_bytes(units), max_kept(units),
    max_kept_in_all(units), max_keep(units),
}

settings! { BackoffTimes, "BackoffTimes", BackoffTimes::default(); first(units), longest(units) }

settings! {
    QuarantineTimes, "QuarantineTimes", QuarantineTimes::default();
    first(units), longest(units), jitter_percent,
}

settings! {
    CrashRule, "CrashRule", CrashRule::default(); max_crashes, max_peers, window(units), times,
}

settings! {
    RedirectPolicy, "RedirectPolicy", RedirectPolicy::default();
    pinned, allow_private, allow_loopback, allow_low_ports,
}

/// [`client::SessionPlan`] as it is written: `level` is `off`, `wanted`, or the lowest level that
/// is accepted.
struct PlanSettings {
    level: String,
    window: u64,
    bytes: u64,
    keep: Duration,
}

impl From<&client::SessionPlan> for PlanSettings {
    fn from(plan: &client::SessionPlan) -> Self {
        let undemanded = if plan.is_off() { "off" } else { "wanted" };
        let level = plan.demanded_level().map_or(undemanded, Level::as_str).into();
        Self { level, window: plan.window(), bytes: plan.bytes(), keep: plan.keep() }
    }
}

impl PlanSettings {
    fn plan(self) -> Option<client::SessionPlan> {
        let plan = match self.level.as_str() {
            "off" => client::SessionPlan::off(),
            "wanted" => client::SessionPlan::wanted(),
            word => {
                let level = [Level::Memory, Level::Durable].into_iter();
                let mut level = level.filter(|level| level.as_str() == word);
                client::SessionPlan::demanded(level.next()?)
            }
        };
        Some(plan.with_window(self.window).with_bytes(self.bytes).with_keep(self.keep))
    }
}

settings! {
    PlanSettings, "SessionPlan", PlanSettings::from(&client::SessionPlan::default());
    level, window, bytes(units), keep(units),
}

impl Serialize for client::SessionPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlanSettings::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for client::SessionPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = PlanSettings::deserialize(deserializer)?;
        let words = "the level of a session is off, wanted, memory or durable";
        settings.plan().ok_or_else(|| de::Error::custom(words))
    }
}

/// Its name; nothing for the default one.
impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().map(Text::to_latin1).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(name.map_or(Self::DEFAULT, |name| Self::from(name.as_str())))
    }
}

/// A text: `1-5,9`.
impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text, or a list of numbers.
impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Versions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("versions such as 1-5,9 or a list of numbers")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Versions, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Versions, A::Error> {
                let mut versions = Versions::new();
                while let Some(version) = numbers.next_element::<Version>()? {
                    if !versions.insert(version) && !versions.contains(version) {
                        let most = Versions::MAX_LEN;
                        let error = alloc::format!("more than {most} versions");
                        return Err(de::Error::custom(error));
                    }
                }
                Ok(versions)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Numbers)
        } else {
            deserializer.deserialize_str(Numbers)
        }
    }
}

/// A text with a unit.
impl<T: Quantity> Serialize for InUnits<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_text())
    }
}

/// A text with a unit, or a number: of seconds, or of bytes.
impl<'de, T: Quantity> Deserialize<'de> for InUnits<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Units<T>(PhantomData<T>);

        impl<T: Quantity> Visitor<'_> for Units<T> {
            type Value = InUnits<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 30s, or a size such as 16MiB")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<InUnits<T>, E> {
                T::from_text(text).map(InUnits).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<InUnits<T>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<InUnits<T>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<InUnits<T>, E> {
                self.visit_str(&number.to_string())
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Units(PhantomData))
        } else {
            deserializer.deserialize_str(Units(PhantomData))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_server_are_read_with_units_and_the_rest_has_its_default() {
        let text = "max_idle_time = '1.5m'\nmax_write_time = 7\nmax_pending_bytes = '4KiB'\n\
                    max_unread_bytes = 9\nagent = 'me/1'\npeers = ['b.example:4000']\n\
                    [limits]\nmax_depth = 3\n";
        let config: server::Config = toml::from_str(text).unwrap();
        assert_eq!(config.max_idle_time, Duration::from_secs(90));
        assert_eq!(config.max_write_time, Duration::from_secs(7));
        assert_eq!((config.max_pending_bytes, config.max_unread_bytes), (4096, 9));
        assert_eq!((config.limits.max_depth, config.max_pending), (3, 1024));
        assert_eq!(config.agent.unwrap().to_latin1(), "me/1");
        assert_eq!(config.peers, ["b.example:4000".parse().unwrap()]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut config = client::Config::new(
            alloc::vec!["a.example:4000".parse().unwrap()],
            Versions::of([1, 2, 3, 9]),
        );
        config.service = Service::from("kv");
        config.agent = Some("me/1".into());
        config.floor = Version::new(2);
        let text = toml::to_string(&config).unwrap();
        for line in [
            "service = \"kv\"",
            "versions = \"1-3,9\"",
            "call_time = \"30s\"",
            "failover_spread = \"100ms\"",
            "max_unsent_bytes = \"1MiB\"",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let read: client::Config = toml::from_str(&text).unwrap();
        assert_eq!(alloc::format!("{read:?}"), alloc::format!("{config:?}"));
        for plan in [
            client::SessionPlan::off(),
            client::SessionPlan::wanted().with_keep(Duration::from_secs(90)),
            client::SessionPlan::demanded(Level::Durable).with_window(7),
        ] {
            let text = toml::to_string(&plan).unwrap();
            assert_eq!(toml::from_str::<client::SessionPlan>(&text).unwrap(), plan, "{text}");
        }
        assert!(toml::from_str::<client::SessionPlan>("level = 'high'").is_err());
        let limits = SessionLimits::default();
        let text = toml::to_string(&limits).unwrap();
        assert!(text.contains("max_kept_in_all = \"1GiB\""), "{text}");
        assert_eq!(toml::from_str::<SessionLimits>(&text).unwrap(), limits);
        let rule = CrashRule::default();
        let read: CrashRule = toml::from_str(&toml::to_string(&rule).unwrap()).unwrap();
        assert_eq!(read, rule);
    }

    #[test]
    fn what_is_not_known_or_no_value_is_an_error() {
        for (text, why) in [
            ("max_idle = '1m'", "unknown field `max_idle`"),
            ("max_idle_time = 'soon'", "a time is wanted"),
            ("max_idle_time = -1", "a time is wanted"),
            ("max_pending_bytes = '1MB'", "a number of bytes is wanted"),
            ("peers = ['b']", "not an address"),
        ] {
            let error = toml::from_str::<server::Config>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        #[derive(Debug, serde::Deserialize)]
        struct File {
            versions: Versions,
        }
        let file: File = toml::from_str("versions = [3, 1, 1]").unwrap();
        assert_eq!(file.versions.to_string(), "1,3");
        for text in ["versions = [0]", "versions = 'x'", "versions = '1-1025'"] {
            assert!(toml::from_str::<File>(text).is_err(), "{text}");
        }
    }
}
