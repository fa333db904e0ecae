# The image of the agent, for those who have a container engine and a registry (`make image` makes the same without either). Both come from
# scripts/image: the files of programs.txt from Debian packages, Node and the npm packages of package-lock.json, and the agent's bundle. Nothing else
# is in it, so there is no base image to keep up with; build it again for Debian's security updates.
#
#   docker buildx build --platform linux/amd64,linux/arm64 -t REGISTRY/understudy-agent:0.1.0 --push .
#
# It needs rights: what each is for is said in deploy/ and docs/security.md.

# Pinned by release. The build runs on the builder's own processor, for either: nothing of the image is executed.
FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
WORKDIR /understudy
# First what changes rarely.
COPY package.json package-lock.json .npmrc ./
COPY packages/protocol/package.json packages/protocol/
COPY packages/native/package.json packages/native/
COPY packages/agent/package.json packages/agent/
COPY packages/client/package.json packages/client/
COPY packages/cli/package.json packages/cli/
COPY docs/package.json docs/
COPY examples/package.json examples/
COPY bench/package.json bench/
COPY test/package.json test/
RUN npm ci --ignore-scripts --loglevel=error
COPY . .
RUN node scripts/bundle/build.ts
ARG TARGETARCH
RUN node scripts/image/build.ts --arch "$TARGETARCH" --root /image

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /
# Clients give the same command with their own arguments.
CMD ["./mirrord-agent"]
LABEL org.opencontainers.image.title="understudy-agent" \
      org.opencontainers.image.licenses="MIT"
