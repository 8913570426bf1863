//! What this machine can do at best, as a Markdown table: `cargo bench -p shared --bench roofline`.
//!
//! A sparse convolution loads one cache line for every multiply-add of 16 floats: where its activations are in L2, the row "read,
//! 512 KiB" is its ceiling and not the rate of arithmetic in registers. Every thread has a working set of its own of the size
//! given. A multiply-add counts as two operations; copying counts bytes read and bytes written.

use shared::engine::Isa;
use shared::engine::roofline::{Access, bandwidth, multiply_adds};

const KIB: usize = 1 << 10;
const WORKING_SETS: [(usize, &str); 4] =
    [(32 * KIB, "32 KiB"), (512 * KIB, "512 KiB"), (8192 * KIB, "8 MiB"), (262_144 * KIB, "256 MiB")];
const ACCESSES: [(Access, &str); 4] = [
    (Access::Read, "read, multiply, add"),
    (Access::ReadChunks, "the same, random 1 KiB"),
    (Access::Write, "write"),
    (Access::Copy, "copy"),
];

fn main() {
    let isa = Isa::detect();
    let mut threads = vec![1, std::thread::available_parallelism().map_or(1, usize::from)];
    threads.dedup();
    println!("Instructions: {}\n", isa.name());
    print!("| work | working set a thread |");
    for t in &threads {
        print!(" GB/s, threads: {t} | GFLOP/s, threads: {t} |");
    }
    println!("\n|---|---|{}", "---|".repeat(2 * threads.len()));
    print!("| multiply, add | registers |");
    for &t in &threads {
        print!(" | {:.0} |", 2e-9 * multiply_adds(isa, t));
    }
    println!();
    for (access, what) in ACCESSES {
        for (bytes, size) in WORKING_SETS {
            print!("| {what} | {size} |");
            for &t in &threads {
                let rate = bandwidth(isa, t, access, bytes);
                let reads = matches!(access, Access::Read | Access::ReadChunks);
                // A multiply-add for each 4 bytes.
                let flops = if reads { format!("{:.0}", 0.5e-9 * rate) } else { String::new() };
                print!(" {:.0} | {flops} |", 1e-9 * rate);
            }
            println!();
        }
    }
}
