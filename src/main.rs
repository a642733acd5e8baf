//! The program; everything it does is in the library.

use std::process::ExitCode;

/// The writer's work is many small allocations freed on other threads (sled's pages); see docs/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stagepost::cli::run()
}
