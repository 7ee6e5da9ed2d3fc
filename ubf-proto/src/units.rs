//! Times and sizes as people write them: `30s`, `16MiB`. On command lines, in files of settings and
//! in variables of the environment they are written the same.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// Chosen: what a clock can add to the present without care.
const MAX_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// The units of times, largest first: the word that is written, and the nanoseconds in it.
const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The units of sizes, largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// What is no time or no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnitError {
    /// It is no time.
    NoTime,
    /// It is a time above a year.
    TooLong,
    /// It is no size.
    NoSize,
    /// It is more bytes than can be counted.
    TooMany,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTime => "a time is wanted, as in 250ms, 10s, 1.5m or 1h",
            Self::TooLong => "a year is the longest time",
            Self::NoSize => "a number of bytes is wanted, as in 4096, 64KiB, 16MiB or 1GiB",
            Self::TooMany => "too many bytes",
        })
    }
}

impl core::error::Error for UnitError {}

/// Reads `250ms`, `10s`, `1.5m`, `1h`, `2d`; a number alone is seconds. The units are `ns`, `us`,
/// `ms`, `s`, `m` or `min`, `h` and `d`.
///
/// # Errors
/// If it is no such text, or a time of more than 366 days.
///
/// ```
/// use std::time::Duration;
/// use ubf_proto::units;
///
/// assert_eq!(units::parse_time("1.5m"), Ok(Duration::from_secs(90)));
/// assert!(units::parse_time("soon").is_err());
/// ```
pub fn parse_time(text: &str) -> Result<Duration, UnitError> {
    let text = text.trim();
    let unit_start = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let unit = match unit.trim() {
        "" => "s",
        "min" => "m",
        "µs" => "us",
        unit => unit,
    };
    let (_, nanos) =
        TIMES.into_iter().find(|(known, _)| *known == unit).ok_or(UnitError::NoTime)?;
    // Whole numbers are exact, whatever their unit.
    let time = match number.parse::<u64>() {
        Ok(number) => number.checked_mul(nanos).map(Duration::from_nanos),
        Err(_) => {
            let number: f64 = number.parse().map_err(|_| UnitError::NoTime)?;
            let unit = Duration::from_nanos(nanos);
            Duration::try_from_secs_f64(number * unit.as_secs_f64()).ok()
        }
    };
    time.filter(|time| *time <= MAX_TIME).ok_or(UnitError::TooLong)
}

/// Reads `4096`, `64KiB`, `16MiB`, `1GiB`, in small letters too.
///
/// # Errors
/// If it is no such text, or more than can be counted.
///
/// ```
/// use ubf_proto::units;
///
/// assert_eq!(units::parse_size("16MiB"), Ok(16 << 20));
/// assert!(units::parse_size("16MB").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let text = text.trim();
    let unit_start = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_start);
    let unit = match unit.trim() {
        "b" | "B" => "",
        unit => unit,
    };
    let (_, scale) = SIZES
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(unit))
        .ok_or(UnitError::NoSize)?;
    if digits.is_empty() {
        return Err(UnitError::NoSize);
    }
    let number: u64 = digits.parse().map_err(|_| UnitError::TooMany)?;
    number.checked_mul(scale).ok_or(UnitError::TooMany)
}

/// Writes a time in the largest unit in which it is a whole number: what [`parse_time`] reads.
///
/// ```
/// use std::time::Duration;
/// use ubf_proto::units;
///
/// assert_eq!(units::time(Duration::from_secs(90)), "90s");
/// assert_eq!(units::time(Duration::from_secs(120)), "2m");
/// ```
#[must_use]
pub fn time(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos == 0 {
        return String::from("0s");
    }
    let whole = TIMES.into_iter().find(|&(_, unit)| nanos.is_multiple_of(u128::from(unit)));
    let (word, unit) = whole.unwrap_or(("ns", 1));
    alloc::format!("{}{word}", nanos / u128::from(unit))
}

