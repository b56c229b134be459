//! Generates messages, clients and servers out of `proto/`. Needs protoc.

use std::path::PathBuf;
use std::{env, error};

const PROTO: &str = "proto/gix/v1/gix.proto";

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let descriptor = PathBuf::from(env::var("OUT_DIR")?).join("gix.bin");
    tonic_build::configure()
        .file_descriptor_set_path(descriptor)
        // The ledger keeps settlements as JSON.
        .message_attribute("gix.v1.Settlement", "#[derive(serde::Deserialize, serde::Serialize)]")
        .compile_protos(&[PROTO], &["proto"])?;
    Ok(())
}
