//! `ubf from-json`, as it is called.

use crate::common::{bad, file, good, run_raw, ubf};

const LESSON: &str = include_str!("../../examples/lesson.ubf");

#[test]
fn writes_a_packet_for_each_document() {
    let documents = "[1,2]{\"a\":\n  null} \"x\"\n\n{\"$atom\":\"ok\"} true 1.50 -7";
    let packets = "#2&1&$\n#{\"a\"?}&`map`$\n\"x\"$\n'ok'$\n'true'$\n\"1.5\"`f`$\n-7$\n";
    assert_eq!(good(&["from-json"], documents), packets);
    assert_eq!(good(&["from-json", "-"], documents), packets);
    let path = file("from-json.json", documents.as_bytes());
    assert_eq!(good(&["from-json", path.to_str().unwrap(), "-"], "8"), format!("{packets}8$\n"));
    assert_eq!(good(&["from-json"], " \r\n"), "");
}

#[test]
fn writes_as_encode_does() {
    let json = r#"[{"$tuple":[{"$atom":"person"},"Joe"]},{"$tuple":[{"$atom":"person"},null]}]"#;
    let term = "[{person,\"Joe\"},{person,?}]";
    for options in [
        &[][..],
        &["--cached"],
        &["--pretty"],
        &["--classic"],
        &["--hex"],
        &["--no-newline"],
        &["--cached", "--classic", "--hex", "--no-newline"],
    ] {
        let encoded = good(&[&["encode"], options, &[term]].concat(), "");
        assert_eq!(good(&[&["from-json"], options].concat(), json), encoded);
        assert_eq!(good(&[&["from-json", "--lines"], options].concat(), json), encoded);
    }
}

/// `packets` are written as JSON and read again, in each layout.
#[track_caller]
fn comes_back(packets: &[u8]) {
    let (_, postfix, _) = run_raw(&["decode", "--postfix"], packets);
    assert!(!postfix.is_empty());
    for (to, from) in [
        (&["to-json"][..], &["from-json", "--lines"][..]),
        (&["to-json", "--pretty"], &["from-json", "--cached"]),
        (&["to-json"], &["from-json", "--pretty"]),
    ] {
        let (status, json, _) = run_raw(to, packets);
        assert_eq!(status, 0);
        let (status, back, err) = run_raw(from, json);
        assert_eq!((status, String::from_utf8_lossy(&err).as_ref()), (0, ""));
        assert_eq!(run_raw(&["decode", "--postfix"], back).1, postfix);
    }
}

#[test]
fn nothing_is_lost_on_the_way_there_and_back() {
    comes_back(LESSON.as_bytes());
    comes_back(b"4~\x00\xff$~~$ 0~~$");
    comes_back(b"9007199254740991$ 9007199254740992$ -123456789012345678901234567890123456789$");
    comes_back(
        b"1`t`$ #`a``b`$ \"1.5\"`f`$ \"-0.0\"`f`$ #{\"a\"1}&`map`$ #{\"a\"1}&{\"a\"2}&`map`$",
    );
    comes_back(
        b"?$ {?#?&}$ 'undefined'$ {}$ #$ ''$ \"\"$ 'true'$ 'null'$ #{\"$atom\"\"x\"}&`map`$",
    );
    comes_back(b"\"\xe9\xff\"$ '\xe9'$ 1`\xff`$ \"\\\"\\\\\n\x00\x7f\"$");
    comes_back("\"é日\u{1F600}\u{2028}\"$".as_bytes());
}

#[test]
fn a_float_keeps_its_value_and_not_the_digits_that_others_wrote() {
    let json = good(&["to-json"], "\"1.50\"`f`$ \"1e-7\"`f`$ \"1\"`f`$");
    assert_eq!(good(&["from-json"], json), "\"1.5\"`f`$\n\"1.0e-7\"`f`$\n\"1.0\"`f`$\n");
}

#[test]
fn plain_json_is_read_but_is_something_else() {
    let plain = good(&["to-json", "--plain"], "{'ok' 3~abc~}$");
    assert_eq!(good(&["from-json"], plain), "#\"abc\"&\"ok\"&$\n");
}