/// Writes a size in the largest unit in which it is a whole number: what [`parse_size`] reads.
///
/// ```
/// use ubf_proto::units;
///
/// assert_eq!([units::size(16 << 20), units::size(1500)], ["16MiB", "1500"]);
/// ```
#[must_use]
pub fn size(bytes: u64) -> String {
    let whole = SIZES.into_iter().find(|&(_, unit)| bytes > 0 && bytes.is_multiple_of(unit));
    let (word, unit) = whole.unwrap_or(("", 1));
    alloc::format!("{}{word}", bytes / unit)
}

/// A time, or a size in bytes: what has units.
pub trait Quantity: Copy {
    /// With the largest unit in which it is a whole number.
    fn to_text(self) -> String;

    /// Reads what [`to_text`](Self::to_text) writes, and all else that people write.
    ///
    /// # Errors
    /// If it is no such quantity.
    fn from_text(text: &str) -> Result<Self, UnitError>;
}

impl Quantity for Duration {
    fn to_text(self) -> String {
        time(self)
    }

    fn from_text(text: &str) -> Result<Self, UnitError> {
        parse_time(text)
    }
}

impl Quantity for u64 {
    fn to_text(self) -> String {
        size(self)
    }

    fn from_text(text: &str) -> Result<Self, UnitError> {
        parse_size(text)
    }
}

impl Quantity for usize {
    fn to_text(self) -> String {
        size(self as u64)
    }

    fn from_text(text: &str) -> Result<Self, UnitError> {
        parse_size(text)?.try_into().map_err(|_| UnitError::TooMany)
    }
}

/// A quantity as people write it. With the feature `serde` it is a text with its unit; numbers are
/// read too.
///
/// ```
/// use std::time::Duration;
/// use ubf_proto::units::InUnits;
///
/// assert_eq!(InUnits(Duration::from_secs(30)).to_string(), "30s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUnits<T>(
    /// The quantity.
    pub T,
);

impl<T: Quantity> fmt::Display for InUnits<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_text())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn times_have_units() {
        let times = [
            ("250ms", 250),
            ("10s", 10_000),
            ("10", 10_000),
            ("1.5m", 90_000),
            ("2 min", 120_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("0", 0),
        ];
        for (text, millis) in times {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_time("20us"), Ok(Duration::from_micros(20)));
        assert_eq!(parse_time("0.1s"), Ok(Duration::from_millis(100)));
        for text in ["", "s", "-1s", "1x", "1.2.3s", "1e9"] {
            assert_eq!(parse_time(text), Err(UnitError::NoTime), "{text}");
        }
        for text in ["9000000h", "367d", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse_time(text), Err(UnitError::TooLong), "{text}");
        }
        assert!(UnitError::NoTime.to_string().contains("as in 250ms"));
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [("4096", 4096), ("64KiB", 65_536), ("16 mib", 16 << 20), ("0b", 0)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["12MB", "", "KiB", "-1", "1.5MiB"] {
            assert_eq!(parse_size(text), Err(UnitError::NoSize), "{text}");
        }
        assert_eq!(parse_size("99999999999GiB"), Err(UnitError::TooMany));
        assert_eq!(parse_size("99999999999999999999"), Err(UnitError::TooMany));
    }

    #[test]
    fn what_is_written_is_read() {
        for nanos in [0, 1, 999, 1_000, 1_500_000, 30_000_000_000, 90_000_000_000] {
            let value = Duration::from_nanos(nanos);
            assert_eq!(parse_time(&time(value)), Ok(value), "{}", time(value));
        }
        for bytes in [0, 1, 1023, 1024, 1025, 16 << 20, 3 << 30, u64::MAX] {
            assert_eq!(parse_size(&size(bytes)), Ok(bytes), "{}", size(bytes));
        }
        let times = [0, 250, 10_000, 120_000, 7_200_000].map(Duration::from_millis);
        assert_eq!(times.map(time), ["0s", "250ms", "10s", "2m", "2h"]);
    }
}
