# A Rust builder out of Debian's packages, with on board what the official rust image has, and cargo-chef.
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

# Without optimisation, which would take minutes to gain milliseconds: the work is in the cargo that it calls.
ARG CARGO_CHEF=0.1.78
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=tmpfs,target=/tmp/target \
    CARGO_TARGET_DIR=/tmp/target CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_STRIP=true \
    cargo install cargo-chef --locked --version "${CARGO_CHEF}" --profile dev \
    && rm -f /usr/local/cargo/.package-cache* /usr/local/cargo/.global-cache
