//! Terms as JSON (feature `json`).
//!
//! JSON has fewer kinds of values than UBF. What it has a word for stands as it is; everything else is an object whose one
//! key begins with `$`, so that nothing is lost:
//!
//! | term | JSON |
//! |---|---|
//! | undefined | `null` |
//! | integer of at most 53 bits | `7` |
//! | any other integer | `{"$integer":"9223372036854775808"}` |
//! | the atoms `true` and `false` | `true`, `false` |
//! | any other atom | `{"$atom":"ok"}` |
//! | string | `"Joe"` |
//! | binary | `{"$binary":"3q2+7w=="}`, base64 |
//! | tuple | `{"$tuple":[…]}` |
//! | list | `[…]` |
//! | float (a string tagged `f`, in its shortest form) | `1.5` |
//! | any other tagged term | `{"$tag":"dt","$term":1577934245}` |
//! | a string, atom or tag that is no UTF-8 | `{"$latin1":"…"}` in the place of the text, each character one byte |

use alloc::string::String;
use core::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::term::{Step, TermRef, TextRef, View, Walk};

/// A term whose `Display` is JSON on one line.
///
/// ```
/// let packet = ubf_codec::decode(b"{'ok',#\"Joe\"&7&?&}$")?;
/// assert_eq!(
///     ubf_codec::json::Json(packet.root()).to_string(),
///     r#"{"$tuple":[{"$atom":"ok"},[null,7,"Joe"]]}"#,
/// );
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub TermRef<'a>);

/// Integers up to here are exact in every JSON reader that keeps numbers as doubles.
const MAX_EXACT: u64 = (1 << 53) - 1;

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut walk = Walk::new(self.0);
        let mut begins = true;
        while let Some(step) = walk.next() {
            if !begins && !matches!(step, Step::Leave(_)) {
                f.write_char(',')?;
            }
            begins = false;
            match step {
                Step::Leaf(view) => leaf(f, view)?,
                Step::Enter(term) => {
                    begins = true;
                    match term.view() {
                        View::Tuple(_) => f.write_str("{\"$tuple\":[")?,
                        View::List(_) => f.write_char('[')?,
                        View::Tagged(tag, _) => match exact_float(term) {
                            Some(value) => {
                                write!(f, "{value}")?;
                                walk.skip_parts();
                                begins = false;
                            }
                            None => {
                                f.write_str("{\"$tag\":")?;
                                text(f, tag)?;
                                f.write_str(",\"$term\":")?;
                            }
                        },
                        View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => {}
                    }
                }
                Step::Leave(View::Tuple(_)) => f.write_str("]}")?,
                Step::Leave(View::List(_)) => f.write_char(']')?,
                Step::Leave(_) => f.write_char('}')?,
            }
        }
        Ok(())
    }
}

fn leaf(f: &mut fmt::Formatter<'_>, view: View<'_>) -> fmt::Result {
    match view {
        View::Undefined => f.write_str("null"),
        View::Integer(value) => match value.to_i64() {
            Some(small) if small.unsigned_abs() <= MAX_EXACT => write!(f, "{small}"),
            Some(_) | None => write!(f, "{{\"$integer\":\"{value}\"}}"),
        },
        View::Atom(name) if name == "true" => f.write_str("true"),
        View::Atom(name) if name == "false" => f.write_str("false"),
        View::Atom(name) => {
            f.write_str("{\"$atom\":")?;
            text(f, name)?;
            f.write_char('}')
        }
        View::String(string) => text(f, string),
        View::Binary(bytes) => write!(f, "{{\"$binary\":\"{}\"}}", STANDARD.encode(bytes)),
        View::Tuple(_) | View::List(_) | View::Tagged(..) => Ok(()),
    }
}

/// The digits of a float that says the same in both formats.
fn exact_float(term: TermRef<'_>) -> Option<String> {
    let View::Tagged(_, inner) = term.view() else { return None };
    let View::String(digits) = inner.view() else { return None };
    let canonical = crate::float::write(term.as_f64()?)?;
    (digits == canonical.as_str()).then_some(canonical)
}

fn text(f: &mut fmt::Formatter<'_>, text: TextRef<'_>) -> fmt::Result {
    match text.to_str() {
        Some(utf8) => quoted(f, &utf8),
        None => {
            f.write_str("{\"$latin1\":")?;
            quoted(f, &text.to_latin1())?;
            f.write_char('}')
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::{Term, ubf};

    #[test]
    fn everything_has_a_form_of_its_own() {
        for (term, json) in [
            (ubf!(?), "null"),
            (ubf!(-7), "-7"),
            (Term::from(MAX_EXACT), "9007199254740991"),
            (Term::from(MAX_EXACT + 1), r#"{"$integer":"9007199254740992"}"#),
            (ubf!([true, false, ok]), r#"[true,false,{"$atom":"ok"}]"#),
            (ubf!({}), r#"{"$tuple":[]}"#),
            (Term::from("a\"b\n"), r#""a\"b\n""#),
            (Term::string(&b"\xe9"[..]), r#"{"$latin1":"é"}"#),
            (Term::from(b"\xde\xad\xbe\xef"), r#"{"$binary":"3q2+7w=="}"#),
            (ubf!([(Term::float(1.5).unwrap()), 2]), "[1.5,2]"),
            (Term::from("1.50").tagged("f"), r#"{"$tag":"f","$term":"1.50"}"#),
            (ubf!([{1}, 2]).tagged("t"), r#"{"$tag":"t","$term":[{"$tuple":[1]},2]}"#),
        ] {
            let text = Json(term.as_ref()).to_string();
            assert_eq!(text, json);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }
}
