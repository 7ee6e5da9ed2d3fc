//! Every example does what it says: those of all help texts, of README.md, of the book and of the
//! other documents. What is not run has its reason here.

mod scene;
mod text;

use std::collections::BTreeSet;

use self::scene::Scene;
use self::text::{Example, documents, of_document, of_help, spans};
use crate::common::{good, ubf};

/// Examples that are not run, by how they begin, and why. Those of the tool are still spelled
/// right: its command line is read.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo ", "it builds all of this again; CI does it"),
    ("ubf-conformance ", "a program of another crate, whose tests read its examples"),
    (
        "ubf serve --classic 127.0.0.1:4001 --gateway",
        "it wants the servers behind it; a test of ubf-node has them",
    ),
    (
        "ubf serve --listen 0.0.0.0:4000 --tls-cert a.pem",
        "it wants a certificate; tests of ubf-node have some",
    ),
    (
        "ubf call --ca ca.pem ubfs://a.example:4000",
        "the name is nobody's; tests of ubf-node call with TLS",
    ),
    (
        "ubf admin --control ubfs://a.example:4001",
        "it wants certificates; a test of the tool has some",
    ),
    (
        "ubf upgrade --control /tmp/ubf.sock",
        "the server that takes its place is nobody's child; tests of the tool upgrade one",
    ),
    ("ubf admin hand-off --to", "it wants another node; tests of ubf-node have two"),
    ("guestbook ", "a node of one's own; the example of that name has tests of its process"),
    ("ubf call --service guestbook", "the node is the example's, whose tests call it"),
    ("ubf admin --control /run/guestbook.socket", "the node is the example's, as before"),
    ("ubf upgrade --control /run/guestbook.socket", "its tests upgrade it in place"),
    ("ubf release build target/release/guestbook", "it is not built there"),
    ("ubf release sign guestbook-2", "its manifest was not made"),
    ("ubf attack 127.0.0.1:4000", "takes minutes; the heavy tests attack a server of ours"),
    ("ubf attack ubfs://", "it wants certificates; the heavy tests have some"),
    ("ubf attack --classic --start", "takes minutes; the heavy tests attack a port of ours"),
    ("ubf agent ", "it serves until it is killed; tests of the tool run agents and nodes"),
    ("ubf rollout run ", "it wants a fleet with agents; tests of the tool have some"),
    ("ubf rollout status ", "the rollout has not begun without a fleet"),
    ("ubf rollout pause ", "the same"),
    ("ubf rollout resume ", "the same"),
    ("ubf rollout abort ", "the same"),
    ("ubf rollout finalize ", "the same"),
    ("ubf switch ", "it wants nodes, and goes on until Ctrl-C; tests of the tool run some"),
    ("ubf dashboard ", "goes on until Ctrl-C; tests of the tool and of ubf-node look at one"),
    ("ubf admin --control /run/a.socket,/run/b.socket status --watch", "goes on until Ctrl-C"),
    (
        "printf \"1 {'withdraw''all'10}\\$\" | socat",
        "not every machine has socat; a test of ubf-node does it",
    ),
];

/// Examples that show how something goes wrong: their exit status is 1.
const FAIL: &[&str] = &[
    "echo \"{1}\\$ {'person' p}\\$\" | ubf check",
    "echo \"{'person' p}\\$\" | ubf check",
    "echo '{{{1}}}$' | ubf check --max-depth 2 --json",
    "printf '%s\\n' '[1,2]' '[3,]' | ubf from-json --lines",
    "ubf contract test /tmp/ubf-lamp.con on '{on,3}' '{on,12}'",
];

/// Words that stand for something in the text around an example.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("NUMBER", "7"),
    ("NEXTIP", "b.example:4000"),
    ("ADDRESS", "127.0.0.1:4000"),
    ("VERSION", "10"),
    ("COMMAND", "decode"),
    ("FILTER", "debug"),
];

/// Runs the examples of one text, in their order and in one scene.
fn run_all(examples: &[Example]) {
    let mut scene = Scene::new();
    for example in examples {
        let Example { place, line, shown } = example;
        if let Some((_, _reason)) = NOT_RUN.iter().find(|(start, _)| line.starts_with(start)) {
            is_spelled_right(place, line);
            continue;
        }
        let Some((status, output)) = scene.run(line) else { continue };
        let wanted = i32::from(FAIL.contains(&line.as_str()));
        assert_eq!(status, wanted, "{place}: {line}\n{output}");
        if let Some(shown) = shown {
            let shown = scene.adapted(shown);
            assert!(
                is_as_shown(&output, &shown),
                "{place}: {line}\nis:\n{output}\nshown:\n{shown}"
            );
        }
    }
}

