//! The term of a contract, both ways.

use ubf_codec::Term;
use ubf_contract::{Contract, ContractDialect, Reader};

fn read(dialect: ContractDialect, text: &str) -> Contract {
    let contract = Reader::new().with_dialect(dialect).read(text);
    contract.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The term of one type.
fn told(dialect: ContractDialect, definition: &str) -> String {
    let means = if dialect == ContractDialect::V2 { "::" } else { "=" };
    let rules = match dialect {
        ContractDialect::V1_12 => "+STATE s aa() => aa() & s. +ANYSTATE aa() => aa().",
        ContractDialect::V1_16 | ContractDialect::V2 => "+ANYSTATE aa() => aa().",
    };
    let text = format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES aa() {means} {definition}. {rules}");
    let contract = read(dialect, &text);
    let term = contract.to_term();
    let again = Contract::from_term(&term).unwrap_or_else(|error| panic!("{error}: {term}"));
    assert_eq!(again.dialect(), dialect, "{term}");
    assert_eq!(again.types(), contract.types(), "{term}");
    assert_eq!(again.to_term(), term);
    let shown = term.to_string();
    let start = shown.find("{aa,{").unwrap() + "{aa,{".len();
    let rest = shown.get(start..).unwrap();
    let end = rest.find("}},{boolean").or_else(|| rest.find("}}]}}}")).unwrap();
    rest.get(..end).unwrap().to_owned()
}

#[test]
fn types_are_told_as_existing_servers_tell_them() {
    for (definition, expected) in [
        ("x", "{atom,x},[]"),
        ("x \"ab\"", "{atom,x},[97,98]"),
        ("x <<\"ab\">>", "{atom,x},<<\"ab\">>"),
        ("{} | [] | 1", "{alt,{tuple,{}},{alt,{list,0,0,undefined},{integer,1}}},[]"),
        ("{..1, 1.., 1..2}", "{tuple,{{range,infinity,1},{range,1,infinity},{range,1,2}}},[]"),
        (
            "{[x], [x]?, [x]+, [x]{2}, [x]{,2}, [x]{2,3}}",
            "{tuple,{{list,0,infinity,{atom,x}},{list,0,1,{atom,x}},{list,1,infinity,{atom,x}},\
             {list,2,2,{atom,x}},{list,0,2,{atom,x}},{list,2,3,{atom,x}}}},[]",
        ),
        ("{byte()?, any()}", "{tuple,{{prim,0,1,byte},{prim,1,1,{predef,any}}}},[]"),
        ("atom(nonempty,ascii)?", "{prim,0,1,{predef,{atom,[ascii,nonempty]}}},[]"),
        (
            "#r{a::1, b=2::x}",
            "{record,r,[a,b],[[],[{integer,2}]],{{atom,r},{integer,1},{atom,x}}},[]",
        ),
        (
            "##r{a::1}",
            "{record_ext,r,['$fields','$extra',a],[[['$fields','$extra',a]],[],[]],{{atom,r},\
             {alt,{atom,undefined},{tuple,[{atom,'$fields'},{atom,'$extra'},{atom,a}]}},\
             {predef,any},{integer,1}}},[]",
        ),
        (
            "{\"ab\", <<\"c\">>, 1.5}",
            "{tuple,{{string,[97,98]},{binary,<<\"c\">>},{float,1.5}}},[]",
        ),
    ] {
        assert_eq!(told(ContractDialect::V2, definition), expected);
    }
}

#[test]
fn older_dialects_tell_types_in_their_own_way() {
    use ContractDialect::{V1_12, V1_16};
    for (dialect, definition, expected) in [
        (V1_16, "{x, term()}", "{tuple,[{atom,x},{prim,1,1,{predef,term}}]},[]"),
        (V1_16, "[x]{2}", "{list,{integer,1,2},{integer,1,2},{atom,x}},[]"),
        (
            V1_16,
            "#r{a=1}",
            "{record,r,[{alt,{atom,undefined},{tuple,[{atom,a}]}},{predef,term},{integer,1}]},[]",
        ),
        (V1_12, "{x, [int()]}", "{tuple,[{constant,x},{list,{prim,int}}]},[]"),
        (V1_12, "\"ab\" | 1", "{alt,{string,[97,98]},{integer,1}},[]"),
    ] {
        assert_eq!(told(dialect, definition), expected);
    }
}

#[test]
fn the_newest_dialect_tells_all_sorted() {
    let contract = read(
        ContractDialect::V2,
        "+NAME(\"m\"). +VSN(\"1\"). +TYPES b() :: b; a() :: a.
         +STATE z a() => b() & z; EVENT => a(). +STATE y b() => a() & z.
         +ANYSTATE b() => a(); a() => b(); EVENT <= b().",
    );
    let shown = contract.to_term().to_string();
    assert!(
        shown.starts_with(
            "{contract,{{name,\"m\"},{states,[\
             {y,[{input,{prim,1,1,b},[{output,{prim,1,1,a},z}]}]},\
             {z,[{input,{prim,1,1,a},[{output,{prim,1,1,b},z}]},{event_out,{prim,1,1,a}}]}]},\
             {anystate,[{event_in,{prim,1,1,b}},{{prim,1,1,a},{prim,1,1,b}},{{prim,1,1,b},{prim,1,1,a}}]},\
             {types,[{a,{{atom,a},[]}},{b,{{atom,b},[]}},{boolean,"
        ),
        "{shown}"
    );
}

#[test]
fn what_is_no_contract_is_told_to_be_none() {
    let good = read(ContractDialect::V2, "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() :: a.").to_term();
    let good = good.to_string();
    assert!(Contract::from_term(&good.parse::<Term>().unwrap()).is_ok());
    for (from, to, expected) in [
        ("{name,\"m\"}", "{name,m}", "expected a string, found m"),
        ("{name,\"m\"}", "{nom,\"m\"}", "expected {name,…}, found {nom,\"m\"}"),
        ("{atom,a}", "{atom,'a\\'b'}", "expected a name without a quote in it, found 'a\\'b'"),
        ("{atom,a}", "{prim,1,1,b}", "type b() is not defined"),
        ("{atom,a}", "{atom}", "expected a type, found {atom}"),
        (
            "{atom,a}",
            "{range,infinity,infinity}",
            "expected a range with a bound, found {range,infinity,infinity}",
        ),
        (
            "{states,[]}",
            "{states,[{stop,[]}]}",
            "no state may be called stop, which is the end of a session",
        ),
    ] {
        let bad: Term = good.replacen(from, to, 1).parse().unwrap();
        assert_eq!(Contract::from_term(&bad).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_type_that_is_too_deep_is_an_error_and_no_crash() {
    let mut deep = Term::tuple([Term::atom("atom"), Term::atom("a")]);
    for _ in 0..100_000 {
        deep = Term::tuple([Term::atom("tuple"), Term::tuple([deep])]);
    }
    let pair = Term::tuple([deep, Term::list([])]);
    let types = Term::list([Term::tuple([Term::atom("a"), pair])]);
    let part = |name: &str, value| Term::tuple([Term::atom(name), value]);
    let answer = Term::tuple([
        part("name", Term::from("m")),
        part("states", Term::list([])),
        part("anystate", Term::list([])),
        part("types", types),
    ]);
    assert!(Contract::from_term(&answer).is_err());
}
