//! Printing: `Display` of terms.

use core::fmt::{self, Write as _};

use super::parse;
use crate::term::{Step, Term, TermRef, TextRef, View, Walk};

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for TermRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Erlang's notation. What is printed can be parsed to the same term: `Term::from_str`. Only the
/// digits of a float are not kept, but its value: ``"1e-7"`f` `` is printed as `1.0e-7`.
impl fmt::Display for TermRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut walk = Walk::new(*self);
        let mut begins = true;
        while let Some(step) = walk.next() {
            if !begins && !matches!(step, Step::Leave(_)) {
                f.write_char(',')?;
            }
            begins = false;
            match step {
                Step::Leaf(view) => leaf(f, view)?,
                Step::Enter(term) => match term.view() {
                    View::Tuple(_) => {
                        f.write_char('{')?;
                        begins = true;
                    }
                    View::List(_) => {
                        f.write_char('[')?;
                        begins = true;
                    }
                    // W8: peers write floats in other digits; the value is what they mean.
                    View::Tagged(..) => match term.as_f64().and_then(crate::float::write) {
                        Some(digits) => {
                            f.write_str(&digits)?;
                            walk.skip_parts();
                        }
                        None => begins = true,
                    },
                    View::Undefined
                    | View::Integer(_)
                    | View::Atom(_)
                    | View::String(_)
                    | View::Binary(_) => {}
                },
                Step::Leave(View::Tuple(_)) => f.write_char('}')?,
                Step::Leave(View::List(_)) => f.write_char(']')?,
                Step::Leave(View::Tagged(tag, _)) => quoted(f, tag, '`')?,
                Step::Leave(_) => {}
            }
        }
        Ok(())
    }
}

fn leaf(f: &mut fmt::Formatter<'_>, view: View<'_>) -> fmt::Result {
    match view {
        View::Undefined => f.write_char('?'),
        View::Integer(value) => fmt::Display::fmt(&value, f),
        View::Atom(text) if parse::is_bare_atom(&text.to_bytes()) => {
            write_utf8(f, &text.to_bytes())
        }
        View::Atom(text) => quoted(f, text, '\''),
        View::String(text) => quoted(f, text, '"'),
        View::Binary(bytes) => binary(f, bytes),
        View::Tuple(_) | View::List(_) | View::Tagged(..) => Ok(()),
    }
}

/// Text between quotes. What is UTF-8 and can be seen stands as it is; of everything else, the
/// bytes.
fn quoted(f: &mut fmt::Formatter<'_>, text: TextRef<'_>, quote: char) -> fmt::Result {
    f.write_char(quote)?;
    for chunk in text.to_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\\' => f.write_str("\\\\")?,
                char if char == quote => {
                    f.write_char('\\')?;
                    f.write_char(char)?;
                }
                char if is_visible(char) => f.write_char(char)?,
                char => {
                    let mut utf8 = [0; 4];
                    hex_escapes(f, char.encode_utf8(&mut utf8).as_bytes())?;
                }
            }
        }
        hex_escapes(f, chunk.invalid())?;
    }
    f.write_char(quote)
}

/// Whether a character can be told from others when it is printed.
fn is_visible(char: char) -> bool {
    // Control characters, and what changes the direction of text or is invisible.
    !char.is_control()
        && !matches!(
            char,
            '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
        )
}

fn hex_escapes(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))
}

fn binary(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let is_text = !bytes.is_empty()
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    if is_text {
        f.write_str("<<")?;
        quoted(f, TextRef::plain(bytes), '"')?;
        return f.write_str(">>");
    }
    f.write_str("<<")?;
    let mut separator = "";
    for byte in bytes {
        write!(f, "{separator}{byte}")?;
        separator = ",";
    }
    f.write_str(">>")
}

fn write_utf8(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str(str::from_utf8(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use crate::{Term, ubf};

    #[test]
    fn prints_what_can_be_parsed() {
        for (term, text) in [
            (ubf!({ok, [], {}, ?}), "{ok,[],{},?}"),
            (Term::atom("Content-Type"), "'Content-Type'"),
            (Term::atom(""), "''"),
            (Term::atom("if"), "'if'"),
            (Term::atom("it's"), r"'it\'s'"),
            (Term::from("smörgås\n\u{7}\u{200b}"), r#""smörgås\n\x07\xE2\x80\x8B""#),
            (Term::string(&b"\xff\xc3"[..]), r#""\xFF\xC3""#),
            (Term::from(b"abc"), "<<\"abc\">>"),
            (Term::from(b""), "<<>>"),
            (Term::from(b"\x00\xff"), "<<0,255>>"),
            (ubf!({(Term::float(1.5).unwrap()), (Term::float(1e-7).unwrap())}), "{1.5,1.0e-7}"),
            (Term::from("1e999").tagged("f"), "\"1e999\"`f`"),
            (ubf!([{ 1 }]).tagged("a`b").tagged(""), "[{1}]`a\\`b```"),
        ] {
            assert_eq!(term.to_string(), text);
            assert_eq!(text.parse::<Term>().unwrap(), term, "{text}");
        }
    }

    #[test]
    fn floats_of_peers_are_printed_as_floats() {
        for (digits, text) in [
            ("1.0e22", "1.0e+22"),
            ("1e22", "1.0e+22"),
            ("1e-7", "1.0e-7"),
            ("1", "1.0"),
            ("-0", "-0.0"),
            ("1.50", "1.5"),
            ("1.00000000000000000000e+01", "10.0"),
        ] {
            let value: f64 = digits.parse().unwrap();
            let printed = Term::from(digits).tagged("f").to_string();
            assert_eq!(printed, text);
            assert_eq!(printed.parse::<Term>().unwrap(), Term::float(value).unwrap());
        }
    }
}
