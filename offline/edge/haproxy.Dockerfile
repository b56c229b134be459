# HAProxy from Debian's package, with the user and the stop signal of the official image.
ARG BASE
FROM ${BASE}

RUN apt-get update --error-on=any \
    && apt-get install -y --no-install-recommends haproxy \
    && rm -rf /var/lib/apt/lists/* \
    && usermod --uid 99 haproxy \
    && groupmod --gid 99 haproxy
USER 99:99
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
