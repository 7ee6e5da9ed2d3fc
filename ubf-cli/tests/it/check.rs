//! `ubf check`, as it is called.

use crate::common::{bad, file, good, ubf};

#[test]
fn says_that_input_is_valid() {
    assert_eq!(good(&["check"], "{1 2}$ {3}$\n"), "stdin: valid, 2 packets\n");
    assert_eq!(good(&["check"], ""), "stdin: valid, 0 packets\n");
    assert_eq!(good(&["check", "--client"], "10 1$"), "stdin: valid, 1 packet\n");
    assert_eq!(good(&["check", "--server"], "10 ? 1$"), "stdin: valid, 1 packet\n");
}

#[test]
fn shows_the_first_error_with_a_caret_the_rule_and_a_hint() {
    assert_eq!(
        bad(1, &["check"], "{1}$\n{'person' p}$\n{'x' q}$\n"),
        "error: stdin: register 'p' is read before it is stored, at byte 15

  \\n{'person' p}$\\n{'x' q}$\\n
              ^
  rule W6: any byte that is no operator names a register, once > stored it
  in packet 2, which begins at byte 4

hint: registers live for one packet and end at its $
"
    );
}

#[test]
fn the_place_and_the_help_fit_eighty_columns() {
    let long = format!("{{\"{}\" q {}}}$", "é".repeat(300), "'x' ".repeat(100));
    let wrong: Vec<Vec<u8>> = vec![
        long.into_bytes(),
        [vec![0x80; 300], b"$".to_vec()].concat(),
        [vec![b'{'; 600]].concat(),
        b"-$".to_vec(),
        b"'\\n'$".to_vec(),
        b"~a~$".to_vec(),
        b"-1~a~$".to_vec(),
        b"1~ab~$".to_vec(),
        b"&$".to_vec(),
        b"{}1&$".to_vec(),
        b">a$".to_vec(),
        b"1>1$".to_vec(),
        b"1>?$".to_vec(),
        b"`t`$".to_vec(),
        b"}$".to_vec(),
        b"$".to_vec(),
        b"{$".to_vec(),
        b"1 2$".to_vec(),
        b"1".to_vec(),
        b"10 ? 1$".to_vec(),
        b"10 1$".to_vec(),
        b"7b24".to_vec(),
    ];
    for input in wrong {
        let message = bad(1, &["check"], input);
        for line in message.lines().skip(1) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn input_that_ends_inside_a_packet_says_so() {
    let message = bad(1, &["check"], "{1}$ {'unfinished");
    assert!(
        message.starts_with("error: stdin: the input ends inside a packet, at byte 17\n"),
        "{message}"
    );
    assert!(message.contains("{'unfinished\n"), "{message}");
    assert!(message.contains("in packet 2, which begins at byte 4"), "{message}");
}

#[test]
fn headers_are_checked() {
    let message = bad(1, &["check", "--client"], "10 1$\n010 1$");
    assert!(message.contains("at byte 7\n"), "{message}");
    assert!(bad(1, &["check", "--client"], "{1}$").contains("without --client"));
    assert!(bad(1, &["check", "--server"], "10 {1}$").contains("read it with --client"));
    assert!(bad(1, &["check", "--client"], "10 ? {1}$").contains("read it with --server"));
    assert!(bad(1, &["check"], "10 ? {1}$").contains("read it with --server"));
    assert!(bad(1, &["check"], "10 {1}$").contains("read it with --client"));
}

#[test]
fn statistics_are_shown_when_asked_for() {
    let out = good(&["check", "--verbose"], "{'person'>p p p}$ 1$");
    assert!(out.starts_with("stdin: valid, 2 packets\n"), "{out}");
    for line in [
        "  bytes                      20                 17",
        "  registers                   1                  1",
        "  depth                                          1",
    ] {
        assert!(out.lines().any(|found| found == line), "{line:?} in\n{out}");
    }
}

#[test]
fn programs_get_everything_as_json() {
    let ran = ubf(&["check", "--json"], "{'a'>r r}$ {q}$");
    assert_eq!((ran.status, ran.err.as_str()), (1, ""));
    let result: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(result["input"], "stdin");
    assert_eq!(result["valid"], false);
    assert_eq!(result["packets"], 1);
    assert_eq!(result["most"]["depth"], 1);
    assert_eq!(result["total"]["registers"], 1);
    assert_eq!(result["error"]["code"], "unset-register");
    assert_eq!(result["error"]["rule"], "W6");
    assert_eq!(result["error"]["offset"], 12);
    assert_eq!(result["error"]["packet"], 2);
    assert_eq!(result["error"]["packet_offset"], 10);
    assert_eq!(result["error"]["excerpt"], " {q}$");
    assert_eq!(result["error"]["caret"], 2);

    let valid: serde_json::Value = serde_json::from_str(&good(&["check", "--json"], "1$")).unwrap();
    assert_eq!(valid["valid"], true);
    assert!(valid["error"].is_null());
}

#[test]
fn each_file_has_its_own_verdict() {
    let valid = file("check-valid.ubf", b"1$");
    let wrong = file("check-wrong.ubf", b"1");
    let (valid, wrong) = (valid.to_str().unwrap(), wrong.to_str().unwrap());
    let ran = ubf(&["check", wrong, valid], "");
    assert_eq!(ran.status, 1);
    assert_eq!(ran.out, format!("{valid}: valid, 1 packet\n"));
    assert!(ran.err.starts_with(&format!("error: {wrong}: ")), "{}", ran.err);
}

#[test]
fn bytes_that_a_terminal_would_obey_are_shown_as_escapes() {
    let message = bad(1, &["check"], "'\x1b[31m\u{202e}' q$");
    assert!(message.contains("'\\x1B[31m\\xE2\\x80\\xAE' q$"), "{message}");
    assert!(!message.contains('\x1b'));
}
