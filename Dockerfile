# Pinned by version; override it for a mirror, a digest or another Node: --build-arg BASE=…
ARG BASE=docker.io/library/node:20.20.2-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package of ours needs its install scripts, so none gets to run one.
RUN npm ci --ignore-scripts --include=dev --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json tsconfig.client.json ./
COPY src ./src
COPY client ./client
RUN npm run build

FROM ${BASE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund && npm cache clean --force

FROM ${BASE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Holdfast" \
      org.opencontainers.image.description="A chat backend whose answers survive their connection" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# All that is ever written is in /data (and /tmp, for libraries), so the root can be read-only.
# A HOST that others can reach makes AUTH_MODE=dev refuse to start, unless it is allowed in so many words.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data \
    LANGSMITH_TRACING=false
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY web ./web
COPY package.json LICENSE ./
COPY deploy/healthcheck.mjs ./deploy/healthcheck.mjs
# By number: a cluster that wants to know that it is not root can't look up a name.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
# Lives, not ready: a store that is away for a minute is no reason to kill whoever waits for it.
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
  CMD ["node", "/app/deploy/healthcheck.mjs", "/healthz"]
# Node itself is the process that gets SIGTERM; no npm and no shell in between.
ENTRYPOINT ["node", "/app/dist/main.js"]
