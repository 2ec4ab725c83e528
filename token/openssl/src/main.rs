//! Builds OpenSSL for the embedded token into the folder named on the command line.
//!
//! `openssl-sys` would build it again for every profile and every selection of features, several minutes each. The
//! Makefile runs this once and points `OPENSSL_DIR` there; without the Makefile all works as well, only slower.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return ExitCode::FAILURE;
    };
    let target = env!("ATTESTAMP_OPENSSL_TARGET");
    openssl_src::Build::new().target(target).host(target).out_dir(folder).build();
    ExitCode::SUCCESS
}
