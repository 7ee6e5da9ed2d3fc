//! Printing: one form for each contract, no comment lost, and nothing changes the second time.

use ubf_contract::{ContractDialect, Reader};

/// Prints a contract of 2.x, and checks that it reads back as itself and prints the same again.
fn printed(text: &str) -> String {
    printed_in(ContractDialect::V2, text)
}

fn printed_in(dialect: ContractDialect, text: &str) -> String {
    let reader = Reader::new().with_dialect(dialect);
    let contract = reader.read(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let printed = contract.print();
    let again = reader.read(&printed).unwrap();
    assert_eq!(again, contract, "{}", printed.escape_ascii());
    assert_eq!(again.print(), printed, "{}", printed.escape_ascii());
    String::from_utf8(printed).unwrap()
}

#[test]
fn forms_come_in_one_order_and_items_on_lines_of_their_own() {
    let text = "+ANYSTATE EVENT<=a(); a()=>b(). +STATE s a()=>b()&s|a()&stop;EVENT=>b(). +STATE 'S' a()=>a()&s.
        +TYPES a()::[ 1 ]{ 2 , } ;'B'():: { } | #r { x = 5 :: [ ]}; b() :: 'B'()? ``. +VSN(\"v\"). +NAME(\"n\").";
    assert_eq!(
        printed(text),
        "\
+NAME(\"n\").
+VSN(\"v\").

+TYPES
  a() :: [1]{2,};
  'B'() :: {} | #r{x = 5 :: []};
  b() :: 'B'()? ``.

+STATE s
  a() => b() & s | a() & stop;
  EVENT => b().

+STATE 'S'
  a() => a() & s.

+ANYSTATE
  EVENT <= a();
  a() => b().
"
    );
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let text = "\
% the file

% the name
+NAME(\"n\"). % behind the name
% the version
+VSN(\"v\").


% the types
+TYPES % on the first line
a() :: a; % behind a


% before b
b() :: {b, % in b
  % more in b
  b};
% before c

c() :: c % inside the end of c
. % behind c
% the state
+STATE s % on the line of the state
  a() => b() & s; % behind the rule

  b() => % in the rule
    c() & s.
% the end

% the very end";
    assert_eq!(
        printed(text),
        "\
% the file

% the name
+NAME(\"n\"). % behind the name

% the version
+VSN(\"v\").

% the types
+TYPES
  % on the first line
  a() :: a; % behind a

  % before b
  % in b
  % more in b
  b() :: {b, b};
  % before c

  % inside the end of c
  c() :: c. % behind c

% the state
+STATE s
  % on the line of the state
  a() => b() & s; % behind the rule

  % in the rule
  b() => c() & s.
% the end

% the very end
"
    );
}

#[test]
fn what_does_not_fit_a_line_is_broken() {
    let long = "a_name_that_is_rather_long_for_what_it_is";
    let text = format!(
        "+NAME(\"n\"). +VSN(\"v\"). +TYPES a() :: {long} | {{{long}, {long}, [{long} | {long}b | {long}c]+}};
         b() :: #{long}{{one::{long}, two::{long}|{long}|{long}}} \"about b\".
         +STATE s a() => b() & {long} | b() & s | b() & {long}. +STATE {long} b() => a() & s."
    );
    assert_eq!(
        printed(&text),
        format!(
            "\
+NAME(\"n\").
+VSN(\"v\").

+TYPES
  a() ::
      {long}
    | {{
        {long},
        {long},
        [
            {long}
          | {long}b
          | {long}c
        ]+
      }};
  b() :: #{long}{{
    one :: {long},
    two ::
          {long}
        | {long}
        | {long}
  }} \"about b\".

+STATE s
  a() =>
      b() & {long}
    | b() & s
    | b() & {long}.

+STATE {long}
  b() => a() & s.
"
        )
    );
}

#[test]
fn numbers_are_printed_as_they_were_written() {
    for number in ["16#ff", "2#101..16#1f", "-5..-1", "0..", "..7", "1.5", "-0.25", "36#ab"] {
        let text = printed(&format!("+NAME(\"n\"). +VSN(\"v\"). +TYPES a() :: {{{number}}}."));
        assert!(text.contains(&format!("{{{number}}}.")), "{number}: {text}");
    }
    let text = printed("+NAME(\"n\"). +VSN(\"v\"). +TYPES a() :: 0... +ANYSTATE a() => a().");
    assert!(text.contains("a() :: 0.. .\n"), "{text}");
}

#[test]
fn a_large_float_has_no_exponent() {
    let digits = format!("1{}.0", "0".repeat(100));
    let text = printed(&format!("+NAME(\"n\"). +VSN(\"v\"). +TYPES a() :: {digits}."));
    assert!(text.contains(&digits), "{text}");
}

#[test]
fn older_dialects_are_printed_in_themselves() {
    let text = "+NAME(\"n\"). +VSN(\"v\"). +TYPES a()=#r{x=term(ascii)}|string(ascii).";
    let error = Reader::new().with_dialect(ContractDialect::V1_16).read(text).unwrap_err();
    assert_eq!(error.to_string(), "1:45: this type has no attribute ascii");
    let text = "+NAME(\"n\"). +VSN(\"v\"). +TYPES a()=#r{x=term()}|string( ascii ).";
    assert_eq!(
        printed_in(ContractDialect::V1_16, text),
        "+NAME(\"n\").\n+VSN(\"v\").\n\n+TYPES\n  a() = #r{x = term()} | string(ascii).\n"
    );
    let text = "+NAME(\"n\"). +VSN(\"v\"). +TYPES a()=int()|WORD void(). +STATE s a()=>a()&s. +ANYSTATE a()=>constant().";
    assert_eq!(
        printed_in(ContractDialect::V1_12, text),
        "+NAME(\"n\").\n+VSN(\"v\").\n\n+TYPES\n  a() = int() | void().\n\n+STATE s\n  a() => a() & s.\n\n\
         +ANYSTATE\n  a() => constant().\n"
    );
}

#[test]
fn texts_that_are_no_utf8_are_kept() {
    let text = b"+NAME(\"n\xff\"). +VSN(\"\"). % \xe9\n+TYPES a() :: '\xe4\n' \"\xf6\".";
    let printed = Reader::new().read(text).unwrap().print();
    assert_eq!(
        printed,
        b"+NAME(\"n\xff\").\n+VSN(\"\"). % \xe9\n\n+TYPES\n  a() :: '\xe4\n' \"\xf6\".\n"
    );
}
