#!/usr/bin/env python3
"""Writes a Cargo workspace of the real services' shape: three gRPC binaries over about 300 third-party crates.

The sample is small so that a newcomer's first build is short. Build times, and what a builder image must have on
board, show only on a workspace like this one: `protoc` in a `build.rs`, C and C++ code in dependencies, GMP and OpenSSL
linked, a build script and a procedural macro in the workspace itself, no committed `Cargo.lock`.

    python benchmarks/large_workspace.py FOLDER
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = """\
[workspace]
resolver = "2"
members = ["crates/*"]

[workspace.package]
version = "0.3.1"
edition = "2021"
publish = false

[workspace.dependencies]
anyhow = "1"
axum = "0.7"
base64 = "0.22"
blake3 = "1"
chacha20poly1305 = "0.10"
chrono = { version = "0.4", features = ["serde"] }
clap = { version = "4", features = ["derive", "env"] }
dashmap = "6"
ed25519-dalek = { version = "2", features = ["rand_core"] }
futures = "0.3"
gmp-mpfr-sys = { version = "~1.5", default-features = false, features = ["use-system-libs"] }
jsonschema = { version = "0.18", default-features = false }
metrics = "0.24"
metrics-exporter-prometheus = { version = "0.16", default-features = false, features = ["http-listener"] }
openssl = "0.10"
prost = "0.13"
prost-types = "0.13"
rand = "0.8"
rayon = "1"
regex = "1"
reqwest = { version = "0.12", default-features = false, features = ["rustls-tls", "json", "gzip", "http2"] }
rug = { version = "~1.19", default-features = false, features = ["integer"] }
rusqlite = { version = "0.32", features = ["bundled"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
sha2 = "0.10"
thiserror = "1"
tokio = { version = "1", features = ["full"] }
toml = "0.8"
tonic = { version = "0.12", features = ["gzip", "tls"] }
tonic-build = "0.12"
tonic-health = "0.12"
tonic-reflection = "0.12"
tower = { version = "0.5", features = ["full"] }
tower-http = { version = "0.6", features = ["full"] }
tracing = "0.1"
tracing-subscriber = { version = "0.3", features = ["env-filter", "json"] }
uuid = { version = "1", features = ["v4", "v7", "serde"] }
zstd = "0.13"

gix-macros = { path = "crates/gix-macros" }
gix-node = { path = "crates/gix-node" }
gix-proto = { path = "crates/gix-proto" }
"""

PACKAGE = """\
[package]
name = "{name}"
version.workspace = true
edition.workspace = true
publish.workspace = true
"""

MACROS = """\
use proc_macro::TokenStream;

/// The name of this build's macro crate, as a string literal.
#[proc_macro]
pub fn built_with(_: TokenStream) -> TokenStream {
    concat!("\\"", env!("CARGO_PKG_NAME"), "\\"").parse().expect("a literal")
}
"""

PROTO = """\
syntax = "proto3";
package gix.v1;

import "google/protobuf/timestamp.proto";

message Job {
  string id = 1;
  uint64 limit = 2;
  google.protobuf.Timestamp at = 3;
}

message Receipt {
  string id = 1;
  uint64 sequence = 2;
  string result = 3;
  google.protobuf.Timestamp at = 4;
}

service Jobs {
  rpc Submit(Job) returns (Receipt);
}
"""

PROTO_BUILD = """\
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/gix.proto");
    let descriptor = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("gix.bin");
    tonic_build::configure().file_descriptor_set_path(descriptor).compile_protos(&["proto/gix.proto"], &["proto"])?;
    Ok(())
}
"""

PROTO_LIB = """\
tonic::include_proto!("gix.v1");

pub const DESCRIPTOR: &[u8] = tonic::include_file_descriptor_set!("gix");
"""

NODE = """\
//! What the three services share.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use gix_proto::jobs_client::JobsClient;
use gix_proto::jobs_server::{Jobs, JobsServer};
use gix_proto::{Job, Receipt};
use tokio::signal::unix::{signal, SignalKind};
use tonic::transport::Server;

pub fn logging() {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).json().init();
}

