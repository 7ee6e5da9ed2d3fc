//! The types that every contract of 2.x has without defining them.

use alloc::vec::Vec;

use crate::dialect::ContractDialect;
use crate::model::{Origin, TypeDef};
use crate::read;

/// Their definitions, in UBF(B).
pub(crate) const TEXT: &str = "+TYPES
boolean() :: 'false' | 'true';
byte() :: 0..255;
char() :: 0..16#10ffff;
mfa() :: {atom(), atom(), byte()};
module() :: atom();
neg_integer() :: ..-1;
nil() :: [];
no_return() :: none();
node() :: atom();
non_neg_integer() :: 0..;
nonempty_string() :: [char()]+;
number() :: integer() | float();
pos_integer() :: 1..;
string() :: [char()];
term() :: any();
timeout() :: 'infinity' | non_neg_integer();
ubfproplist() :: {'#P', [{term(), term()}]};
ubfstring() :: {'#S', [byte()]}.
";

/// The built-in types of a dialect. Only 2.x has some.
pub(crate) fn types(dialect: ContractDialect) -> Vec<(Origin, TypeDef)> {
    match dialect {
        ContractDialect::V2 => read::definitions(TEXT, dialect)
            .into_iter()
            .map(|definition| (Origin::BuiltIn, definition))
            .collect(),
        ContractDialect::V1_12 | ContractDialect::V1_16 => Vec::new(),
    }
}
