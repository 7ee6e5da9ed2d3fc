//! A term out of any bytes: they are a little program for a stack, so that terms become deep, wide
//! and repetitive.

use arbitrary::{Result, Unstructured};
use ubf_codec::{Integer, Term};

/// Beyond so many nodes, or bytes of text, nothing more is copied.
const MAX_NODES: usize = 600;
const MAX_BYTES: usize = 6_000;

/// The term of these bytes. Every sequence of bytes has one.
pub(super) fn any_term(bytes: &[u8]) -> Term {
    let mut input = Unstructured::new(bytes);
    let mut stack: Vec<Sized> = Vec::new();
    while !input.is_empty() {
        if step(&mut input, &mut stack).is_err() {
            break;
        }
    }
    if stack.len() == 1 { stack.remove(0).term } else { group(stack, Term::tuple).term }
}

/// A term, its nodes and its bytes of text.
#[derive(Clone)]
struct Sized {
    term: Term,
    nodes: usize,
    bytes: usize,
}

fn step(input: &mut Unstructured<'_>, stack: &mut Vec<Sized>) -> Result<()> {
    let pushed = match input.int_in_range(0..=15)? {
        0 => leaf(Term::Undefined, 0),
        1 | 2 => leaf(Term::from(input.int_in_range(-100..=1_000)?), 0),
        3 => leaf(Term::from(input.arbitrary::<i128>()?), 40),
        4 => large_integer(input)?,
        5 | 6 => text(input, Term::atom)?,
        7 | 8 => text(input, Term::string)?,
        9 => text(input, Term::binary)?,
        10 => match Term::float(input.arbitrary()?) {
            Some(float) => Sized { term: float, nodes: 2, bytes: 24 },
            None => return Ok(()),
        },
        11 => {
            let count = input.int_in_range(0..=stack.len().min(8))?;
            group(stack.split_off(stack.len() - count), Term::tuple)
        }
        12 => {
            let count = input.int_in_range(0..=stack.len().min(8))?;
            group(stack.split_off(stack.len() - count), Term::list)
        }
        13 => {
            let Some(Sized { term, nodes, bytes }) = stack.pop() else { return Ok(()) };
            let tag = some_text(input)?;
            Sized { bytes: bytes + tag.len(), term: term.tagged(tag), nodes: nodes + 1 }
        }
        _ => {
            // The same term once more: what the cached encoding is for.
            let Some(again) =
                input.choose_index(stack.len().max(1)).ok().and_then(|index| stack.get(index))
            else {
                return Ok(());
            };
            let nodes: usize = stack.iter().map(|term| term.nodes).sum();
            let bytes: usize = stack.iter().map(|term| term.bytes).sum();
            if nodes + again.nodes > MAX_NODES || bytes + again.bytes > MAX_BYTES {
                return Ok(());
            }
            again.clone()
        }
    };
    stack.push(pushed);
    Ok(())
}

fn leaf(term: Term, bytes: usize) -> Sized {
    Sized { term, nodes: 1, bytes }
}

fn group(elements: Vec<Sized>, make: impl FnOnce(Vec<Term>) -> Term) -> Sized {
    let nodes = 1 + elements.iter().map(|element| element.nodes).sum::<usize>();
    let bytes = elements.iter().map(|element| element.bytes).sum();
    Sized { term: make(elements.into_iter().map(|element| element.term).collect()), nodes, bytes }
}

/// One beyond 64 bits, or near to them.
fn large_integer(input: &mut Unstructured<'_>) -> Result<Sized> {
    let near =
        [i128::from(i64::MIN), i128::from(i64::MAX), i128::from(u64::MAX), i128::MIN, i128::MAX];
    let written = if input.arbitrary()? {
        input.choose(&near)?.saturating_add(input.int_in_range(-2..=2)?).to_string()
    } else {
        let digit = input.int_in_range(1..=9_u8)?;
        digit.to_string().repeat(input.int_in_range(1..=120)?)
    };
    let integer: Integer = written.parse().unwrap();
    Ok(leaf(Term::Integer(integer), written.len()))
}

fn text(input: &mut Unstructured<'_>, make: impl FnOnce(Vec<u8>) -> Term) -> Result<Sized> {
    let text = some_text(input)?;
    let bytes = text.len();
    Ok(leaf(make(text), bytes))
}

/// A word, or bytes with a liking for those that are special somewhere.
fn some_text(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    const WORDS: [&str; 10] =
        ["ok", "error", "undefined", "f", "1.5", "1", "Joe", "foo@bar", "a b", "grüße"];
    const SPECIAL: &[u8] = b"\\\"'`%~{}#&$>-,?\n\0\xff";
    if input.arbitrary()? {
        return Ok(input.choose(&WORDS)?.as_bytes().to_vec());
    }
    let count = input.int_in_range(0..=12)?;
    (0..count)
        .map(
            |_| if input.arbitrary()? { input.arbitrary() } else { input.choose(SPECIAL).copied() },
        )
        .collect()
}
