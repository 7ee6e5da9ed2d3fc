//! Terms for fuzzers (feature `arbitrary`).

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::term::{Integer, Term, Text};

/// Terms are built on a stack, as in a packet, so that no input makes this recurse.
impl<'a> Arbitrary<'a> for Term {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut stack: Vec<Self> = Vec::new();
        while !u.is_empty() {
            let term = match u.int_in_range(0..=12)? {
                0 => Self::Undefined,
                1 | 2 => Self::from(u.arbitrary::<i64>()?),
                3 => Self::Integer(big_integer(u)?),
                4 | 5 => Self::atom(text(u)?),
                6 | 7 => Self::string(text(u)?),
                8 => Self::binary(u.arbitrary::<Vec<u8>>()?),
                9 => Self::tuple(take(&mut stack, u)?),
                10 => Self::list(take(&mut stack, u)?),
                11 => stack.pop().unwrap_or_default().tagged(text(u)?),
                // What comes again is what registers are for.
                _ => match stack.len().checked_sub(1) {
                    Some(last) => stack.get(u.int_in_range(0..=last)?).cloned().unwrap_or_default(),
                    None => Self::Undefined,
                },
            };
            stack.push(term);
        }
        Ok(if stack.len() == 1 { stack.pop().unwrap_or_default() } else { Self::tuple(stack) })
    }
}

fn take(stack: &mut Vec<Term>, u: &mut Unstructured<'_>) -> Result<Vec<Term>> {
    let count = u.int_in_range(0..=stack.len().min(8))?;
    Ok(stack.split_off(stack.len() - count))
}

fn text(u: &mut Unstructured<'_>) -> Result<Text> {
    let len = u.int_in_range(0..=40)?;
    Ok(Text::from(u.bytes(len.min(u.len()))?))
}

fn big_integer(u: &mut Unstructured<'_>) -> Result<Integer> {
    let value = u.arbitrary::<i128>()?;
    let factor = u.arbitrary::<i128>()?;
    Ok(Integer::from(Integer::from(value).to_big_int() * Integer::from(factor).to_big_int()))
}