/// `…` in what is shown stands for anything.
fn is_as_shown(output: &str, shown: &str) -> bool {
    let (output, shown) = (output.trim_end(), shown.trim_end());
    let Some((start, others)) = shown.split_once('…') else { return output == shown };
    let Some(mut rest) = output.strip_prefix(start) else { return false };
    let (middle, end) = others.rsplit_once('…').unwrap_or(("", others));
    for part in middle.split('…') {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    for shown in ["a b c", "a … c", "…", "… c", "a …", "…b…", "a …b… c"] {
        assert!(is_as_shown("a b c\n", shown), "{shown}");
    }
    for shown in ["a b", "b …", "… b", "…c…a…", "a … d"] {
        assert!(!is_as_shown("a b c\n", shown), "{shown}");
    }
}

/// The tool takes a command line as it stands, as far as it can be read.
fn is_spelled_right(place: &str, line: &str) {
    let Some(line) = line.strip_prefix("ubf ") else { return };
    let line = line.split([';', '|', '#', '&']).next().unwrap_or_default();
    let words = line.split_whitespace().map(|word| {
        let known = PLACEHOLDERS.iter().find(|(placeholder, _)| *placeholder == word);
        let word = known.map_or(word, |(_, word)| word);
        // A shell's own words come as something that fits.
        if word.starts_with('$') || word.starts_with("\"$") { "1" } else { word }
    });
    // A backslash is where a long line goes on.
    let words: Vec<&str> = words.filter(|word| !word.ends_with(")\"") && *word != "\\").collect();
    let help: &[&str] = if words == ["help"] { &[] } else { &["--help"] };
    // What is behind `agent` is read by the agent, which starts with it.
    let (words, others) = words.split_at(if words[0] == "agent" { 1 } else { words.len() });
    let ran = ubf(&[words, help, others].concat(), "");
    assert_eq!(ran.status, 0, "{place}: ubf {line}\n{}", ran.err);
}

/// The commands that a help text lists, after these words.
fn commands(words: &[&str]) -> Vec<String> {
    let help = good(&[words, &["--help"]].concat(), "");
    // The REPL has commands too, which are no words of the command line.
    let Some((_, list)) = help.split_once("<COMMAND>\n\nCommands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(words: &[&str]) -> Vec<Example> {
    let text = good(&[words, &["--help"]].concat(), "");
    of_help(&format!("help of ubf {}", words.join(" ")), &text)
}

/// Those whose examples need a server as a process have tests of their own.
const OWN_TESTS: &[&str] = &["serve", "admin", "upgrade"];
/// Commands whose help has no examples: there is nothing to show but themselves.
const WITHOUT_EXAMPLES: &[&str] = &["version", "completions", "man"];

#[test]
fn every_example_of_the_help_does_what_it_says() {
    run_all(&help(&[]));
    for command in commands(&[]) {
        if OWN_TESTS.contains(&command.as_str()) || WITHOUT_EXAMPLES.contains(&command.as_str()) {
            continue;
        }
        let examples = help(&[&command]);
        assert!(examples.len() >= 3, "{command}");
        run_all(&examples);
        for verb in commands(&[&command]) {
            run_all(&help(&[&command, &verb]));
        }
    }
}

#[test]
fn every_example_of_the_servers_help_does_what_it_says() {
    let text = good(&["serve", "--help"], "");
    let examples = of_help("help of ubf serve", &text);
    assert!(examples.len() >= 5, "{examples:?}");
    run_all(&examples);
}

#[test]
fn every_example_of_the_operators_help_does_what_it_says() {
    let examples = help(&["admin"]);
    let used: BTreeSet<&str> = examples
        .iter()
        .filter_map(|example| example.line.split(" admin ").nth(1))
        .flat_map(str::split_whitespace)
        .collect();
    let verbs = commands(&["admin"]);
    assert!(verbs.len() > 10, "{verbs:?}");
    for verb in verbs {
        let is_shown =
            used.contains(verb.as_str()) || ["peers", "shutdown"].contains(&verb.as_str());
        assert!(is_shown, "{verb} has no example");
    }
    run_all(&examples);
}

#[test]
fn every_example_of_the_documents_does_what_it_says() {
    let mut count = 0;
    for (name, text) in documents() {
        let examples = of_document(&name, &text);
        count += examples.len();
        run_all(&examples);
    }
    assert!(count >= 8, "{count} examples: they are no longer found");
}

/// `ubf …` within a text is no example to run, but it is spelled right.
#[test]
fn every_command_line_in_the_documents_is_spelled_right() {
    let mut count = 0;
    for (name, text) in documents() {
        for (place, span) in spans(&name, &text) {
            count += 1;
            is_spelled_right(&place, &span);
        }
    }
    assert!(count >= 20, "{count} command lines: they are no longer found");
}

/// What is listed as not run, or as failing, is still there.
#[test]
fn no_reason_is_left_of_an_example_that_is_gone() {
    let mut all = help(&[]);
    for command in commands(&[]) {
        all.extend(help(&[&command]));
    }
    for (name, text) in documents() {
        all.extend(of_document(&name, &text));
    }
    for (start, reason) in NOT_RUN {
        assert!(all.iter().any(|example| example.line.starts_with(start)), "{start}: {reason}");
    }
    for line in FAIL {
        assert!(all.iter().any(|example| example.line == *line), "{line}");
    }
}
