//! The state that a reply names, without reading all of the reply.

use ubf_codec::{TermRef, Text, View, decode};

/// The second element of `{Response,State}`, if it is an atom.
///
/// A packet that ends with `'}$` ends with an atom in a tuple: outside of atoms, a quote begins
/// one. What stands before the atom need not be looked at.
pub(crate) fn state_of(body: &[u8]) -> Option<Text> {
    let quick = body.strip_suffix(b"'}$").and_then(|rest| {
        let name = rest.get(rest.iter().rposition(|byte| *byte == b'\'')? + 1..)?;
        // The quote before it is part of the atom if it is escaped; then the name is not whole.
        let is_whole = !rest.strip_suffix(name)?.ends_with(b"\\'") && !name.contains(&b'\\');
        is_whole.then(|| Text::from(name))
    });
    quick.or_else(|| state_of_term(decode(body).ok()?.root()))
}

/// The same for a term.
pub(crate) fn state_of_term(reply: TermRef<'_>) -> Option<Text> {
    let View::Tuple(pair) = reply.view() else { return None };
    let [_, state] = pair.to_array()?;
    if let View::Atom(name) = state.view() { Some(name.to_text()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_the_atom_at_the_end() {
        for (body, state) in [
            (&b"{1'start'}$"[..], Some("start")),
            (b"{{'ok'\"it's\"}'active'}$", Some("active")),
            (b"{1''}$", Some("")),
            (b"{1'start' }$", Some("start")),
            (b"'start'>s{1s}$", Some("start")),
            (br"{1'a\'b'}$", Some("a'b")),
            (br"{1'a\\'}$", Some(r"a\")),
            (br"{'a\\''b'}$", Some("b")),
            (b"{1\"start\"}$", None),
            (b"{1}$", None),
            (b"1$", None),
            (b"", None),
        ] {
            let found = state_of(body);
            let body = body.escape_ascii();
            assert_eq!(found, state.map(Text::from), "{body}");
        }
    }
}