#[test]
fn each_line_is_a_document_with_lines() {
    assert_eq!(good(&["from-json", "--lines"], "1\r\n\n  [2] \n\"3\""), "1$\n#2&$\n\"3\"$\n");
    let ran = ubf(&["from-json", "--lines"], "1\n\n[2,\n3]\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, "1$\n"));
    assert_eq!(
        ran.err,
        "error: stdin: expected a value, at line 3, column 4\n\n  [2,\n     ^\n\n\
         hint: --lines wants a document a line; without it, one may span lines\n"
    );
    let message = bad(1, &["from-json", "--lines"], "\n  1 [2]\n");
    assert!(
        message.contains("expected the end, at line 2, column 5\n\n  1 [2]\n    ^\n"),
        "{message}"
    );
    assert!(message.contains("may hold several"), "{message}");
}

#[test]
fn an_error_points_and_documents_before_it_are_written() {
    let ran = ubf(&["from-json"], "[1] {\"é\":\n  [\"日\", tru]}\n2");
    assert_eq!((ran.status, ran.out.as_str()), (1, "#1&$\n"));
    assert_eq!(
        ran.err,
        "error: stdin: expected a value, at line 2, column 9\n\n    [\"日\", tru]}\n           ^\n\n\
         hint: JSON's words are null, true and false; an atom is {\"$atom\":\"ok\"}\n"
    );
    let message = bad(1, &["from-json"], "{\"a\":1");
    assert!(
        message.contains("at line 1, column 7\n\n  {\"a\":1\n        ^\n")
            && message.contains("cut short"),
        "{message}"
    );
    let message = bad(1, &["from-json"], " \n[\"a\n\"]");
    assert!(message.contains("at line 2, column 2\n\n  [\"a\n   ^\n\nhint: "), "{message}");
    let message = bad(1, &["from-json"], "[\"\\q\"]");
    assert!(message.contains("at line 1, column 4\n"), "{message}");
    let message = bad(1, &["from-json"], "{\"$ref\":\"x\"}");
    assert!(
        message.contains("begins with '$' and means nothing, at line 1, column 1\n"),
        "{message}"
    );
    for wrong in
        ["]", ",", "nul", "01", "1.", "1e999", "{\"$binary\":\"?\"}", "1true", "[1}", "\"\t\""]
    {
        assert_eq!(ubf(&["from-json"], wrong).status, 1, "{wrong}");
    }
}

#[test]
fn goes_on_with_the_next_file_after_a_bad_one() {
    let broken = file("from-json-broken.json", b"1 } 2");
    let path = broken.to_str().unwrap();
    let ran = ubf(&["from-json", path, "no/such/file", "-"], "3");
    assert_eq!((ran.status, ran.out.as_str()), (2, "1$\n3$\n"));
    assert!(
        ran.err.contains(&format!("error: {path}: expected a value, at line 1, column 3\n")),
        "{}",
        ran.err
    );
}

#[test]
fn text_that_is_not_utf_8_is_an_error_with_a_place() {
    let (status, out, err) = run_raw(&["from-json"], b"1\n\"a\xff\"\n".to_vec());
    let err = String::from_utf8(err).unwrap();
    assert_eq!((status, out.as_slice()), (1, &b"1$\n"[..]));
    assert!(err.contains("not UTF-8, at line 2, column 3") && err.contains("$binary"), "{err}");
}

#[test]
fn a_packet_that_peers_would_refuse_is_not_written() {
    let message = bad(1, &["from-json", "--max-depth", "2"], "\n[[[]]]");
    assert!(message.contains("nested deeper than 2 (max_depth), at line 2, column 7"), "{message}");
    assert!(message.contains("--max-depth allows more"), "{message}");
    assert!(bad(1, &["from-json"], "[".repeat(5000)).contains("nested deeper than 512"));
    assert!(bad(1, &["from-json"], "7".repeat(10_001)).contains("10000 digits"));
    let message = bad(1, &["from-json", "--max-packet-bytes", "10"], "\"0123456789\"");
    assert!(message.contains("--max-packet-bytes"), "{message}");
}

#[test]
fn json_of_others_is_taken_literally_where_one_asks_for_it() {
    let schema = r#"{"$ref":"x","a":{"$tuple":[{"$integer":"7"}]}}"#;
    let message = bad(1, &["from-json"], schema);
    assert!(message.contains("hint: --foreign takes keys that begin with $"), "{message}");
    let ran = ubf(&["from-json", "--foreign"], schema);
    let packet = "#{\"a\"#{\"$tuple\"##{\"$integer\"\"7\"}&`map`&}&`map`}&{\"$ref\"\"x\"}&`map`$\n";
    assert_eq!((ran.status, ran.out.as_str()), (0, packet), "{}", ran.err);
}
