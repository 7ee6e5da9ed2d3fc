//! `ubf contract`, as it is called.

use crate::common::server::{Server, nobody};
use crate::common::{bad, file, good, ubf};

const SHOP: &str = "+NAME(\"shop\").
+VSN(\"1\").

+TYPES
  buy() :: {buy, 1..9}; % how many
  bought() :: bought;
  no() :: {no, ubfstring()};
  bell() :: bell.

+STATE start
  buy() => bought() & paid | no() & start;
  EVENT => bell().

+STATE paid
  bell() => bell() & stop.
";

fn shop(name: &str, text: &str) -> String {
    file(name, text.as_bytes()).display().to_string()
}

#[test]
fn check_says_how_much_there_is_in_a_good_contract() {
    assert_eq!(good(&["contract", "check"], SHOP), "stdin: good, 2 states, 4 types\n");
}

#[test]
fn check_shows_all_errors_with_their_places() {
    let said = bad(
        1,
        &["contract", "check"],
        "+NAME(\"m\").\n+VSN(\"1\").\n+TYPES a() = a; b() :: c(ascii).\n+STATE s b() => b() & t.\n",
    );
    assert_eq!(
        said,
        "error: stdin:3:12: expected '::', found '='

  +TYPES a() = a; b() :: c(ascii).
             ^
error: stdin:3:26: only predefined types have attributes

  +TYPES a() = a; b() :: c(ascii).
                           ^^^^^
error: stdin:3:24: type c() is not defined

  +TYPES a() = a; b() :: c(ascii).
                         ^^^^^^^^
error: stdin:4:23: state t does not exist

  +STATE s b() => b() & t.
                        ^
"
    );
}

#[test]
fn check_warns_and_ends_well() {
    let ran = ubf(
        &["contract", "check", "--dialect", "1.16"],
        "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() = [x]{2}.\n",
    );
    assert_eq!((ran.status, ran.out.as_str()), (0, "stdin: good, 0 states, 1 type\n"));
    assert!(ran.err.contains("warning: stdin:1:37: servers of 1.16 take no list"), "{}", ran.err);
}

#[test]
fn check_answers_programs_in_json() {
    let ran = ubf(&["contract", "check", "--json"], "+NAME(\"m\").\n");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.status, &told["good"]), (1, &serde_json::json!(false)));
    let error = &told["errors"][0];
    assert_eq!((&error["code"], &error["line"]), (&"form-missing".into(), &2.into()));
}

#[test]
fn imports_come_from_the_folder_of_the_contract() {
    shop("units.con", "+NAME(\"units\"). +VSN(\"1\"). +TYPES metres() :: 0.. .\n");
    let road = shop("road.con", "+NAME(\"road\"). +VSN(\"1\"). +ANYSTATE metres() => metres().\n");
    let import = ["contract", "check", &road, "--import", "{units,[metres]}"];
    assert_eq!(good(&import, ""), format!("{road}: good, 0 states, 0 types\n"));
    assert!(bad(1, &import[..3], "").contains("type metres() is not defined"));
    let said = bad(2, &["contract", "check", &road, "--import", "{units,metres}"], "");
    assert!(
        said.contains("write library, {library,[name]} or {library,{except,[name]}}"),
        "{said}"
    );
}

#[test]
fn fmt_prints_the_one_form_and_checks_it() {
    let canonical = good(&["contract", "fmt"], "+VSN(\"1\"). +NAME(\"m\").% c\n+TYPES a()::{}.");
    assert_eq!(canonical, "+NAME(\"m\"). % c\n+VSN(\"1\").\n\n+TYPES\n  a() :: {}.\n");
    assert_eq!(good(&["contract", "fmt", "--check"], canonical.as_bytes()), "");
    let said = bad(1, &["contract", "fmt", "--check"], "+VSN(\"1\"). +NAME(\"m\").");
    assert!(said.starts_with("error: stdin: not in this form\n"), "{said}");
    let path = shop("written.con", "+VSN(\"1\"). +NAME(\"m\").% c\n+TYPES a()::{}.");
    assert_eq!(good(&["contract", "fmt", "--write", &path], ""), "");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), canonical);
}

#[test]
fn show_draws_the_states() {
    assert_eq!(
        good(&["contract", "show", "-"], SHOP),
        "shop\n\nstart\n  buy() -> bought(), then paid\n        -> no(), then start\n  \
         event to the client: bell()\n\npaid\n  bell() -> bell(), then stop\n"
    );
    let mermaid = good(&["contract", "show", "-", "--mermaid"], SHOP);
    assert!(mermaid.starts_with("stateDiagram-v2\n  s0 : start\n  s1 : paid\n  [*] --> s0\n"));
    assert!(mermaid.contains("\n  s1 --> [*] : bell() / bell()\n"), "{mermaid}");
    let graphviz = good(&["contract", "show", "-", "--graphviz"], SHOP);
    assert!(graphviz.contains("  \"start\" -> \"paid\" [label=\"buy() / bought()\"];\n"));
}

#[test]
fn test_answers_each_term() {
    let path = shop("test.con", SHOP);
    let ran = ubf(&["contract", "test", &path, "buy", "{buy,1}", "{buy,0}"], "");
    assert_eq!((ran.status, ran.out.as_str()), (1, "yes\nno element 2: expected 1..9, found 0\n"));
    assert_eq!(
        good(&["contract", "test", &path, "no()"], "{no,\"x\"}\n\n{no,\"\"}\n"),
        "yes\nyes\n"
    );
    let ran = ubf(&["contract", "test", &path, "buy"], "{buy,1}\n{buy\n");
    assert_eq!((ran.status, ran.out.as_str()), (2, "yes\n"));
    let said = bad(2, &["contract", "test", &path, "sell", "1"], "");
    assert!(said.ends_with("hint: its types are buy, bought, no, bell\n"), "{said}");
}

