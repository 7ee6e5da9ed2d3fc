//! How often each operation takes memory, as JSON. Another program than the report's, because
//! counting slows the allocator down.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};

use benches::measure::Allocations;

fn main() -> Result<(), benches::Error> {
    let mut found = Vec::new();
    for document in benches::work::documents() {
        for mut operation in benches::work::operations(document)? {
            // The first time, what is kept from one time to the next takes its memory.
            operation.run();
            let counted = allocation_counter::measure(|| operation.run());
            found.push(Allocations {
                key: operation.key,
                count: counted.count_total,
                peak_bytes: counted.bytes_max,
            });
        }
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &found)?;
    Ok(out.flush()?)
}
