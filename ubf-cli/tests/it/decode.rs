//! `ubf decode`, as it is called.

use crate::common::{bad, file, good, ubf};

#[test]
fn shows_a_line_for_each_packet() {
    let packets = "'person'>p # {p \"Joe\" 123} & {p 'fred' 3~abc~} & $\n?$\n\"1.5\"`f`$ 1`t`$";
    let terms = "[{person,fred,<<\"abc\">>},{person,\"Joe\",123}]\n?\n1.5\n1`t`\n";
    assert_eq!(good(&["decode"], packets), terms);
    assert_eq!(good(&["decode", "-"], packets), terms);
}

#[test]
fn shows_postfix() {
    assert_eq!(
        good(&["decode", "--postfix"], "{'a' \"\" 2~\x00~~ #1& ?}`g`$"),
        "a:61 s: b:007e i:1 l:1 u t:5 g:67\n"
    );
}

#[test]
fn shows_json_that_a_program_can_read() {
    let line = good(&["decode", "--json"], "{'a' \"x\" 123456789012345678901234567890}$1$");
    let documents: Vec<serde_json::Value> = line
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON document a line"))
        .collect();
    assert_eq!(documents.len(), 2);
    assert!(line.contains("123456789012345678901234567890"));
}

#[test]
fn shows_headers() {
    let client = "0 {'a'}$\n10 1$";
    assert_eq!(good(&["decode", "--client"], client), "0 {a}\n10 1\n");
    assert_eq!(good(&["decode", "--client", "--postfix"], client), "0 a:61 t:1\n10 i:1\n");
    let server = "10 ? {'a'}$\n3 \"192.0.2.7:4000,[2001:db8::1]:4000,b.example:1\" 1$";
    assert_eq!(
        good(&["decode", "--server"], server),
        "10 ? {a}\n3 \"192.0.2.7:4000,[2001:db8::1]:4000,b.example:1\" 1\n"
    );
    let json = good(&["decode", "--server", "--json"], server);
    let documents: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents[0]["version"], 10);
    assert!(documents[0]["next_ip"].is_null());
    assert_eq!(documents[1]["next_ip"][1], "[2001:db8::1]:4000");
    assert!(json.starts_with("{\"version\":10,\"next_ip\":null,\"body\":"));
    let json = good(&["decode", "--client", "--json"], client);
    assert!(json.starts_with("{\"version\":0,\"body\":"), "{json}");
}

#[test]
fn a_header_is_read_in_whatever_pieces_it_comes() {
    let body = format!("10 ? \"{}\"$\n", "x".repeat(200_000));
    let packets = body.repeat(5);
    let out = good(&["decode", "--server"], packets);
    assert_eq!(out.lines().count(), 5);
    assert!(out.lines().all(|line| line.len() == 200_007));
}

#[test]
fn the_dialect_decides_about_the_question_mark() {
    assert_eq!(good(&["decode", "--classic"], "'ok'>?{??}$ ?$"), "{ok,ok}\n?\n");
    let message = bad(1, &["decode"], "'ok'>?{??}$");
    assert!(message.contains("at byte 5\n\nhint: ") && message.contains("--classic"), "{message}");
    assert_eq!(ubf(&["decode", "--classic", "--client"], "").status, 2);
}

#[test]
fn any_escape_must_be_asked_for() {
    assert_eq!(good(&["decode", "--any-escape"], r"'a\nb'$"), "anb\n");
    assert!(bad(1, &["decode"], r"'a\nb'$").contains("--any-escape"));
}

#[test]
fn an_error_is_one_line_and_a_hint_and_packets_before_it_are_shown() {
    let ran = ubf(&["decode"], "1$ {2}$ {q}$ 3$");
    assert_eq!(ran.status, 1);
    assert_eq!(ran.out, "1\n{2}\n");
    assert_eq!(
        ran.err,
        "error: stdin: register 'q' is read before it is stored, at byte 9\n\n\
         hint: registers live for one packet and end at its $\n"
    );
}

