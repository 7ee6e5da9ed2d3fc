//! Quantities on the command line: bytes and times, with their units.

use std::time::Duration;

/// `4096`, `64KiB`, `16MiB`, `1GiB`.
pub(crate) fn bytes_u64(text: &str) -> Result<u64, String> {
    let unit_start = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_start);
    let scale: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("a number of bytes is wanted, as in 4096, 64KiB, 16MiB or 1GiB".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "it does not begin with a number of bytes".to_owned())?;
    number.checked_mul(scale).ok_or_else(|| "too many bytes".to_owned())
}

pub(crate) fn bytes_u32(text: &str) -> Result<u32, String> {
    u32::try_from(bytes_u64(text)?).map_err(|_| "4GiB or more is too much".to_owned())
}

/// `250ms`, `10s`, `1.5m`, `1h`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_start = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is wanted, as in 250ms, 10s, 1.5m or 1h".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a time begins with a number, as in 250ms, 10s, 1.5m or 1h".to_owned())?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(time) if time <= MAX_TIME => Ok(time),
        Ok(_) | Err(_) => Err("a year is the longest time".to_owned()),
    }
}

/// As [`duration`], but not 0.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be more than 0".to_owned()),
        time => Ok(time),
    }
}

/// Chosen: what a clock can add to the present without care.
const MAX_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let times = [
            ("250ms", 250),
            ("10s", 10_000),
            ("10", 10_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("0", 0),
        ];
        for (text, millis) in times {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("20us"), Ok(Duration::from_micros(20)));
        for text in ["", "s", "-1s", "1x", "1.2.3s", "1e9"] {
            assert!(duration(text).unwrap_err().contains("as in 250ms"), "{text}");
        }
        assert!(duration("9000000h").is_err());
        assert!(some_time("0s").is_err());
    }

    #[test]
    fn sizes_have_binary_suffixes() {
        assert_eq!(bytes_u64("4096"), Ok(4096));
        assert_eq!(bytes_u64("64KiB"), Ok(65_536));
        assert_eq!(bytes_u64("16 mib"), Ok(16 << 20));
        assert_eq!(bytes_u32("4GiB").unwrap_err(), "4GiB or more is too much");
        assert!(bytes_u64("12MB").unwrap_err().contains("64KiB"));
        assert!(bytes_u64("").is_err());
        assert!(bytes_u64("99999999999GiB").is_err());
    }
}
