//! The `ubf!` macro.

/// Writes a [`Term`](crate::Term) as it prints.
///
/// | written | term |
/// |---|---|
/// | `ok` | the atom `ok` |
/// | `"Joe"` | a string |
/// | `b"Joe"` | a binary |
/// | `7`, `-7` | an integer |
/// | `1.5`, `-1e-7` | a float: a string tagged `f` |
/// | `?` | undefined |
/// | `{a, b}` | a tuple |
/// | `[a, b]` | a list |
/// | `(expression)` | any Rust value that is `Into<Term>` |
///
/// ```
/// use ubf_codec::{Term, ubf};
///
/// let name = "Joe";
/// let term = ubf!({person, (name), {born, 1950}, [b"raw", ?]});
/// assert_eq!(term.to_string(), r#"{person,"Joe",{born,1950},[<<"raw">>,?]}"#);
///
/// // What is no Rust identifier, or has a tag, is an expression.
/// assert_eq!(ubf!({(Term::atom("Content-Type"))}).to_string(), "{'Content-Type'}");
/// assert_eq!(ubf!([(Term::from(7).tagged("dt"))]).to_string(), "[7`dt`]");
/// ```
#[macro_export]
macro_rules! ubf {
    (@elements [$($done:expr,)*]) => { [$($done,)*] };
    (@elements [$($done:expr,)*] , $($rest:tt)*) => {
        $crate::ubf!(@elements [$($done,)*] $($rest)*)
    };
    (@elements [$($done:expr,)*] - $number:literal $($rest:tt)*) => {
        $crate::ubf!(@elements [$($done,)* $crate::ubf!(-$number),] $($rest)*)
    };
    (@elements [$($done:expr,)*] $next:tt $($rest:tt)*) => {
        $crate::ubf!(@elements [$($done,)* $crate::ubf!($next),] $($rest)*)
    };
    ({ $($elements:tt)* }) => { $crate::Term::tuple($crate::ubf!(@elements [] $($elements)*)) };
    ([ $($elements:tt)* ]) => { $crate::Term::list($crate::ubf!(@elements [] $($elements)*)) };
    (?) => { $crate::Term::Undefined };
    (($value:expr)) => { $crate::Term::from($value) };
    ($name:ident) => { $crate::Term::Atom($crate::Text::from_static(::core::stringify!($name))) };
    ($value:literal) => { $crate::Literal::into_term($value) };
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use crate::Term;

    #[test]
    fn nests_and_takes_negative_numbers() {
        let term = ubf!([{-1, - 2}, [], {}, [[x]], true,]);
        assert_eq!(term.to_string(), "[{-1,-2},[],{},[[x]],true]");
        assert_eq!(ubf!(-5), Term::from(-5));
        assert_eq!(ubf!({1.5, -0.5, 'x', 7_u64}).to_string(), "{1.5,-0.5,\"x\",7}");
        assert_eq!(ubf!(-2.5), Term::float(-2.5).unwrap());
    }
}