pub fn metrics(port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    metrics_exporter_prometheus::PrometheusBuilder::new().with_http_listener(address).install()?;
    Ok(())
}

pub async fn serve(port: u16, jobs: impl Jobs) -> anyhow::Result<()> {
    let (mut reporter, health) = tonic_health::server::health_reporter();
    let reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(gix_proto::DESCRIPTOR);
    reporter.set_serving::<JobsServer<NoJobs>>().await;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    tracing::info!(port, macros = gix_macros::built_with!(), "ready");
    Server::builder()
        .add_service(health)
        .add_service(reflection.build_v1()?)
        .add_service(JobsServer::new(jobs))
        .serve_with_shutdown(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), stop)
        .await
        .context("the port cannot be served")
}

pub async fn pass_on(peer: &str, job: Job) -> Result<Receipt, tonic::Status> {
    let client = JobsClient::connect(format!("http://{peer}")).await;
    let mut client = client.map_err(|error| tonic::Status::unavailable(format!("{peer}: {error}")))?;
    Ok(client.submit(job).await?.into_inner())
}

pub fn now() -> prost_types::Timestamp {
    prost_types::Timestamp::from(std::time::SystemTime::now())
}

struct NoJobs;

#[tonic::async_trait]
impl Jobs for NoJobs {
    async fn submit(&self, _: tonic::Request<Job>) -> Result<tonic::Response<Receipt>, tonic::Status> {
        Err(tonic::Status::unimplemented("no jobs"))
    }
}
"""

ROUTER = """\
use axum::{routing::get, Router};
use clap::Parser;
use gix_proto::{jobs_server::Jobs, Job, Receipt};
use tonic::{Request, Response, Status};

#[derive(Parser)]
struct Settings {
    #[arg(long, env = "GIX_AUCTION_ADDR", default_value = "auction:50052")]
    auction: String,
    #[arg(long, env = "GIX_WEBHOOK")]
    webhook: Option<reqwest::Url>,
}

struct Route {
    settings: Settings,
    seen: dashmap::DashMap<String, uuid::Uuid>,
    http: reqwest::Client,
}

