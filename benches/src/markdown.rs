//! How figures are written.

use std::fmt::{self, Write as _};

pub(crate) fn header(first: &str, columns: &[&str], out: &mut String) -> fmt::Result {
    writeln!(out, "| {first} | {} |", columns.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(columns.len()))
}

/// Three digits at most, and two decimals at most.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// `1,048,576`
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same of what was measured, without its decimals.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no figure is so large"
)]
pub(crate) fn whole(value: f64) -> String {
    if value.is_finite() { grouped(value.round().max(0.0) as usize) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_counts_all() {
        assert_eq!([0.123, 12.34, 123.4].map(ratio), ["0.12", "12.3", "123"]);
        assert_eq!([0.4, 999.5, 1_048_576.2].map(whole), ["0", "1,000", "1,048,576"]);
        assert_eq!(whole(f64::NAN), "–");
    }
}
