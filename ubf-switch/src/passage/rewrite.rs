//! What a node says, in the switch's words: versions that all nodes offer together, and no
//! addresses of nodes (F5.3, F5.7).

use ubf_codec::{NextIp, Term, TermRef, Version, View};
use ubf_proto::Versions;

/// F5.3: the list that the client of an `agreed` is told. N1 holds for it: the client computes the
/// same choice from it.
pub(crate) fn told_with(
    offered: &Versions,
    spoken: &Versions,
    asked: &Versions,
    agreed: Option<Version>,
) -> Versions {
    let is_told = |version: &Version| !asked.contains(*version) || Some(*version) <= agreed;
    let all: Versions = offered.iter().chain(spoken.iter()).filter(is_told).collect();
    // N2: a longer one is none.
    if all.len() > Versions::MAX_LEN { spoken.clone() } else { all }
}

/// The same tuple with another list of versions at this place, and other options behind it, if it
/// has some. Terms that are not known stay (P4.2).
pub(crate) fn tuple_with(
    term: TermRef<'_>,
    place: usize,
    versions: &Versions,
    options: impl FnOnce(TermRef<'_>) -> Term,
) -> Option<Term> {
    let View::Tuple(tuple) = term.view() else { return None };
    let mut options = Some(options);
    let fields = tuple.iter().enumerate().map(|(index, field)| {
        if index == place {
            list_of(versions)
        } else if index == place + 1
            && let View::List(_) = field.view()
            && let Some(options) = options.take()
        {
            options(field)
        } else {
            field.to_term()
        }
    });
    Some(Term::Tuple(fields.collect()))
}

/// Highest first, as servers write it.
fn list_of(versions: &Versions) -> Term {
    Term::list(versions.iter().rev().map(|version| Term::from(version.get())))
}

/// The options of an answer. `peers` are those of the switch; `None` leaves the node's.
/// `is_unsure`: the session may be at a node that was not reached.
pub(crate) fn options_with(
    options: TermRef<'_>,
    peers: Option<&Option<NextIp>>,
    is_unsure: bool,
) -> Term {
    let View::List(list) = options.view() else { return options.to_term() };
    let mut told: Vec<Term> = Vec::with_capacity(list.len() + 1);
    for option in list {
        let name = option.get(0);
        let is = |known: &str| name.as_ref().is_some_and(|name| name.is_atom(known));
        if is("peers") && peers.is_some() {
            continue;
        }
        let is_unknown =
            is("no_session") && option.get(1).is_some_and(|why| why.is_atom("unknown"));
        if is_unknown && is_unsure {
            told.push(Term::tuple([Term::atom("no_session"), Term::atom("not_now")]));
        } else {
            told.push(option.to_term());
        }
    }
    if let Some(Some(peers)) = peers {
        // N12.9: behind the agent.
        let is_agent = |option: &Term| option.get(0).is_some_and(|name| name.is_atom("agent"));
        let place = usize::from(told.first().is_some_and(is_agent));
        let text = Term::string(peers.to_string());
        told.insert(place, Term::tuple([Term::atom("peers"), text]));
    }
    Term::list(told)
}

#[cfg(test)]
mod tests {
    use ubf_codec::decode;

    use super::*;

    fn versions(numbers: &[u32]) -> Versions {
        Versions::of(numbers.iter().copied())
    }

    #[test]
    fn n1_from_the_list_that_it_is_told_a_client_computes_what_was_agreed() {
        let numbers = [1, 2, 3, 4];
        let subsets = (0..16_u32).map(|bits| {
            versions(
                &numbers.into_iter().filter(|bit| bits >> (bit - 1) & 1 == 1).collect::<Vec<_>>(),
            )
        });
        let subsets: Vec<Versions> = subsets.collect();
        for offered in &subsets {
            for spoken in &subsets {
                for asked in &subsets {
                    let agreed = asked.choose(spoken);
                    let told = told_with(offered, spoken, asked, agreed);
                    assert_eq!(asked.choose(&told), agreed);
                    // Nothing that is not asked for is left out.
                    let rest = offered.iter().filter(|version| !asked.contains(*version));
                    assert!(rest.into_iter().all(|version| told.contains(version)));
                }
            }
        }
    }

    #[test]
    fn p4_what_is_not_known_stays() {
        let body = b"{'agreed',1,?,#3&,#{'later',1,2}&{'peers',\"a:1\"}&{'agent',\"x\"}&,'more'}$";
        let document = decode(body).unwrap();
        let own = Some("s:1".parse().unwrap());
        let told = |peers: Option<&Option<NextIp>>| {
            let options = |options: TermRef<'_>| options_with(options, peers, false);
            tuple_with(document.root(), 3, &versions(&[3, 10]), options).unwrap().to_string()
        };
        assert_eq!(
            told(Some(&own)),
            "{agreed,1,?,[10,3],[{agent,\"x\"},{peers,\"s:1\"},{later,1,2}],more}"
        );
        assert_eq!(told(Some(&None)), "{agreed,1,?,[10,3],[{agent,\"x\"},{later,1,2}],more}");
        assert!(told(None).contains("{peers,\"a:1\"}"));
    }

    #[test]
    fn s4_a_session_that_may_be_elsewhere_is_not_said_to_be_unknown() {
        let body = b"{'no_common_version',1,?,#3&,#{'no_session','unknown'}&}$";
        let document = decode(body).unwrap();
        for (is_unsure, why) in [(true, "not_now"), (false, "unknown")] {
            let options = |options: TermRef<'_>| options_with(options, None, is_unsure);
            let told = tuple_with(document.root(), 3, &versions(&[3]), options).unwrap();
            assert_eq!(
                told.to_string(),
                format!("{{no_common_version,1,?,[3],[{{no_session,{why}}}]}}")
            );
        }
    }
}