#[tonic::async_trait]
impl Jobs for Route {
    async fn submit(&self, request: Request<Job>) -> Result<Response<Receipt>, Status> {
        let job = request.into_inner();
        let pattern = regex::Regex::new("^[a-z0-9-]{1,64}$").expect("a pattern");
        if !pattern.is_match(&job.id) {
            return Err(Status::invalid_argument("id"));
        }
        self.seen.insert(job.id.clone(), uuid::Uuid::now_v7());
        metrics::counter!("gix_router_jobs_total").increment(1);
        let receipt = gix_node::pass_on(&self.settings.auction, job).await?;
        if let Some(webhook) = &self.settings.webhook {
            let told = self.http.post(webhook.clone()).json(&serde_json::json!({ "id": receipt.id })).send().await;
            told.map_err(|error| Status::unavailable(error.to_string()))?;
        }
        Ok(Response::new(receipt))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    gix_node::logging();
    gix_node::metrics(9001)?;
    let admin = Router::new().route("/schema", get(schema)).layer(tower_http::trace::TraceLayer::new_for_http());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    tokio::spawn(async move { axum::serve(listener, admin).await });
    let route = Route { settings: Settings::parse(), seen: dashmap::DashMap::new(), http: reqwest::Client::new() };
    gix_node::serve(50051, route).await
}

async fn schema() -> String {
    let schema = jsonschema::JSONSchema::compile(&serde_json::json!({ "type": "object" })).expect("a schema");
    schema.is_valid(&serde_json::json!({})).to_string()
}
"""

AUCTION = """\
use std::path::PathBuf;

use ed25519_dalek::{Signer, SigningKey};
use gix_proto::{jobs_server::Jobs, Job, Receipt};
use rusqlite::Connection;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

struct Auction {
    ledger: Mutex<Connection>,
    key: SigningKey,
    enclave: String,
}

#[derive(serde::Serialize)]
struct Line {
    id: String,
    at: chrono::DateTime<chrono::Utc>,
    signature: String,
}

#[tonic::async_trait]
impl Jobs for Auction {
    async fn submit(&self, request: Request<Job>) -> Result<Response<Receipt>, Status> {
        use base64::Engine;
        let mut receipt = gix_node::pass_on(&self.enclave, request.into_inner()).await?;
        let signature = self.key.sign(receipt.result.as_bytes()).to_bytes();
        let signature = base64::engine::general_purpose::STANDARD.encode(signature);
        let line = Line { id: receipt.id.clone(), at: chrono::Utc::now(), signature };
        let line = serde_json::to_vec(&line).map_err(|error| Status::internal(error.to_string()))?;
        let line = zstd::encode_all(&line[..], 3).map_err(|error| Status::internal(error.to_string()))?;
        let ledger = self.ledger.lock().await;
        let written = ledger.execute("insert into ledger (line) values (?1)", [line]);
        written.map_err(|error| Status::internal(error.to_string()))?;
        receipt.sequence = ledger.last_insert_rowid().unsigned_abs();
        receipt.at = Some(gix_node::now());
        metrics::counter!("gix_auction_settlements_total").increment(1);
        Ok(Response::new(receipt))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    gix_node::logging();
    gix_node::metrics(9002)?;
    let folder = PathBuf::from(std::env::var_os("GIX_DATA_DIR").unwrap_or_else(|| "data".into()));
    std::fs::create_dir_all(&folder)?;
    let ledger = Connection::open(folder.join("ledger.db"))?;
    ledger.execute_batch(
        "pragma locking_mode = exclusive; pragma synchronous = full;
         create table if not exists ledger (number integer primary key, line blob not null);
         begin exclusive; commit;",
    )?;
    let key = SigningKey::generate(&mut rand::rngs::OsRng);
    let enclave = std::env::var("GIX_ENCLAVE_ADDR").unwrap_or_else(|_| "enclave:50053".into());
    gix_node::serve(50052, Auction { ledger: Mutex::new(ledger), key, enclave }).await
}
"""

ENCLAVE = """\
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit};
use chacha20poly1305::ChaCha20Poly1305;
use gix_proto::{jobs_server::Jobs, Job, Receipt};
use rayon::prelude::*;
use rug::{integer::IsPrime, Integer};
use sha2::Digest;
use tonic::{Request, Response, Status};

struct Enclave {
    cipher: ChaCha20Poly1305,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("sealing failed")]
    Sealing,
    #[error("OpenSSL: {0}")]
    Library(#[from] openssl::error::ErrorStack),
}

impl Enclave {
    fn run(&self, job: &Job) -> Result<String, Fault> {
        let prime = |number: &u64| Integer::from(*number).is_probably_prime(30) != IsPrime::No;
        let count = (0..job.limit.min(1_000_000)).into_par_iter().filter(prime).count();
        let result = count.to_string();
        let nonce = ChaCha20Poly1305::generate_nonce(&mut rand::rngs::OsRng);
        let sealed = self.cipher.encrypt(&nonce, result.as_bytes()).map_err(|_| Fault::Sealing)?;
        let digest = openssl::sha::sha256(&sealed);
        let same = sha2::Sha256::digest(&sealed);
        let hash = blake3::hash(&sealed);
        let checked = openssl::hash::hash(openssl::hash::MessageDigest::sha256(), &sealed)?;
        debug_assert!(digest == same[..] && *checked == digest);
        Ok(format!("{result} {hash}"))
    }
}

#[tonic::async_trait]
impl Jobs for Enclave {
    async fn submit(&self, request: Request<Job>) -> Result<Response<Receipt>, Status> {
        let job = request.into_inner();
        let result = self.run(&job).map_err(|fault| Status::internal(fault.to_string()))?;
        Ok(Response::new(Receipt { id: job.id, sequence: 0, result, at: None }))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    gix_node::logging();
    let key = ChaCha20Poly1305::generate_key(&mut rand::rngs::OsRng);
    gix_node::serve(50053, Enclave { cipher: ChaCha20Poly1305::new(&key) }).await
}
"""


def manifest(name: str, *dependencies: str, build: tuple[str, ...] = (), library: str = "") -> str:
    """A member's `Cargo.toml`; every dependency comes from the workspace's own list."""

    def table(title: str, names: tuple[str, ...]) -> str:
        return f"\n[{title}]\n" + "".join(f"{each}.workspace = true\n" for each in names) if names else ""

    tables = table("dependencies", dependencies) + table("build-dependencies", build)
    return PACKAGE.format(name=name) + library + tables


SERVICE = ("anyhow", "gix-node", "gix-proto", "metrics", "tokio", "tonic", "tracing")
NODE_NEEDS = (
    "anyhow", "futures", "gix-macros", "gix-proto", "metrics", "metrics-exporter-prometheus", "prost-types",
    "tokio", "toml", "tonic", "tonic-health", "tonic-reflection", "tower", "tracing", "tracing-subscriber",
)  # fmt: skip
ROUTER_NEEDS = ("axum", "clap", "dashmap", "jsonschema", "regex", "reqwest", "serde_json", "tower-http", "uuid")
AUCTION_NEEDS = ("base64", "chrono", "ed25519-dalek", "rand", "rusqlite", "serde", "serde_json", "zstd")
ENCLAVE_NEEDS = (
    "blake3", "chacha20poly1305", "gmp-mpfr-sys", "openssl", "rand", "rayon", "rug", "sha2", "thiserror",
)  # fmt: skip

FILES = {
    "Cargo.toml": ROOT,
    "crates/gix-macros/Cargo.toml": manifest("gix-macros", library="\n[lib]\nproc-macro = true\n"),
    "crates/gix-macros/src/lib.rs": MACROS,
    "crates/gix-proto/Cargo.toml": manifest("gix-proto", "prost", "prost-types", "tonic", build=("tonic-build",)),
    "crates/gix-proto/build.rs": PROTO_BUILD,
    "crates/gix-proto/proto/gix.proto": PROTO,
    "crates/gix-proto/src/lib.rs": PROTO_LIB,
    "crates/gix-node/Cargo.toml": manifest("gix-node", *NODE_NEEDS),
    "crates/gix-node/src/lib.rs": NODE,
    "crates/ajr-router/Cargo.toml": manifest("ajr-router", *SERVICE, *ROUTER_NEEDS),
    "crates/ajr-router/src/main.rs": ROUTER,
    "crates/gcam-node/Cargo.toml": manifest("gcam-node", *SERVICE, *AUCTION_NEEDS),
    "crates/gcam-node/src/main.rs": AUCTION,
    "crates/gsee-runtime/Cargo.toml": manifest("gsee-runtime", *SERVICE, *ENCLAVE_NEEDS),
    "crates/gsee-runtime/src/main.rs": ENCLAVE,
}


def write(folder: Path) -> None:
    """Writes the workspace into a folder that is empty or not there yet."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """The command line; the exit code is 1 when the folder holds something already."""
    parser = argparse.ArgumentParser(description="Writes a Cargo workspace with three gRPC services and their crates.")
    parser.add_argument("folder", type=Path, help="where to; must be empty or not there yet")
    folder: Path = parser.parse_args().folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        sys.stderr.write(f"{folder} is not an empty folder: name one that is, or one that is not there yet\n")
        return 1
    write(folder)
    sys.stdout.write(f"wrote {len(FILES)} files to {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
