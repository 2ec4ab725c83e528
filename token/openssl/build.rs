//! Tells the program which target it was compiled for; only build scripts know.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(target) = std::env::var("TARGET") {
        println!("cargo::rustc-env=ATTESTAMP_OPENSSL_TARGET={target}");
    }
}