#[test]
fn strings_are_tuples_where_that_is_wanted() {
    let path = shop("strings.con", "+NAME(\"m\"). +VSN(\"1\"). +TYPES t() :: tuple().\n");
    assert_eq!(ubf(&["contract", "test", &path, "t", "\"s\""], "").status, 1);
    assert_eq!(good(&["contract", "test", &path, "t", "--as-stock", "\"s\""], ""), "yes\n");
}

#[test]
fn fake_makes_terms_that_test_takes() {
    let path = shop("fake.con", SHOP);
    let made = good(&["contract", "fake", &path, "no", "-n", "20", "--seed", "3"], "");
    assert_eq!(made.lines().count(), 20);
    assert_eq!(good(&["contract", "test", &path, "no"], made.as_bytes()), "yes\n".repeat(20));
    assert_eq!(good(&["contract", "fake", &path, "no", "-n", "20", "--seed", "3"], ""), made);
}

#[test]
fn diff_says_who_can_use_what_and_ends_so() {
    let old = shop("diff_old.con", SHOP);
    let new = shop("diff_new.con", &SHOP.replace("1..9", "1..99"));
    let ran = ubf(&["contract", "diff", &old, &new], "");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("old clients, new servers: yes\n"), "{}", ran.out);
    assert!(ran.out.contains("new clients, old servers: no\n"), "{}", ran.out);
    assert!(ran.out.ends_with("upgrade: servers first\n"), "{}", ran.out);
    assert!(ran.out.contains("request-refused"), "{}", ran.out);
    for (want, status) in [("backward", 0), ("forward", 1), ("both", 1)] {
        assert_eq!(ubf(&["contract", "diff", &old, &new, "--want", want], "").status, status);
    }
    assert!(good(&["contract", "diff", &old, &old], "").ends_with("upgrade: any order\n"));
    let said = bad(2, &["contract", "diff", &old, "/no/such/file"], "");
    assert!(said.starts_with("error: cannot read /no/such/file: "), "{said}");
}

#[test]
fn diff_speaks_to_programs() {
    let old = shop("diff_json_old.con", SHOP);
    let new = shop("diff_json_new.con", &SHOP.replace("1..9", "1..99"));
    let told: serde_json::Value =
        serde_json::from_str(&ubf(&["contract", "diff", &old, &new, "--json"], "").out).unwrap();
    assert_eq!((&told["backward"], &told["forward"]), (&"yes".into(), &"no".into()));
    assert_eq!(told["findings"][0]["change"], "request-refused");
    let github = ubf(&["contract", "diff", &old, &new, "--format", "github"], "").out;
    assert!(github.starts_with("::error file="), "{github}");
    let sarif: serde_json::Value =
        serde_json::from_str(&ubf(&["contract", "diff", &old, &new, "--format", "sarif"], "").out)
            .unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "request-refused");
}

#[test]
fn show_asks_a_server_for_its_contract() {
    let server = Server::of_2003();
    let asked = ["contract", "show", &server.address, "--service", "irc"];
    let shown = good(&asked, "");
    assert!(
        shown.starts_with("irc\n\nactive\n  groups() -> group_list(), then active\n"),
        "{shown}"
    );
    assert!(shown.contains("\nstart\n  logon() -> welcome(), then active\n"), "{shown}");
    // Told as a text, it is the contract that the server has.
    let text = good(&[&asked[..], &["--text"]].concat(), "");
    let told = shop("told-irc.con", &text);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../ubf-node/contracts/irc-2.con");
    let same = good(&["contract", "diff", file, &told, "--same-results"], "");
    assert!(
        same.starts_with("old clients, new servers: yes\nnew clients, old servers: yes\n"),
        "{same}"
    );

    let said = bad(2, &["contract", "show", &server.address, "--service", "chat"], "");
    assert!(said.contains("what it answers to 'contract' is no contract: "), "{said}");
    let said = bad(2, &["contract", "show", &nobody()], "");
    assert!(said.contains("no server can be used"), "{said}");
    let said = bad(2, &["contract", "show", "/nonexistent.con"], "");
    assert!(said.contains("cannot read /nonexistent.con"), "{said}");
}

#[test]
fn diff_asks_a_server_for_its_contract() {
    let server = Server::of_2003();
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../ubf-node/contracts");
    let [old, new] = [1, 2].map(|version| format!("{contracts}/irc-{version}.con"));
    let same = ["contract", "diff", &new, &server.address, "--service", "irc"];
    assert_eq!(
        good(&same, ""),
        "old clients, new servers: yes\nnew clients, old servers: yes\nupgrade: any order\n"
    );
    // What is deployed, against what is to come; the places are those of what `show --text` writes.
    let changed = ubf(&["contract", "diff", &server.address, &old, "--service", "irc"], "");
    assert_eq!(changed.status, 1, "{}", changed.out);
    assert!(changed.out.contains("/irc-1.con:"), "{}", changed.out);
    let lone = ["contract", "diff", &old, &server.address, "--service", "irc", "--json"];
    let report: serde_json::Value = serde_json::from_str(&ubf(&lone, "").out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let told = findings.iter().find(|finding| finding["file"] == server.address.as_str()).unwrap();
    assert!(told["line"].as_u64().unwrap() > 1, "{told}");

    let said = bad(2, &["contract", "diff", &old, &nobody()], "");
    assert!(said.contains("no server can be used"), "{said}");
}
