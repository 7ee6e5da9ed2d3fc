//! All operations on all documents, ours and the peers', under criterion. `cargo bench -p benches
//! -- 'decode.*twitter'` runs some.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[expect(clippy::panic, reason = "an operation that is wrong must not be measured")]
fn operations(c: &mut Criterion) {
    for document in benches::work::documents() {
        // Each operation has been checked to find, or to write, what the document says.
        let operations =
            benches::work::operations(document).unwrap_or_else(|error| panic!("{error}"));
        for mut operation in operations {
            let mut group = c.benchmark_group(operation.key.work.as_str());
            group.throughput(Throughput::Bytes(operation.bytes as u64));
            let id = BenchmarkId::new(&operation.key.by, document);
            group.bench_function(id, |bencher| bencher.iter(|| operation.run()));
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = operations
}
criterion_main!(benches);
