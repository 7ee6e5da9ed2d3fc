//! Floats: strings tagged `f` (W8).

use alloc::string::String;

use crate::term::{TermRef, View};

/// The value of a string tagged `f`. Only what is certainly a finite decimal number counts: `1.5`,
/// `-2`, `1e-7`.
pub(crate) fn read(term: TermRef<'_>) -> Option<f64> {
    let View::Tagged(tag, inner) = term.view() else { return None };
    let View::String(text) = inner.view() else { return None };
    if tag.as_plain() != Some(b"f") && tag != "f" {
        return None;
    }
    let text = text.to_str()?;
    // What else the library reads as a float begins with a letter.
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let is_decimal = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    text.parse().ok().filter(|value: &f64| is_decimal && value.is_finite())
}

/// The shortest digits that read back to the same value, always with a `.` in them: there are peers
/// that demand it. `None` for what is infinite or no number.
pub(crate) fn write(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let mut buffer = zmij::Buffer::new();
    let digits = buffer.format_finite(value);
    // `1e-7` becomes `1.0e-7`.
    let (mantissa, exponent) =
        digits.find('e').map_or((digits, ""), |place| digits.split_at(place));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    Some([mantissa, point, exponent].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Term;

    #[test]
    fn digits_read_back_to_the_same_value() {
        for value in
            [0.0, -0.0, 1.0, 1.5, -2.25, 0.1, 1e-7, 1e300, 5e-324, f64::MAX, 123_456_789.125]
        {
            let digits = write(value).unwrap();
            assert!(digits.contains('.'), "{digits}");
            let term = Term::float(value).unwrap();
            assert_eq!(read(term.as_ref()).map(f64::to_bits), Some(value.to_bits()), "{digits}");
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_no_float() {
        for text in [
            "",
            "NaN",
            "nan",
            "inf",
            "-inf",
            "+infinity",
            "1e999",
            "0x10",
            "1,5",
            "-",
            "--1",
            "+-1",
            ".",
            "1.5 ",
            "1f",
        ] {
            assert_eq!(read(Term::from(text).tagged("f").as_ref()), None, "{text}");
        }
        assert_eq!(read(Term::from("1.5").as_ref()), None);
        for (text, value) in
            [("1", 1.0), ("+1.5", 1.5), ("-.5", -0.5), ("1.", 1.0), ("-2E-3", -0.002)]
        {
            assert_eq!(read(Term::from(text).tagged("f").as_ref()), Some(value), "{text}");
        }
    }
}
