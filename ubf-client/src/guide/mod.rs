//! Pages on how to use a client, beyond what each item says. There is no code here.

pub mod middleware;
pub mod pooling;
pub mod testing;
pub mod versions;
