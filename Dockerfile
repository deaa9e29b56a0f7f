# Andon for a deployment with Kafka and a ClickHouse server: without the embedded engine, which alone is half a gigabyte.
# With it (`andon serve`, `andon demo` and `andon replay` without a server): docker build --build-arg OMIT=--omit=dev .
ARG NODE=24.21.0-bookworm-slim

FROM node:${NODE} AS packages
ARG OMIT="--omit=dev --omit=optional"
WORKDIR /andon
COPY package.json package-lock.json .npmrc ./
COPY agent/package.json agent/
RUN npm ci ${OMIT} --ignore-scripts && npm cache clean --force

FROM node:${NODE}
ENV NODE_ENV=production NODE_OPTIONS=--disable-warning=TimeoutNegativeWarning
WORKDIR /andon
COPY --from=packages /andon/node_modules node_modules
COPY . .
# What a container writes: secrets made at the first start, and a store where it is embedded. Code stays with root, so nobody changes it.
RUN mkdir /secrets /data && chown node:node /secrets /data
USER node
EXPOSE 4318 4320
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 CMD ["node", "deploy/healthcheck.ts"]
ENTRYPOINT ["node", "main.ts"]
CMD ["serve"]
