//! Exports the embedded token's C entry points from this package's programs and tests (see `token/src/lib.rs`): the
//! linker arguments of a library do not reach the programs that use it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for symbol in ["C_GetFunctionList", "C_GetInterfaceList", "C_GetInterface"] {
        println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol={symbol}");
    }
}