#[test]
fn reads_hex_in_one_line_or_many() {
    assert_eq!(good(&["decode", "--hex"], "7b 31 20\n32 7D\n\n24 3124"), "{1,2}\n1\n");
    let ran = ubf(&["decode", "--hex"], "3124\n3224 3");
    assert_eq!((ran.status, ran.out.as_str()), (1, "1\n2\n"));
    assert!(ran.err.contains("at line 2, column 6"), "{}", ran.err);
    assert!(
        bad(1, &["decode", "--hex"], "zz").contains("'z' is no hex digit, at line 1, column 1")
    );
    assert!(bad(1, &["decode"], "7b31 7d24").contains("--hex"));
}

#[test]
fn reads_files_in_their_order_and_goes_on_after_a_bad_one() {
    let one = file("decode-one.ubf", b"1$\n");
    let broken = file("decode-broken.ubf", b"2$}$");
    let three = file("decode-three.ubf", b"3$");
    let paths = [&one, &broken, &three].map(|path| path.to_str().unwrap());
    let ran = ubf(&["decode", paths[0], paths[1], "-", "no/such/file", paths[2]], "4$");
    assert_eq!(ran.status, 2, "what cannot be read outweighs what is wrong");
    assert_eq!(ran.out, "1\n2\n4\n3\n");
    assert!(
        ran.err.contains(&format!("error: {}: '}}' with no tuple open, at byte 2\n", paths[1])),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("error: cannot read no/such/file: No such file or directory\n"),
        "{}",
        ran.err
    );
}

#[test]
fn nothing_holds_no_packets() {
    assert_eq!(good(&["decode"], ""), "");
    assert_eq!(good(&["decode"], " \n %only a comment% \n"), "");
    assert_eq!(good(&["decode", "--client"], "\n"), "");
}

#[test]
fn an_input_that_is_cut_short_is_wrong_wherever_it_is_cut() {
    let packet = b"'a'>r {r \"\\\"\" 3~$$$~ -12`t` ?}$";
    for cut in 1..packet.len() {
        let message = bad(1, &["decode"], &packet[..cut]);
        assert!(
            message.contains(&format!("the input ends inside a packet, at byte {cut}\n")),
            "{message}"
        );
    }
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..50 {
        let garbage: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .take(500)
        .collect();
        for args in [
            ["decode", "--json"],
            ["decode", "--client"],
            ["check", "-v"],
            ["fmt", "--cached"],
            ["trace", "--classic"],
        ] {
            let ran = ubf(&args, garbage.clone());
            assert_eq!(ran.status, 1, "{args:?} {garbage:?}");
            assert!(ran.err.starts_with("error: stdin: "), "{}", ran.err);
        }
    }
}

#[test]
fn registers_that_double_end_in_a_limit() {
    let mut packet = b"'x'>a".to_vec();
    for register in b'b'..=b'z' {
        packet.extend([b'{', register - 1, register - 1, b'}', b'>', register]);
    }
    packet.extend(b"z$");
    let message = bad(1, &["decode"], packet.clone());
    assert!(
        message.contains("hint: --max-expanded-nodes raises this limit, which is 1048576 here"),
        "{message}"
    );
    let message = bad(1, &["decode", "--max-expanded-nodes", "100"], packet);
    assert!(message.contains("more than 100 terms"), "{message}");
}

#[test]
fn limits_can_be_raised_and_lowered() {
    let deep = [vec![b'{'; 600], vec![b'}'; 600], vec![b'$']].concat();
    assert!(
        bad(1, &["decode"], deep.clone())
            .contains("--max-depth raises this limit, which is 512 here")
    );
    assert!(good(&["decode", "--max-depth=600"], deep).starts_with("{{{"));
    let long = format!("\"{}\"$", "x".repeat(5000));
    assert!(
        bad(1, &["decode", "--max-packet-bytes", "4KiB"], long.clone())
            .contains("--max-packet-bytes")
    );
    assert_eq!(good(&["decode", "--max-packet-bytes", "5KiB"], long).len(), 5003);
    assert_eq!(ubf(&["decode", "--max-packet-bytes", "5kb"], "").status, 2);
}
