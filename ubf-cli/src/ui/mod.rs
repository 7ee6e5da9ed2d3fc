//! What people see: data on stdout, messages on stderr, and how both look.

pub(crate) mod brief;
pub(crate) mod excerpt;
pub(crate) mod indent;
pub(crate) mod json;
pub(crate) mod output;
pub(crate) mod palette;
pub(crate) mod reason;
pub(crate) mod report;
pub(crate) mod status;
pub(crate) mod text;
pub(crate) mod units;
