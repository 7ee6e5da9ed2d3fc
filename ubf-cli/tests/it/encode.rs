//! `ubf encode`, as it is called.

use crate::common::{bad, file, good, run_raw, ubf};

#[test]
fn writes_a_packet_for_each_argument() {
    assert_eq!(
        good(&["encode", "{person,\"Joe\",123}", "[1,2]"], ""),
        "{'person'\"Joe\"123}$\n#2&1&$\n"
    );
    assert_eq!(good(&["encode", "-22"], ""), "-22$\n");
    assert_eq!(good(&["encode", "--no-newline", "1", "2"], ""), "1$2$");
}

#[test]
fn reads_the_files_that_erlang_programs_have() {
    let settings =
        "\u{feff}[{limits, #{connections =>\r\n 100}},\r\n {text, \"two \"\r\n \"lines\"}].\r\n";
    assert_eq!(
        good(&["encode", "-"], settings),
        "#{'text'\"two lines\"}&{'limits'#{'connections'100}&`map`}&$\n"
    );
}

#[test]
fn writes_each_style() {
    let term = "[{person,\"Joe\"},{person,\"Mike\"}]";
    assert_eq!(good(&["encode", "--cached", term], ""), "#{'person'>aa\"Mike\"}&{a\"Joe\"}&$\n");
    assert_eq!(
        good(&["encode", "--pretty", term], ""),
        "#{'person' \"Mike\"} & {'person' \"Joe\"} & $\n"
    );
    assert_eq!(ubf(&["encode", "--cached", "--pretty", "1"], "").status, 2);
}

#[test]
fn writes_undefined_as_the_dialect_wants_it() {
    assert_eq!(good(&["encode", "{?}"], ""), "{?}$\n");
    assert_eq!(good(&["encode", "--classic", "{?}"], ""), "{'undefined'}$\n");
}

#[test]
fn writes_hex_a_line_for_each_packet() {
    assert_eq!(good(&["encode", "--hex", "{}", "1"], ""), "7b7d24\n3124\n");
    assert_eq!(
        good(&["decode", "--hex"], good(&["encode", "--hex", "{a,<<0,255>>}"], "")),
        "{a,<<0,255>>}\n"
    );
}

#[test]
fn writes_bytes_as_they_are() {
    let (status, out, _) = run_raw(&["encode", "<<27,91,109,255>>"], "");
    assert_eq!((status, out.as_slice()), (0, &b"4~\x1b[m\xff~$\n"[..]));
}

#[test]
fn reads_terms_from_stdin_and_files() {
    let terms = "% people\n{person,\n \"Joe\"}.\n[1]\n\n'x y'. 1.5.";
    let packets = "{'person'\"Joe\"}$\n#1&$\n'x y'$\n\"1.5\"`f`$\n";
    assert_eq!(good(&["encode"], terms), packets);
    assert_eq!(good(&["encode", "-"], terms), packets);
    let path = file("encode-terms", terms.as_bytes());
    let path = path.to_str().unwrap();
    assert_eq!(good(&["encode", "--file", path], ""), packets);
    assert_eq!(good(&["encode", "-f", path, "-f", "-"], "7"), format!("{packets}7$\n"));
    assert_eq!(good(&["encode"], ""), "");
}

#[test]
fn what_decode_writes_encode_reads() {
    let packets = "{'a'\"b\\\"\\\\\"?#`t`}$\n3~\x00\x01\x02~$\n\"1.5\"`f`$\n'A b'$\n\"\"`x\\`y`$\n\"n\nn\"$\n";
    assert_eq!(good(&["encode"], good(&["decode"], packets)), packets);
}

#[test]
fn an_error_names_line_and_column_and_shows_them() {
    let ran = ubf(&["encode"], "{first,1}\n  {second,\n   \"x\" 3}\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, "{'first'1}$\n"));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(
        lines[0].starts_with("error: stdin: ") && lines[0].ends_with(", at line 3, column 8"),
        "{}",
        ran.err
    );
    assert_eq!(lines[2..4], ["     \"x\" 3}", "         ^"]);

    let ran = ubf(&["encode", "{\"é\",\"x\" 3}"], "");
    assert_eq!(
        ran.err,
        "error: expected ',' or '}', found '3', at column 10\n\n  {\"é\",\"x\" 3}\n           ^\n",
    );
    assert!(bad(1, &["encode", "é"], "").contains("at column 1\n\n  é\n  ^\n"));
}

#[test]
fn an_unfinished_term_is_an_error_at_its_end() {
    assert!(bad(1, &["encode", "{a,"], "").contains("at column 4"));
    assert!(bad(1, &["encode"], "\n{a,\n\"b").contains("at line 3, column "));
    assert_eq!(ubf(&["encode", ""], "").status, 1);
}

#[test]
fn text_that_is_not_utf_8_is_an_error_with_a_place() {
    let (status, _, err) = run_raw(&["encode"], b"1\n\"a\xff\"\n".to_vec());
    let err = String::from_utf8(err).unwrap();
    assert_eq!(status, 1);
    assert!(err.contains("not UTF-8, at line 2, column 3") && err.contains("\\xFF"), "{err}");
}

#[test]
fn a_packet_that_peers_would_refuse_is_not_written() {
    let deep = format!("{}{}", "{".repeat(600), "}".repeat(600));
    let message = bad(1, &["encode", &deep], "");
    assert!(
        message.contains("nested deeper than 512") && message.contains("--max-depth"),
        "{message}"
    );
    assert!(good(&["encode", "--max-depth", "600", &deep], "").starts_with("{{{"));
}

#[test]
fn marks_of_editors_get_a_hint_whatever_the_input() {
    let mark = b"\xEF\xBB\xBF";
    for (command, text) in [
        (&["decode"][..], &b"{}$\r\n"[..]),
        (&["check"], b"{}$\r\n"),
        (&["decode", "--hex"], b"7b7d24\r\n"),
    ] {
        let ran = ubf(command, [mark, text].concat());
        assert_eq!(ran.status, 1, "{command:?}");
        assert!(ran.err.contains("byte order mark: write the "), "{command:?}: {}", ran.err);
        // Without the mark the line ends do no harm.
        assert_eq!(ubf(command, text).status, 0, "{command:?}");
    }
    // Texts may have it.
    for (command, text) in [(&["encode"][..], &b"{sample,1}.\r\n"[..]), (&["from-json"], b"{}\r\n")]
    {
        assert_eq!(ubf(command, [mark, text].concat()), ubf(command, text), "{command:?}");
    }
    for command in [&["encode"][..], &["from-json"], &["decode"]] {
        let ran = ubf(command, b"\xFF\xFE{\0}\0$\0");
        assert!(ran.err.contains("hint: it looks like UTF-16"), "{command:?}: {}", ran.err);
    }
}
