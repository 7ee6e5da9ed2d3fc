//! Packets and terms as the commands read, explain and write them.

pub(crate) mod documents;
pub(crate) mod hints;
pub(crate) mod input;
pub(crate) mod json_hints;
pub(crate) mod marks;
pub(crate) mod packet_json;
pub(crate) mod passage;
pub(crate) mod side;
pub(crate) mod steps;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod terms;
pub(crate) mod writer;
