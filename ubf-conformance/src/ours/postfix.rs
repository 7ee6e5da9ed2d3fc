//! Terms out of postfix, the form in which the vectors have them.

use ubf_codec::{Integer, Term};

/// The one term that the tokens make.
///
/// # Errors
///
/// Which token is wrong.
pub fn term(postfix: &str) -> Result<Term, String> {
    let mut stack: Vec<Term> = Vec::new();
    for token in postfix.split(' ') {
        let term = apply(token, &mut stack)
            .ok_or_else(|| format!("`{token}` is wrong there, in postfix"))?;
        stack.push(term);
    }
    match (stack.pop(), stack.as_slice()) {
        (Some(term), []) => Ok(term),
        _ => Err("postfix makes exactly one term".to_owned()),
    }
}

fn apply(token: &str, stack: &mut Vec<Term>) -> Option<Term> {
    let (kind, value) = token.split_once(':').unwrap_or((token, ""));
    let text = || hex::decode(value).ok();
    Some(match kind {
        "u" if value.is_empty() => Term::Undefined,
        "i" => Term::Integer(value.parse::<Integer>().ok()?),
        "a" => Term::atom(text()?),
        "s" => Term::string(text()?),
        "b" => Term::binary(text()?),
        "t" => Term::tuple(take(value, stack)?),
        "l" => Term::list(take(value, stack)?),
        "g" => {
            let tag = text()?;
            stack.pop()?.tagged(tag)
        }
        _ => return None,
    })
}

fn take(count: &str, stack: &mut Vec<Term>) -> Option<Vec<Term>> {
    let first = stack.len().checked_sub(count.parse().ok()?)?;
    Some(stack.split_off(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_prints_as_the_postfix_it_came_from() {
        let postfix = "a:61 s: b:00ff u i:-1 i:123456789012345678901234567890 l:2 t:0 t:6 g:66";
        assert_eq!(term(postfix).unwrap().as_ref().postfix().to_string(), postfix);
    }

    #[test]
    fn refuses_what_makes_no_term() {
        for postfix in ["", "i:1 i:2", "t:1", "g:61", "x:1", "i:x", "a:6"] {
            assert!(term(postfix).is_err(), "{postfix}");
        }
    }
}
