//! Numbers for people.

use std::time::Duration;

/// A count with commas: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many a second: whole from a hundred on.
pub(crate) fn rate(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is not negative"
    )]
    count(number.round() as u64)
}

/// A time with three digits and a unit: `87.4 us`, `1.23 ms`, `12.0 s`.
pub(crate) fn time(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    let (number, unit) = match micros {
        ..999.5 => (micros, "us"),
        ..999_500.0 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    match number {
        ..9.995 => format!("{number:.2} {unit}"),
        ..99.95 => format!("{number:.1} {unit}"),
        _ => format!("{number:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.55, 99.9, 1234.5].map(rate), ["0.0", "0.6", "99.9", "1,235"]);
    }

    #[test]
    fn times_have_three_digits() {
        let times = [
            (870, "0.87 us"),
            (87_400, "87.4 us"),
            (999_600, "1.00 ms"),
            (123_456_789, "123 ms"),
            (12_000_000_000, "12.0 s"),
        ];
        for (nanos, text) in times {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
    }
}
