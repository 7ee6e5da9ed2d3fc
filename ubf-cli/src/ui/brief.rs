//! Terms in little room: `{person,…}`.

use ubf_codec::{TermRef, View};

use crate::ui::text::{beginning, columns, prefix, shorten};

/// `term` in Erlang's notation in about `max` columns, with `…` for what does not fit.
///
/// Costs no more than it shows, so that a term which is huge when registers are expanded does no
/// harm here.
pub(crate) fn brief(term: TermRef<'_>, max: usize) -> String {
    let (start, is_all) = beginning(term, max);
    if is_all {
        return start;
    }
    match term.view() {
        View::Undefined | View::Integer(_) => cut(&start, max, ""),
        View::Atom(_) => cut(&start, max, if start.starts_with('\'') { "'" } else { "" }),
        View::String(_) => cut(&start, max, "\""),
        View::Binary(_) => cut(&start, max, if start.starts_with("<<\"") { "\">>" } else { ">>" }),
        View::Tuple(tuple) => group('{', tuple.iter(), '}', max),
        View::List(list) => group('[', list.iter(), ']', max),
        View::Tagged(tag, inner) => {
            let tag = String::from_utf8_lossy(&tag.to_bytes()).into_owned();
            let tag = format!("`{}`", shorten(&tag, 8));
            format!("{}{tag}", brief(inner, max.saturating_sub(columns(&tag))))
        }
    }
}

/// As much of `start` as fits before `…` and `end`.
fn cut(start: &str, max: usize, end: &str) -> String {
    format!("{}…{end}", prefix(start, max.saturating_sub(1 + end.len())))
}

/// As many elements as fit before `,…}`; of the first one at least its beginning.
fn group<'a>(
    open: char,
    mut elements: impl Iterator<Item = TermRef<'a>>,
    close: char,
    max: usize,
) -> String {
    // The brackets and `,…`.
    let mut room = max.saturating_sub(4);
    let Some(first) = elements.next().filter(|_| room >= 3) else {
        return format!("{open}…{close}");
    };
    let mut text = format!("{open}{}", brief(first, room));
    room = (room + 1).saturating_sub(columns(&text));
    for element in elements {
        let (shown, is_all) = beginning(element, room.saturating_sub(1));
        if !is_all {
            return format!("{text},…{close}");
        }
        room -= 1 + columns(&shown);
        text = format!("{text},{shown}");
    }
    format!("{text}{close}")
}

#[cfg(test)]
mod tests {
    use ubf_codec::Term;

    use super::*;

    fn shown(notation: &str, max: usize) -> String {
        let term: Term = notation.parse().expect("a term");
        let text = brief(term.as_ref(), max);
        assert!(columns(&text) <= max, "{text} is too long");
        text
    }

    #[test]
    fn leaves_alone_what_fits() {
        assert_eq!(shown("{person,\"Joe\",123}", 18), "{person,\"Joe\",123}");
    }

    #[test]
    fn keeps_the_beginning_and_the_closing_bracket() {
        assert_eq!(shown("{person,\"Joe\",123}", 17), "{person,\"Joe\",…}");
        assert_eq!(shown("{person,\"Joe\",123}", 12), "{person,…}");
        assert_eq!(shown("{person,\"Joe\",123}", 9), "{pers…,…}");
        assert_eq!(shown("{person,\"Joe\",123}", 6), "{…}");
        assert_eq!(shown("[[1,2,3],[4,5,6]]", 12), "[[1,2,3],…]");
        assert_eq!(shown("[[1,2,3],[4,5,6]]", 10), "[[…],…]");
        assert_eq!(shown("\"a long string\"", 8), "\"a lon…\"");
        assert_eq!(shown("'A long atom'", 8), "'A lon…'");
        assert_eq!(shown("<<\"a long binary\">>", 12), "<<\"a lon…\">>");
        assert_eq!(shown("123456789", 6), "12345…");
    }

    #[test]
    fn costs_little_for_a_term_that_expands_to_much() {
        let mut packet = b"'x'>a".to_vec();
        for register in b'b'..b't' {
            packet.extend([b'{', register - 1, register - 1, b'}', b'>', register]);
        }
        packet.extend(b"s$");
        let document = ubf_codec::decode(&packet).expect("within the limits");
        assert!(columns(&brief(document.root(), 20)) <= 20);
    }
}
