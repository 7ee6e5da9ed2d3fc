//! Quantities on the command line: bytes and times, with their units.

use std::time::Duration;

use ubf_proto::units;

/// `4096`, `64KiB`, `16MiB`, `1GiB`.
pub(crate) fn bytes_u64(text: &str) -> Result<u64, String> {
    units::parse_size(text).map_err(|error| error.to_string())
}

pub(crate) fn bytes_u32(text: &str) -> Result<u32, String> {
    u32::try_from(bytes_u64(text)?).map_err(|_| "4GiB or more is too much".to_owned())
}

/// `250ms`, `10s`, `1.5m`, `1h`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    units::parse_time(text).map_err(|error| error.to_string())
}

/// As [`duration`], but not 0.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be more than 0".to_owned()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_quantity_is_told_with_examples() {
        assert_eq!(bytes_u32("4GiB").unwrap_err(), "4GiB or more is too much");
        assert!(bytes_u64("12MB").unwrap_err().contains("64KiB"));
        assert!(duration("1x").unwrap_err().contains("as in 250ms"));
        assert!(some_time("0s").is_err());
    }
}
