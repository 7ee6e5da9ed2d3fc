use ubf_codec::{Term, Text, ubf};

use super::pattern::Bindings;
use super::read::read;
use super::{Deed, Script};

const DOOR: &str = r#"
% A door that opens to one key.
{service,"door",shut}.
{reject,{key,'_'},wrong_door}.
{start,{name,'$1'},{welcome,'$1'},ajar}.
{request,shut,{open,7},creak,open}
{request,'_',{say,'$1','$1'},{twice,'$1'},'_',[{heard,'$1'},'$_']}
{event,open,{knock,'$2'},[{knocked,'$2'}]}.
{crash,'_',boom}.

{service,"other",start}.
"#;

fn door() -> Script {
    read(DOOR).unwrap().remove(0)
}

/// What the script does with a message, in words.
fn done(state: &'static str, message: &Term, is_event: bool) -> Option<String> {
    let script = door();
    let (deed, bindings) = script.find(&Text::from_static(state), message.as_ref(), is_event)?;
    let fill = |terms: &[Term]| Term::list(terms.iter().map(|term| bindings.fill(term)));
    Some(match deed {
        Deed::Reply { reply, next, events } => {
            let next = next.as_ref().map(Text::to_latin1);
            format!("{} & {next:?}, {}", bindings.fill(reply), fill(events))
        }
        Deed::Events(events) => fill(events).to_string(),
        Deed::Crash => "crash".to_owned(),
    })
}

#[test]
fn the_first_rule_that_fits_says_what_is_done() {
    let names: Vec<Text> = read(DOOR).unwrap().into_iter().map(|script| script.name).collect();
    assert_eq!(names, ["door", "other"]);
    let requests = [
        ("shut", ubf!({open, 7}), Some("creak & Some(\"open\"), []")),
        ("open", ubf!({open, 7}), None),
        ("shut", ubf!({open, 8}), None),
        ("x", ubf!({say, [1], [1]}), Some("{twice,[1]} & None, [{heard,[1]},{say,[1],[1]}]")),
        ("x", ubf!({say, 1, 2}), None),
        ("x", ubf!(boom), Some("crash")),
    ];
    for (state, request, wanted) in requests {
        assert_eq!(done(state, &request, false).as_deref(), wanted, "{request}");
    }
    let knock = ubf!({knock, "a"});
    assert_eq!(done("open", &knock, true).as_deref(), Some("[{knocked,\"a\"}]"));
    assert_eq!(done("shut", &knock, true), None);
    assert_eq!(done("open", &knock, false), None, "it is no request");
}

#[test]
fn a_start_is_taken_as_the_script_says() {
    let script = door();
    assert_eq!(script.start(&ubf!([])), Ok((ubf!(ok), "shut".into())));
    assert_eq!(script.start(&ubf!({name, "Joe"})), Ok((ubf!({welcome, "Joe"}), "ajar".into())));
    assert_eq!(script.start(&ubf!({key, 1})), Err(ubf!(wrong_door)));
}

#[test]
fn a_pattern_fits_what_has_its_form() {
    let fits = |pattern: Term, term: Term| Bindings::of(&pattern, term.as_ref()).is_some();
    assert!(fits(ubf!([1, { a }]), ubf!([1, { a }])));
    assert!(!fits(ubf!([1]), ubf!({ 1 })) && !fits(ubf!([1]), ubf!([1, 2])));
    let tagged = |term: Term| term.tagged("t");
    assert!(fits(tagged(Term::atom("_")), tagged(ubf!(7))));
    assert!(!fits(tagged(Term::atom("_")), ubf!(7)) && !fits(ubf!("a"), ubf!(a)));
    assert!(!fits(tagged(Term::atom("_")), ubf!(7).tagged("u")));
}

#[test]
fn what_is_wrong_with_a_script_is_said_with_its_line() {
    let deep = format!("{{service,\"a\",s}}\n{{start,{}1{},x}}", "[".repeat(99), "]".repeat(99));
    let wrong = [
        ("", "1: no {service,Name,State} is here"),
        ("{crash,a,b}", "1: {service,\"Name\",State} is wanted before this: {crash,a,b}"),
        ("{service,\"a\",s}\n\n{reply}", "3: a service, start, reject, request, event or crash"),
        ("{service,\"a\",s}\n{service,\"a\",s}", "2: this service is there twice"),
        ("{service,\"a\",s}\n{start,1,'$1'}", "2: a variable is used that the pattern does not"),
        ("{service,\"a\",s}\n{request,s,'$1',ok,s,['$2']}", "2: a variable is used"),
        ("{service,\"a\",s}\n{event,s,a,b}", "2: a list of events is wanted"),
        ("{service,\"a\",s}\n{event,s,\n}", "3: expected"),
        (&deep, "2: this has more than 64 levels"),
    ];
    for (text, wanted) in wrong {
        let problem = read(text).unwrap_err();
        let said = format!("{}: {}", problem.line, problem.text);
        assert!(said.starts_with(wanted), "{said}");
    }
}
