//! Erlang's notation of terms: what people read and write.
//!
//! | term | notation |
//! |---|---|
//! | atom | `ok`, `'Content-Type'` |
//! | string | `"Joe"`, on input also in parts side by side, `"Jo" "e"`; bytes that are no UTF-8 text as `\xHH` |
//! | binary | `<<"abc">>`, `<<1,2,255>>` |
//! | integer | `7`, `-7`, on input also `16#ff`, `$a`, `1_000` |
//! | tuple, list | `{a,b}`, `[a,b]` |
//! | list of pairs tagged `map` | on input also `#{a => b}` |
//! | undefined | `?` |
//! | tagged term | the tag after the term, as on the wire: ``7`dt` `` |
//! | float (a string tagged `f` that holds a decimal number) | `1.5`, in its shortest form |
//!
//! A byte order mark at the beginning of a text is passed over, and line ends may be those of
//! Windows.

mod error;
mod parse;
mod print;

pub use self::error::NotationError;
