//! `ubf to-json`, as it is called.

use crate::common::{bad, file, good, ubf};

const LESSON: &str = include_str!("../../examples/lesson.ubf");

#[test]
fn writes_one_document_a_line_however_many_there_are() {
    let one = "{\"$tuple\":[{\"$atom\":\"a\"},[1,null]]}\n";
    assert_eq!(good(&["to-json"], "{'a' #?&1&}$"), one);
    assert_eq!(good(&["to-json", "--lines"], "{'a' #?&1&}$ {'a' #?&1&}$"), one.repeat(2));
    assert_eq!(good(&["to-json", "-"], ""), "");
    let path = file("to-json.ubf", b"1$2$");
    assert_eq!(good(&["to-json", path.to_str().unwrap(), "-"], "3$"), "1\n2\n3\n");
    assert_eq!(good(&["to-json", "--hex"], "3124\n3224"), "1\n2\n");
}

#[test]
fn a_line_break_in_a_string_breaks_no_line() {
    assert_eq!(good(&["to-json"], "\"a\nb\"$"), "\"a\\nb\"\n");
}

#[test]
fn says_what_decode_says() {
    for (side, packets) in [
        (&[][..], LESSON),
        (&["--classic"], "'ok'>?{??}$ ?$"),
        (&["--any-escape"], r"'a\nb'$"),
        (&["--client"], "0 {'a'}$\n10 1$"),
        (&["--server"], "10 ? {'a'}$\n3 \"192.0.2.7:4000,b.example:1\" 1$"),
    ] {
        assert_eq!(
            good(&[&["to-json"], side].concat(), packets),
            good(&[&["decode", "--json"], side].concat(), packets)
        );
    }
}

#[test]
fn plain_is_for_people() {
    let packets = "{'ok' 3~abc~ 1`t` #{'age' 68}&`plist`}$";
    assert_eq!(good(&["to-json", "--plain"], packets), "[\"ok\",\"abc\",1,{\"age\":68}]\n");
    assert_eq!(
        good(&["to-json", "--plain"], "123456789012345678901234567890$"),
        "123456789012345678901234567890\n"
    );
    let server = "10 ? {'a'}$";
    assert_eq!(
        good(&["to-json", "--plain", "--server"], server),
        "{\"version\":10,\"next_ip\":null,\"body\":[\"a\"]}\n"
    );
}

#[test]
fn pretty_is_the_same_in_more_lines() {
    let lines = good(&["to-json"], LESSON.repeat(2));
    let pretty = good(&["to-json", "--pretty"], LESSON.repeat(2));
    assert!(
        pretty.starts_with(
            "[\n  {\n    \"$tuple\": [\n      {\n        \"$atom\": \"person\"\n      },\n"
        ),
        "{pretty}"
    );
    let read = |text: &str| -> Vec<serde_json::Value> {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("JSON")
    };
    assert_eq!(read(&pretty), read(&lines));
    assert_eq!(good(&["from-json"], pretty), good(&["from-json", "--lines"], lines));
    assert_eq!(
        good(&["to-json", "--pretty", "--plain"], "{#2&1&{}}$"),
        "[\n  [\n    1,\n    2\n  ],\n  []\n]\n"
    );
}

#[test]
fn an_error_is_that_of_decode_and_packets_before_it_are_written() {
    let ran = ubf(&["to-json"], "1$ {q}$");
    assert_eq!((ran.status, ran.out.as_str()), (1, "1\n"));
    assert_eq!(ran.err, ubf(&["decode"], "1$ {q}$").err);
    assert!(bad(1, &["to-json", "--max-depth", "2"], "{{{}}}$").contains("--max-depth"));
    assert_eq!(ubf(&["to-json", "no/such/file"], "").status, 2);
}
