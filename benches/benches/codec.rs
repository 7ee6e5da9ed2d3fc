//! Decoding and encoding one packet.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ubf_codec::{Decoder, Encoder, Style, Term};

fn documents() -> [(&'static str, Term); 3] {
    [("rpc", benches::rpc()), ("records", benches::records()), ("messages", benches::messages())]
}

/// The same document as JSON: atoms as strings, tuples as arrays.
fn to_json(term: &Term) -> serde_json::Value {
    let text = |text: &ubf_codec::Text| serde_json::Value::from(text.as_str().unwrap_or_default());
    match term {
        Term::Integer(value) => value.to_i64().into(),
        Term::Atom(name) => text(name),
        Term::String(string) => text(string),
        Term::Tuple(elements) | Term::List(elements) => elements.iter().map(to_json).collect(),
        Term::Undefined | Term::Binary(_) | Term::Tagged(_) => serde_json::Value::Null,
    }
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, term) in documents() {
        let packet = Encoder::new().encode(&term);
        let json = to_json(&term).to_string();
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&packet).map(|packet| packet.to_term()), Ok(term));

        group.throughput(Throughput::Bytes(packet.len() as u64));
        group.bench_function(BenchmarkId::new("borrowed, fresh", name), |b| {
            b.iter(|| ubf_codec::decode(black_box(&packet)).map(|packet| packet.summary()));
        });
        group.bench_function(BenchmarkId::new("borrowed, recycled", name), |b| {
            b.iter(|| {
                let packet = decoder.decode(black_box(&packet))?;
                decoder.recycle(packet);
                Ok::<_, ubf_codec::DecodeError>(())
            });
        });
        group.bench_function(BenchmarkId::new("check", name), |b| b.iter(|| decoder.check(black_box(&packet))));
        group.bench_function(BenchmarkId::new("owned", name), |b| {
            b.iter(|| ubf_codec::decode(black_box(&packet)).map(|packet| packet.to_term()));
        });
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(BenchmarkId::new("serde_json Value", name), |b| {
            b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&json)));
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for (name, term) in documents() {
        let json = to_json(&term);
        let plain = Encoder::new().encode(&term);
        let packet = ubf_codec::decode(&plain);
        group.throughput(Throughput::Bytes(plain.len() as u64));
        for style in [Style::Plain, Style::Cached] {
            let mut encoder = Encoder::new().with_style(style);
            let mut buffer = Vec::new();
            group.bench_function(BenchmarkId::new(format!("{style:?}, owned"), name), |b| {
                b.iter(|| {
                    buffer.clear();
                    encoder.encode_to(black_box(&term), &mut buffer);
                    buffer.len()
                });
            });
            group.bench_function(BenchmarkId::new(format!("{style:?}, borrowed"), name), |b| {
                b.iter(|| {
                    buffer.clear();
                    if let Ok(packet) = &packet {
                        encoder.encode_to(black_box(packet), &mut buffer);
                    }
                    buffer.len()
                });
            });
            print_size(name, style, buffer.len() * 100 / plain.len());
        }
        let mut buffer = Vec::new();
        group.bench_function(BenchmarkId::new("serde_json Value", name), |b| {
            b.iter(|| {
                buffer.clear();
                serde_json::to_writer(&mut buffer, black_box(&json)).map(|()| buffer.len())
            });
        });
    }
    group.finish();
}

#[expect(clippy::print_stderr, reason = "benchmarks report to people")]
fn print_size(name: &str, style: Style, percent: usize) {
    eprintln!("{name}: {style:?} takes {percent} % of the bytes of Plain");
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
