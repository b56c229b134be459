# A Rust builder from Debian's packages. It has what the official rust image has, cargo-chef and cargo-auditable.
ARG BASE
FROM ${BASE}

ENV CARGO_HOME=/usr/local/cargo \
    PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RUN apt-get update --error-on=any \
    && apt-get install -y --no-install-recommends \
        autoconf automake bzip2 ca-certificates cargo-web clang cmake curl file g++ gcc git libbz2-dev libc6-dev \
        libclang-dev libcurl4-openssl-dev libffi-dev libgmp-dev liblzma-dev libprotobuf-dev libsqlite3-dev libssl-dev \
        libtool libzstd-dev lld llvm m4 make openssh-client patch perl pkg-config protobuf-compiler python3 rustc-web unzip \
        xz-utils zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*

# Not optimised: that would take minutes and save milliseconds, since both leave the work to cargo.
ARG CARGO_CHEF=0.1.78
ARG CARGO_AUDITABLE=0.7.7
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=tmpfs,target=/tmp/target \
    CARGO_TARGET_DIR=/tmp/target CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_STRIP=true \
    cargo install "cargo-chef@${CARGO_CHEF}" "cargo-auditable@${CARGO_AUDITABLE}" --locked --profile dev \
    && rm -f /usr/local/cargo/.package-cache* /usr/local/cargo/.global-cache
